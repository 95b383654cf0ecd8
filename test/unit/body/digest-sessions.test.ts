/**
 * The digests of many bodies in batches against node:crypto and the CRC twins, one body at a
 * time: any pieces, any company, bodies that change threads, and bodies that end early.
 */
import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { DIGESTS, type DigestName } from '../../../src/body/body.ts';
import { DigestSessions, type DigestTask } from '../../../src/body/digest-sessions.ts';
import { DigestSlots } from '../../../src/body/digest-slots.ts';
import { ARENA_RESERVED_BYTES } from '../../../src/memory/arena.ts';
import { loadKernels } from '../../../src/wasm/kernels.ts';
import { XxHash } from '../../../src/wasm/xx-hash.ts';
import { crc } from '../../../src/wasm/scalar.ts';
import { patterned, planOf, SIGNER } from '../../support/chunked-wire.ts';

const BYTES = 256 * 1024;
const SLOTS = 12;
const pages = (ARENA_RESERVED_BYTES + BYTES) / 65_536;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const kernels = loadKernels(memory);
const payload = new Uint8Array(memory.buffer, ARENA_RESERVED_BYTES, BYTES);
payload.set(patterned(BYTES));

function slowDigest(name: DigestName, bytes: Uint8Array): string {
  if (name === 'md5' || name === 'sha1' || name === 'sha256' || name === 'sha512') {
    return createHash(name).update(bytes).digest('hex');
  }
  if (name === 'xxhash64' || name === 'xxhash3' || name === 'xxhash128') {
    return hex(new XxHash(name).update(bytes).digest());
  }
  const digits = name === 'crc64nvme' ? 16 : 8;
  return crc(name, 0n, bytes).toString(16).padStart(digits, '0');
}

/** Signatures of the chunks as AWS documents them, and of the last, empty one. */
function signaturesOf(chunks: readonly Uint8Array[]): string[] {
  const empty = createHash('sha256').digest('hex');
  let previous = SIGNER.seed;
  return [...chunks, new Uint8Array(0)].map((chunk) => {
    const text =
      `AWS4-HMAC-SHA256-PAYLOAD\n${SIGNER.date}\n${SIGNER.scope}\n${previous}\n${empty}\n` +
      createHash('sha256').update(chunk).digest('hex');
    previous = createHmac('sha256', SIGNER.signingKey).update(text).digest('hex');
    return previous;
  });
}

/** Spans of random lengths from a random place on; signed: each is a chunk. */
const stream = fc.record({
  digests: fc.subarray<DigestName>([...DIGESTS]),
  from: fc.nat(1000),
  pieces: fc.array(fc.oneof(fc.nat(200), fc.integer({ min: 64, max: 3000 })), { maxLength: 12 }),
  signed: fc.boolean(),
  /** Aborted after so many tasks. */
  aborted: fc.option(fc.nat(3), { nil: undefined, freq: 5 }),
});
/** For each round: who takes part, with how many steps. */
const rounds = fc.array(
  fc.array(fc.tuple(fc.nat(SLOTS - 1), fc.integer({ min: 1, max: 6 })), { maxLength: 8 }),
  { maxLength: 10 },
);

type Made = typeof stream extends fc.Arbitrary<infer T> ? T : never;

interface Running {
  readonly slot: number;
  readonly bytes: Uint8Array;
  readonly digests: readonly DigestName[];
  steps: (number | string)[];
  tasks: number;
  readonly aborted: number | undefined;
  gone: boolean;
}

function begin(slots: DigestSlots, slot: number, made: Made): Running {
  const { digests, from, pieces, signed, aborted } = made;
  const length = pieces.reduce((sum, piece) => sum + piece, 0);
  const bytes = payload.subarray(from, from + length);
  let at = 0;
  const chunks = pieces.map((piece) => bytes.subarray(at, (at += piece)));
  const signatures = signed ? signaturesOf(chunks) : [];
  const steps: (number | string)[] = [];
  for (const [index, chunk] of chunks.entries()) {
    // Chunks are signed as a whole but may come in two pieces.
    const half = chunk.length >> 1;
    if (half > 0) steps.push(chunk.byteOffset, half);
    if (chunk.length > half) steps.push(chunk.byteOffset + half, chunk.length - half);
    if (signed) steps.push(signatures[index] ?? '');
  }
  if (signed) steps.push(signatures.at(-1) ?? '');
  const signer = signed ? SIGNER : undefined;
  slots.begin(slot, planOf(length, { digests, signer, framing: 'aws-chunked' }));
  return { slot, bytes, digests, steps, tasks: 0, aborted, gone: false };
}

/** The next `count` steps; an offset and its length are one. */
function taskOf(running: Running, count: number): DigestTask {
  let end = 0;
  for (let step = 0; step < count && end < running.steps.length; step += 1) {
    end += typeof running.steps[end] === 'string' ? 1 : 2;
  }
  running.tasks += 1;
  return { slot: running.slot, steps: running.steps.splice(0, end) };
}

describe('digests in batches', () => {
  it('are those of each body alone, whatever the pieces, the company and who leaves', () => {
    fc.assert(
      fc.property(fc.array(stream, { minLength: 1, maxLength: SLOTS }), rounds, (made, plan) => {
        const slots = DigestSlots.create(SLOTS);
        const sessions = new DigestSessions(kernels, slots);
        const all = made.map((one, slot) => begin(slots, slot, one));
        const drops: number[] = [];
        for (const round of plan) {
          const chosen = new Map(round.map(([slot, count]) => [all[slot], count]));
          const tasks: DigestTask[] = [];
          for (const [running, count] of chosen) {
            if (running === undefined || running.gone) continue;
            tasks.push(taskOf(running, count));
            if (running.tasks !== running.aborted) continue;
            running.gone = true;
          }
          const replies = sessions.run({ tasks, drops: drops.splice(0) });
          expect(replies).toEqual(tasks.map(() => ({ kind: 'more' })));
          drops.push(...all.filter(({ gone }) => gone).map(({ slot }) => slot));
        }
        const rest = all.filter(({ gone }) => !gone);
        const tasks = rest.map((running) => ({
          ...taskOf(running, Infinity),
          finish: { trailer: undefined },
        }));
        const replies = sessions.run({ tasks, drops });
        for (const [index, { bytes, digests }] of rest.entries()) {
          const reply = replies[index];
          if (reply?.kind !== 'done') throw new Error(`not done: ${JSON.stringify(reply)}`);
          const found = digests.map((name) => hex(reply.digests.get(name) ?? new Uint8Array(0)));
          expect(found).toEqual(digests.map((name) => slowDigest(name, bytes)));
        }
        expect(sessions.heldCount).toBe(0);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('go on in another thread when no hash is held', () => {
    const slots = DigestSlots.create(1);
    const [first, second] = [0, 1].map(() => new DigestSessions(kernels, slots));
    const chunks = [payload.subarray(0, 9000), payload.subarray(9000, 9100)];
    const [one = '', two = '', last = ''] = signaturesOf(chunks);
    slots.begin(0, planOf(9100, { digests: ['md5', 'crc32'], signer: SIGNER }));
    const at = ARENA_RESERVED_BYTES;
    const begun = first?.run({ tasks: [{ slot: 0, steps: [at, 9000, one] }], drops: [] });
    expect(begun).toEqual([{ kind: 'more' }]);
    expect(first?.heldCount).toBe(0);
    const finish = { trailer: undefined };
    const task = { slot: 0, steps: [at + 9000, 100, two, last], finish };
    const [reply] = second?.run({ tasks: [task], drops: [] }) ?? [];
    if (reply?.kind !== 'done') throw new Error('not done');
    const whole = payload.subarray(0, 9100);
    for (const [name, value] of reply.digests) expect(hex(value)).toBe(slowDigest(name, whole));
  });

  it('hold the hash of an open chunk, and drop it when told to', () => {
    const slots = DigestSlots.create(1);
    const sessions = new DigestSessions(kernels, slots);
    slots.begin(0, planOf(9100, { digests: ['md5'], signer: SIGNER }));
    sessions.run({ tasks: [{ slot: 0, steps: [ARENA_RESERVED_BYTES, 8192] }], drops: [] });
    expect(sessions.heldCount).toBe(1);
    expect(sessions.run({ tasks: [], drops: [0] })).toEqual([]);
    expect(sessions.heldCount).toBe(0);
  });

  it('name the body whose chunk is forged, and no other', () => {
    const slots = DigestSlots.create(6);
    const sessions = new DigestSessions(kernels, slots);
    const tasks = Array.from({ length: 6 }, (_, slot) => {
      const bytes = payload.subarray(slot * 20_000, slot * 20_000 + 9000);
      const [chunk = '', last = ''] = signaturesOf([bytes]);
      slots.begin(slot, planOf(9000, { digests: ['md5'], signer: SIGNER }));
      const forged = slot === 3 ? '0'.repeat(64) : chunk;
      const steps = [bytes.byteOffset, 9000, forged, last];
      return { slot, steps, finish: { trailer: undefined } };
    });
    const kinds = sessions.run({ tasks, drops: [] }).map(({ kind }) => kind);
    expect(kinds).toEqual(['done', 'done', 'done', 'mismatch', 'done', 'done']);
    expect(sessions.heldCount).toBe(0);
  });

  it('report what cannot be, and keep nothing of it', () => {
    const slots = DigestSlots.create(2);
    const sessions = new DigestSessions(kernels, slots);
    slots.begin(0, planOf(100, { digests: ['md5', 'sha1'] }));
    const task = { slot: 0, steps: [ARENA_RESERVED_BYTES + BYTES - 64, 128] };
    const [reply] = sessions.run({ tasks: [task], drops: [] });
    expect(reply).toMatchObject({ kind: 'broken' });
    expect(sessions.heldCount).toBe(0);
  });

  it('leave no key behind', () => {
    const slots = DigestSlots.create(1);
    slots.begin(0, planOf(5, { digests: ['md5'], signer: SIGNER }));
    expect(Buffer.from(slots.memory).includes(SIGNER.scope)).toBe(true);
    slots.wipe(0);
    expect(new Uint8Array(slots.memory).every((byte) => byte === 0)).toBe(true);
  });
});
