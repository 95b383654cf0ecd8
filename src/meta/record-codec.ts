/**
 * Bytes of every record but objects: the row frame, the length of a JSON text, the JSON text, then
 * the inline bytes that the JSON mentions, in order of mention. The frame's checksum covers all.
 *
 * JSON keeps fields that this version does not know (see `records.ts`), so formats grow without
 * migrations. Decoding refuses damaged rows with StoreError('corrupt').
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type {
  BlobPage,
  BucketRecord,
  ConfigRecord,
  EventRecord,
  Hold,
  IdentityRecord,
  InlineSeal,
  PartRecord,
  ReclaimRecord,
  RetiredRecord,
  SegmentRecord,
  SharingRecord,
  StateRecord,
  StoredData,
  UploadRecord,
} from './records.ts';
import { corrupt, FRAME_BYTES, sealRow, verifyRow, viewOf } from './row-frame.ts';
import type { RowKind } from './row-frame.ts';

const HEAD_BYTES = FRAME_BYTES + 4;

/** A composite blob's page is cut here: below `LIMITS.rowValueBytes`, with room to grow. */
const PAGE_BYTES = 60 * 1024;

/** `StoredData` as JSON: inline bytes stand behind the text. */
type DataJson =
  | { readonly kind: 'inline'; readonly length: number; readonly seal?: InlineSeal | undefined }
  | { readonly kind: 'hold'; readonly hold: Hold };

function encode(kind: RowKind, json: unknown, attachments: readonly Uint8Array[] = []): Uint8Array {
  return encodeText(kind, JSON.stringify(json), attachments);
}

function encodeText(kind: RowKind, json: string, attachments: readonly Uint8Array[]): Uint8Array {
  const text = Buffer.from(json, 'utf8');
  const attached = attachments.reduce((sum, bytes) => sum + bytes.length, 0);
  const row = new Uint8Array(HEAD_BYTES + text.length + attached);
  assert(row.length <= LIMITS.rowValueBytes, `${kind} row of ${row.length} bytes fits a value`);
  viewOf(row).setUint32(FRAME_BYTES, text.length);
  row.set(text, HEAD_BYTES);
  let at = HEAD_BYTES + text.length;
  for (const bytes of attachments) {
    row.set(bytes, at);
    at += bytes.length;
  }
  sealRow(row, kind);
  return row;
}

interface Opened {
  readonly json: Record<string, unknown>;
  /** Takes the next attached bytes: a copy. */
  take(length: number): Uint8Array;
}

function open(kind: RowKind, row: Uint8Array): Opened {
  if (row.length < HEAD_BYTES) throw corrupt(kind, `${row.length} bytes`);
  verifyRow(row, kind);
  let at = HEAD_BYTES + viewOf(row).getUint32(FRAME_BYTES);
  if (at > row.length) throw corrupt(kind, 'text longer than the row');
  return {
    json: parseJson(kind, row.subarray(HEAD_BYTES, at)),
    take: (length) => {
      const end = at + length;
      if (!(length >= 0) || end > row.length) throw corrupt(kind, 'inline bytes missing');
      const bytes = row.slice(at, end);
      at = end;
      return bytes;
    },
  };
}

export function parseJson(kind: RowKind, text: Uint8Array): Record<string, unknown> {
  try {
    const buffer = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
    return JSON.parse(buffer.toString('utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw corrupt(kind, 'not JSON', cause);
  }
}

function dataJson(data: StoredData, attachments: Uint8Array[]): DataJson {
  if (data.kind === 'hold') return data;
  attachments.push(data.bytes);
  const { bytes, seal } = data;
  return { kind: 'inline', length: bytes.length, ...(seal === undefined ? {} : { seal }) };
}

function storedData(data: DataJson, opened: Opened): StoredData {
  if (data.kind === 'hold') return data;
  const { length, seal } = data;
  const bytes = opened.take(length);
  return { kind: 'inline', bytes, ...(seal === undefined ? {} : { seal }) };
}

export function encodeBucket(record: BucketRecord): Uint8Array {
  return encode('bucket', record);
}

export function decodeBucket(row: Uint8Array): BucketRecord {
  return open('bucket', row).json as unknown as BucketRecord;
}

export function encodeRetired(record: RetiredRecord): Uint8Array {
  return encode('retired', record);
}

export function decodeRetired(row: Uint8Array): RetiredRecord {
  return open('retired', row).json as unknown as RetiredRecord;
}

export function encodeConfig(record: ConfigRecord): Uint8Array {
  return encode('config', record);
}

export function decodeConfig(row: Uint8Array): ConfigRecord {
  return open('config', row).json as unknown as ConfigRecord;
}

export function encodeEvent(record: EventRecord): Uint8Array {
  return encode('event', record);
}

export function decodeEvent(row: Uint8Array): EventRecord {
  return open('event', row).json as unknown as EventRecord;
}

export function encodeIdentity(record: IdentityRecord): Uint8Array {
  return encode('identity', record);
}

export function decodeIdentity(row: Uint8Array): IdentityRecord {
  return open('identity', row).json as unknown as IdentityRecord;
}

export function encodeUpload(record: UploadRecord): Uint8Array {
  return encode('upload', record);
}

export function decodeUpload(row: Uint8Array): UploadRecord {
  return open('upload', row).json as unknown as UploadRecord;
}

export function encodeReclaim(record: ReclaimRecord): Uint8Array {
  return encode('reclaim', record);
}

export function decodeReclaim(row: Uint8Array): ReclaimRecord {
  return open('reclaim', row).json as unknown as ReclaimRecord;
}

export function encodeSharing(record: SharingRecord): Uint8Array {
  return encode('sharing', record);
}

export function decodeSharing(row: Uint8Array): SharingRecord {
  return open('sharing', row).json as unknown as SharingRecord;
}

export function encodeState(record: StateRecord): Uint8Array {
  return encode('state', record);
}

export function decodeState(row: Uint8Array): StateRecord {
  return open('state', row).json as unknown as StateRecord;
}

export function encodePart(record: PartRecord): Uint8Array {
  const attachments: Uint8Array[] = [];
  return encode('part', { ...record, data: dataJson(record.data, attachments) }, attachments);
}

export function decodePart(row: Uint8Array): PartRecord {
  const opened = open('part', row);
  const json = opened.json as unknown as Omit<PartRecord, 'data'> & { readonly data: DataJson };
  return { ...json, data: storedData(json.data, opened) };
}

export function decodeBlobPage(row: Uint8Array): BlobPage {
  const opened = open('page', row);
  const json = opened.json as unknown as {
    readonly segments: readonly (Omit<SegmentRecord, 'data'> & { readonly data: DataJson })[];
  };
  return {
    ...json,
    segments: json.segments.map((segment) => ({
      ...segment,
      data: storedData(segment.data, opened),
    })),
  };
}

export interface EncodedPage {
  readonly value: Uint8Array;
  /** How many of the segments stand in it. */
  readonly segmentCount: number;
}

/** Cuts segments into encoded pages, in order; page n belongs under `pageKey(n)`. */
export function encodeBlobPages(segments: readonly SegmentRecord[]): EncodedPage[] {
  const pages: EncodedPage[] = [];
  let texts: string[] = [];
  let attachments: Uint8Array[] = [];
  let bytes = 0;
  const cut = (): void => {
    if (texts.length === 0) return;
    const value = encodeText('page', `{"segments":[${texts.join(',')}]}`, attachments);
    pages.push({ value, segmentCount: texts.length });
    texts = [];
    attachments = [];
    bytes = 0;
  };
  for (const segment of segments) {
    const attached: Uint8Array[] = [];
    const text = JSON.stringify({ ...segment, data: dataJson(segment.data, attached) });
    // With its comma.
    const added = Buffer.byteLength(text) + 1 + (attached[0]?.length ?? 0);
    if (bytes + added > PAGE_BYTES) cut();
    texts.push(text);
    attachments.push(...attached);
    bytes += added;
  }
  cut();
  return pages;
}
