/**
 * The frame of every metadata value: format version, record kind, xxHash64, then the body.
 *
 *   0 u8 version · 1 u8 kind · 2 u64 checksum of the covered body · 10 body
 *
 * Version and kind seed the checksum, so a row of another kind never decodes as this one.
 * Anything that does not verify is StoreError('corrupt'), never a guess.
 */
import xxhash from 'xxhash-wasm';
import { StoreError } from '../base/store-error.ts';

// One instance for the process, ready before any row is read or written.
const { h32Raw, h64Raw } = await xxhash();

export const FRAME_BYTES = 10;
const VERSION = 1;

/** Stored in rows: never renumber. */
export const ROW_KINDS = {
  object: 1,
  upload: 2,
  part: 3,
  bucket: 4,
  retired: 5,
  reclaim: 6,
  page: 7,
  sharing: 8,
  state: 9,
  config: 10,
  event: 16,
  identity: 17,
} as const;
export type RowKind = keyof typeof ROW_KINDS;

const SEEDS = Object.fromEntries(
  Object.entries(ROW_KINDS).map(([kind, code]) => [kind, BigInt((VERSION << 8) | code)]),
) as Readonly<Record<RowKind, bigint>>;

export function hash32(bytes: Uint8Array): number {
  return h32Raw(bytes) >>> 0;
}

export function hash64(bytes: Uint8Array): bigint {
  return h64Raw(bytes);
}

function checksum(row: Uint8Array, kind: RowKind, end: number): bigint {
  // Not `subarray`: of a Buffer it makes a Buffer, which costs several times as much.
  const body = new Uint8Array(row.buffer, row.byteOffset + FRAME_BYTES, end - FRAME_BYTES);
  return h64Raw(body, SEEDS[kind]);
}

/** Fills the frame of a row whose body stands from `FRAME_BYTES` on; covers it up to `end`. */
export function sealRow(row: Uint8Array, kind: RowKind, end: number = row.length): void {
  row[0] = VERSION;
  row[1] = ROW_KINDS[kind];
  viewOf(row).setBigUint64(2, checksum(row, kind, end));
}

/** Throws StoreError('corrupt') unless the frame is whole and of this kind. */
export function verifyRow(row: Uint8Array, kind: RowKind, end: number = row.length): void {
  openRow(row, kind);
  if (
    end < FRAME_BYTES ||
    end > row.length ||
    viewOf(row).getBigUint64(2) !== checksum(row, kind, end)
  ) {
    throw corrupt(kind, 'checksum mismatch');
  }
}

/** The cheap half of `verifyRow`: version, kind and least length. */
export function openRow(row: Uint8Array, kind: RowKind): void {
  if (row.length < FRAME_BYTES) throw corrupt(kind, `${row.length} bytes`);
  if (row[0] !== VERSION) throw corrupt(kind, `format version ${row[0]}`);
  if (row[1] !== ROW_KINDS[kind]) throw corrupt(kind, `kind ${row[1]}`);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function corrupt(kind: RowKind, what: string, cause?: unknown): StoreError {
  return new StoreError('corrupt', `damaged ${kind} row: ${what}`, cause);
}
