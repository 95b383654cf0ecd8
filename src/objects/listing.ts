/**
 * Listings: keys and uploads in byte order, rolled up at a delimiter. Synchronous and read-only.
 *
 * A listing is a merge of the bucket's index partitions and one accumulator, which is the same
 * for keys and uploads. `truncated` is exact: one further row was seen.
 */
import { LIMITS } from '../base/limits.ts';
import { utf8 } from '../base/bytes.ts';
import {
  decodeObjectKey,
  decodeUploadKey,
  objectKey,
  objectsBehind,
  uploadsAfter,
  uploadsBehind,
  uploadScan,
} from '../meta/keyspace.ts';
import type { Row } from '../meta/meta-store.ts';
import { decodeListEntry } from '../meta/object-codec.ts';
import { decodeUpload } from '../meta/record-codec.ts';
import { etagOf } from './attributes.ts';
import type { Buckets } from './buckets.ts';
import type { Context } from './context.ts';
import type { ListEntry, Listing, ListOptions, ListUploadsOptions } from './listing-contract.ts';
import type { Upload } from './upload-contract.ts';
import { RowMerge } from './row-merge.ts';
import { uploadOf } from './uploads.ts';

/** Every key differs from such a position within its first 1,024 bytes or is shorter. */
const POSITION_BYTES_MAX = LIMITS.keyBytes + 1;

export class Listings {
  readonly #context: Context;
  readonly #buckets: Buckets;

  constructor(context: Context, buckets: Buckets) {
    this.#context = context;
    this.#buckets = buckets;
  }

  list(bucketName: string, options: ListOptions): Listing<ListEntry> {
    const { prefix, delimiter, after } = options;
    const { partitions } = this.#buckets.find(bucketName);
    if (isTooLong(prefix)) return EMPTY;
    const rolled = commonPrefix(after, prefix, delimiter);
    // A token that is a common prefix stands for all keys below it; any other is just a key.
    const isPrefix = rolled !== undefined && rolled === after;
    const merge = new RowMerge({
      meta: this.#context.meta,
      partitions,
      prefix: objectKey(prefix),
      after: after === '' ? undefined : cut(isPrefix ? objectsBehind(after) : objectKey(after)),
      expected: options.limit + 1,
      jumps: delimiter !== '',
    });
    return rollUp(merge, options, {
      keyOf: (row) => decodeObjectKey(row.key),
      entryOf: listEntry,
      behind: objectsBehind,
    });
  }

  listUploads(bucketName: string, options: ListUploadsOptions): Listing<Upload> {
    const { prefix, delimiter, keyMarker, uploadIdMarker } = options;
    const { partitions } = this.#buckets.find(bucketName);
    if (isTooLong(prefix)) return EMPTY;
    const isPrefix = commonPrefix(keyMarker, prefix, delimiter) === keyMarker;
    const scan = uploadScan(prefix);
    const marker = isPrefix
      ? uploadsBehind(keyMarker)
      : uploadsAfter(keyMarker.slice(0, LIMITS.keyBytes), uploadIdMarker);
    const merge = new RowMerge({
      meta: this.#context.meta,
      partitions,
      prefix: scan.prefix,
      after: keyMarker === '' ? scan.after : later(scan.after, marker),
      expected: options.limit + 1,
      jumps: delimiter !== '',
    });
    return rollUp(merge, options, {
      keyOf: (row) => decodeUploadKey(row.key).key,
      entryOf: (key, row) => uploadOf(bucketName, key, decodeUpload(row.value)),
      behind: uploadsBehind,
    });
  }
}

const EMPTY: Listing<never> = { entries: [], prefixes: [], truncated: false, next: undefined };

interface Table<Entry> {
  keyOf(row: Row): string;
  /** Undefined: the row is not listed. */
  entryOf(key: string, row: Row): Entry | undefined;
  /** Scan position behind every key with a prefix. */
  behind(prefix: string): Uint8Array;
}

function rollUp<Entry>(
  merge: RowMerge,
  options: { readonly prefix: string; readonly delimiter: string; readonly limit: number },
  table: Table<Entry>,
): Listing<Entry> {
  const { prefix, delimiter, limit } = options;
  const entries: Entry[] = [];
  const prefixes: string[] = [];
  let next: string | undefined;
  if (limit <= 0) return EMPTY;
  for (let row = merge.peek(); row !== undefined; row = merge.peek()) {
    const key = table.keyOf(row);
    const rolled = commonPrefix(key, prefix, delimiter);
    const entry = rolled === undefined ? table.entryOf(key, row) : undefined;
    const counts = rolled !== undefined || entry !== undefined;
    if (counts && entries.length + prefixes.length === limit) {
      return { entries, prefixes, truncated: true, next };
    }
    if (rolled === undefined) {
      if (entry !== undefined) {
        entries.push(entry);
        next = key;
      }
      merge.advance(row.key, false);
      continue;
    }
    prefixes.push(rolled);
    next = rolled;
    merge.advance(table.behind(rolled), true);
  }
  return { entries, prefixes, truncated: false, next: undefined };
}

/** The key up to and with the first delimiter after the prefix; undefined when there is none. */
export function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '' || !key.startsWith(prefix)) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

function listEntry(key: string, row: Row): ListEntry | undefined {
  const entry = decodeListEntry(row.value);
  if (entry.deleteMarker) return undefined;
  const { size, mtimeMs, storageClass, ownerId, checksum } = entry;
  return { key, size, mtimeMs, etag: etagOf(entry), storageClass, ownerId, checksum };
}

function isTooLong(text: string): boolean {
  return text.length > LIMITS.keyBytes || utf8(text).length > LIMITS.keyBytes;
}

/** Positions may be longer than any key; row keys are bounded. */
export function cut(position: Uint8Array): Uint8Array {
  return position.subarray(0, POSITION_BYTES_MAX + 1);
}

export function later(left: Uint8Array | undefined, right: Uint8Array): Uint8Array {
  return left !== undefined && Buffer.compare(left, right) > 0 ? left : right;
}
