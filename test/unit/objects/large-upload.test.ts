/** The largest upload there is, over the real metadata store: 10,000 parts of 5 MiB. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { LIMITS } from '../../../src/base/limits.ts';
import { openLmdbMetaStore } from '../../../src/meta/lmdb-meta-store.ts';
import { content } from '../../support/content.ts';
import { BUCKET, ObjectRoom } from '../../support/object-room.ts';

const PART_BYTES = 5 * 1024 * 1024;
const PARTS = 10_000;

let directory: string;
let room: ObjectRoom;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-upload-'));
  const onFatal = (error: Error): void => {
    throw error;
  };
  const clock = systemClock;
  const meta = openLmdbMetaStore({ directory, durability: 'relaxed', clock, onFatal });
  room = await ObjectRoom.open({ meta, chunkBytesMax: LIMITS.chunkBytes });
  await room.createBucket();
});

afterEach(async () => {
  await room.meta.close();
  rmSync(directory, { recursive: true });
});

describe('an upload of 10,000 parts', () => {
  it('is joined, read at its ends and by part, and reclaimed', async () => {
    const bytes = content(PART_BYTES, 4);
    await room.put('source', bytes);
    const address = await room.createUpload('huge');
    const parts = [];
    for (let from = 1; from <= PARTS; from += 250) {
      const numbers = Array.from({ length: 250 }, (_, index) => from + index);
      const copy = (number: number) => room.copyPart(address, number, 'source');
      parts.push(...(await Promise.all(numbers.map(copy))));
    }
    const startMs = performance.now();
    const { size } = await room.complete(address, parts);
    const completeMs = performance.now() - startMs;
    expect(size).toBe(PARTS * PART_BYTES);
    // Ten times what it takes: it catches quadratic work, not a slow machine.
    expect(completeMs).toBeLessThan(5000);
    if (process.env['SLUICE_TIMES']) process.stderr.write(`complete: ${completeMs} ms\n`);

    const tail = await room.get('huge', { range: { suffix: 10 } });
    expect(tail.equals(bytes.subarray(-10))).toBe(true);
    const seam = { first: 5000 * PART_BYTES - 2, last: 5000 * PART_BYTES + 1 };
    const ends = Buffer.concat([bytes.subarray(-2), bytes.subarray(0, 2)]);
    expect((await room.get('huge', { range: seam })).equals(ends)).toBe(true);
    const { range } = room.store.read(BUCKET, 'huge', { conditions: {}, partNumber: 7777 });
    expect(range).toEqual({ offset: 7776 * PART_BYTES, length: PART_BYTES });

    await room.delete('huge');
    await room.delete('source');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
    const left = room.meta.partitions(undefined, 1000).filter((name) => !name.startsWith('o/'));
    expect(left).toEqual(['buckets']);
  });
});
