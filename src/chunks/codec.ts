/**
 * Replication and erasure coding behind one face: which columns a layout has, how a parity
 * column grows from data columns, and how missing columns are rebuilt.
 */
import type { Kernels } from '../wasm/kernels.ts';
import type { Replication } from './chunk-store.ts';

export interface Codec {
  readonly replication: Replication;
  readonly dataColumns: number;
  readonly parityColumns: number;
  readonly cellBytes: number;
  coefficient(parityIndex: number, dataIndex: number): number;
  accumulate(
    parityIndex: number,
    dataIndex: number,
    first: boolean,
    target: number,
    source: number,
    length: number,
  ): void;
  repair(
    present: ReadonlyMap<number, number>,
    missing: ReadonlyMap<number, number>,
    length: number,
  ): void;
}

export declare function codecFor(replication: Replication, kernels: Kernels): Codec;
