/**
 * The metadata contract. A commit is data (checks and writes), never a closure, so that the same
 * contract fits LMDB conditional batches now and one RADOS compound write later.
 *
 * Bounds (`LIMITS.row*`, `scanRows`, `commitWrites`): one partition per commit, row keys up to
 * 1,600 bytes, values 1 byte to 64 KiB, 1,000 rows a scan, 500 writes a commit. Exceeding one is
 * a programmer error (assertion), except key length, which callers check.
 */

declare const brand: unique symbol;

/** Unit of atomicity and of ordering. Short ASCII, e.g. `buckets`, `o/<bucket id>/0`. */
export type Partition = string & { readonly [brand]: 'Partition' };

/** Opaque proof of what was read; changes with every write of the row. */
export type Rev = number & { readonly [brand]: 'Rev' };

export interface Row {
  readonly key: Uint8Array;
  /** Owned by the caller: a copy, valid for ever. */
  readonly value: Uint8Array;
  readonly rev: Rev;
}

export interface Scan {
  readonly prefix: Uint8Array;
  /** Exclusive: rows with `key > after` (bytewise). Need not exist nor carry the prefix. */
  readonly after?: Uint8Array | undefined;
  readonly limit: number;
}

export interface Page {
  readonly rows: readonly Row[];
  /** True when at least one further row matches. */
  readonly more: boolean;
}

export interface Check {
  readonly key: Uint8Array;
  readonly rev: Rev | 'absent';
}

export type Write =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array };

export interface Commit {
  readonly partition: Partition;
  readonly checks: readonly Check[];
  /** Each key at most once. Deleting an absent row is allowed. */
  readonly writes: readonly Write[];
}

export type CommitResult = 'committed' | 'conflict';

/**
 * Reads are synchronous: the store is a memory map here, and a distributed engine keeps its hot
 * rows cached or makes this contract asynchronous in one deliberate change.
 */
export interface MetaStore {
  /** Sees only durable commits. */
  get(partition: Partition, key: Uint8Array): Row | undefined;
  /** Bytewise key order. */
  scan(partition: Partition, scan: Scan): Page;
  /**
   * All checks hold and all writes land, or nothing does ('conflict' is an expected value).
   * 'committed' means durable (with `relaxed` durability: handed to the operating system).
   * Throws StoreError('full') when nothing was written for want of room, and any other
   * StoreError only when the outcome is unknown or the store is broken.
   */
  commit(commit: Commit): Promise<CommitResult>;
  /** Names of partitions in byte order, exclusive `after`: maintenance only. */
  partitions(after: string | undefined, limit: number): readonly Partition[];
  /** Bytes on disk, entries, and what an operator should see. */
  stats(): { readonly bytes: number; readonly rows: number };
  close(): Promise<void>;
}
