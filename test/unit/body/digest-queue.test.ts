/**
 * Bodies' digests over real threads: right whatever the interleaving, every block and slot back
 * whatever ends a body, no wait without end, and what happens when threads end.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { LIMITS } from '../../../src/base/limits.ts';
import type { DigestName } from '../../../src/body/body.ts';
import { DigestQueue } from '../../../src/body/digest-queue.ts';
import { DigestSession } from '../../../src/body/digest-session.ts';
import type { Digests } from '../../../src/body/digests.ts';
import { Arena, type Block } from '../../../src/memory/arena.ts';
import { patterned, planOf } from '../../support/chunked-wire.ts';

const BLOCK = 64 * 1024;
const arena = new Arena(64 * BLOCK, BLOCK);
const source = patterned(BLOCK);
let queue: DigestQueue;

beforeAll(async () => {
  queue = await DigestQueue.open(arena.memory, 2);
});
afterAll(() => queue.close());

function blockOf(length: number): Block {
  const block = arena.tryAcquire('ingest');
  if (block === undefined) throw new Error('the arena is too small for this test');
  block.setWindow(0, length);
  block.bytes.set(source.subarray(0, length));
  return block;
}

/** One body on the queue: fed block by block, awaited block by block. */
class Feeder {
  readonly session: DigestSession;
  readonly result: Promise<Digests>;
  #progress: () => void = () => {};

  constructor(digests: readonly DigestName[], on: DigestQueue = queue) {
    let done: (digests: Digests) => void = () => {};
    let failed: (error: Error) => void = () => {};
    this.result = new Promise((resolve, reject) => ([done, failed] = [resolve, reject]));
    this.result.catch(() => {});
    this.session = new DigestSession(on, planOf(1, { digests }), {
      progress: () => this.#progress(),
      done: (result) => done(result),
      failed: (error) => failed(error),
    });
  }

  add(length: number): void {
    const block = blockOf(length);
    this.session.add(block, [{ offset: block.offset, length }]);
    block.release();
  }

  async room(): Promise<void> {
    while (this.session.held > 2) await new Promise<void>((go) => (this.#progress = go));
  }
}

async function expectAllBack(): Promise<void> {
  await expect.poll(() => arena.freeCount, { interval: 1 }).toBe(arena.blockCount);
  await expect.poll(() => queue.bodyCount, { interval: 1 }).toBe(0);
}

const body = fc.record({
  digests: fc.constantFrom<DigestName[]>(['md5'], ['md5', 'crc64nvme'], ['md5', 'sha256']),
  pieces: fc.array(fc.integer({ min: 1, max: BLOCK }), { maxLength: 6 }),
  pauses: fc.array(fc.nat(3), { minLength: 6, maxLength: 6 }),
  abortAfter: fc.option(fc.nat(5), { nil: undefined, freq: 4 }),
});

describe('the digest queue', () => {
  it('gives every body its own digests, whatever the pace, the company and who leaves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 9 }), async (bodies) => {
        await Promise.all(
          bodies.map(async ({ digests, pieces, pauses, abortAfter }) => {
            const feeder = new Feeder(digests);
            const slow = createHash('md5');
            for (const [index, length] of pieces.entries()) {
              if (index === abortAfter) {
                feeder.session.abort();
                return;
              }
              const pause = pauses[index] ?? 0;
              if (pause > 0) await sleep(pause - 1);
              await feeder.room();
              feeder.add(length);
              slow.update(source.subarray(0, length));
            }
            feeder.session.finish([], undefined);
            const md5 = (await feeder.result).get('md5') ?? new Uint8Array(0);
            expect(hex(md5)).toBe(slow.digest('hex'));
          }),
        );
        await expectAllBack();
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('keeps no block waiting for company that does not come', async () => {
    const idle = [new Feeder(['md5']), new Feeder(['md5']), new Feeder(['md5'])];
    const feeder = new Feeder(['md5']);
    feeder.add(1000);
    expect(feeder.session.held).toBe(1);
    await expect.poll(() => feeder.session.held, { interval: 1 }).toBe(0);
    for (const { session } of [...idle, feeder]) session.abort();
    await expectAllBack();
  });

  it('refuses a body when all slots are taken', async () => {
    const plan = planOf(1, { digests: ['md5'] });
    const places = Array.from({ length: LIMITS.digestBodies }, () => queue.begin(plan));
    expect(new Set(places.map(({ slot }) => slot)).size).toBe(LIMITS.digestBodies);
    expect(() => queue.begin(plan)).toThrow(expect.objectContaining({ code: 'SlowDown' }));
    for (const place of places) queue.end(place, undefined);
    await expectAllBack();
  });

  it('spreads bodies that cannot move over the threads, four by four', async () => {
    const plan = planOf(1, { digests: ['md5', 'sha256'] });
    const places = Array.from({ length: 10 }, () => queue.begin(plan));
    expect(places.map(({ root }) => root)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 0, 0]);
    for (const place of places) queue.end(place, place.root);
    const again = queue.begin(plan);
    expect(again.root).toBe(0);
    queue.end(again, undefined);
    const free = queue.begin(planOf(1, { digests: ['md5', 'crc32'] }));
    expect(free.root).toBeUndefined();
    queue.end(free, undefined);
    await expectAllBack();
  });

  it('fails what is away or pending when it closes, and whatever comes later', async () => {
    const closing = await DigestQueue.open(arena.memory, 1);
    const feeders = Array.from({ length: 10 }, () => new Feeder(['md5', 'sha1'], closing));
    for (const feeder of feeders) feeder.add(BLOCK);
    const [first, second] = feeders;
    first?.session.abort();
    await closing.close();
    for (const feeder of feeders.slice(1)) {
      const failed = feeder.result.catch(() => 'failed');
      const idle = new Promise((resolve) => setTimeout(resolve, 100, 'idle'));
      // Its block was digested before the close: the next thing that it asks for fails.
      if ((await Promise.race([failed, idle])) === 'idle') feeder.session.finish([], undefined);
      await expect(feeder.result).rejects.toThrow('ended');
    }
    second?.session.abort();
    const late = new Feeder(['md5'], closing);
    late.add(1);
    late.session.abort();
    const later = new Feeder(['md5'], closing);
    later.add(1);
    await expect(later.result).rejects.toThrow('the digest threads ended');
    expect(closing.bodyCount).toBe(0);
    await expectAllBack();
  });

  it('says when its threads do not start', async () => {
    const small = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    await expect(DigestQueue.open(small, 2)).rejects.toThrow('the digest threads do not start');
  });

  it('reports a thread that ends unasked: what it held is lost', async () => {
    const started: Worker[] = [];
    const listener = (worker: Worker): void => void started.push(worker);
    process.on('worker', listener);
    let report: (error: Error) => void = () => {};
    const fatal = new Promise<Error>((resolve) => (report = resolve));
    const dying = await DigestQueue.open(arena.memory, 1, { onFatal: report });
    process.off('worker', listener);
    await started[0]?.terminate();
    expect((await fatal).message).toContain('the digest thread ended');
    await dying.close();
  });
});
