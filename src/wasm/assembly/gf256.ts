// Products over GF(2^8), polynomial 0x11d. A product is linear in the bits of a byte, so it is
// the XOR of two table look-ups by nibble, and `i8x16.swizzle` does sixteen look-ups at once.
import { GF_TABLES } from './layout';

function product(left: u32, right: u32): u32 {
  let sum: u32 = 0;
  while (right != 0) {
    if (right & 1) sum ^= left;
    left <<= 1;
    if (left & 0x100) left ^= 0x11d;
    right >>= 1;
  }
  return sum;
}

// Stores final values only: other threads may be reading the same constants meanwhile.
export function prepareGf(): void {
  for (let coefficient: u32 = 0; coefficient < 256; coefficient += 1) {
    const table = GF_TABLES + (coefficient << 5);
    for (let nibble: u32 = 0; nibble < 16; nibble += 1) {
      store<u8>(table + nibble, <u8>product(coefficient, nibble));
      store<u8>(table + nibble, <u8>product(coefficient, nibble << 4), 16);
    }
  }
}

// @ts-ignore: decorator
@inline
function products(bytes: v128, low: v128, high: v128): v128 {
  const mask = i8x16.splat(0x0f);
  return v128.xor(
    i8x16.swizzle(low, v128.and(bytes, mask)),
    i8x16.swizzle(high, i8x16.shr_u(bytes, 4)),
  );
}

// @ts-ignore: decorator
@inline
function productByte(byte: u32, table: usize): u32 {
  return <u32>load<u8>(table + (byte & 15)) ^ <u32>load<u8>(table + (byte >> 4), 16);
}

export function gfMul(target: usize, source: usize, length: usize, coefficient: u32): void {
  const table = GF_TABLES + (coefficient << 5);
  const low = v128.load(table);
  const high = v128.load(table, 16);
  const end = target + length;
  while (end - target >= 32) {
    v128.store(target, products(v128.load(source), low, high));
    v128.store(target, products(v128.load(source, 16), low, high), 16);
    target += 32;
    source += 32;
  }
  while (target < end) {
    store<u8>(target, <u8>productByte(<u32>load<u8>(source), table));
    target += 1;
    source += 1;
  }
}

export function gfMulAdd(target: usize, source: usize, length: usize, coefficient: u32): void {
  const table = GF_TABLES + (coefficient << 5);
  const low = v128.load(table);
  const high = v128.load(table, 16);
  const end = target + length;
  while (end - target >= 32) {
    const first = products(v128.load(source), low, high);
    const second = products(v128.load(source, 16), low, high);
    v128.store(target, v128.xor(v128.load(target), first));
    v128.store(target, v128.xor(v128.load(target, 16), second), 16);
    target += 32;
    source += 32;
  }
  while (target < end) {
    const sum = <u32>load<u8>(target) ^ productByte(<u32>load<u8>(source), table);
    store<u8>(target, <u8>sum);
    target += 1;
    source += 1;
  }
}
