// The three CRCs of S3, reflected, with all-ones start and final inversion, by slicing: sixteen
// look-ups fold sixteen bytes, and only the first of them wait for the previous step.
// Long spans are folded before that, given a scratch (see crc-fold.ts); scratch 0 means none.
import { fold, foldableBytes, remainderBytes } from './crc-fold';
import { CRC32, CRC32C, CRC32C_TABLES, CRC32_TABLES, CRC64, CRC64_TABLES, SLICES } from './layout';

const CRC32_POLYNOMIAL: u32 = 0xedb88320;
const CRC32C_POLYNOMIAL: u32 = 0x82f63b78;
const CRC64_POLYNOMIAL: u64 = 0x9a6c9329ac4bc9b5;

// Stores final values only: other threads may be reading the same constants meanwhile.
function prepare<T>(tables: usize, polynomial: T): void {
  const stride: usize = 256 * sizeof<T>();
  for (let byte: u32 = 0; byte < 256; byte += 1) {
    let entry = <T>byte;
    for (let bit: u32 = 0; bit < 8; bit += 1) {
      entry = entry & 1 ? (entry >> 1) ^ polynomial : entry >> 1;
    }
    store<T>(tables + <usize>byte * sizeof<T>(), entry);
  }
  for (let slice: u32 = 1; slice < SLICES; slice += 1) {
    for (let byte: u32 = 0; byte < 256; byte += 1) {
      const at = tables + <usize>slice * stride + <usize>byte * sizeof<T>();
      const before = load<T>(at - stride);
      store<T>(at, (before >> 8) ^ load<T>(tables + <usize>(before & 0xff) * sizeof<T>()));
    }
  }
}

export function prepareCrcs(): void {
  prepare<u32>(CRC32_TABLES, CRC32_POLYNOMIAL);
  prepare<u32>(CRC32C_TABLES, CRC32C_POLYNOMIAL);
  prepare<u64>(CRC64_TABLES, CRC64_POLYNOMIAL);
}

// The eight look-ups of one word. `base` is the table of the word's last byte.
// @ts-ignore: decorator
@inline
function fold32(word: u64, base: usize): u32 {
  return (
    load<u32>(base + 7 * 1024 + <usize>((word << 2) & 0x3fc)) ^
    load<u32>(base + 6 * 1024 + <usize>((word >> 6) & 0x3fc)) ^
    load<u32>(base + 5 * 1024 + <usize>((word >> 14) & 0x3fc)) ^
    load<u32>(base + 4 * 1024 + <usize>((word >> 22) & 0x3fc)) ^
    load<u32>(base + 3 * 1024 + <usize>((word >> 30) & 0x3fc)) ^
    load<u32>(base + 2 * 1024 + <usize>((word >> 38) & 0x3fc)) ^
    load<u32>(base + 1024 + <usize>((word >> 46) & 0x3fc)) ^
    load<u32>(base + <usize>((word >> 54) & 0x3fc))
  );
}

// @ts-ignore: decorator
@inline
function fold64(word: u64, base: usize): u64 {
  return (
    load<u64>(base + 7 * 2048 + <usize>((word << 3) & 0x7f8)) ^
    load<u64>(base + 6 * 2048 + <usize>((word >> 5) & 0x7f8)) ^
    load<u64>(base + 5 * 2048 + <usize>((word >> 13) & 0x7f8)) ^
    load<u64>(base + 4 * 2048 + <usize>((word >> 21) & 0x7f8)) ^
    load<u64>(base + 3 * 2048 + <usize>((word >> 29) & 0x7f8)) ^
    load<u64>(base + 2 * 2048 + <usize>((word >> 37) & 0x7f8)) ^
    load<u64>(base + 2048 + <usize>((word >> 45) & 0x7f8)) ^
    load<u64>(base + <usize>((word >> 53) & 0x7f8))
  );
}

function sliced32(tables: usize, crc: u32, source: usize, length: usize): u32 {
  const end = source + length;
  while (end - source >= 16) {
    const first = load<u64>(source) ^ <u64>crc;
    const second = load<u64>(source, 8);
    crc = fold32(second, tables) ^ fold32(first, tables + 8 * 1024);
    source += 16;
  }
  while (source < end) {
    crc = (crc >> 8) ^ load<u32>(tables + (((crc ^ <u32>load<u8>(source)) & 0xff) << 2));
    source += 1;
  }
  return crc;
}

function sliced64(crc: u64, source: usize, length: usize): u64 {
  const end = source + length;
  while (end - source >= 16) {
    const first = load<u64>(source) ^ crc;
    const second = load<u64>(source, 8);
    crc = fold64(second, CRC64_TABLES) ^ fold64(first, CRC64_TABLES + 8 * 2048);
    source += 16;
  }
  while (source < end) {
    const index = <usize>((crc ^ <u64>load<u8>(source)) & 0xff);
    crc = (crc >> 8) ^ load<u64>(CRC64_TABLES + (index << 3));
    source += 1;
  }
  return crc;
}

export function crc32(state: u32, source: usize, length: usize, scratch: usize): u32 {
  if (scratch == 0 || length < foldableBytes(CRC32)) {
    return ~sliced32(CRC32_TABLES, ~state, source, length);
  }
  const rest = fold(CRC32, <u64>~state, source, length, scratch);
  return ~sliced32(CRC32_TABLES, 0, rest, remainderBytes(CRC32, length));
}

export function crc32c(state: u32, source: usize, length: usize, scratch: usize): u32 {
  if (scratch == 0 || length < foldableBytes(CRC32C)) {
    return ~sliced32(CRC32C_TABLES, ~state, source, length);
  }
  const rest = fold(CRC32C, <u64>~state, source, length, scratch);
  return ~sliced32(CRC32C_TABLES, 0, rest, remainderBytes(CRC32C, length));
}

export function crc64nvme(state: u64, source: usize, length: usize, scratch: usize): u64 {
  if (scratch == 0 || length < foldableBytes(CRC64)) {
    return ~sliced64(~state, source, length);
  }
  const rest = fold(CRC64, ~state, source, length, scratch);
  return ~sliced64(0, rest, remainderBytes(CRC64, length));
}
