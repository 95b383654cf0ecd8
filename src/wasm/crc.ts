/**
 * The three CRCs of S3 over ordinary byte arrays: for inline bodies, records and trailers, which
 * never were in the arena. Spans of the arena are the kernels' work.
 *
 * A state is the finished CRC of everything before; nothing yet is 0. CRC-32 is zlib's; the
 * others slice by eight, CRC-64 in two halves of 32 bits because BigInt arithmetic allocates.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';
import { CRC_POLYNOMIALS } from './scalar.ts';

const SLICES = 8;

interface Tables {
  /** Slice k at `256 * k`: a byte advanced by k further zero bytes, low and high 32 bits. */
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

/** `low` alone is the table of a 32-bit CRC. */
function tablesOf(polynomial: bigint): Tables {
  const low = new Uint32Array(256 * SLICES);
  const high = new Uint32Array(256 * SLICES);
  const polynomialLow = Number(polynomial & 0xffff_ffffn);
  const polynomialHigh = Number(polynomial >> 32n);
  for (let byte = 0; byte < 256; byte += 1) {
    let [lower, upper] = [byte, 0];
    for (let bit = 0; bit < 8; bit += 1) {
      const mask = -(lower & 1);
      lower = ((lower >>> 1) | (upper << 31)) ^ (polynomialLow & mask);
      upper = (upper >>> 1) ^ (polynomialHigh & mask);
    }
    low[byte] = lower;
    high[byte] = upper;
  }
  for (let index = 256; index < 256 * SLICES; index += 1) {
    const lower = low[index - 256] as number;
    const upper = high[index - 256] as number;
    low[index] = ((lower >>> 8) | (upper << 24)) ^ (low[lower & 0xff] as number);
    high[index] = (upper >>> 8) ^ (high[lower & 0xff] as number);
  }
  return { low, high };
}

const CRC32C = tablesOf(CRC_POLYNOMIALS.crc32c.polynomial).low;
const CRC64 = tablesOf(CRC_POLYNOMIALS.crc64nvme.polynomial);

export function crc32(source: Uint8Array, state: number = 0): number {
  return zlibCrc32(source, state);
}

/** The eight look-ups of one step: `first` holds bytes 0 to 3, `second` bytes 4 to 7. */
function fold(table: Uint32Array, first: number, second: number): number {
  return (
    (table[1792 + (first & 0xff)] as number) ^
    (table[1536 + ((first >>> 8) & 0xff)] as number) ^
    (table[1280 + ((first >>> 16) & 0xff)] as number) ^
    (table[1024 + (first >>> 24)] as number) ^
    (table[768 + (second & 0xff)] as number) ^
    (table[512 + ((second >>> 8) & 0xff)] as number) ^
    (table[256 + ((second >>> 16) & 0xff)] as number) ^
    (table[second >>> 24] as number)
  );
}

export function crc32c(source: Uint8Array, state: number = 0): number {
  const words = new DataView(source.buffer, source.byteOffset, source.byteLength);
  let crc = ~state;
  let at = 0;
  for (const end = source.length - 7; at < end; at += 8) {
    crc = fold(CRC32C, words.getInt32(at, true) ^ crc, words.getInt32(at + 4, true));
  }
  for (; at < source.length; at += 1) {
    crc = (crc >>> 8) ^ (CRC32C[(crc ^ words.getUint8(at)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

export function crc64nvme(source: Uint8Array, state: bigint = 0n): bigint {
  const words = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const { low, high } = CRC64;
  let lower = ~Number(state & 0xffff_ffffn);
  let upper = ~Number(state >> 32n);
  let at = 0;
  for (const end = source.length - 7; at < end; at += 8) {
    const first = words.getInt32(at, true) ^ lower;
    const second = words.getInt32(at + 4, true) ^ upper;
    lower = fold(low, first, second);
    upper = fold(high, first, second);
  }
  for (; at < source.length; at += 1) {
    const index = (lower ^ words.getUint8(at)) & 0xff;
    lower = ((lower >>> 8) | (upper << 24)) ^ (low[index] as number);
    upper = (upper >>> 8) ^ (high[index] as number);
  }
  return (BigInt(~upper >>> 0) << 32n) | BigInt(~lower >>> 0);
}
