/** Packed volumes: deleting gives space back, and no entry ever changes its place. */
import { randomBytes } from 'node:crypto';
import { appendFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ChunkRef } from '../../../src/chunks/chunk-store.ts';
import { listChunks, readChunk, writeChunk } from '../../contract/chunk-store.contract.ts';
import { type DatanodeFixture, openDatanodes } from '../../support/datanodes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function diskBytes(fixture: DatanodeFixture, node: number): number {
  const folder = join(fixture.folder(node), 'volumes');
  return readdirSync(folder).reduce(
    (sum, name) => sum + statSync(join(folder, name)).blocks * 512,
    0,
  );
}

interface Stored {
  readonly ref: ChunkRef;
  readonly payload: Buffer;
}

async function fill(fixture: DatanodeFixture, count: number): Promise<Stored[]> {
  const stored: Stored[] = [];
  for (let index = 0; index < count; index += 1) {
    const payload = randomBytes(200 * KIB + index);
    stored.push({ payload, ref: await writeChunk(fixture, 'xor-2-1-1024k', payload) });
  }
  return stored;
}

async function expectReadable(fixture: DatanodeFixture, stored: readonly Stored[]): Promise<void> {
  for (const { ref, payload } of stored) {
    expect((await readChunk(fixture.store, ref)).equals(payload)).toBe(true);
  }
  expect(fixture.store.stats().degradedReads).toBe(0);
}

describe('volumes', () => {
  it('a mostly dead volume is rewritten sparse, a wholly dead one goes', async () => {
    const first = await openDatanodes(3, { volumeBytes: 4 * MIB });
    const stored = await fill(first, 100);
    const full = diskBytes(first, 0);
    const kept = stored.filter((_, index) => index % 10 === 0);
    const dropped = stored.filter((_, index) => index % 10 !== 0);
    await first.store.delete(dropped.map(({ ref }) => ref));
    expect(diskBytes(first, 0)).toBeLessThan(full / 2);
    await expectReadable(first, kept);
    const second = await first.reopen();
    await expectReadable(second, kept);
    expect((await listChunks(second.store)).size).toBe(kept.length);
    await second.store.delete(kept.map(({ ref }) => ref));
    for (const node of [0, 1, 2]) expect(diskBytes(second, node)).toBe(0);
    await second.close();
    second.remove();
  });

  it('a torn tail hides nothing and is not appended to', async () => {
    const first = await openDatanodes(3);
    const stored = await fill(first, 5);
    await first.close();
    for (const node of [0, 1, 2]) {
      const folder = join(first.folder(node), 'volumes');
      for (const name of readdirSync(folder)) appendFileSync(join(folder, name), randomBytes(9000));
    }
    const second = await openDatanodes(3, { directory: first.directory });
    await expectReadable(second, stored);
    const more = await fill(second, 3);
    await expectReadable(second, [...stored, ...more]);
    expect((await listChunks(second.store)).size).toBe(8);
    const third = await second.reopen();
    await expectReadable(third, [...stored, ...more]);
    await third.store.delete([...stored, ...more].map(({ ref }) => ref));
    for (const node of [0, 1, 2]) expect(diskBytes(third, node)).toBe(0);
    await third.close();
    third.remove();
  });

  it('what was dead before a restart is given back after it', async () => {
    const first = await openDatanodes(3);
    const stored = await fill(first, 4);
    await first.store.delete(stored.slice(1).map(({ ref }) => ref));
    const second = await first.reopen();
    await second.store.delete(stored.slice(0, 1).map(({ ref }) => ref));
    const deadlineMs = Date.now() + 5000;
    while (diskBytes(second, 0) > 0 && Date.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(diskBytes(second, 0)).toBe(0);
    await second.close();
    second.remove();
  });
});
