/** Datanodes that vanish while the store runs, and leftovers of a process that died. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StoredShard } from '../../../src/chunks/chunk-store.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import { listChunks, readChunk, writeChunk } from '../../contract/chunk-store.contract.ts';
import { type DatanodeFixture, openDatanodes } from '../../support/datanodes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

async function kindOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof StoreError ? error.kind : String(error);
}

async function finish(fixture: DatanodeFixture): Promise<void> {
  expect(fixture.store.stats().openWriters).toBe(0);
  expect(fixture.arena.freeCount).toBe(fixture.arena.blockCount);
  await fixture.close();
  fixture.remove();
}

/** Like `writeChunk`, but cleans up as a client of the store must. */
async function tryWrite(fixture: DatanodeFixture, length: number): Promise<void> {
  const writer = await fixture.store.create('xor-2-1-1024k', length);
  try {
    for (let at = 0; at < length; at += fixture.arena.blockBytes) {
      const block = await fixture.arena.acquire('ingest');
      block.setWindow(0, Math.min(length - at, fixture.arena.blockBytes));
      await writer.write(block);
    }
    await writer.seal();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

describe('a folder that vanishes under the running store', () => {
  it.each([100 * KIB, 3 * MIB])('reads go on, writes of %d bytes are refused', async (length) => {
    const fixture = await openDatanodes(3);
    const payload = randomBytes(length);
    const ref = await writeChunk(fixture, 'xor-2-1-1024k', payload);
    rmSync(fixture.folder(1), { recursive: true });
    expect(await kindOf(tryWrite(fixture, length))).toBe('unavailable');
    // An empty folder in its place is not ours.
    mkdirSync(fixture.folder(1));
    expect(await kindOf(tryWrite(fixture, length))).toBe('unavailable');
    expect(fixture.store.stats().nodes.map(({ state }) => state)).toEqual(['up', 'gone', 'up']);
    expect(await kindOf(fixture.store.create('xor-2-1-1024k', length))).toBe('unavailable');
    expect((await readChunk(fixture.store, ref)).equals(payload)).toBe(true);
    await fixture.store.delete([ref]);
    expect((await listChunks(fixture.store)).has(ref.id)).toBe(false);
    await finish(fixture);
  });

  it('new chunks go to the datanodes that are left, when they are enough', async () => {
    const fixture = await openDatanodes(5);
    rmSync(fixture.folder(4), { recursive: true });
    let refused = 0;
    for (let index = 0; index < 12; index += 1) {
      const kind = await kindOf(tryWrite(fixture, 100 * KIB));
      if (kind === 'unavailable') refused += 1;
      else expect(kind).toBe('undefined');
    }
    // The first that met the loss found it out for all others.
    expect(refused).toBe(1);
    await finish(fixture);
  });

  it('only the shards of one datanode removed: scrubbing and reading go on', async () => {
    const fixture = await openDatanodes(3);
    const payload = randomBytes(3 * MIB);
    const ref = await writeChunk(fixture, 'xor-2-1-1024k', payload);
    for (const name of ['shards', 'volumes']) {
      rmSync(`${fixture.folder(2)}/${name}`, { recursive: true });
    }
    expect((await readChunk(fixture.store, ref)).equals(payload)).toBe(true);
    expect((await listChunks(fixture.store)).has(ref.id)).toBe(true);
    const more = await writeChunk(fixture, 'xor-2-1-1024k', payload);
    expect((await readChunk(fixture.store, more)).equals(payload)).toBe(true);
    await finish(fixture);
  });
});

describe('too few datanodes', () => {
  it('refuses to write with less redundancy than named', async () => {
    const first = await openDatanodes(3);
    const fixture = await first.reopen([0]);
    expect(await kindOf(fixture.store.create('xor-2-1-1024k', 10))).toBe('unavailable');
    const ref = await writeChunk(fixture, 'two', randomBytes(10));
    expect(ref.nodes.toSorted((left, right) => left - right)).toEqual([1, 2]);
    await finish(fixture);
  });
});

describe('leftovers', () => {
  it('an unsealed chunk is unlisted while it is written, and listed after a crash', async () => {
    const first = await openDatanodes(3);
    const writer = await first.store.create('xor-2-1-1024k', 5 * MIB);
    for (let index = 0; index < 12; index += 1) {
      const block = await first.arena.acquire('ingest');
      block.setWindow(0, first.arena.blockBytes);
      await writer.write(block);
    }
    expect((await listChunks(first.store)).size).toBe(0);
    // Ended without seal or abort: what was written stays, as after a kill.
    const second = await first.reopen();
    const left: StoredShard[] = [];
    for await (const shards of second.store.list(Number.MAX_SAFE_INTEGER)) left.push(...shards);
    expect(left.map(({ column }) => column).toSorted()).toEqual([0, 1, 2]);
    expect(left.every(({ sealed }) => !sealed)).toBe(true);
    await second.store.deleteShards(left);
    expect((await listChunks(second.store)).size).toBe(0);
    await finish(second);
  });

  it('only shards of chunks begun before the given time are listed', async () => {
    const fixture = await openDatanodes(1);
    const beforeMs = Date.now();
    await writeChunk(fixture, 'one', randomBytes(10));
    for await (const shards of fixture.store.list(beforeMs)) expect(shards).toEqual([]);
    expect((await listChunks(fixture.store)).size).toBe(1);
    await finish(fixture);
  });
});
