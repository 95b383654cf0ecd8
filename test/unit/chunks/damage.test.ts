/** Lost and damaged shards: any `parity` of them change no answer; more never give wrong bytes. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ChunkRef, columnsOf, type Replication } from '../../../src/chunks/chunk-store.ts';
import { LENGTHS, readChunk, writeChunk } from '../../contract/chunk-store.contract.ts';
import { openDatanodes } from '../../support/datanodes.ts';

interface Stored {
  readonly ref: ChunkRef;
  readonly payload: Buffer;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'id.json')
    .map((entry) => join(entry.parentPath, entry.name));
}

async function store(layout: Replication) {
  const { data, parity } = columnsOf(layout);
  const fixture = await openDatanodes(data + parity);
  const stored: Stored[] = [];
  for (const length of LENGTHS) {
    const payload = randomBytes(length);
    stored.push({ payload, ref: await writeChunk(fixture, layout, payload) });
  }
  return { fixture, stored, parity };
}

const LAYOUTS: readonly Replication[] = ['two', 'three', 'xor-2-1-1024k', 'rs-3-2-1024k'];

describe.each(LAYOUTS)('damage under %s', (layout) => {
  it('any lost directories that parity allows change no answer', async () => {
    const { fixture, stored, parity } = await store(layout);
    let current = fixture;
    const { data } = columnsOf(layout);
    for (let first = 0; first < data + parity; first += 1) {
      const lost = Array.from({ length: parity }, (_, index) => (first + index) % (data + parity));
      current = await current.reopen(lost);
      for (const { ref, payload } of stored) {
        expect((await readChunk(current.store, ref)).equals(payload), `${ref.length}`).toBe(true);
        const half = Math.floor(ref.length / 2);
        const tail = await readChunk(current.store, ref, half);
        expect(tail.equals(payload.subarray(half))).toBe(true);
      }
      expect(current.store.stats().degradedReads).toBeGreaterThan(0);
      expect(current.arena.freeCount).toBe(current.arena.blockCount);
    }
    await current.close();
    current.remove();
  });

  it('flipped bytes and truncated files are found and rebuilt', async () => {
    const { fixture, stored } = await store(layout);
    for (const path of filesBelow(fixture.folder(0))) {
      const size = statSync(path).size;
      if (Math.random() < 0.2) {
        truncateSync(path, Math.floor(size / 2));
        continue;
      }
      const bytes = readFileSync(path);
      for (let at = 100; at < size; at += 4096) bytes[at] = (bytes[at] ?? 0) ^ 0x40;
      writeFileSync(path, bytes);
    }
    const current = await fixture.reopen();
    for (const { ref, payload } of stored) {
      expect((await readChunk(current.store, ref)).equals(payload), `${ref.length}`).toBe(true);
    }
    const { corruptShards } = current.store.stats();
    // Of copies only the first is read, so chance decides how many; a cut volume keeps whole
    // entries before the cut.
    const read = stored.filter(({ ref }) => ref.packed === undefined && ref.nodes[0] === 0);
    expect(corruptShards).toBeGreaterThanOrEqual(read.length);
    await current.close();
    current.remove();
  });

  it('more losses than parity give an error, never wrong bytes', async () => {
    const { fixture, stored, parity } = await store(layout);
    const lost = Array.from({ length: parity + 1 }, (_, node) => node);
    for (const node of lost) rmSync(fixture.folder(node), { recursive: true });
    const current = await fixture.reopen(lost);
    let refused = 0;
    for (const { ref, payload } of stored) {
      // A short chunk may lie on the surviving nodes alone.
      const got = await readChunk(current.store, ref).catch((error: unknown) => error);
      if (got instanceof Error) {
        expect(got.message).toContain('too few shards');
        refused += 1;
      } else {
        expect(payload.equals(got as Buffer)).toBe(true);
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(current.arena.freeCount).toBe(current.arena.blockCount);
    await current.close();
    current.remove();
  });
});
