/**
 * The only file that knows row-key bytes and partition names. Row keys are one tag byte and then
 * fields whose bytewise order is the order in which S3 lists them.
 *
 * Partitions and their tables:
 *   buckets          b volume 00 name → BucketRecord · x bucket id → RetiredRecord
 *                    c bucket id, name → ConfigRecord
 *   o/<bucket id>/<n>  o key → ObjectRecord (latest; dense, so listings read nothing else)
 *                    u grouped key, upload id → UploadRecord · r due time, id → ReclaimRecord
 *                    v grouped key, inverted position → ObjectRecord (older versions, newest first)
 *   p/<upload id>    p part number → PartRecord · q id → PartRecord that was superseded
 *   m/<blob id>      m page number → BlobPage · h owner id → SharingRecord
 *   events           e target 00 id → EventRecord
 *   identities       i user id → IdentityRecord
 *   each of them     s → StateRecord
 *
 * Ids are 32 lower-case hex digits (`timeOrderedId`): check foreign text with `isId` first.
 */
import { assert } from '../base/assert.ts';
import { concatBytes, utf8, utf8Decode } from '../base/bytes.ts';
import type { Partition } from './meta-store.ts';
import { hash32 } from './row-frame.ts';

const tag = (letter: string): Uint8Array => utf8(letter);

const TAG_BUCKET = tag('b');
const TAG_RETIRED = tag('x');
const TAG_CONFIG = tag('c');
const TAG_EVENT = tag('e');
const TAG_IDENTITY = tag('i');
const TAG_OBJECT = tag('o');
const TAG_VERSION = tag('v');
const TAG_UPLOAD = tag('u');
const TAG_RECLAIM = tag('r');
const TAG_PART = tag('p');
const TAG_SUPERSEDED = tag('q');
const TAG_PAGE = tag('m');
const TAG_SHARING = tag('h');

/** One row in every partition whose mutations must be able to be shut out. */
export const STATE_KEY: Uint8Array = tag('s');

/** Greater than every byte of UTF-8 and every group mark: behind all rows with a prefix. */
const BEHIND = Uint8Array.of(0xff);

const ID = /^[0-9a-f]{32}$/;

export function isId(text: string): boolean {
  return ID.test(text);
}

// partitions

export const BUCKETS: Partition = 'buckets' as Partition;

/** Event notifications on their way to targets. */
export const EVENTS: Partition = 'events' as Partition;

/** Users and their keys. */
export const IDENTITIES: Partition = 'identities' as Partition;

export function indexPartition(bucketId: string, number: number): Partition {
  assert(isId(bucketId) && Number.isInteger(number) && number >= 0, 'index partition address');
  return `o/${bucketId}/${number}` as Partition;
}

/** The partition of a key, its uploads and its reclaim rows. Stable for ever: xxHash32, seed 0. */
export function indexPartitionOf(bucketId: string, key: string, partitions: number): Partition {
  return indexPartition(bucketId, partitions === 1 ? 0 : hash32(utf8(key)) % partitions);
}

export function partsPartition(uploadId: string): Partition {
  assert(isId(uploadId), 'upload id');
  return `p/${uploadId}` as Partition;
}

export function blobPartition(blobId: string): Partition {
  assert(isId(blobId), 'blob id');
  return `m/${blobId}` as Partition;
}

export type PartitionAddress =
  | { readonly kind: 'buckets' }
  | { readonly kind: 'index'; readonly bucketId: string; readonly number: number }
  | { readonly kind: 'parts'; readonly uploadId: string }
  | { readonly kind: 'blob'; readonly blobId: string };

/** Undefined for a name that this version does not know. */
export function partitionAddress(partition: Partition): PartitionAddress | undefined {
  if (partition === BUCKETS) return { kind: 'buckets' };
  const [, kind, id, number] = /^([opm])\/([0-9a-f]{32})(?:\/(\d{1,9}))?$/.exec(partition) ?? [];
  if (id === undefined) return undefined;
  if (kind === 'o') {
    return number === undefined
      ? undefined
      : { kind: 'index', bucketId: id, number: Number(number) };
  }
  if (number !== undefined) return undefined;
  return kind === 'p' ? { kind: 'parts', uploadId: id } : { kind: 'blob', blobId: id };
}

// table `identities`

export const IDENTITY_PREFIX: Uint8Array = TAG_IDENTITY;

export function identityKey(userId: string): Uint8Array {
  return concatBytes(TAG_IDENTITY, utf8(userId));
}

// table `buckets`

export function bucketKey(volume: string, name: string): Uint8Array {
  return concatBytes(bucketPrefix(volume), utf8(name));
}

/** Prefix of all buckets of a volume. */
export function bucketPrefix(volume: string): Uint8Array {
  assert(volume.length > 0 && !volume.includes('\0'), 'volume name');
  return concatBytes(TAG_BUCKET, utf8(volume), Uint8Array.of(0));
}

/** Prefix of all buckets of all volumes. */
export const BUCKET_PREFIX: Uint8Array = TAG_BUCKET;

export function decodeBucketKey(rowKey: Uint8Array): { volume: string; name: string } {
  const end = rowKey.indexOf(0);
  assert(rowKey[0] === TAG_BUCKET[0] && end > 1, 'row key of a bucket');
  return {
    volume: utf8Decode(rowKey.subarray(1, end)),
    name: utf8Decode(rowKey.subarray(end + 1)),
  };
}

export const RETIRED_PREFIX: Uint8Array = TAG_RETIRED;

export function retiredKey(bucketId: string): Uint8Array {
  assert(isId(bucketId), 'bucket id');
  return concatBytes(TAG_RETIRED, utf8(bucketId));
}

/** Prefix of all configurations of all buckets. */
export const CONFIG_PREFIX: Uint8Array = TAG_CONFIG;

/** One configuration of a bucket; with an empty name, the prefix of all of them. */
export function configKey(bucketId: string, name: string): Uint8Array {
  assert(isId(bucketId), 'bucket id');
  return concatBytes(TAG_CONFIG, utf8(bucketId), utf8(name));
}

export function decodeConfigKey(rowKey: Uint8Array): { bucketId: string; name: string } {
  assert(rowKey[0] === TAG_CONFIG[0], 'row key of a configuration');
  const text = utf8Decode(rowKey.subarray(1));
  return { bucketId: text.slice(0, 32), name: text.slice(32) };
}

// table `events`

/** All events that wait for a target, in the order in which they were queued. */
export function eventPrefix(target: string): Uint8Array {
  assert(target.length > 0 && !target.includes('\0'), 'name of an event target');
  return concatBytes(TAG_EVENT, utf8(target), Uint8Array.of(0));
}

export function eventKey(target: string, id: string): Uint8Array {
  assert(isId(id), 'event id');
  return concatBytes(eventPrefix(target), utf8(id));
}

// table `o`: latest objects

/** Also the scan prefix for keys that start with `key`; empty: all objects. */
export function objectKey(key: string): Uint8Array {
  return concatBytes(TAG_OBJECT, utf8(key));
}

export function decodeObjectKey(rowKey: Uint8Array): string {
  assert(rowKey[0] === TAG_OBJECT[0], 'row key of an object');
  return rowKey instanceof Buffer ? rowKey.toString('utf8', 1) : utf8Decode(rowKey.subarray(1));
}

/** Scan position behind every key that starts with `prefix`, before all greater keys. */
export function objectsBehind(prefix: string): Uint8Array {
  return concatBytes(TAG_OBJECT, utf8(prefix), BEHIND);
}

// table `u`: uploads in progress, by key and then by time

export function uploadKey(key: string, uploadId: string): Uint8Array {
  assert(isId(uploadId), 'upload id');
  return concatBytes(TAG_UPLOAD, groupedKey(utf8(key)), utf8(uploadId));
}

export function decodeUploadKey(rowKey: Uint8Array): { key: string; uploadId: string } {
  assert(rowKey[0] === TAG_UPLOAD[0], 'row key of an upload');
  const { key, end } = decodeGroupedKey(rowKey, 1);
  return { key: utf8Decode(key), uploadId: utf8Decode(rowKey.subarray(end)) };
}

/**
 * Scan bounds for uploads whose key starts with `prefix`. `after` is there because a short key,
 * padded, may look like a prefix that ends in NULs; pass a later position of your own instead.
 */
export function uploadScan(prefix: string): GroupedScan {
  return groupedScan(TAG_UPLOAD, prefix);
}

export interface GroupedScan {
  readonly prefix: Uint8Array;
  readonly after: Uint8Array | undefined;
}

function groupedScan(table: Uint8Array, prefix: string): GroupedScan {
  const bytes = utf8(prefix);
  const shorter = bytes.at(-1) === 0 ? bytes.subarray(0, -1) : undefined;
  return {
    prefix: concatBytes(table, groupedPrefix(bytes)),
    after: shorter && concatBytes(table, groupedKey(shorter), BEHIND),
  };
}

/** Position behind one upload of a key; with an empty id, behind every upload of that key. */
export function uploadsAfter(key: string, uploadIdMarker: string): Uint8Array {
  const marker = uploadIdMarker === '' ? BEHIND : utf8(uploadIdMarker.slice(0, 32));
  return concatBytes(TAG_UPLOAD, groupedKey(utf8(key)), marker);
}

/** Scan position behind every upload whose key starts with `prefix`. */
export function uploadsBehind(prefix: string): Uint8Array {
  return concatBytes(TAG_UPLOAD, groupedPrefix(utf8(prefix)), BEHIND);
}

// table `v`: older versions, by key and then newest first

/** Prefix of all older versions of all keys. */
export const VERSION_PREFIX: Uint8Array = TAG_VERSION;

/** `position`: the time-ordered id that tells where among the versions of its key one stands. */
export function versionKey(key: string, position: string): Uint8Array {
  assert(isId(position), 'position of a version');
  return concatBytes(versionsOf(key), utf8(inverted(position)));
}

/** Prefix of all older versions of a key, and the scan position before them. */
export function versionsOf(key: string): Uint8Array {
  return concatBytes(TAG_VERSION, groupedKey(utf8(key)));
}

/** Scan position behind all older versions of a key. */
export function versionsAfter(key: string): Uint8Array {
  return concatBytes(versionsOf(key), BEHIND);
}

/** As `uploadScan`. */
export function versionScan(prefix: string): GroupedScan {
  return groupedScan(TAG_VERSION, prefix);
}

/** Scan position behind every version whose key starts with `prefix`. */
export function versionsBehind(prefix: string): Uint8Array {
  return concatBytes(TAG_VERSION, groupedPrefix(utf8(prefix)), BEHIND);
}

export function decodeVersionKey(rowKey: Uint8Array): { key: string; position: string } {
  assert(rowKey[0] === TAG_VERSION[0], 'row key of a version');
  const { key, end } = decodeGroupedKey(rowKey, 1);
  return { key: utf8Decode(key), position: inverted(utf8Decode(rowKey.subarray(end))) };
}

/** Each hexadecimal digit from the other end: later ids come first. */
function inverted(id: string): string {
  return id.replaceAll(/./g, (digit) => (15 - Number.parseInt(digit, 16)).toString(16));
}

// table `r`: deferred deletes by due time

export const RECLAIM_PREFIX: Uint8Array = TAG_RECLAIM;

export function reclaimKey(dueMs: number, id: string): Uint8Array {
  assert(Number.isSafeInteger(dueMs) && dueMs >= 0 && isId(id), 'reclaim row address');
  const due = new Uint8Array(8);
  new DataView(due.buffer).setBigUint64(0, BigInt(dueMs));
  return concatBytes(TAG_RECLAIM, due, utf8(id));
}

export function decodeReclaimKey(rowKey: Uint8Array): { dueMs: number; id: string } {
  assert(rowKey[0] === TAG_RECLAIM[0] && rowKey.length === 41, 'row key of a reclaim row');
  const due = new DataView(rowKey.buffer, rowKey.byteOffset + 1, 8).getBigUint64(0);
  return { dueMs: Number(due), id: utf8Decode(rowKey.subarray(9)) };
}

// tables of `p/<upload id>`

export const PART_PREFIX: Uint8Array = TAG_PART;

/** 0 is no part but a legal scan position before all parts. */
export function partKey(number: number): Uint8Array {
  assert(Number.isInteger(number) && number >= 0 && number <= 0xffff, 'part number fits u16');
  return concatBytes(TAG_PART, Uint8Array.of(number >>> 8, number & 0xff));
}

export function decodePartKey(rowKey: Uint8Array): number {
  assert(rowKey[0] === TAG_PART[0] && rowKey.length === 3, 'row key of a part');
  return ((rowKey[1] ?? 0) << 8) | (rowKey[2] ?? 0);
}

export const SUPERSEDED_PREFIX: Uint8Array = TAG_SUPERSEDED;

export function supersededKey(id: string): Uint8Array {
  assert(isId(id), 'superseded part id');
  return concatBytes(TAG_SUPERSEDED, utf8(id));
}

// tables of `m/<blob id>`

export const PAGE_PREFIX: Uint8Array = TAG_PAGE;

export function pageKey(page: number): Uint8Array {
  assert(Number.isInteger(page) && page >= 0 && page <= 0xffff_ffff, 'page number fits u32');
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, page);
  return concatBytes(TAG_PAGE, bytes);
}

export function decodePageKey(rowKey: Uint8Array): number {
  assert(rowKey[0] === TAG_PAGE[0] && rowKey.length === 5, 'row key of a blob page');
  return new DataView(rowKey.buffer, rowKey.byteOffset + 1, 4).getUint32(0);
}

export const SHARING_PREFIX: Uint8Array = TAG_SHARING;

export function sharingKey(ownerId: string): Uint8Array {
  assert(isId(ownerId), 'owner id');
  return concatBytes(TAG_SHARING, utf8(ownerId));
}

export function decodeSharingKey(rowKey: Uint8Array): string {
  assert(rowKey[0] === TAG_SHARING[0], 'row key of a sharing row');
  return utf8Decode(rowKey.subarray(1));
}

/**
 * Grouped keys: 64 bytes and a mark, again and again. The mark is the number of bytes used in the
 * last group (the rest is zero) or 65 when another group follows. Self-delimiting and in byte
 * order like an escape, but a key of 1,024 NULs still fits a row key, which escapes would double.
 */
const GROUP_BYTES = 64;

function groupedKey(key: Uint8Array): Uint8Array {
  const groups = Math.max(1, Math.ceil(key.length / GROUP_BYTES));
  const grouped = new Uint8Array(groups * (GROUP_BYTES + 1));
  for (let group = 0; group < groups; group += 1) {
    const from = group * GROUP_BYTES;
    const to = from + group;
    grouped.set(key.subarray(from, from + GROUP_BYTES), to);
    const left = key.length - from;
    grouped[to + GROUP_BYTES] = left > GROUP_BYTES ? GROUP_BYTES + 1 : left;
  }
  return grouped;
}

/** The bytes that the grouped forms of all keys with this prefix share. */
function groupedPrefix(prefix: Uint8Array): Uint8Array {
  const grouped = groupedKey(prefix);
  const last = grouped.length - (GROUP_BYTES + 1);
  return grouped.subarray(0, last + (grouped.at(-1) ?? 0));
}

function decodeGroupedKey(rowKey: Uint8Array, start: number): { key: Uint8Array; end: number } {
  const key = new Uint8Array(rowKey.length);
  let length = 0;
  for (let at = start; ; at += GROUP_BYTES + 1) {
    const mark = rowKey[at + GROUP_BYTES];
    assert(mark !== undefined && mark <= GROUP_BYTES + 1, 'group mark');
    const used = Math.min(mark, GROUP_BYTES);
    key.set(rowKey.subarray(at, at + used), length);
    length += used;
    if (mark <= GROUP_BYTES) return { key: key.subarray(0, length), end: at + GROUP_BYTES + 1 };
  }
}
