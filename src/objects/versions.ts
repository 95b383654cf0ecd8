/**
 * Versions of one key: the latest stands in table `o` as in a bucket without versioning, older
 * ones in table `v`, newest first. A delete marker is a version too.
 *
 * Invariant: where a key has older versions it has a latest; at most one of all of them is the
 * null version. Every change checks the row of the latest, and each older row that it read.
 */
import { S3Error } from '../base/s3-error.ts';
import { isId, objectKey, versionKey, versionsOf } from '../meta/keyspace.ts';
import type { Check, Partition, Write } from '../meta/meta-store.ts';
import { decodeObject, encodeObject } from '../meta/object-codec.ts';
import type { ObjectRecord } from '../meta/records.ts';
import type { Buckets, OpenBucket } from './buckets.ts';
import type { Context } from './context.ts';
import { lockOf } from './object-lock.ts';
import type { DeleteResult } from './contract.ts';
import type { CurrentObject, Decision, IndexRows, ReclaimEntry, Situation } from './index-rows.ts';

/** As S3 names the version that was written while versioning was off or suspended. */
export const NULL_VERSION = 'null';

/** Name of the bucket configuration; its text is one of these, absent: never enabled. */
export const VERSIONING = 'versioning';
export type Versioning = 'Enabled' | 'Suspended';

const ROWS_AT_ONCE = 100;

/** What a change of versions adds to a commit. */
export interface VersionChange {
  readonly writes: readonly Write[];
  readonly checks: readonly Check[];
  readonly reclaim: readonly ReclaimEntry[];
}

const NO_CHANGE: VersionChange = { writes: [], checks: [], reclaim: [] };

export function versioningOf(bucket: OpenBucket): Versioning | undefined {
  return bucket.configs.get(VERSIONING) as Versioning | undefined;
}

/** What the client is told; undefined in a bucket that never had versioning. */
export function versionIdOf(bucket: OpenBucket, record: ObjectRecord): string | undefined {
  return versioningOf(bucket) === undefined ? undefined : idOf(record);
}

export function idOf(record: ObjectRecord): string {
  return record.versionId ?? NULL_VERSION;
}

export function positionOf(record: ObjectRecord): string {
  return record.versionId ?? record.position ?? record.instanceId;
}

function isVersionId(versionId: string): boolean {
  return versionId === NULL_VERSION || isId(versionId);
}

/** Throws InvalidArgument for what no version was ever called. */
export function checkVersionId(versionId: string): void {
  if (isVersionId(versionId)) return;
  throw new S3Error('InvalidArgument', {
    message: 'Invalid version id specified',
    fields: { ArgumentName: 'versionId', ArgumentValue: versionId },
  });
}

export function noSuchVersion(key: string, versionId: string): S3Error {
  return new S3Error('NoSuchVersion', { fields: { Key: key, VersionId: versionId } });
}

export class Versions {
  readonly #context: Context;
  readonly #buckets: Buckets;
  readonly #rows: IndexRows;

  constructor(context: Context, buckets: Buckets, rows: IndexRows) {
    this.#context = context;
    this.#buckets = buckets;
    this.#rows = rows;
  }

  /** One version by its id, delete markers included. Undefined: there is none. */
  find(bucket: OpenBucket, key: string, versionId: string): CurrentObject | undefined {
    const latest = this.#rows.latest(bucket, key);
    if (latest !== undefined && idOf(latest.record) === versionId) return latest;
    if (latest === undefined) return undefined;
    return this.#findOlder(this.#buckets.partitionOf(bucket, key), key, versionId);
  }

  #findOlder(partition: Partition, key: string, versionId: string): CurrentObject | undefined {
    if (versionId !== NULL_VERSION) {
      const row = this.#context.meta.get(partition, versionKey(key, versionId));
      const found = row && { row, record: decodeObject(row.value) };
      // A null version stands at its position, which is nobody's id.
      return found?.record.versionId === versionId ? found : undefined;
    }
    for (const older of this.#older(partition, key)) {
      if (older.record.versionId === undefined) return older;
    }
    return undefined;
  }

  *#older(partition: Partition, key: string): Generator<CurrentObject> {
    const prefix = versionsOf(key);
    let after: Uint8Array | undefined;
    for (let more = true; more;) {
      const page = this.#context.meta.scan(partition, { prefix, after, limit: ROWS_AT_ONCE });
      for (const row of page.rows) yield { row, record: decodeObject(row.value) };
      after = page.rows.at(-1)?.key;
      more = page.more;
    }
  }

  /** The version, or the latest; undefined for a delete marker and for what is not there. */
  present(
    bucket: OpenBucket,
    key: string,
    versionId: string | undefined,
  ): ObjectRecord | undefined {
    let record: ObjectRecord | undefined;
    if (versionId === undefined) {
      const row = this.#rows.row(bucket, key);
      record = row && decodeObject(row.value);
    } else if (isVersionId(versionId)) {
      record = this.find(bucket, key, versionId)?.record;
    }
    return record?.deleteMarker === true ? undefined : record;
  }

  /** Throws NoSuchKey, or what AWS says of versions that are not there or delete markers. */
  existing(bucket: OpenBucket, key: string, versionId: string | undefined): ObjectRecord {
    if (versionId === undefined) {
      const row = this.#rows.row(bucket, key);
      const record = row && decodeObject(row.value);
      if (record === undefined) throw noSuchKey(key);
      if (record.deleteMarker) throw noSuchKey(key, markerHeaders(record));
      return record;
    }
    checkVersionId(versionId);
    const record = this.find(bucket, key, versionId)?.record;
    if (record === undefined) throw noSuchVersion(key, versionId);
    if (!record.deleteMarker) return record;
    throw new S3Error('MethodNotAllowed', {
      fields: { Method: 'GET', ResourceType: 'DeleteMarker' },
      headers: {
        ...markerHeaders(record),
        Allow: 'DELETE',
        'Last-Modified': new Date(record.mtimeMs).toUTCString(),
      },
    });
  }

  /** Gives a new latest version its id and place, at the moment of its commit. */
  stamp<Draft extends Pick<ObjectRecord, 'lock' | 'deleteMarker'>>(
    { bucket, latest, nowMs }: Situation,
    draft: Draft,
  ): Draft & Pick<ObjectRecord, 'mtimeMs' | 'versionId' | 'position'> {
    const versioning = versioningOf(bucket);
    if (versioning === undefined) return { ...draft, mtimeMs: nowMs };
    const lock = draft.deleteMarker ? undefined : lockOf(bucket, draft.lock, nowMs);
    const record = { ...draft, mtimeMs: nowMs, ...(lock === undefined ? {} : { lock }) };
    const position = this.#positionAfter(latest);
    return versioning === 'Enabled' ? { ...record, versionId: position } : { ...record, position };
  }

  /** Two versions of a key may be made in the same millisecond, or after a step of the clock. */
  #positionAfter(latest: CurrentObject | undefined): string {
    const id = this.#context.newId();
    const before = latest && positionOf(latest.record);
    if (before === undefined || id > before) return id;
    return (BigInt(`0x${before}`) + (1n << 64n)).toString(16).padStart(32, '0');
  }

  /** What makes room for a new latest version: the old one is kept, or replaced. */
  displace({ bucket, partition, latest }: Situation, key: string): VersionChange {
    const versioning = versioningOf(bucket);
    if (latest === undefined) return NO_CHANGE;
    const replaces = versioning === undefined || latest.record.versionId === undefined;
    if (versioning !== 'Enabled' && replaces) {
      return { ...NO_CHANGE, reclaim: this.#rows.replaced(latest) };
    }
    const { row, record } = latest;
    const kept: Write = {
      kind: 'put',
      key: versionKey(key, positionOf(record)),
      value: row.value,
    };
    this.#context.touched.note(record.data);
    if (versioning === 'Enabled') return { ...NO_CHANGE, writes: [kept] };
    const former = this.#findOlder(partition, key, NULL_VERSION);
    if (former === undefined) return { ...NO_CHANGE, writes: [kept] };
    const removed = this.#removed(former);
    return { ...removed, writes: [kept, ...removed.writes] };
  }

  /** A delete marker becomes the latest version, also of a key that nobody wrote. */
  mark(situation: Situation, key: string): Decision<DeleteResult> {
    const marker = this.stamp(situation, {
      ...DELETE_MARKER,
      instanceId: this.#context.newId(),
      ownerId: situation.bucket.view.ownerId,
    });
    const change = this.displace(situation, key);
    const put: Write = { kind: 'put', key: objectKey(key), value: encodeObject(marker) };
    return {
      ...change,
      result: { versionId: versionIdOf(situation.bucket, marker), deleteMarker: true },
      writes: [put, ...change.writes],
    };
  }

  /** Removes one version for ever; the newest of the older ones follows a latest that goes. */
  remove({ partition, latest }: Situation, key: string, found: CurrentObject): VersionChange {
    if (latest === undefined || idOf(latest.record) !== idOf(found.record)) {
      return this.#removed(found);
    }
    const reclaim = this.#rows.replaced(latest);
    const [next] = this.#older(partition, key);
    if (next === undefined) {
      return { checks: [], reclaim, writes: [{ kind: 'delete', key: objectKey(key) }] };
    }
    // It changes its place while a scrub may look for it.
    this.#context.touched.note(next.record.data);
    return {
      checks: [{ key: next.row.key, rev: next.row.rev }],
      reclaim,
      writes: [
        { kind: 'put', key: objectKey(key), value: next.row.value },
        { kind: 'delete', key: next.row.key },
      ],
    };
  }

  #removed({ row, record }: CurrentObject): VersionChange {
    return {
      checks: [{ key: row.key, rev: row.rev }],
      writes: [{ kind: 'delete', key: row.key }],
      reclaim: this.#rows.replaced({ row, record }),
    };
  }

  /** The found version in the situation of a commit, so that it is decided on what is there. */
  inSituation(
    { partition, latest }: Situation,
    key: string,
    versionId: string | undefined,
  ): CurrentObject | undefined {
    if (latest === undefined || versionId === undefined) return latest;
    if (idOf(latest.record) === versionId) return latest;
    return this.#findOlder(partition, key, versionId);
  }
}

export function noSuchKey(key: string, headers: Readonly<Record<string, string>> = {}): S3Error {
  return new S3Error('NoSuchKey', { fields: { Key: key }, headers });
}

function markerHeaders(record: ObjectRecord): Record<string, string> {
  return { 'x-amz-delete-marker': 'true', 'x-amz-version-id': idOf(record) };
}

const DELETE_MARKER: Omit<ObjectRecord, 'instanceId' | 'ownerId' | 'mtimeMs'> = {
  deleteMarker: true,
  size: 0,
  etag: '0'.repeat(32),
  partCount: 0,
  storageClass: 'STANDARD',
  headers: {},
  metadata: {},
  tags: {},
  data: { kind: 'inline', bytes: new Uint8Array(0) },
};
