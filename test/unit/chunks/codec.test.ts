/**
 * Every replication survives every loss it promises to survive: all patterns of up to
 * `parityColumns` missing columns, at odd offsets and lengths, give back the same bytes.
 */
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { REPLICATIONS, columnsOf } from '../../../src/chunks/chunk-store.ts';
import { codecFor } from '../../../src/chunks/codec.ts';
import type { Codec } from '../../../src/chunks/codec.ts';
import { ARENA_RESERVED_BYTES } from '../../../src/memory/arena.ts';
import { loadKernels } from '../../../src/wasm/kernels.ts';
import * as twin from '../../../src/wasm/scalar.ts';

const PAGES = 40;
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
const kernels = loadKernels(memory);
/** Longer than one repair piece, and odd. */
const LENGTH = 16 * 1024 + 37;
const STRIDE = LENGTH + 64;

const offsetOf = (column: number): number => ARENA_RESERVED_BYTES + column * STRIDE + (column % 7);
const rebuiltOf = (column: number): number => offsetOf(column + 15);
const viewOf = (offset: number, length = LENGTH): Uint8Array =>
  new Uint8Array(memory.buffer, offset, length);

function fillData(codec: Codec): void {
  for (let column = 0; column < codec.dataColumns; column += 1) {
    const bytes = viewOf(offsetOf(column));
    let state = column + 1;
    for (let index = 0; index < LENGTH; index += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bytes[index] = state >>> 24;
    }
  }
}

/** Data columns in descending order, in blocks: order must not matter. */
function encode(codec: Codec): void {
  const block = 5001;
  for (let parity = 0; parity < codec.parityColumns; parity += 1) {
    const target = offsetOf(codec.dataColumns + parity);
    for (let at = 0; at < LENGTH; at += block) {
      const length = Math.min(block, LENGTH - at);
      for (let data = codec.dataColumns - 1; data >= 0; data -= 1) {
        const first = data === codec.dataColumns - 1;
        codec.accumulate(parity, data, first, target + at, offsetOf(data) + at, length);
      }
    }
  }
}

function patterns(columns: number, missingMax: number): number[][] {
  const found: number[][] = [];
  for (let bits = 1; bits < 1 << columns; bits += 1) {
    const pattern = [...Array(columns).keys()].filter((column) => (bits >> column) & 1);
    if (pattern.length <= missingMax) found.push(pattern);
  }
  return found;
}

const offsets = (columns: readonly number[], of: (column: number) => number) =>
  new Map(columns.map((column) => [column, of(column)]));

describe.each(REPLICATIONS)('%s', (replication) => {
  const codec = codecFor(replication, kernels);
  const columns = codec.dataColumns + codec.parityColumns;
  const all = [...Array(columns).keys()];

  it('has the columns of its layout', () => {
    const { data, parity } = columnsOf(replication);
    expect([codec.dataColumns, codec.parityColumns]).toEqual([data, parity]);
    expect(codec.cellBytes).toBe(1024 * 1024);
  });

  it('makes parity the sum of its coefficients', () => {
    fillData(codec);
    encode(codec);
    for (let parity = 0; parity < codec.parityColumns; parity += 1) {
      const expected = new Uint8Array(LENGTH);
      for (let data = 0; data < codec.dataColumns; data += 1) {
        const factor = codec.coefficient(parity, data);
        twin.gfMulAdd(expected, viewOf(offsetOf(data)), factor);
      }
      const actual = viewOf(offsetOf(codec.dataColumns + parity));
      expect(Buffer.compare(actual, expected)).toBe(0);
    }
  });

  it('rebuilds every pattern of missing columns', () => {
    fillData(codec);
    encode(codec);
    for (const missing of patterns(columns, codec.parityColumns)) {
      // All lengths matter once; the 1,470 patterns of ten plus four keep to a short one.
      const length = columns > 9 ? 77 : LENGTH;
      const present = all.filter((column) => !missing.includes(column));
      for (const column of missing) viewOf(rebuiltOf(column), LENGTH + 1).fill(0xee);
      codec.repair(offsets(present, offsetOf), offsets(missing, rebuiltOf), length);
      for (const column of missing) {
        const same = Buffer.compare(
          viewOf(rebuiltOf(column), length),
          viewOf(offsetOf(column), length),
        );
        if (same !== 0) expect.unreachable(`column ${column} of lost ${missing.join()}`);
        expect(viewOf(rebuiltOf(column), length + 1)[length]).toBe(0xee);
      }
    }
  });

  it('rebuilds a column where one of the others lies', () => {
    if (codec.parityColumns === 0) return;
    const length = 77;
    for (const missing of all) {
      for (const overwritten of all.filter((column) => column !== missing)) {
        fillData(codec);
        encode(codec);
        // One of exactly as many as are needed, the overwritten among them.
        const spare = all.filter((column) => column !== missing && column !== overwritten);
        const present = [...spare.slice(0, codec.dataColumns - 1), overwritten];
        const target = offsetOf(overwritten);
        codec.repair(offsets(present, offsetOf), new Map([[missing, target]]), length);
        const same = Buffer.compare(viewOf(target, length), viewOf(offsetOf(missing), length));
        if (same !== 0) expect.unreachable(`column ${missing} over ${overwritten}`);
      }
    }
  });

  it('refuses to overwrite a column that another still needs', () => {
    if (codec.parityColumns < 2) return;
    const present = offsets(all.slice(2), offsetOf);
    const inPlace = new Map([
      [0, offsetOf(2)],
      [1, rebuiltOf(1)],
    ]);
    expect(() => codec.repair(present, inPlace, 8)).toThrow(AssertionError);
  });

  it('refuses too few columns and columns it does not have', () => {
    const few = all.slice(0, codec.dataColumns - 1);
    const target = new Map([[columns - 1, rebuiltOf(0)]]);
    expect(() => codec.repair(offsets(few, offsetOf), target, 8)).toThrow(AssertionError);
    const foreign = new Map([[columns, rebuiltOf(0)]]);
    expect(() => codec.repair(offsets(all, offsetOf), foreign, 8)).toThrow(AssertionError);
    expect(() => codec.coefficient(codec.parityColumns, 0)).toThrow(AssertionError);
    expect(() => codec.coefficient(-1, 0)).toThrow(AssertionError);
  });
});

it('keeps the cheap codes cheap: copies and the first parity are plain XOR', () => {
  for (const replication of REPLICATIONS) {
    const codec = codecFor(replication, kernels);
    for (let data = 0; codec.parityColumns > 0 && data < codec.dataColumns; data += 1) {
      expect(codec.coefficient(0, data)).toBe(1);
    }
  }
  expect(codecFor('three', kernels).coefficient(1, 0)).toBe(1);
});

it('never changes its coefficients: shards on disk depend on them', () => {
  const rows = (replication: (typeof REPLICATIONS)[number]): number[][] => {
    const codec = codecFor(replication, kernels);
    return [...Array(codec.parityColumns).keys()].map((parity) =>
      [...Array(codec.dataColumns).keys()].map((data) => codec.coefficient(parity, data)),
    );
  };
  expect(rows('rs-3-2-1024k')).toMatchInlineSnapshot(`
    [
      [
        1,
        1,
        1,
      ],
      [
        1,
        196,
        83,
      ],
    ]
  `);
  expect(rows('rs-6-3-1024k')).toMatchInlineSnapshot(`
    [
      [
        1,
        1,
        1,
        1,
        1,
        1,
      ],
      [
        1,
        225,
        151,
        172,
        82,
        200,
      ],
      [
        1,
        166,
        196,
        238,
        83,
        146,
      ],
    ]
  `);
  expect(rows('rs-10-4-1024k')).toMatchInlineSnapshot(`
    [
      [
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        1,
      ],
      [
        1,
        147,
        138,
        73,
        93,
        161,
        103,
        58,
        99,
        178,
      ],
      [
        1,
        103,
        156,
        151,
        123,
        187,
        166,
        175,
        244,
        83,
      ],
      [
        1,
        58,
        203,
        60,
        48,
        51,
        175,
        52,
        16,
        30,
      ],
    ]
  `);
});
