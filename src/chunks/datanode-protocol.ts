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

/** Where a shard lies: a file of its own, or an entry of a volume. */
export type ShardPlace = { readonly shard: string } | { readonly volume: number; readonly offset: number };

export type DatanodeRequest =
  /** Data at `at` of a shard file, in whole checksum blocks but for the last write. */
  | { readonly kind: 'write'; readonly shard: string; readonly at: number; readonly spans: readonly SpanPair[] }
  /** target = c·source when `first`, else target ^= c·source. */
  | { readonly kind: 'accumulate'; readonly target: number; readonly source: number; readonly length: number; readonly coefficient: number; readonly first: boolean }
  /** Makes a shard file durable. */
  | { readonly kind: 'seal'; readonly shard: string; readonly header: ShardHeader }
  | { readonly kind: 'abort'; readonly shard: string }
  /** Appends an entry to the current volume, durably; `scratch` is an arena block to sum up in. */
  | { readonly kind: 'append'; readonly header: ShardHeader; readonly terms: readonly PackedTerm[]; readonly scratch: number }
  /** Reads whole checksum blocks (the last may be short), verified, into the arena. */
  | { readonly kind: 'read'; readonly place: ShardPlace; readonly chunk: string; readonly column: number; readonly dataLength: number; readonly at: number; readonly length: number; readonly target: number }
  | { readonly kind: 'delete'; readonly chunk: string; readonly column: number; readonly place: ShardPlace }
  /** One page of shards: file folders, then volumes. `cursor` is opaque; undefined at the start. */
  | { readonly kind: 'list'; readonly cursor: string | undefined }
  | { readonly kind: 'close' };

export type FailureKind = 'missing' | 'corrupt' | 'full' | 'unavailable';

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

export type DatanodeValue = undefined | readonly [volume: number, offset: number] | ListedPage;

export type DatanodeReply =
  | { readonly id: number; readonly ok: true; readonly value: DatanodeValue }
  | { readonly id: number; readonly ok: false; readonly failure: FailureKind; readonly message: string };

export type RequestBatch = readonly (readonly [id: number, request: DatanodeRequest])[];
export type ReplyBatch = readonly DatanodeReply[];

/** `workerData` of a datanode thread. */
export interface DatanodeSettings {
  readonly directory: string;
  readonly memory: WebAssembly.Memory;
  /** Expected id file; writes into a folder that lost it are refused. */
  readonly id: string;
  /** False: no fsync at all (`relaxed`). */
  readonly durable: boolean;
  readonly volumeBytes: number;
}
