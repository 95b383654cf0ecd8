/**
 * From stored data to where its bytes are: walks holds down to slices of chunks, lazily, reading
 * only the pages of a composite blob that the range touches. Never writes.
 *
 * Invariant: everything is resolved from the one record that the caller read. Blobs are immutable
 * and the reader holds a lease, so a read never mixes old and new bytes.
 */
import { assert } from '../base/assert.ts';
import { StoreError } from '../base/store-error.ts';
import type { ByteRange, ChunkRef } from '../chunks/chunk-store.ts';
import { blobPartition, pageKey } from '../meta/keyspace.ts';
import type { MetaStore } from '../meta/meta-store.ts';
import { decodeBlobPage } from '../meta/record-codec.ts';
import type {
  BlobPage,
  BlobRef,
  CompositeBlob,
  Hold,
  SegmentPart,
  SegmentRecord,
  StoredChunkRef,
  StoredData,
} from '../meta/records.ts';

export function lengthOf(data: StoredData): number {
  if (data.kind === 'hold') return data.hold.length;
  return data.seal?.length ?? data.bytes.length;
}

export function isComposite(blob: BlobRef): blob is CompositeBlob {
  return 'pages' in blob;
}

export function depthOf(data: StoredData): number {
  return data.kind === 'hold' && isComposite(data.hold.blob) ? data.hold.blob.depth : 0;
}

/** `meta/` may not import `chunks/` and stores a structural twin. */
export function chunkRefOf(stored: StoredChunkRef): ChunkRef {
  return stored as ChunkRef;
}

/** Undefined when the page is gone: then its blob was destroyed. */
export function findPage(meta: MetaStore, blobId: string, page: number): BlobPage | undefined {
  const row = meta.get(blobPartition(blobId), pageKey(page));
  return row && decodeBlobPage(row.value);
}

function pageOf(meta: MetaStore, blob: CompositeBlob, page: number): BlobPage {
  const found = findPage(meta, blob.id, page);
  if (found === undefined) {
    throw new StoreError('corrupt', `page ${page} of ${blob.pages} of blob ${blob.id} is missing`);
  }
  return found;
}

interface PlacedSegment {
  readonly segment: SegmentRecord;
  /** Of its first byte in the blob. */
  readonly offset: number;
}

/** Segments of a composite blob from the one that holds byte `from` on. */
function* segmentsFrom(
  meta: MetaStore,
  blob: CompositeBlob,
  from: number,
): Generator<PlacedSegment> {
  for (let page = lastAtMost(blob.starts, from); page < blob.pages; page += 1) {
    let offset = blob.starts[page] ?? 0;
    for (const segment of pageOf(meta, blob, page).segments) {
      const length = lengthOf(segment.data);
      if (offset + length > from) yield { segment, offset };
      offset += length;
    }
  }
}

/** Index of the last number that is not greater than `value`; the numbers ascend from 0. */
function lastAtMost(numbers: readonly number[], value: number): number {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((numbers[middle] ?? 0) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The range as inline bytes and slices of leaf blobs, in order. */
export function* leavesOf(
  meta: MetaStore,
  data: StoredData,
  range: ByteRange,
): Generator<StoredData> {
  assert(range.offset + range.length <= lengthOf(data), 'range lies within the data');
  if (range.length === 0) return;
  if (data.kind === 'inline' || !isComposite(data.hold.blob)) {
    yield sliced(data, range);
    return;
  }
  const from = data.hold.offset + range.offset;
  const end = from + range.length;
  for (const { segment, offset } of segmentsFrom(meta, data.hold.blob, from)) {
    if (offset >= end) return;
    yield* leavesOf(meta, segment.data, overlap(segment, offset, from, end));
  }
}

/** Part of [from, end) that lies in the segment, relative to the segment. */
function overlap(segment: SegmentRecord, offset: number, from: number, end: number): ByteRange {
  const first = Math.max(from, offset);
  const last = Math.min(end, offset + lengthOf(segment.data));
  return { offset: first - offset, length: last - first };
}

export function sliced(data: StoredData, range: ByteRange): StoredData {
  const { offset, length } = range;
  if (data.kind === 'inline') {
    const { bytes, seal } = data;
    // Sealed bytes can only be opened as a whole.
    if (seal !== undefined) {
      return { kind: 'inline', bytes, seal: { ...seal, offset: seal.offset + offset, length } };
    }
    return { kind: 'inline', bytes: bytes.subarray(offset, offset + length) };
  }
  return { kind: 'hold', hold: { ...data.hold, offset: data.hold.offset + offset, length } };
}

/**
 * The same bytes, referred to as deep inside as one reference can: a range within one segment of
 * a composite refers to the segment's own blob. Keeps copies of copies shallow.
 */
export function narrowed(meta: MetaStore, data: StoredData, range: ByteRange): StoredData {
  if (data.kind === 'inline' || !isComposite(data.hold.blob) || range.length === 0) {
    return sliced(data, range);
  }
  const from = data.hold.offset + range.offset;
  const end = from + range.length;
  for (const { segment, offset } of segmentsFrom(meta, data.hold.blob, from)) {
    const within = overlap(segment, offset, from, end);
    if (within.length < range.length) break;
    return narrowed(meta, segment.data, within);
  }
  return sliced(data, range);
}

export interface FoundPart {
  readonly segment: SegmentRecord;
  readonly range: ByteRange;
}

/** The part of a multipart object by its number. Reads log2(pages) rows. */
export function findPart(meta: MetaStore, hold: Hold, number: number): FoundPart | undefined {
  const { blob } = hold;
  assert(isComposite(blob) && hold.offset === 0, 'a multipart object is a whole composite');
  const low = firstPageAfter(meta, blob, number);
  let offset = blob.starts[low] ?? 0;
  for (const segment of pageOf(meta, blob, low).segments) {
    const length = lengthOf(segment.data);
    if (segment.part.number === number) return { segment, range: { offset, length } };
    offset += length;
  }
  return undefined;
}

/** Parts of a multipart object after a number, in order. Reads the pages that hold them. */
export function partsAfter(
  meta: MetaStore,
  { partCount }: { readonly partCount: number },
  data: StoredData,
  { after, limit }: { readonly after: number; readonly limit: number },
): { readonly parts: readonly SegmentPart[]; readonly truncated: boolean } {
  const parts: SegmentPart[] = [];
  if (partCount === 0 || data.kind === 'inline' || !isComposite(data.hold.blob)) {
    return { parts, truncated: false };
  }
  const { blob } = data.hold;
  for (let page = firstPageAfter(meta, blob, after); page < blob.pages; page += 1) {
    for (const { part } of pageOf(meta, blob, page).segments) {
      if (part.number <= after) continue;
      if (parts.length === limit) return { parts, truncated: true };
      parts.push(part);
    }
  }
  return { parts, truncated: false };
}

/** The last page that does not begin behind the number: reads log2(pages) rows. */
function firstPageAfter(meta: MetaStore, blob: CompositeBlob, after: number): number {
  let low = 0;
  let high = blob.pages - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const first = pageOf(meta, blob, middle).segments[0];
    if (first !== undefined && first.part.number <= after) low = middle;
    else high = middle - 1;
  }
  return low;
}

export interface ChunkSlice {
  readonly ref: ChunkRef;
  readonly range: ByteRange;
}

/** Slices of the chunks of a leaf blob, by a range of the bytes that they hold. */
export function* chunkSlices(blob: BlobRef, { offset, length }: ByteRange): Generator<ChunkSlice> {
  assert('chunks' in blob, 'slices of a leaf blob');
  const end = offset + length;
  let start = 0;
  for (const stored of blob.chunks) {
    const next = start + stored.length;
    const from = Math.max(offset, start);
    const to = Math.min(end, next);
    if (from < to) {
      yield { ref: chunkRefOf(stored), range: { offset: from - start, length: to - from } };
    }
    start = next;
  }
}
