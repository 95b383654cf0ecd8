/** The bytes of a shard: headers survive the round trip and nothing else passes for one. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnsOf, REPLICATIONS } from '../../../src/chunks/chunk-store.ts';
import { CELL_BYTES } from '../../../src/chunks/codec.ts';
import {
  checkBlocksOf,
  columnLength,
  decodeHeader,
  encodeHeader,
  entryBytesOf,
  entryTable,
  headerSeed,
  packedCellBytes,
  type ShardHeader,
  tableMatches,
  UNIT,
} from '../../../src/chunks/shard-format.ts';

const SEED = headerSeed('1f0c9a52-8c0e-4b0e-9a38-6f1a3a0f2d11');
const layouts = fc.constantFrom(...REPLICATIONS);

const headers: fc.Arbitrary<ShardHeader> = fc
  .record({ layout: layouts, dataLength: fc.integer({ min: 0, max: 256 * 1024 }) })
  .map(({ layout, dataLength }) => ({
    kind: 'entry',
    chunk: randomBytes(16).toString('hex'),
    column: columnsOf(layout).data,
    layout,
    cellBytes: CELL_BYTES,
    dataLength,
    chunkLength: dataLength * columnsOf(layout).data,
    entryBytes: entryBytesOf(dataLength),
  }));

describe('shard header', () => {
  it('round trip, with the table of an entry inside', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const table = randomBytes(checkBlocksOf(header.dataLength) * 8);
        const unit = encodeHeader(header, table, SEED);
        expect(unit.length).toBe(UNIT);
        expect(decodeHeader(unit, SEED)).toEqual(header);
        expect(entryTable(unit, header.dataLength).equals(table)).toBe(true);
        expect(tableMatches(unit, table)).toBe(true);
        expect(tableMatches(unit, Buffer.concat([table, Buffer.alloc(1)]))).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('any flipped bit, and the header of another datanode, is no header', () => {
    fc.assert(
      fc.property(headers, fc.nat(UNIT - 1), fc.nat(7), (header, at, bit) => {
        const unit = encodeHeader(header, Buffer.alloc(0), SEED);
        expect(decodeHeader(unit, headerSeed('another'))).toBeUndefined();
        expect(decodeHeader(unit, 0n)).toBeUndefined();
        unit[at] = (unit[at] ?? 0) ^ (1 << bit);
        expect(decodeHeader(unit, SEED)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  it('zeroes and a short unit are no header', () => {
    expect(decodeHeader(Buffer.alloc(UNIT), SEED)).toBeUndefined();
    expect(decodeHeader(Buffer.alloc(UNIT - 1), SEED)).toBeUndefined();
  });
});

describe('column lengths', () => {
  it('data columns hold the payload, the first is the longest, parity is as long as it', () => {
    const lengths = fc.integer({ min: 1, max: 240 * 1024 * 1024 });
    fc.assert(
      fc.property(layouts, lengths, fc.boolean(), (layout, length, packed) => {
        const { data, parity } = columnsOf(layout);
        const chunkLength = packed ? (length % (512 * 1024)) + 1 : length;
        const cell = packed ? packedCellBytes(layout, chunkLength) : CELL_BYTES;
        const all = Array.from({ length: data + parity }, (_, column) =>
          columnLength(layout, cell, chunkLength, column),
        );
        const ofData = all.slice(0, data);
        expect(ofData.reduce((sum, one) => sum + one, 0)).toBe(chunkLength);
        expect(ofData).toEqual(ofData.toSorted((left, right) => right - left));
        for (const one of all.slice(data)) expect(one).toBe(all[0]);
      }),
    );
  });
});
