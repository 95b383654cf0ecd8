/**
 * The chunk contract: immutable byte strings under unguessable, time-ordered, never reused ids.
 * Replication and erasure coding sit below it. Durability lives in `seal()`.
 */
import type { Block } from '../memory/arena.ts';

declare const brand: unique symbol;
export type ChunkId = string & { readonly [brand]: 'ChunkId' };

/** Replication configurations, named as in Ozone. */
export const REPLICATIONS = [
  'one',
  'two',
  'three',
  'xor-2-1-1024k',
  'rs-3-2-1024k',
  'rs-6-3-1024k',
  'rs-10-4-1024k',
] as const;
export type Replication = (typeof REPLICATIONS)[number];

/** Columns of a layout: data columns, then parity columns; one column on each datanode. */
export function columnsOf(replication: Replication): { data: number; parity: number } {
  switch (replication) {
    case 'one':
      return { data: 1, parity: 0 };
    case 'two':
      return { data: 1, parity: 1 };
    case 'three':
      return { data: 1, parity: 2 };
    case 'xor-2-1-1024k':
      return { data: 2, parity: 1 };
    case 'rs-3-2-1024k':
      return { data: 3, parity: 2 };
    case 'rs-6-3-1024k':
      return { data: 6, parity: 3 };
    case 'rs-10-4-1024k':
      return { data: 10, parity: 4 };
  }
}

/** Everything needed to read or delete a chunk; stored in metadata, so plain JSON. */
export interface ChunkRef {
  readonly id: ChunkId;
  /** Payload bytes. */
  readonly length: number;
  readonly layout: Replication;
  /** Datanode number of each column. */
  readonly nodes: readonly number[];
  /** Packed chunks only: volume number and byte offset of each column's entry. */
  readonly packed?: readonly (readonly [volume: number, offset: number])[];
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * One chunk being written. Single consumer; calls one after the other.
 * `write` takes over one reference of the block whether it resolves or rejects. Every block but
 * the last must be full (`blockBytes`, window at the block's start): shard offsets stay aligned.
 */
export interface ChunkWriter {
  /** Resolves when the next write may start (back-pressure). */
  write(block: Block): Promise<void>;
  /** Durable on every column when it resolves; immutable from here on. */
  seal(): Promise<ChunkRef>;
  /** Idempotent; removes what was written. Never throws. After `seal` it does nothing. */
  abort(): Promise<void>;
}

/** A shard found on a datanode, for scrubbing. */
export interface StoredShard {
  readonly chunk: ChunkId;
  readonly column: number;
  readonly node: number;
  /** Where, for `deleteShards`; opaque outside `chunks/`. */
  readonly place: string;
  readonly bytes: number;
  readonly sealed: boolean;
}

export interface ChunkStoreStats {
  readonly degradedReads: number;
  readonly corruptShards: number;
  readonly missingShards: number;
  readonly openWriters: number;
  readonly nodes: readonly {
    readonly node: number;
    readonly directory: string;
    readonly state: 'up' | 'foreign' | 'gone';
  }[];
}

export interface ChunkStore {
  /** The most payload one chunk holds; longer bodies are lists of chunks. */
  readonly chunkBytesMax: number;
  /**
   * `length` is the exact payload length, always known before (S3 demands it): up to
   * `LIMITS.packedBytes` the chunk is packed, else striped in shard files of its own.
   * Waits for parity blocks when too many writers are open. Throws StoreError.
   */
  create(replication: Replication, length: number, signal?: AbortSignal): Promise<ChunkWriter>;
  /**
   * Blocks in order, covering exactly `range`; the consumer releases each. Block checksums are
   * verified before a byte is yielded; missing or damaged shards are rebuilt from parity.
   * Throws StoreError('corrupt' | 'unavailable') when too few shards are left: never wrong bytes.
   */
  read(ref: ChunkRef, range: ByteRange, signal?: AbortSignal): AsyncIterable<Block>;
  /** Idempotent. A datanode that is gone is skipped: its shards are orphans for the scrub. */
  delete(refs: readonly ChunkRef[]): Promise<void>;
  /** Shards whose chunk was created before `createdBeforeMs`, in batches; open writers excluded. */
  list(createdBeforeMs: number): AsyncIterable<readonly StoredShard[]>;
  deleteShards(shards: readonly StoredShard[]): Promise<void>;
  stats(): ChunkStoreStats;
  close(): Promise<void>;
}
