/**
 * What lifecycle rules say of versions: noncurrent ones end some days after they were replaced,
 * beyond so many newer ones; delete markers end when nothing is left behind them. Each end is an
 * ordinary removal of that version, so what is locked stays.
 *
 * Invariant: memory is bounded by one page of rows.
 */
import { S3Error } from '../base/s3-error.ts';
import {
  decodeObjectKey,
  decodeVersionKey,
  objectKey,
  VERSION_PREFIX,
  versionsOf,
} from '../meta/keyspace.ts';
import type { Partition, Row } from '../meta/meta-store.ts';
import { decodeListEntry, decodeObject } from '../meta/object-codec.ts';
import type { ObjectRecord } from '../meta/records.ts';
import { nextTurn } from './blobs.ts';
import type { OpenBucket } from './buckets.ts';
import type { Context } from './context.ts';
import { dueMs, type LifecycleRule, matches } from './lifecycle-rules.ts';
import type { Objects } from './objects.ts';
import { idOf, versioningOf } from './versions.ts';

const ROWS_AT_ONCE = 200;

/** One key's older versions on their way past: newest first. */
interface Group {
  readonly key: string;
  /** When the version before this one, which replaced it, was written. */
  newerMs: number;
  /** How many noncurrent versions are newer. */
  rank: number;
}

export class VersionExpiry {
  readonly #context: Context;
  readonly #objects: Objects;

  constructor(context: Context, objects: Objects) {
    this.#context = context;
    this.#objects = objects;
  }

  /** Resolves with how many versions and markers ended. */
  async run(bucket: OpenBucket, rules: readonly LifecycleRule[], nowMs: number): Promise<number> {
    if (versioningOf(bucket) === undefined) return 0;
    const enabled = rules.filter(({ Status }) => Status === 'Enabled');
    const noncurrent = enabled.filter((rule) => rule.NoncurrentVersionExpiration !== undefined);
    const markers = enabled.filter(({ Expiration: end }) => {
      return end?.ExpiredObjectDeleteMarker === true || end?.Days !== undefined;
    });
    let count = 0;
    for (const partition of bucket.partitions) {
      if (noncurrent.length > 0) {
        count += await this.#expireNoncurrent(bucket, partition, noncurrent, nowMs);
      }
      if (markers.length > 0) count += await this.#expireMarkers(bucket, partition, markers, nowMs);
    }
    return count;
  }

  async #expireNoncurrent(
    bucket: OpenBucket,
    partition: Partition,
    rules: readonly LifecycleRule[],
    nowMs: number,
  ): Promise<number> {
    let count = 0;
    let group: Group | undefined;
    for await (const rows of this.#pages(partition, VERSION_PREFIX)) {
      for (const row of rows) {
        const { key } = decodeVersionKey(row.key);
        const record = decodeObject(row.value);
        if (group?.key !== key) group = this.#begin(partition, key);
        if (this.#isOver(rules, record, group, nowMs)) {
          count += await this.#remove(bucket, key, record);
        }
        group.newerMs = record.mtimeMs;
        group.rank += 1;
      }
    }
    return count;
  }

  #begin(partition: Partition, key: string): Group {
    const latest = this.#context.meta.get(partition, objectKey(key));
    // Without a latest, which should not be, nothing counts as replaced.
    const newerMs = latest ? decodeListEntry(latest.value).mtimeMs : Number.POSITIVE_INFINITY;
    return { key, newerMs, rank: 0 };
  }

  #isOver(
    rules: readonly LifecycleRule[],
    record: ObjectRecord,
    { key, newerMs, rank }: Group,
    nowMs: number,
  ): boolean {
    return rules.some((rule) => {
      const { NoncurrentDays = 0, NewerNoncurrentVersions = 0 } =
        rule.NoncurrentVersionExpiration ?? {};
      const due = dueMs(newerMs, NoncurrentDays, this.#context.dayMs);
      return due <= nowMs && rank >= NewerNoncurrentVersions && matches(rule, { key, ...record });
    });
  }

  async #expireMarkers(
    bucket: OpenBucket,
    partition: Partition,
    rules: readonly LifecycleRule[],
    nowMs: number,
  ): Promise<number> {
    let count = 0;
    for await (const rows of this.#pages(partition, objectKey(''))) {
      for (const row of rows) {
        if (!decodeListEntry(row.value).deleteMarker) continue;
        const key = decodeObjectKey(row.key);
        const older = { prefix: versionsOf(key), limit: 1 };
        if (this.#context.meta.scan(partition, older).rows.length > 0) continue;
        const record = decodeObject(row.value);
        const over = rules.some((rule) => {
          const { Days = 0 } = rule.Expiration ?? {};
          const due = dueMs(record.mtimeMs, Days, this.#context.dayMs);
          const always = rule.Expiration?.ExpiredObjectDeleteMarker === true;
          return (always || due <= nowMs) && matches(rule, { key, ...record });
        });
        if (over) count += await this.#remove(bucket, key, record);
      }
    }
    return count;
  }

  async #remove({ view }: OpenBucket, key: string, record: ObjectRecord): Promise<number> {
    try {
      const options = { conditions: {}, versionId: idOf(record) };
      await this.#objects.delete(view.name, key, options);
      return 1;
    } catch (error) {
      // Locked, or others keep winning: the next walk sees what is left.
      if (error instanceof S3Error) return 0;
      throw error;
    }
  }

  async *#pages(partition: Partition, prefix: Uint8Array): AsyncGenerator<readonly Row[]> {
    let after: Uint8Array | undefined;
    for (let more = true; more && !this.#context.stopped; await nextTurn()) {
      const page = this.#context.meta.scan(partition, { prefix, after, limit: ROWS_AT_ONCE });
      yield page.rows;
      after = page.rows.at(-1)?.key;
      more = page.more;
    }
  }
}
