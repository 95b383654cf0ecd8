/**
 * Proves at start that the kernels compute what their scalar twins do on this machine. Cheap, so
 * that every thread can afford it: short spans at odd offsets, all 256 coefficients, and every
 * entry of every table. Throws on the first difference.
 */
import { assert } from '../base/assert.ts';
import { crc32, crc32c, crc64nvme } from './crc.ts';
import type { Kernels } from './kernels.ts';
import { MD5_BLOCK_BYTES, MD5_LANES, MD5_START } from './md5-lanes.ts';
import * as twin from './scalar.ts';

/** Lengths on both sides of every step a kernel takes: 4, 8, 16, 32 and 64 bytes. */
const LENGTHS = [0, 1, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 131] as const;
const SPAN_BYTES = 256;
/** Each of the 16 positions of a slicing step sees all 256 bytes. */
const TABLE_BYTES = 16 * 256;

/** A page: enough for every CRC to be folded, the longest from 28,000 bytes on. */
export const SELF_TEST_BYTES: number = 64 * 1024;

/** Works on `SELF_TEST_BYTES` from `base` on, which must belong to the caller alone. */
export function selfTest(kernels: Kernels, base: number): void {
  const bytes = new Uint8Array(kernels.memory.buffer, base, TABLE_BYTES);
  for (let index = 0; index < TABLE_BYTES; index += 1) {
    bytes[index] = Math.imul(index + 1, 0x9e3779b1) >>> 23;
  }
  for (const length of LENGTHS) {
    testHashes(kernels, base + 1, length);
    testSpans(kernels, base, length);
  }
  testCoefficients(kernels, base);
  testMd5(kernels, base);
  testCrcs(kernels, base, TABLE_BYTES);
  testCrcs(kernels, base, SELF_TEST_BYTES - 5);
}

function viewOf(kernels: Kernels, offset: number, length: number): Uint8Array {
  return new Uint8Array(kernels.memory.buffer, offset, length);
}

function testHashes(kernels: Kernels, offset: number, length: number): void {
  const source = viewOf(kernels, offset, length);
  assert(kernels.xxh64(offset, length) === twin.xxh64(source), 'xxh64 agrees with its twin');
  const state32 = Number(twin.crc('crc32', 7n, source));
  assert(kernels.crc32(7, offset, length) === state32, 'crc32 agrees with its twin');
  const state32c = Number(twin.crc('crc32c', 7n, source));
  assert(kernels.crc32c(7, offset, length) === state32c, 'crc32c agrees with its twin');
  const state64 = twin.crc('crc64nvme', 7n, source);
  assert(kernels.crc64nvme(7n, offset, length) === state64, 'crc64nvme agrees with its twin');
}

/** Runs a kernel and its twin on equal bytes; the bytes around the target must stay. */
function testSpans(kernels: Kernels, base: number, length: number): void {
  const source = base + 3;
  const around = base + 2 * SPAN_BYTES;
  const target = around + 5;
  const run = (
    name: string,
    kernel: () => void,
    meaning: (into: Uint8Array, from: Uint8Array) => void,
  ): void => {
    const expected = viewOf(kernels, around, SPAN_BYTES).slice();
    meaning(expected.subarray(5, 5 + length), viewOf(kernels, source, length));
    kernel();
    const actual = viewOf(kernels, around, SPAN_BYTES);
    assert(Buffer.compare(actual, expected) === 0, `${name} agrees with its twin`);
  };
  run(
    'copy',
    () => kernels.copy(target, source, length),
    (into, from) => into.set(from),
  );
  run('xorInto', () => kernels.xorInto(target, source, length), twin.xorInto);
  run(
    'gfMul',
    () => kernels.gfMul(target, source, length, 0x8e),
    (into, from) => twin.gfMul(into, from, 0x8e),
  );
  run(
    'gfMulAdd',
    () => kernels.gfMulAdd(target, source, length, 0xb7),
    (into, from) => twin.gfMulAdd(into, from, 0xb7),
  );
  run(
    'zero',
    () => kernels.zero(target, length),
    (into) => into.fill(0),
  );
}

/** One to four streams, two blocks each, from odd offsets. */
function testMd5(kernels: Kernels, base: number): void {
  for (let count = 1; count <= MD5_LANES; count += 1) {
    const words = new Int32Array(4 * count);
    const lanes = Array.from({ length: count }, (_, index) => {
      words.set(MD5_START, 4 * index);
      return { words, at: 4 * index, source: base + 101 * index + 1 };
    });
    kernels.md5Lanes(lanes, 2 * MD5_BLOCK_BYTES);
    for (const { at, source } of lanes) {
      const first = twin.md5Block(MD5_START, viewOf(kernels, source, MD5_BLOCK_BYTES));
      const second = viewOf(kernels, source + MD5_BLOCK_BYTES, MD5_BLOCK_BYTES);
      const expected = Int32Array.from(twin.md5Block(first, second));
      const same = expected.every((word, index) => word === words[at + index]);
      assert(same, 'md5 agrees with its twin');
    }
  }
}

/** A product is linear, so the sixteen low and sixteen high nibbles stand for all bytes. */
function testCoefficients(kernels: Kernels, base: number): void {
  const source = viewOf(kernels, base, 32);
  for (let nibble = 0; nibble < 16; nibble += 1) {
    source[nibble] = nibble;
    source[nibble + 16] = nibble << 4;
  }
  const expected = new Uint8Array(32);
  for (let coefficient = 0; coefficient < 256; coefficient += 1) {
    kernels.gfMul(base + 32, base, 32, coefficient);
    twin.gfMul(expected, source, coefficient);
    const actual = viewOf(kernels, base + 32, 32);
    assert(Buffer.compare(actual, expected) === 0, `products with ${coefficient} are right`);
  }
}

/** Up to `TABLE_BYTES` by tables alone; a whole page is folded first. */
function testCrcs(kernels: Kernels, base: number, length: number): void {
  const source = viewOf(kernels, base, length);
  for (let index = 0; index < length; index += 1) source[index] = (index >>> 4) ^ (index >>> 12);
  assert(kernels.crc32(0, base, length) === crc32(source), 'crc32 is right');
  assert(kernels.crc32c(0, base, length) === crc32c(source), 'crc32c is right');
  assert(kernels.crc64nvme(0n, base, length) === crc64nvme(source), 'crc64nvme is right');
}
