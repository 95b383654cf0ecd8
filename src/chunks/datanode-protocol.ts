/**
 * What travels between the front-end thread and a datanode thread: batches of requests one way,
 * batches of replies the other. Spans are windows of the shared arena; requests of one datanode
 * are carried out in the order they were posted.
 */
import type { ShardHeader } from './shard-format.ts';

/** `[offset, length]` in the arena. */
export type SpanPair = readonly [offset: number, length: number];

/** Source of a packed column: spans of the payload, multiplied and summed. */
export interface PackedTerm {
  readonly coefficient: number;
  readonly spans: readonly SpanPair[];
}

/** Volume number and byte offset of an entry. */
export type EntryPlace = readonly [volume: number, offset: number];

/** Where a shard lies: a file of its own, or an entry of a volume. */
export type ShardPlace =
  | { readonly shard: string }
  | { readonly volume: number; readonly offset: number };

/**
 * Data at `at` of a shard file, in whole checksum blocks but for the last write. With `gather` it
 * may be written together with what follows, at the latest before the answer; without, the spans
 * are free for the next request of the same batch.
 */
export interface WriteRequest {
  readonly kind: 'write';
  readonly shard: string;
  readonly at: number;
  readonly spans: readonly SpanPair[];
  readonly gather: boolean;
}

/** target = c·source when `first`, else target ^= c·source. */
export interface AccumulateRequest {
  readonly kind: 'accumulate';
  readonly target: number;
  readonly source: number;
  readonly length: number;
  readonly coefficient: number;
  readonly first: boolean;
}

/** Makes a shard file durable. */
export interface SealRequest {
  readonly kind: 'seal';
  readonly shard: string;
  readonly header: ShardHeader;
}

/** Removes a shard file that was not sealed. */
export interface AbortRequest {
  readonly kind: 'abort';
  readonly shard: string;
}

/** Appends an entry to the current volume, durably; `scratch` is an arena block to sum up in. */
export interface AppendRequest {
  readonly kind: 'append';
  readonly header: ShardHeader;
  readonly terms: readonly PackedTerm[];
  readonly scratch: number;
}

/** Reads whole checksum blocks (the last may be short), verified, into the arena. */
export interface ReadRequest {
  readonly kind: 'read';
  readonly place: ShardPlace;
  readonly chunk: string;
  readonly column: number;
  /** Payload bytes of the whole column. */
  readonly dataLength: number;
  readonly at: number;
  readonly length: number;
  readonly target: number;
}

/** Idempotent. */
export interface DeleteRequest {
  readonly kind: 'delete';
  readonly chunk: string;
  readonly column: number;
  readonly place: ShardPlace;
}

/** One page of shards: file folders, then volumes. `cursor` is opaque; undefined at the start. */
export interface ListRequest {
  readonly kind: 'list';
  readonly cursor: string | undefined;
}

export type DatanodeRequest =
  | WriteRequest
  | AccumulateRequest
  | SealRequest
  | AbortRequest
  | AppendRequest
  | ReadRequest
  | DeleteRequest
  | ListRequest
  | { readonly kind: 'close' };

/** `lost`: the datanode's folder is gone, or no longer the one that was opened. */
export type FailureKind = 'missing' | 'corrupt' | 'full' | 'unavailable' | 'lost';

export interface ListedShard {
  readonly chunk: string;
  readonly column: number;
  readonly place: ShardPlace;
  readonly bytes: number;
  readonly sealed: boolean;
}

export interface ListedPage {
  readonly shards: readonly ListedShard[];
  /** Undefined: that was the last page. */
  readonly cursor: string | undefined;
}

export type DatanodeValue = undefined | EntryPlace | ListedPage;

export type DatanodeReply =
  | { readonly id: number; readonly ok: true; readonly value: DatanodeValue }
  | {
      readonly id: number;
      readonly ok: false;
      readonly failure: FailureKind;
      readonly message: string;
    };

export type RequestBatch = readonly (readonly [id: number, request: DatanodeRequest])[];

/** A bare number is the id of a request that was carried out and has nothing to say. */
export interface ReplyBatch {
  readonly replies: readonly (number | DatanodeReply)[];
  /** How many request batches are answered in full with this one. */
  readonly finished: number;
}

/**
 * `direct`: shard files are written around the page cache, where the file system can. `auto`: so
 * where a seal waits for a disk, else (no sync wanted, or no disk below) through the cache.
 */
export type FileAccess = 'auto' | 'buffered' | 'direct';

/** `workerData` of a datanode thread. */
export interface DatanodeSettings {
  readonly directory: string;
  readonly memory: WebAssembly.Memory;
  /** Expected id file; writes into a folder that lost it are refused. */
  readonly id: string;
  /** False: no fsync at all (`relaxed`). */
  readonly durable: boolean;
  readonly volumeBytes: number;
  readonly io: FileAccess;
}
