/**
 * Replication and erasure coding behind one face: which columns a layout has, how a parity
 * column grows block by block from data columns, and how missing columns are rebuilt. Works on
 * spans of the arena by offset; owns no memory and knows neither stripes nor datanodes.
 *
 * Invariant: any `dataColumns` columns of a layout determine all others. Replication is the code
 * with one data column and coefficients 1. Column numbers are data columns, then parity columns.
 */
import { assert } from '../base/assert.ts';
import { gfInverse, gfProduct } from '../wasm/gf256.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { columnsOf } from './chunk-store.ts';
import type { Replication } from './chunk-store.ts';

/** Bytes of one column in one stripe, as in the names of the replications. */
export const CELL_BYTES: number = 1024 * 1024;

/** Rebuilding goes piece by piece, so that what is summed up stays in the first-level cache. */
const PIECE_BYTES = 16 * 1024;

export interface Codec {
  readonly replication: Replication;
  readonly dataColumns: number;
  readonly parityColumns: number;
  readonly cellBytes: number;
  /** What data column `dataIndex` is multiplied by in the sum that is parity `parityIndex`. */
  coefficient(parityIndex: number, dataIndex: number): number;
  /**
   * Adds a piece of a data column to the same piece of a parity column: target = c·source when
   * `first`, else target ^= c·source. Data columns may come in any order, each exactly once;
   * a short last stripe's absent bytes are zeroes and need not be added.
   */
  accumulate(
    parityIndex: number,
    dataIndex: number,
    first: boolean,
    target: number,
    source: number,
    length: number,
  ): void;
  /**
   * Fills the same piece of each `missing` column (number → offset of its target) from the
   * `present` ones (number → offset). At least `dataColumns` must be present; others are ignored.
   * When one column is missing, its target may be where a present one lies, which is lost then.
   */
  repair(
    present: ReadonlyMap<number, number>,
    missing: ReadonlyMap<number, number>,
    length: number,
  ): void;
}

type Matrix = readonly Uint8Array[];

/** Row `column` says how that column is made of the data columns. */
function generatorOf(data: number, parity: number): Matrix {
  const rows: Uint8Array[] = [];
  for (let column = 0; column < data + parity; column += 1) {
    const row = new Uint8Array(data);
    if (column < data) row[column] = 1;
    else for (let index = 0; index < data; index += 1) row[index] = cauchy(column, index, data);
    rows.push(row);
  }
  return rows;
}

/**
 * Every square part of the matrix 1 / (x + y) over distinct x and y is invertible, which is the
 * file's invariant. Dividing each column and then each row by its first element keeps that, and
 * makes the first parity a plain XOR: the cheapest kernel, and all of it for `xor-2-1-1024k`
 * and for copies.
 */
function cauchy(column: number, index: number, data: number): number {
  const element = (x: number, y: number): number => gfInverse(x ^ y);
  const byFirstRow = (at: number): number =>
    gfProduct(element(column, at), gfInverse(element(data, at)));
  return gfProduct(byFirstRow(index), gfInverse(byFirstRow(0)));
}

/** Gauss–Jordan on a copy. Every choice of `dataColumns` rows of a generator is invertible. */
function invert(matrix: Matrix): Matrix {
  const size = matrix.length;
  const rows = matrix.map((row, index) => {
    const wide = new Uint8Array(2 * size);
    wide.set(row);
    wide[size + index] = 1;
    return wide;
  });
  for (let column = 0; column < size; column += 1) {
    const at = rows.findIndex((row, index) => index >= column && row[column] !== 0);
    const pivot = rows[at];
    assert(pivot !== undefined, 'the chosen columns determine the data');
    rows[at] = rows[column] ?? pivot;
    rows[column] = pivot;
    const scale = gfInverse(pivot[column] ?? 0);
    for (const [index, value] of pivot.entries()) pivot[index] = gfProduct(value, scale);
    for (const row of rows) {
      const factor = row[column] ?? 0;
      if (row === pivot || factor === 0) continue;
      for (const [index, value] of pivot.entries()) {
        row[index] = (row[index] ?? 0) ^ gfProduct(factor, value);
      }
    }
  }
  return rows.map((row) => row.subarray(size));
}

/** One row of `left` times `right`. */
function rowProduct(row: Uint8Array, right: Matrix): Uint8Array {
  const sum = new Uint8Array(right.length);
  for (const [index, factor] of row.entries()) {
    for (const [at, value] of (right[index] ?? sum).entries()) {
      sum[at] = (sum[at] ?? 0) ^ gfProduct(factor, value);
    }
  }
  return sum;
}

class MatrixCodec implements Codec {
  readonly replication: Replication;
  readonly dataColumns: number;
  readonly parityColumns: number;
  readonly cellBytes: number = CELL_BYTES;
  readonly #kernels: Kernels;
  readonly #generator: Matrix;
  /** Key: bits of the columns read. At most the 1,001 choices of ten columns out of fourteen. */
  readonly #inverses = new Map<number, Matrix>();

  constructor(replication: Replication, kernels: Kernels) {
    const { data, parity } = columnsOf(replication);
    this.replication = replication;
    this.dataColumns = data;
    this.parityColumns = parity;
    this.#kernels = kernels;
    this.#generator = generatorOf(data, parity);
  }

  coefficient(parityIndex: number, dataIndex: number): number {
    const coefficient = this.#row(this.dataColumns + parityIndex)[dataIndex];
    assert(parityIndex >= 0 && coefficient !== undefined, 'a parity and a data column');
    return coefficient;
  }

  accumulate(
    parityIndex: number,
    dataIndex: number,
    first: boolean,
    target: number,
    source: number,
    length: number,
  ): void {
    const factor = this.coefficient(parityIndex, dataIndex);
    addProduct(this.#kernels, first, factor, target, source, length);
  }

  repair(
    present: ReadonlyMap<number, number>,
    missing: ReadonlyMap<number, number>,
    length: number,
  ): void {
    const sources = [...present].toSorted(([left], [right]) => left - right);
    assert(sources.length >= this.dataColumns, 'enough columns to rebuild the others');
    sources.length = this.dataColumns;
    const inverse = this.#inverse(sources.map(([column]) => column));
    for (const [column, target] of missing) {
      assert(!present.has(column), 'a column is present or missing, not both');
      const factors = rowProduct(this.#row(column), inverse);
      const terms = sources.map(([, source], index) => ({ source, factor: factors[index] ?? 0 }));
      const inPlace = terms.findIndex(({ source }) => source === target);
      assert(inPlace < 0 || missing.size === 1, 'nothing is overwritten that is still needed');
      if (inPlace > 0) terms.unshift(...terms.splice(inPlace, 1));
      for (let at = 0; at < length; at += PIECE_BYTES) {
        const piece = Math.min(PIECE_BYTES, length - at);
        let first = true;
        for (const { source, factor } of terms) {
          if (factor === 0) continue;
          addProduct(this.#kernels, first, factor, target + at, source + at, piece);
          first = false;
        }
      }
    }
  }

  #row(column: number): Uint8Array {
    const row = this.#generator[column];
    assert(row !== undefined, `column ${column} is in the layout`);
    return row;
  }

  #inverse(columns: readonly number[]): Matrix {
    const key = columns.reduce((bits, column) => bits | (1 << column), 0);
    let inverse = this.#inverses.get(key);
    if (inverse === undefined) {
      inverse = invert(columns.map((column) => this.#row(column)));
      this.#inverses.set(key, inverse);
    }
    return inverse;
  }
}

/** target = factor · source when `first`, else target ^= factor · source. */
export function addProduct(
  kernels: Kernels,
  first: boolean,
  factor: number,
  target: number,
  source: number,
  length: number,
): void {
  if (factor === 1) {
    if (first && target !== source) kernels.copy(target, source, length);
    else if (!first) kernels.xorInto(target, source, length);
  } else if (first) {
    kernels.gfMul(target, source, length, factor);
  } else {
    kernels.gfMulAdd(target, source, length, factor);
  }
}

export function codecFor(replication: Replication, kernels: Kernels): Codec {
  return new MatrixCodec(replication, kernels);
}
