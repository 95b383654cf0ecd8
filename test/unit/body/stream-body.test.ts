import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { LIMITS } from '../../../src/base/limits.ts';
import type { Bodies, Body, BodyPlan } from '../../../src/body/body.ts';
import { DIGESTS } from '../../../src/body/body.ts';
import { digestOnce } from '../../../src/body/digests.ts';
import { openBodies } from '../../../src/body/stream-body.ts';
import { Arena } from '../../../src/memory/arena.ts';
import { BodySocket } from '../../support/body-socket.ts';
import { chunkedWire, patterned, piecesOf, planOf, SIGNER } from '../../support/chunked-wire.ts';

const BLOCK = 64 * 1024;
const arena = new Arena(48 * BLOCK, BLOCK);
let bodies: Bodies;

beforeAll(async () => {
  bodies = await openBodies({ arena, threads: 2 });
});

afterAll(() => bodies.close());

const connect = (plan: BodyPlan): BodySocket => new BodySocket(bodies, plan);

async function collect(body: Body): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const block of body.blocks()) {
    expect(block.offset).toBe(block.base);
    parts.push(Buffer.from(block.bytes));
    block.release();
  }
  for (const part of parts.slice(0, -1)) expect(part.length).toBe(BLOCK);
  return Buffer.concat(parts);
}

/** Digest tasks may still be away when a body failed: their blocks come back a moment later. */
async function allBlocksBack(): Promise<void> {
  await expect.poll(() => arena.freeCount, { interval: 2 }).toBe(arena.blockCount);
}

const base64Of = (name: 'crc32c' | 'sha256' | 'crc64nvme', payload: Uint8Array): string =>
  Buffer.from(digestOnce([name], payload).get(name) ?? []).toString('base64');

/** Every payload mode: the wire bytes and the plan for a payload. */
const MODES: Readonly<
  Record<string, (payload: Buffer) => { readonly wire: Buffer; readonly plan: BodyPlan }>
> = {
  identity: (payload) => ({
    wire: Buffer.from(payload),
    plan: planOf(payload.length, {
      digests: DIGESTS,
      expected: [...digestOnce(['sha256', 'md5'], payload)],
      sha256From: 'x-amz-content-sha256',
    }),
  }),
  'signed chunks': (payload) => ({
    wire: chunkedWire(payload, { chunkBytes: 10_000, signer: SIGNER }),
    plan: planOf(payload.length, { framing: 'aws-chunked', digests: DIGESTS, signer: SIGNER }),
  }),
  'signed chunks, each longer than a block': (payload) => ({
    wire: chunkedWire(payload, { chunkBytes: 200_000, signer: SIGNER }),
    plan: planOf(payload.length, { framing: 'aws-chunked', digests: ['md5'], signer: SIGNER }),
  }),
  'signed chunks and trailer': (payload) => ({
    wire: chunkedWire(payload, {
      chunkBytes: BLOCK,
      signer: SIGNER,
      trailer: [`x-amz-checksum-crc32c:${base64Of('crc32c', payload)}`],
    }),
    plan: planOf(payload.length, {
      framing: 'aws-chunked',
      digests: ['md5'],
      signer: SIGNER,
      trailer: 'crc32c',
    }),
  }),
  'unsigned trailer': (payload) => ({
    wire: chunkedWire(payload, {
      chunkBytes: 3000,
      signer: undefined,
      trailer: [`x-amz-checksum-crc64nvme:${base64Of('crc64nvme', payload)}`],
    }),
    plan: planOf(payload.length, { framing: 'aws-chunked', trailer: 'crc64nvme' }),
  }),
  'unsigned chunks, nothing to digest': (payload) => ({
    wire: chunkedWire(payload, { chunkBytes: 8000, signer: undefined }),
    plan: planOf(payload.length, { framing: 'aws-chunked' }),
  }),
};

const SIZES = [
  0,
  1,
  LIMITS.inlineBytes,
  LIMITS.inlineBytes + 1,
  BLOCK,
  3 * BLOCK,
  LIMITS.packedBytes,
  LIMITS.packedBytes + 1,
  30 * BLOCK + 5,
];

describe.each(Object.entries(MODES))('a body of %s', (_, mode) => {
  it.each(SIZES)('of %i bytes comes through whole', async (size) => {
    const payload = patterned(size);
    const { wire, plan } = mode(payload);
    for (const [lands, ...sizes] of [
      [false, 70_001, 13, 999],
      [false, 512 * 1024],
      [true, 70_001, 13, 999],
      [true, 300_000],
    ] as const) {
      const socket = connect(plan);
      socket.lands = lands;
      const [got, settled] = await Promise.all([
        collect(socket.body),
        socket.body.settled,
        socket.send(piecesOf(wire, sizes)),
      ]);
      expect(got.equals(payload)).toBe(true);
      expect(settled.size).toBe(size);
      if (lands && size > 2 * LIMITS.inlineBytes) expect(socket.landed).toBeGreaterThan(size / 8);
      for (const [name, value] of digestOnce(plan.digests, payload)) {
        expect(hex(settled.digests.get(name) ?? new Uint8Array(0)), name).toBe(hex(value));
      }
      await allBlocksBack();
    }
  });
});

describe('the pull side', () => {
  const payload = patterned(30 * BLOCK);

  it('pauses the socket while nobody pulls, and takes no block before', async () => {
    const socket = connect(planOf(payload.length, { digests: ['md5'] }));
    const sent = socket.send(piecesOf(payload, [BLOCK]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(socket.pauses).toBe(1);
    expect(arena.freeCount).toBe(arena.blockCount);
    expect((await collect(socket.body)).equals(payload)).toBe(true);
    await sent;
    await socket.body.settled;
    await allBlocksBack();
  });

  it('bounds what a slow consumer leaves in the arena', async () => {
    const socket = connect(planOf(payload.length, {}));
    const sent = socket.send(piecesOf(payload, [BLOCK / 2]));
    let lowest = arena.blockCount;
    for await (const block of socket.body.blocks()) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      lowest = Math.min(lowest, arena.freeCount);
      block.release();
    }
    await sent;
    // Queue, the one being filled, the one in hand.
    expect(arena.blockCount - lowest).toBeLessThanOrEqual(LIMITS.bodyQueueBlocks + 2);
    await allBlocksBack();
  });

  it('gives documents as bytes, verified, and refuses longer ones', async () => {
    for (const size of [100, 100_000]) {
      const bytes = patterned(size);
      const good = connect(planOf(size, { expected: [...digestOnce(['md5'], bytes)] }));
      const [got] = await Promise.all([good.body.bytes(size), good.send([Buffer.from(bytes)])]);
      expect(Buffer.from(got).equals(bytes)).toBe(true);
      const bad = connect(planOf(size, { expected: [['md5', new Uint8Array(16)]] }));
      const [refused] = await Promise.allSettled([
        bad.body.bytes(size),
        bad.send([Buffer.from(bytes)]),
      ]);
      expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'BadDigest' } });
      const long = connect(planOf(size)).body.bytes(size - 1);
      await expect(long).rejects.toMatchObject({ code: 'MaxMessageLengthExceeded' });
    }
    await allBlocksBack();
  });

  it('is cancelled by a consumer that leaves early', async () => {
    const socket = connect(planOf(payload.length, { digests: ['md5'] }));
    const sent = socket.send(piecesOf(payload, [BLOCK]));
    for await (const block of socket.body.blocks()) {
      block.release();
      break;
    }
    await expect(socket.body.settled).rejects.toThrow('left the body early');
    await sent;
    await allBlocksBack();
  });

  it('waits for its turn when the arena is empty', async () => {
    const held = await arena.acquireMany(arena.maxFor('ingest'), 'ingest');
    const sockets = [3 * BLOCK, 20 * BLOCK].map((size) => ({
      bytes: payload.subarray(0, size),
      socket: connect(planOf(size, { digests: ['crc32'] })),
    }));
    const running = sockets.map(async ({ bytes, socket }) => {
      const sent = socket.send(piecesOf(bytes, [BLOCK]));
      expect((await collect(socket.body)).equals(bytes)).toBe(true);
      await sent;
      await socket.body.settled;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const block of held) block.release();
    await Promise.all(running);
    await allBlocksBack();
  });

  it('finishes more bodies at once than the arena could hold', async () => {
    const total = 40;
    const run = async (index: number): Promise<void> => {
      const bytes = payload.subarray(0, (index % 25) * BLOCK + index);
      const plan = planOf(bytes.length, { expected: [...digestOnce(['sha1'], bytes)] });
      const socket = connect(plan);
      const [got] = await Promise.all([
        collect(socket.body),
        socket.body.settled,
        socket.send(piecesOf(bytes, [150_000, 7])),
      ]);
      expect(got.equals(bytes)).toBe(true);
    };
    await Promise.all(Array.from({ length: total }, (_, index) => run(index)));
    await allBlocksBack();
  });
});
