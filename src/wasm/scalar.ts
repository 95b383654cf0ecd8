/**
 * Scalar twins: what each kernel means, said in the plainest way, on ordinary byte arrays. They
 * are the reference of the self-test and of the property tests, never a fallback: a machine on
 * which the kernels differ from these must not store anything.
 */
import { assert } from '../base/assert.ts';
import { gfProduct } from './gf256.ts';

export function xorInto(target: Uint8Array, source: Uint8Array): void {
  gfMulAdd(target, source, 1);
}

export function gfMul(target: Uint8Array, source: Uint8Array, coefficient: number): void {
  assert(target.length === source.length, 'spans of one length');
  for (const [index, byte] of source.entries()) target[index] = gfProduct(coefficient, byte);
}

export function gfMulAdd(target: Uint8Array, source: Uint8Array, coefficient: number): void {
  assert(target.length === source.length, 'spans of one length');
  for (const [index, byte] of source.entries()) {
    target[index] = (target[index] ?? 0) ^ gfProduct(coefficient, byte);
  }
}

const U64 = (1n << 64n) - 1n;
const PRIME_1 = 0x9e3779b185ebca87n;
const PRIME_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME_3 = 0x165667b19e3779f9n;
const PRIME_4 = 0x85ebca77c2b2ae63n;
const PRIME_5 = 0x27d4eb2f165667c5n;

const times = (left: bigint, right: bigint): bigint => (left * right) & U64;
const plus = (left: bigint, right: bigint): bigint => (left + right) & U64;
const rotate = (word: bigint, bits: bigint): bigint =>
  ((word << bits) | (word >> (64n - bits))) & U64;
const round = (lane: bigint, input: bigint): bigint =>
  times(rotate(plus(lane, times(input, PRIME_2)), 31n), PRIME_1);
const merge = (hash: bigint, lane: bigint): bigint =>
  plus(times(hash ^ round(0n, lane), PRIME_1), PRIME_4);

/** xxHash64 with seed 0. Source: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md */
export function xxh64(source: Uint8Array): bigint {
  const words = new DataView(source.buffer, source.byteOffset, source.byteLength);
  let at = 0;
  let hash = PRIME_5;
  if (source.length >= 32) {
    const lanes = [plus(PRIME_1, PRIME_2), PRIME_2, 0n, U64 + 1n - PRIME_1];
    for (; source.length - at >= 32; at += 32) {
      for (const [index, lane] of lanes.entries()) {
        lanes[index] = round(lane, words.getBigUint64(at + 8 * index, true));
      }
    }
    hash = 0n;
    for (const [index, bits] of [1n, 7n, 12n, 18n].entries()) {
      hash = plus(hash, rotate(lanes[index] ?? 0n, bits));
    }
    for (const lane of lanes) hash = merge(hash, lane);
  }
  hash = plus(hash, BigInt(source.length));
  for (; source.length - at >= 8; at += 8) {
    hash ^= round(0n, words.getBigUint64(at, true));
    hash = plus(times(rotate(hash, 27n), PRIME_1), PRIME_4);
  }
  if (source.length - at >= 4) {
    hash ^= times(BigInt(words.getUint32(at, true)), PRIME_1);
    hash = plus(times(rotate(hash, 23n), PRIME_2), PRIME_3);
    at += 4;
  }
  for (; at < source.length; at += 1) {
    hash = times(rotate(hash ^ times(BigInt(words.getUint8(at)), PRIME_5), 11n), PRIME_1);
  }
  hash = times(hash ^ (hash >> 33n), PRIME_2);
  hash = times(hash ^ (hash >> 29n), PRIME_3);
  return hash ^ (hash >> 32n);
}

/** Reflected polynomials; each CRC starts from ones and ends inverted. */
export const CRC_POLYNOMIALS = {
  crc32: { bits: 32n, polynomial: 0xedb88320n },
  crc32c: { bits: 32n, polynomial: 0x82f63b78n },
  crc64nvme: { bits: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
} as const;

export type CrcName = keyof typeof CRC_POLYNOMIALS;

/** The CRC of what `state` covered followed by `source`, bit by bit. */
export function crc(name: CrcName, state: bigint, source: Uint8Array): bigint {
  const { bits, polynomial } = CRC_POLYNOMIALS[name];
  const ones = (1n << bits) - 1n;
  let register = state ^ ones;
  for (const byte of source) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) {
      register = (register & 1n) === 0n ? register >> 1n : (register >> 1n) ^ polynomial;
    }
  }
  return register ^ ones;
}

const MD5_SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;

/** The MD5 state after one more block of 64 bytes. Source: RFC 1321, 3.4 */
export function md5Block(state: readonly number[], block: Uint8Array): number[] {
  assert(state.length === 4 && block.length === 64, 'four words and one block');
  const words = new DataView(block.buffer, block.byteOffset, block.byteLength);
  let [a = 0, b = 0, c = 0, d = 0] = state;
  for (let step = 0; step < 64; step += 1) {
    const round = step >>> 4;
    const mixed = [(b & c) | (~b & d), (b & d) | (c & ~d), b ^ c ^ d, c ^ (b | ~d)][round] ?? 0;
    const word = [step, 5 * step + 1, 3 * step + 5, 7 * step][round] ?? 0;
    const sine = Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32);
    const sum = (a + mixed + words.getUint32(4 * (word % 16), true) + sine) | 0;
    const shift = MD5_SHIFTS[round]?.[step % 4] ?? 0;
    [a, d, c, b] = [d, c, b, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0];
  }
  return [a, b, c, d].map((word, index) => (word + (state[index] ?? 0)) >>> 0);
}
