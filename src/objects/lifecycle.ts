/**
 * The worker behind lifecycle rules: walks buckets that have some, deletes objects whose time has
 * come and aborts uploads. Runs when a day began and when rules changed; nothing else wakes it.
 *
 * Invariant: what the walk sees only nominates. Whether an object ends is decided on its present
 * row under the present rules, in the commit that deletes it; so one that was overwritten, tagged
 * anew or spared by a changed rule in between stays. Walks are cursors over rows: memory is bounded
 * by one page, the rate of deletes by one batch a pause. A walk that is cut begins anew and finds
 * less. Older versions and delete markers are `version-expiry.ts`'s.
 */
import { S3Error } from '../base/s3-error.ts';
import { decodeObjectKey, decodeUploadKey, objectKey, uploadScan } from '../meta/keyspace.ts';
import type { Row } from '../meta/meta-store.ts';
import { decodeListEntry } from '../meta/object-codec.ts';
import { decodeUpload } from '../meta/record-codec.ts';
import type { ObjectRecord } from '../meta/records.ts';
import { etagOf } from './attributes.ts';
import { nextTurn } from './blobs.ts';
import type { Buckets, OpenBucket } from './buckets.ts';
import type { Context } from './context.ts';
import type { ExpiredObject, LifecycleReport } from './maintenance.ts';
import type { IndexRows } from './index-rows.ts';
import {
  expiryOf,
  LIFECYCLE_CONFIG,
  type LifecycleConfiguration,
  type LifecycleRule,
  lifecycleOf,
  prefixOf,
  uploadExpiryOf,
} from './lifecycle-rules.ts';
import type { ObjectParts, Objects } from './objects.ts';
import type { Uploads } from './uploads.ts';
import { VersionExpiry } from './version-expiry.ts';
import { versioningOf, type Versions } from './versions.ts';

const ROWS_AT_ONCE = 200;
/** After a page with deletes: at most about 8,000 of them a second, whatever the disk could do. */
const PAUSE_MS = 25;
/** Commits at once: enough to share flushes, few enough that requests hardly wait. */
const DELETES_AT_ONCE = 32;

export class Lifecycle {
  readonly #context: Context;
  readonly #buckets: Buckets;
  readonly #rows: IndexRows;
  readonly #uploads: Uploads;
  readonly #versions: Versions;
  readonly #expiry: VersionExpiry;
  /** Bucket id → rules and day of the last walk that reached the end. */
  readonly #walked = new Map<string, { readonly text: string; readonly day: number }>();

  constructor(parts: ObjectParts, uploads: Uploads, objects: Objects) {
    this.#context = parts.context;
    this.#buckets = parts.buckets;
    this.#rows = parts.rows;
    this.#versions = parts.versions;
    this.#uploads = uploads;
    this.#expiry = new VersionExpiry(parts.context, objects);
  }

  /** Cheap: whether a bucket waits for its walk. */
  isDue(nowMs: number): boolean {
    for (const bucket of this.#buckets.all()) if (this.#awaitsWalk(bucket, nowMs)) return true;
    return false;
  }

  #awaitsWalk({ view, configs }: OpenBucket, nowMs: number): boolean {
    const text = configs.get(LIFECYCLE_CONFIG);
    if (text === undefined) return false;
    const last = this.#walked.get(view.id);
    return last?.text !== text || last.day !== Math.floor(nowMs / this.#context.dayMs);
  }

  /** Walks every bucket that waits for it. */
  async run(nowMs: number): Promise<LifecycleReport> {
    const report = { objects: 0, uploads: 0 };
    for (const bucket of [...this.#buckets.all()]) {
      if (!this.#awaitsWalk(bucket, nowMs)) continue;
      const text = bucket.configs.get(LIFECYCLE_CONFIG) ?? '';
      const configuration = lifecycleOf(text);
      await this.#expireObjects(bucket, configuration, nowMs, report);
      report.objects += await this.#expiry.run(bucket, configuration.Rule, nowMs);
      await this.#abortUploads(bucket, configuration, nowMs, report);
      if (this.#context.stopped) return report;
      this.#walked.set(bucket.view.id, { text, day: Math.floor(nowMs / this.#context.dayMs) });
    }
    this.#forgetDeleted();
    return report;
  }

  #forgetDeleted(): void {
    const ids = new Set([...this.#buckets.all()].map(({ view }) => view.id));
    for (const id of this.#walked.keys()) if (!ids.has(id)) this.#walked.delete(id);
  }

  async #expireObjects(
    bucket: OpenBucket,
    { Rule }: LifecycleConfiguration,
    nowMs: number,
    report: { objects: number },
  ): Promise<void> {
    const rules = Rule.filter(({ Status, Expiration: end }) => {
      return Status === 'Enabled' && (end?.Days ?? end?.Date) !== undefined;
    });
    // A rule about an object's tags is asked only when everything else that it says holds.
    const nominate = withoutTags(rules);
    const due = (row: Row): boolean => {
      const { size, mtimeMs, deleteMarker } = decodeListEntry(row.value);
      if (deleteMarker) return false;
      const subject = { key: decodeObjectKey(row.key), size, mtimeMs, tags: {} };
      return isDue({ Rule: nominate }, subject, nowMs, this.#context.dayMs);
    };
    for (const prefix of coveringPrefixes(rules)) {
      for await (const rows of this.#pages(bucket, objectKey(prefix))) {
        const nominated = rows.filter(due).map(({ key }) => decodeObjectKey(key));
        for (let from = 0; from < nominated.length; from += DELETES_AT_ONCE) {
          const batch = nominated.slice(from, from + DELETES_AT_ONCE);
          const ended = await Promise.all(batch.map((key) => this.#expire(bucket, key, nowMs)));
          report.objects += ended.filter(Boolean).length;
        }
        if (nominated.length > 0) await pause();
      }
    }
  }

  /** Decides on the row as it is. True when the object is gone. */
  async #expire({ view }: OpenBucket, key: string, nowMs: number): Promise<boolean> {
    try {
      const ended = await this.#rows.mutate<ExpiredObject | undefined>(
        { bucket: view.name, key, conditional: false },
        (situation) => {
          const { bucket, current } = situation;
          const text = bucket.configs.get(LIFECYCLE_CONFIG);
          const record = current?.record;
          const mine = bucket.view.id === view.id && text !== undefined;
          if (!mine || record === undefined || !this.#ends(text, key, record, nowMs)) {
            return { result: undefined, writes: [] };
          }
          const result = { key, size: record.size, etag: etagOf(record) };
          if (versioningOf(bucket) !== undefined) {
            return { ...this.#versions.mark(situation, key), result };
          }
          return {
            result,
            writes: [{ kind: 'delete', key: objectKey(key) }],
            reclaim: this.#rows.replaced(current),
          };
        },
      );
      if (ended !== undefined) await this.#tell(view.name, ended);
      return ended !== undefined;
    } catch (error) {
      // Others keep winning, or the bucket is gone: the next walk sees what is left.
      if (error instanceof S3Error) return false;
      throw error;
    }
  }

  #ends(text: string, key: string, record: ObjectRecord, nowMs: number): boolean {
    return isDue(lifecycleOf(text), { key, ...record }, nowMs, this.#context.dayMs);
  }

  async #tell(bucket: string, expired: ExpiredObject): Promise<void> {
    await this.#context.onExpired?.(bucket, expired);
  }

  async #abortUploads(
    bucket: OpenBucket,
    configuration: LifecycleConfiguration,
    nowMs: number,
    report: { uploads: number },
  ): Promise<void> {
    const rules = configuration.Rule.filter(
      (rule) => rule.Status === 'Enabled' && rule.AbortIncompleteMultipartUpload !== undefined,
    );
    if (rules.length === 0) return;
    for await (const rows of this.#pages(bucket, uploadScan('').prefix)) {
      for (const row of rows) {
        const { key, uploadId } = decodeUploadKey(row.key);
        const { initiatedMs } = decodeUpload(row.value);
        const expiry = uploadExpiryOf({ Rule: rules }, { key, initiatedMs }, this.#context.dayMs);
        if (expiry === undefined || expiry.dueMs > nowMs) continue;
        try {
          await this.#uploads.abort({ bucket: bucket.view.name, key, uploadId });
          report.uploads += 1;
        } catch (error) {
          // It ended meanwhile, or its bucket did.
          if (!(error instanceof S3Error)) throw error;
        }
      }
    }
  }

  /** All rows with the prefix in every partition, a page a turn; ends when the store is closed. */
  async *#pages({ partitions }: OpenBucket, prefix: Uint8Array): AsyncGenerator<readonly Row[]> {
    for (const partition of partitions) {
      let after: Uint8Array | undefined;
      for (let more = true; more && !this.#context.stopped; await nextTurn()) {
        const page = this.#context.meta.scan(partition, { prefix, after, limit: ROWS_AT_ONCE });
        yield page.rows;
        after = page.rows.at(-1)?.key;
        more = page.more;
      }
    }
  }
}

function isDue(
  configuration: LifecycleConfiguration,
  subject: Parameters<typeof expiryOf>[1],
  nowMs: number,
  dayMs: number,
): boolean {
  const expiry = expiryOf(configuration, subject, dayMs);
  return expiry !== undefined && expiry.dueMs <= nowMs;
}

/** The same rules for a subject whose tags nobody has looked at: more of them hold. */
function withoutTags(rules: readonly LifecycleRule[]): readonly LifecycleRule[] {
  return rules.map((rule) => {
    if (rule.Filter === undefined) return rule;
    const { Tag: _, And, ...filter } = rule.Filter;
    return { ...rule, Filter: And === undefined ? filter : { And: { ...And, Tag: [] } } };
  });
}

/** The fewest prefixes that hold every key which a rule may speak of; none inside another. */
export function coveringPrefixes(rules: readonly LifecycleRule[]): readonly string[] {
  const prefixes = [...new Set(rules.map(prefixOf))].toSorted((a, b) => a.length - b.length);
  const covering: string[] = [];
  for (const prefix of prefixes) {
    if (!covering.some((wider) => prefix.startsWith(wider))) covering.push(prefix);
  }
  return covering;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
