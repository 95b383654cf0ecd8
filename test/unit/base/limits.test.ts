import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import { columnsOf, REPLICATIONS } from '../../../src/chunks/chunk-store.ts';
import { Arena } from '../../../src/memory/arena.ts';

const MIB = 1024 * 1024;

// Relations between bounds of different rooms: changing one alone has to be noticed here.
describe('the limits', () => {
  it('give every layout whole stripes in a full chunk', () => {
    for (const replication of REPLICATIONS) {
      expect(LIMITS.chunkBytes % (columnsOf(replication).data * MIB), replication).toBe(0);
    }
  });

  it('let the widest layout take all its parity blocks at once from the smallest arena', () => {
    const blocksPerCell = MIB / LIMITS.blockBytes;
    const parityMax = Math.max(...REPLICATIONS.map((name) => columnsOf(name).parity));
    const smallest = new Arena(32 * MIB);
    expect(smallest.maxFor('parity')).toBeGreaterThanOrEqual(parityMax * blocksPerCell);
    expect(smallest.maxFor('ingest')).toBeGreaterThanOrEqual(
      LIMITS.packedBytes / LIMITS.blockBytes,
    );
  });

  it('let the longest legal documents through', () => {
    const part =
      '<Part><PartNumber>10000</PartNumber><ETag>&quot;00000000000000000000000000000000&quot;</ETag>' +
      `<ChecksumSHA256>${'A'.repeat(44)}</ChecksumSHA256></Part>`;
    expect(part.length * LIMITS.partCount).toBeLessThan(LIMITS.completeXmlBytes);
    expect(LIMITS.xmlNodes).toBeGreaterThan(LIMITS.partCount * 4);
    const key = `<Object><Key>${'k'.repeat(LIMITS.keyBytes)}</Key></Object>`;
    expect(key.length * LIMITS.deleteKeyCount).toBeLessThan(LIMITS.deleteXmlBytes);
  });

  it('make every legal object reachable by parts, and every part by one request', () => {
    expect(LIMITS.partBytes * LIMITS.partCount).toBeGreaterThanOrEqual(LIMITS.objectBytes);
    expect(LIMITS.partBytes).toBeLessThanOrEqual(LIMITS.putBytes);
  });

  it('keep an inline object with the largest key, metadata and tags in one row', () => {
    const tags = LIMITS.tagCount * (LIMITS.tagKeyChars + LIMITS.tagValueChars) * 4;
    const attributes = LIMITS.metadataBytes + tags + LIMITS.headerBytes / 4;
    expect(LIMITS.inlineBytes + attributes).toBeLessThan(LIMITS.rowValueBytes);
  });

  it('finish a stop before a reader of replaced bytes loses them', () => {
    expect(LIMITS.drainMs).toBeLessThan(LIMITS.reclaimGraceMs);
  });
});
