/**
 * The listing of versions: all latest and all older versions in order of their keys, newest
 * first, rolled up at a delimiter. Two walks side by side: table `o` and table `v`.
 */
import { LIMITS } from '../base/limits.ts';
import { utf8 } from '../base/bytes.ts';
import {
  decodeObjectKey,
  decodeVersionKey,
  objectKey,
  objectsBehind,
  versionKey,
  versionsAfter,
  versionsBehind,
  versionScan,
  versionsOf,
} from '../meta/keyspace.ts';
import type { Row } from '../meta/meta-store.ts';
import { decodeObject } from '../meta/object-codec.ts';
import { etagOf } from './attributes.ts';
import type { Buckets, OpenBucket } from './buckets.ts';
import type { Context } from './context.ts';
import type { ListVersionsOptions, VersionEntry, VersionListing } from './listing-contract.ts';
import { commonPrefix, cut, later } from './listing.ts';
import { RowMerge } from './row-merge.ts';
import { checkVersionId, idOf, positionOf, type Versions } from './versions.ts';

const EMPTY: VersionListing = {
  entries: [],
  prefixes: [],
  truncated: false,
  next: undefined,
  nextVersionId: undefined,
};

interface Found {
  readonly key: string;
  readonly row: Row;
  readonly isLatest: boolean;
}

/** Both walks as one. */
class Walk {
  readonly #latest: RowMerge;
  readonly #older: RowMerge;

  constructor(latest: RowMerge, older: RowMerge) {
    this.#latest = latest;
    this.#older = older;
  }

  peek(): Found | undefined {
    const row = this.#latest.peek();
    const older = this.#older.peek();
    const key = row && decodeObjectKey(row.key);
    const olderKey = older && decodeVersionKey(older.key).key;
    if (row !== undefined && key !== undefined) {
      const first = olderKey === undefined || Buffer.compare(utf8(key), utf8(olderKey)) <= 0;
      if (first) return { key, row, isLatest: true };
    }
    if (older === undefined || olderKey === undefined) return undefined;
    return { key: olderKey, row: older, isLatest: false };
  }

  advance({ row, isLatest }: Found): void {
    (isLatest ? this.#latest : this.#older).advance(row.key, false);
  }

  jumpBehind(prefix: string): void {
    this.#latest.advance(objectsBehind(prefix), true);
    this.#older.advance(versionsBehind(prefix), true);
  }
}

export class VersionListings {
  readonly #context: Context;
  readonly #buckets: Buckets;
  readonly #versions: Versions;

  constructor(context: Context, buckets: Buckets, versions: Versions) {
    this.#context = context;
    this.#buckets = buckets;
    this.#versions = versions;
  }

  list(bucketName: string, options: ListVersionsOptions): VersionListing {
    const { prefix, delimiter, limit } = options;
    const bucket = this.#buckets.find(bucketName);
    if (limit <= 0 || utf8(prefix).length > LIMITS.keyBytes) return EMPTY;
    const walk = this.#walk(bucket, options);
    const entries: VersionEntry[] = [];
    const prefixes: string[] = [];
    let next: string | undefined;
    let nextVersionId: string | undefined;
    for (let found = walk.peek(); found !== undefined; found = walk.peek()) {
      if (entries.length + prefixes.length === limit) {
        return { entries, prefixes, truncated: true, next, nextVersionId };
      }
      const rolled = commonPrefix(found.key, prefix, delimiter);
      if (rolled === undefined) {
        const entry = entryOf(found);
        entries.push(entry);
        [next, nextVersionId] = [found.key, entry.versionId];
        walk.advance(found);
      } else {
        prefixes.push(rolled);
        [next, nextVersionId] = [rolled, undefined];
        walk.jumpBehind(rolled);
      }
    }
    return { ...EMPTY, entries, prefixes };
  }

  #walk(bucket: OpenBucket, options: ListVersionsOptions): Walk {
    const { prefix, delimiter, keyMarker, limit } = options;
    const rolled = commonPrefix(keyMarker, prefix, delimiter);
    const isPrefix = rolled !== undefined && rolled === keyMarker;
    const scan = versionScan(prefix);
    const common = {
      meta: this.#context.meta,
      partitions: bucket.partitions,
      expected: limit + 1,
      jumps: delimiter !== '',
    };
    const none = keyMarker === '';
    const behind = cut(isPrefix ? objectsBehind(keyMarker) : objectKey(keyMarker));
    const marker = isPrefix ? versionsBehind(keyMarker) : this.#olderAfter(bucket, options);
    return new Walk(
      new RowMerge({ ...common, prefix: objectKey(prefix), after: none ? undefined : behind }),
      new RowMerge({
        ...common,
        prefix: scan.prefix,
        after: none ? scan.after : later(scan.after, marker),
      }),
    );
  }

  /** Where the older versions of the marker's key go on. */
  #olderAfter(bucket: OpenBucket, options: ListVersionsOptions): Uint8Array {
    const { keyMarker, versionIdMarker } = options;
    const key = keyMarker.slice(0, LIMITS.keyBytes);
    if (versionIdMarker === '' || key === '') return versionsAfter(key);
    checkVersionId(versionIdMarker);
    const found = this.#versions.find(bucket, key, versionIdMarker);
    // Gone meanwhile: what follows it does so by its place, if its id tells that.
    if (found === undefined) {
      return versionIdMarker.length === 32 ? versionKey(key, versionIdMarker) : versionsAfter(key);
    }
    const isLatest = Buffer.compare(found.row.key, objectKey(key)) === 0;
    return isLatest ? versionsOf(key) : versionKey(key, positionOf(found.record));
  }
}

function entryOf({ key, row, isLatest }: Found): VersionEntry {
  const record = decodeObject(row.value);
  const { size, mtimeMs, storageClass, ownerId, checksum } = record;
  return {
    key,
    size,
    mtimeMs,
    etag: etagOf(record),
    storageClass,
    ownerId,
    checksum,
    versionId: idOf(record),
    isLatest,
    deleteMarker: record.deleteMarker === true,
  };
}
