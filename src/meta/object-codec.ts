/**
 * Bytes of an object row, laid out so that a listing reads a fixed head and parses nothing:
 *
 *    0 frame (10, `row-frame.ts`; covers everything up to the inline bytes)
 *   10 u8 flags (1 delete marker, 2 inline) · 11 u8 storage class · 12 u8 checksum · 13 u8 zero
 *   14 u16 owner length · 16 f64 mtime ms · 24 f64 size · 32 etag, 16 bytes · 48 u32 part count
 *   52 u32 JSON length · 56 u32 inline length · 60 u64 xxHash64 of the inline bytes
 *   68 owner id, UTF-8 · JSON of all other fields · inline bytes
 *
 * Big-endian. f64 holds every size and time exactly. Unknown JSON fields survive.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { parseJson } from './record-codec.ts';
import type {
  ChecksumAlgorithm,
  ChecksumType,
  Hold,
  InlineSeal,
  ObjectListEntry,
  ObjectRecord,
  StoredChecksum,
  StoredData,
} from './records.ts';
import { corrupt, FRAME_BYTES, hash64, openRow, sealRow, verifyRow, viewOf } from './row-frame.ts';

const HEAD_BYTES = 68;
const ETAG_BYTES = 16;
const AT = {
  flags: FRAME_BYTES,
  storageClass: 11,
  checksum: 12,
  ownerLength: 14,
  mtime: 16,
  size: 24,
  etag: 32,
  partCount: 48,
  jsonLength: 52,
  inlineLength: 56,
  inlineHash: 60,
} as const;

const FLAG_DELETE_MARKER = 1;
const FLAG_INLINE = 2;

/** Positions are stored in rows: append only. */
const STORAGE_CLASSES = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'GLACIER_IR',
  'SNOW',
  'EXPRESS_ONEZONE',
] as const;

/** Positions are stored in rows, 0 is none: append only. */
const ALGORITHMS: readonly (ChecksumAlgorithm | undefined)[] = [
  undefined,
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
];
const TYPES: readonly ChecksumType[] = ['COMPOSITE', 'FULL_OBJECT'];

type ObjectJson = Omit<ObjectRecord, keyof HeadFields | 'checksum' | 'data'> & {
  readonly checksum?: string;
  readonly hold?: Hold;
  /** Of the inline bytes. */
  readonly seal?: InlineSeal;
};

type HeadFields = Omit<ObjectListEntry, 'checksum'>;

export function encodeObject(record: ObjectRecord): Uint8Array {
  const { deleteMarker, size, mtimeMs, etag, partCount, storageClass, ownerId, ...rest } = record;
  const { checksum, data, ...open } = rest;
  const json: ObjectJson = {
    ...open,
    ...(checksum === undefined ? {} : { checksum: checksum.value }),
    ...dataJson(data),
  };
  const text = Buffer.from(JSON.stringify(json), 'utf8');
  const owner = Buffer.from(ownerId, 'utf8');
  const inline = data.kind === 'inline' ? data.bytes : undefined;
  const end = HEAD_BYTES + owner.length + text.length;
  const row = new Uint8Array(end + (inline?.length ?? 0));
  assert(row.length <= LIMITS.rowValueBytes, `object row of ${row.length} bytes fits a value`);

  const view = viewOf(row);
  row[AT.flags] = (deleteMarker ? FLAG_DELETE_MARKER : 0) | (inline ? FLAG_INLINE : 0);
  row[AT.storageClass] = codeOf(STORAGE_CLASSES, storageClass);
  row[AT.checksum] = checksumCode(checksum);
  view.setUint16(AT.ownerLength, owner.length);
  view.setFloat64(AT.mtime, mtimeMs);
  view.setFloat64(AT.size, size);
  const digest = Buffer.from(etag, 'hex');
  assert(digest.length === ETAG_BYTES && etag.length === 2 * ETAG_BYTES, 'etag of 32 hex digits');
  row.set(digest, AT.etag);
  view.setUint32(AT.partCount, partCount);
  view.setUint32(AT.jsonLength, text.length);
  row.set(owner, HEAD_BYTES);
  row.set(text, HEAD_BYTES + owner.length);
  if (inline !== undefined) {
    view.setUint32(AT.inlineLength, inline.length);
    view.setBigUint64(AT.inlineHash, hash64(inline));
    row.set(inline, end);
  }
  sealRow(row, 'object', end);
  return row;
}

export function decodeObject(row: Uint8Array): ObjectRecord {
  const { view, textAt, textEnd } = openObject(row);
  const head = readHead(row, view, textAt);
  const text = parseJson('object', row.subarray(textAt, textEnd)) as unknown as ObjectJson;
  const { checksum, hold, seal } = text;
  const { deleteMarker, checksum: stored, ...fields } = head;
  // Into the parsed object, which is nobody else's: spreading both costs more than the parsing.
  const record: Record<string, unknown> = Object.assign(text, fields);
  if (deleteMarker) record['deleteMarker'] = true;
  if (stored && checksum !== undefined) record['checksum'] = { ...stored, value: checksum };
  else if (checksum !== undefined) delete record['checksum'];
  if (hold === undefined) {
    const bytes = inlineBytes(row, view, textEnd);
    record['data'] = seal === undefined ? { kind: 'inline', bytes } : sealed(record, bytes, seal);
  } else {
    delete record['hold'];
    record['data'] = { kind: 'hold', hold };
  }
  return record as unknown as ObjectRecord;
}

function sealed(record: Record<string, unknown>, bytes: Uint8Array, seal: InlineSeal): StoredData {
  delete record['seal'];
  return { kind: 'inline', bytes, seal };
}

function dataJson(data: StoredData): Pick<ObjectJson, 'hold' | 'seal'> {
  if (data.kind === 'hold') return { hold: data.hold };
  return data.seal === undefined ? {} : { seal: data.seal };
}

/** Verifies head and metadata (not the inline bytes) and parses no JSON. */
export function decodeListEntry(row: Uint8Array): ObjectListEntry {
  const { view, textAt } = openObject(row);
  return readHead(row, view, textAt);
}

function openObject(row: Uint8Array): { view: DataView; textAt: number; textEnd: number } {
  openRow(row, 'object');
  if (row.length < HEAD_BYTES) throw corrupt('object', `${row.length} bytes`);
  const view = viewOf(row);
  const textAt = HEAD_BYTES + view.getUint16(AT.ownerLength);
  const textEnd = textAt + view.getUint32(AT.jsonLength);
  // The lengths are covered by the checksum that they delimit: wrong ones cannot verify.
  verifyRow(row, 'object', textEnd);
  return { view, textAt, textEnd };
}

function readHead(row: Uint8Array, view: DataView, textAt: number): ObjectListEntry {
  const bytes = row instanceof Buffer ? row : Buffer.from(row.buffer, row.byteOffset, row.length);
  const storageClass = STORAGE_CLASSES[row[AT.storageClass] ?? 0];
  if (storageClass === undefined) throw corrupt('object', 'unknown storage class');
  const code = row[AT.checksum] ?? 0;
  const algorithm = ALGORITHMS[code & 0x0f];
  const type = TYPES[code >>> 4];
  if (code !== 0 && (algorithm === undefined || type === undefined)) {
    throw corrupt('object', 'unknown checksum');
  }
  return {
    deleteMarker: ((row[AT.flags] ?? 0) & FLAG_DELETE_MARKER) !== 0,
    size: view.getFloat64(AT.size),
    mtimeMs: view.getFloat64(AT.mtime),
    etag: bytes.toString('hex', AT.etag, AT.etag + ETAG_BYTES),
    partCount: view.getUint32(AT.partCount),
    storageClass,
    ownerId: bytes.toString('utf8', HEAD_BYTES, textAt),
    ...(algorithm && type ? { checksum: { algorithm, type } } : {}),
  };
}

function inlineBytes(row: Uint8Array, view: DataView, at: number): Uint8Array {
  // Not a copy: rows belong to whoever reads them.
  const bytes = row.subarray(at, at + view.getUint32(AT.inlineLength));
  if (((row[AT.flags] ?? 0) & FLAG_INLINE) === 0) throw corrupt('object', 'no bytes and no hold');
  if (bytes.length !== view.getUint32(AT.inlineLength) || at + bytes.length !== row.length) {
    throw corrupt('object', 'inline bytes missing');
  }
  if (hash64(bytes) !== view.getBigUint64(AT.inlineHash)) {
    throw corrupt('object', 'inline checksum mismatch');
  }
  return bytes;
}

function checksumCode(checksum: StoredChecksum | undefined): number {
  if (checksum === undefined) return 0;
  return codeOf(ALGORITHMS, checksum.algorithm) | (codeOf(TYPES, checksum.type) << 4);
}

function codeOf(names: readonly (string | undefined)[], name: string): number {
  const code = names.indexOf(name);
  assert(code >= 0, `${name} has a code`);
  return code;
}
