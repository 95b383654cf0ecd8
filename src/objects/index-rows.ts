/**
 * The loop of every mutation of an object or an upload: read, decide, commit with the revisions
 * that were read, and on conflict read and decide again, bounded. One commit in the index
 * partition of the key decides; what it replaced becomes reclaim rows in the same commit.
 */
import { S3Error } from '../base/s3-error.ts';
import { StoreError } from '../base/store-error.ts';
import { objectKey, reclaimKey, STATE_KEY } from '../meta/keyspace.ts';
import type { Check, Partition, Row, Write } from '../meta/meta-store.ts';
import { decodeObject } from '../meta/object-codec.ts';
import { encodeReclaim } from '../meta/record-codec.ts';
import type { ObjectRecord, ReclaimRecord } from '../meta/records.ts';
import { type Buckets, noSuchBucket, type OpenBucket } from './buckets.ts';
import type { Context } from './context.ts';

const TRIES = 10;
const PAUSE_MS_MAX = 20;

export interface CurrentObject {
  readonly row: Row;
  readonly record: ObjectRecord;
}

export interface Situation {
  readonly bucket: OpenBucket;
  readonly partition: Partition;
  /** Undefined: the key is free. Its revision is checked by the commit. */
  readonly current: CurrentObject | undefined;
  /** The same, delete markers included. */
  readonly latest: CurrentObject | undefined;
  readonly nowMs: number;
}

export interface ReclaimEntry {
  readonly record: ReclaimRecord;
  /** From the commit on; 0 for what nobody can be reading. */
  readonly graceMs: number;
}

export interface Decision<Result> {
  readonly result: Result;
  /** Empty: nothing is to be done. */
  readonly writes: readonly Write[];
  readonly checks?: readonly Check[];
  readonly reclaim?: readonly ReclaimEntry[];
}

export interface MutationTarget {
  readonly bucket: string;
  /**
   * The bucket that was asked for, where something was awaited since: its name may have come to
   * another one, whose owner let nobody in. Undefined: the one that goes by the name now.
   */
  readonly bucketId?: string | undefined;
  readonly key: string;
  /** Decides the error code when others keep winning. */
  readonly conditional: boolean;
}

export class IndexRows {
  readonly #context: Context;
  readonly #buckets: Buckets;
  /** Called after a commit that left reclaim rows, with the earliest due time. */
  onReclaim: (partition: Partition, dueMs: number) => void = () => {};

  constructor(context: Context, buckets: Buckets) {
    this.#context = context;
    this.#buckets = buckets;
  }

  /** The row as it is, undefined when the key is free. One lookup. */
  row(bucket: OpenBucket, key: string): Row | undefined {
    return this.#context.meta.get(this.#buckets.partitionOf(bucket, key), objectKey(key));
  }

  current(bucket: OpenBucket, key: string): CurrentObject | undefined {
    const latest = this.latest(bucket, key);
    return latest?.record.deleteMarker ? undefined : latest;
  }

  /** Delete markers included. */
  latest(bucket: OpenBucket, key: string): CurrentObject | undefined {
    const row = this.row(bucket, key);
    return row && { row, record: decodeObject(row.value) };
  }

  /**
   * `decide` may run several times and may throw S3Error: then nothing was written. A StoreError
   * of the commit passes through: see `wroteNothing` for what may be cleaned up after it.
   */
  async mutate<Result>(
    target: MutationTarget,
    decide: (situation: Situation) => Decision<Result>,
  ): Promise<Result> {
    const { bucket, key } = target;
    const { bucketId = this.#buckets.find(bucket).view.id } = target;
    return await this.#context.turns.take(`object ${bucket}/${key}`, async () => {
      for (let tries = 0; tries < TRIES; tries += 1) {
        const outcome = await this.#attempt({ ...target, bucketId }, decide);
        if (outcome !== 'conflict') return outcome.result;
        await pause(tries);
      }
      throw new S3Error(target.conditional ? 'ConditionalRequestConflict' : 'SlowDown');
    });
  }

  async #attempt<Result>(
    { bucket: name, bucketId, key }: MutationTarget,
    decide: (situation: Situation) => Decision<Result>,
  ): Promise<{ result: Result } | 'conflict'> {
    const { clock, meta } = this.#context;
    // A delete in progress either ends with NoSuchBucket here or opens the bucket again.
    await this.#buckets.find(name).deletion;
    const bucket = this.#buckets.find(name);
    if (bucket.view.id !== bucketId) throw noSuchBucket(name);
    const partition = this.#buckets.partitionOf(bucket, key);
    const state = this.#buckets.stateOf(bucket, partition);
    if (state === undefined) return 'conflict';
    const row = meta.get(partition, objectKey(key));
    const latest = row && { row, record: decodeObject(row.value) };
    const current = latest?.record.deleteMarker ? undefined : latest;
    const nowMs = clock.now();
    const {
      result,
      writes,
      checks = [],
      reclaim = [],
    } = decide({
      bucket,
      partition,
      current,
      latest,
      nowMs,
    });
    if (writes.length === 0) return { result };
    const dues = reclaim.map(({ graceMs }) => nowMs + graceMs);
    const reclaimWrites = reclaim.map((entry, index): Write => ({
      kind: 'put',
      key: reclaimKey(dues[index] ?? nowMs, this.#context.newId()),
      value: encodeReclaim(entry.record),
    }));
    const committed = await meta.commit({
      partition,
      checks: [
        { key: STATE_KEY, rev: state },
        { key: objectKey(key), rev: row?.rev ?? 'absent' },
        ...checks,
      ],
      writes: [...writes, ...reclaimWrites],
    });
    if (committed === 'conflict') {
      bucket.states.delete(partition);
      return 'conflict';
    }
    if (dues.length > 0) this.onReclaim(partition, Math.min(...dues));
    return { result };
  }

  /** What a replaced or deleted object leaves behind. Inline bytes go with their row. */
  replaced(current: CurrentObject | undefined): ReclaimEntry[] {
    if (current === undefined || current.record.data.kind === 'inline') return [];
    const { hold } = current.record.data;
    return [{ record: { kind: 'holds', holds: [hold] }, graceMs: this.#context.graceMs }];
  }
}

/**
 * True when a failed mutation certainly wrote nothing, so that its bytes may go. After any other
 * StoreError of the commit the row may stand, and what it refers to must stay.
 */
export function wroteNothing(error: unknown): boolean {
  return error instanceof S3Error || (error instanceof StoreError && error.kind === 'full');
}

/** Longer each time and never twice the same, so that rivals part. */
function pause(tries: number): Promise<void> {
  const ms = Math.min(PAUSE_MS_MAX, 2 ** tries) * Math.random();
  return new Promise((resolve) => setTimeout(resolve, ms));
}
