// MD5 (RFC 1321), one stream at a time and four in lock-step. A stream's steps each wait for the
// one before, so one stream leaves the machine half idle and four lanes of a vector cost little
// more than one. Measured: one 780 MB/s (OpenSSL 730), four together 2,500, eight 2,600: eight
// are not worth their code.
//
// Everything is unrolled: shifts by constants are one instruction, shifts by variables are three.
// The sums are bracketed so that only what needs the step before waits for it.
import { MD5_SINES } from './layout';

/** Offsets in the scratch of the lock-step kernel, which md5-lanes.ts repeats. */
const SOURCES: usize = 0;
const STATES: usize = 16;
const WORDS: usize = 80;

// @ts-ignore: decorator
@inline
function f(a: u32, b: u32, c: u32, d: u32, word: u32, shift: u32, sine: u32): u32 {
  return b + rotl<u32>(a + (word + sine) + (d ^ (b & (c ^ d))), shift);
}

// @ts-ignore: decorator
@inline
function g(a: u32, b: u32, c: u32, d: u32, word: u32, shift: u32, sine: u32): u32 {
  return b + rotl<u32>(a + (word + sine) + (c & ~d) + (b & d), shift);
}

// @ts-ignore: decorator
@inline
function h(a: u32, b: u32, c: u32, d: u32, word: u32, shift: u32, sine: u32): u32 {
  return b + rotl<u32>(a + (word + sine) + (b ^ (c ^ d)), shift);
}

// @ts-ignore: decorator
@inline
function i(a: u32, b: u32, c: u32, d: u32, word: u32, shift: u32, sine: u32): u32 {
  return b + rotl<u32>(a + (word + sine) + (c ^ (b | ~d)), shift);
}

/** Advances the four words at `state` by `length` bytes, a multiple of 64. */
export function md5(state: usize, source: usize, length: usize): void {
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  for (const end = source + length; source < end; source += 64) {
    const a0 = a;
    const b0 = b;
    const c0 = c;
    const d0 = d;
    a = f(a, b, c, d, load<u32>(source, 0), 7, 0xd76aa478);
    d = f(d, a, b, c, load<u32>(source, 4), 12, 0xe8c7b756);
    c = f(c, d, a, b, load<u32>(source, 8), 17, 0x242070db);
    b = f(b, c, d, a, load<u32>(source, 12), 22, 0xc1bdceee);
    a = f(a, b, c, d, load<u32>(source, 16), 7, 0xf57c0faf);
    d = f(d, a, b, c, load<u32>(source, 20), 12, 0x4787c62a);
    c = f(c, d, a, b, load<u32>(source, 24), 17, 0xa8304613);
    b = f(b, c, d, a, load<u32>(source, 28), 22, 0xfd469501);
    a = f(a, b, c, d, load<u32>(source, 32), 7, 0x698098d8);
    d = f(d, a, b, c, load<u32>(source, 36), 12, 0x8b44f7af);
    c = f(c, d, a, b, load<u32>(source, 40), 17, 0xffff5bb1);
    b = f(b, c, d, a, load<u32>(source, 44), 22, 0x895cd7be);
    a = f(a, b, c, d, load<u32>(source, 48), 7, 0x6b901122);
    d = f(d, a, b, c, load<u32>(source, 52), 12, 0xfd987193);
    c = f(c, d, a, b, load<u32>(source, 56), 17, 0xa679438e);
    b = f(b, c, d, a, load<u32>(source, 60), 22, 0x49b40821);
    a = g(a, b, c, d, load<u32>(source, 4), 5, 0xf61e2562);
    d = g(d, a, b, c, load<u32>(source, 24), 9, 0xc040b340);
    c = g(c, d, a, b, load<u32>(source, 44), 14, 0x265e5a51);
    b = g(b, c, d, a, load<u32>(source, 0), 20, 0xe9b6c7aa);
    a = g(a, b, c, d, load<u32>(source, 20), 5, 0xd62f105d);
    d = g(d, a, b, c, load<u32>(source, 40), 9, 0x02441453);
    c = g(c, d, a, b, load<u32>(source, 60), 14, 0xd8a1e681);
    b = g(b, c, d, a, load<u32>(source, 16), 20, 0xe7d3fbc8);
    a = g(a, b, c, d, load<u32>(source, 36), 5, 0x21e1cde6);
    d = g(d, a, b, c, load<u32>(source, 56), 9, 0xc33707d6);
    c = g(c, d, a, b, load<u32>(source, 12), 14, 0xf4d50d87);
    b = g(b, c, d, a, load<u32>(source, 32), 20, 0x455a14ed);
    a = g(a, b, c, d, load<u32>(source, 52), 5, 0xa9e3e905);
    d = g(d, a, b, c, load<u32>(source, 8), 9, 0xfcefa3f8);
    c = g(c, d, a, b, load<u32>(source, 28), 14, 0x676f02d9);
    b = g(b, c, d, a, load<u32>(source, 48), 20, 0x8d2a4c8a);
    a = h(a, b, c, d, load<u32>(source, 20), 4, 0xfffa3942);
    d = h(d, a, b, c, load<u32>(source, 32), 11, 0x8771f681);
    c = h(c, d, a, b, load<u32>(source, 44), 16, 0x6d9d6122);
    b = h(b, c, d, a, load<u32>(source, 56), 23, 0xfde5380c);
    a = h(a, b, c, d, load<u32>(source, 4), 4, 0xa4beea44);
    d = h(d, a, b, c, load<u32>(source, 16), 11, 0x4bdecfa9);
    c = h(c, d, a, b, load<u32>(source, 28), 16, 0xf6bb4b60);
    b = h(b, c, d, a, load<u32>(source, 40), 23, 0xbebfbc70);
    a = h(a, b, c, d, load<u32>(source, 52), 4, 0x289b7ec6);
    d = h(d, a, b, c, load<u32>(source, 0), 11, 0xeaa127fa);
    c = h(c, d, a, b, load<u32>(source, 12), 16, 0xd4ef3085);
    b = h(b, c, d, a, load<u32>(source, 24), 23, 0x04881d05);
    a = h(a, b, c, d, load<u32>(source, 36), 4, 0xd9d4d039);
    d = h(d, a, b, c, load<u32>(source, 48), 11, 0xe6db99e5);
    c = h(c, d, a, b, load<u32>(source, 60), 16, 0x1fa27cf8);
    b = h(b, c, d, a, load<u32>(source, 8), 23, 0xc4ac5665);
    a = i(a, b, c, d, load<u32>(source, 0), 6, 0xf4292244);
    d = i(d, a, b, c, load<u32>(source, 28), 10, 0x432aff97);
    c = i(c, d, a, b, load<u32>(source, 56), 15, 0xab9423a7);
    b = i(b, c, d, a, load<u32>(source, 20), 21, 0xfc93a039);
    a = i(a, b, c, d, load<u32>(source, 48), 6, 0x655b59c3);
    d = i(d, a, b, c, load<u32>(source, 12), 10, 0x8f0ccc92);
    c = i(c, d, a, b, load<u32>(source, 40), 15, 0xffeff47d);
    b = i(b, c, d, a, load<u32>(source, 4), 21, 0x85845dd1);
    a = i(a, b, c, d, load<u32>(source, 32), 6, 0x6fa87e4f);
    d = i(d, a, b, c, load<u32>(source, 60), 10, 0xfe2ce6e0);
    c = i(c, d, a, b, load<u32>(source, 24), 15, 0xa3014314);
    b = i(b, c, d, a, load<u32>(source, 52), 21, 0x4e0811a1);
    a = i(a, b, c, d, load<u32>(source, 16), 6, 0xf7537e82);
    d = i(d, a, b, c, load<u32>(source, 44), 10, 0xbd3af235);
    c = i(c, d, a, b, load<u32>(source, 8), 15, 0x2ad7d2bb);
    b = i(b, c, d, a, load<u32>(source, 36), 21, 0xeb86d391);
    a += a0;
    b += b0;
    c += c0;
    d += d0;
  }
  store<u32>(state, a);
  store<u32>(state, b, 4);
  store<u32>(state, c, 8);
  store<u32>(state, d, 12);
}

// @ts-ignore: decorator
@inline
function sum3(a: v128, b: v128, c: v128): v128 {
  return i32x4.add(i32x4.add(a, b), c);
}

// @ts-ignore: decorator
@inline
function turn(b: v128, sum: v128, shift: i32): v128 {
  return i32x4.add(b, v128.or(i32x4.shl(sum, shift), i32x4.shr_u(sum, 32 - shift)));
}

// What a step adds that does not depend on the step before.
// @ts-ignore: decorator
@inline
function given(at: usize, word: usize, step: usize): v128 {
  const sine = v128.load32_splat(MD5_SINES + 4 * step);
  return i32x4.add(v128.load(at + WORDS + 16 * word), sine);
}

// @ts-ignore: decorator
@inline
function f4(a: v128, b: v128, c: v128, d: v128, more: v128, shift: i32): v128 {
  return turn(b, sum3(a, more, v128.xor(d, v128.and(b, v128.xor(c, d)))), shift);
}

// @ts-ignore: decorator
@inline
function g4(a: v128, b: v128, c: v128, d: v128, more: v128, shift: i32): v128 {
  return turn(b, i32x4.add(sum3(a, more, v128.andnot(c, d)), v128.and(b, d)), shift);
}

// @ts-ignore: decorator
@inline
function h4(a: v128, b: v128, c: v128, d: v128, more: v128, shift: i32): v128 {
  return turn(b, sum3(a, more, v128.xor(b, v128.xor(c, d))), shift);
}

// @ts-ignore: decorator
@inline
function i4(a: v128, b: v128, c: v128, d: v128, more: v128, shift: i32): v128 {
  return turn(b, sum3(a, more, v128.xor(c, v128.or(b, v128.not(d)))), shift);
}

// Four words of each of four streams, from rows of a stream to rows of a word.
// @ts-ignore: decorator
@inline
function transpose(to: usize, row0: v128, row1: v128, row2: v128, row3: v128): void {
  const low01 = v128.shuffle<i32>(row0, row1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(row2, row3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(row0, row1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(row2, row3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(to, v128.shuffle<i64>(low01, low23, 1, 3), 16);
  v128.store(to, v128.shuffle<i64>(high01, high23, 0, 2), 32);
  v128.store(to, v128.shuffle<i64>(high01, high23, 1, 3), 48);
}

/**
 * Advances four streams by `length` bytes each, a multiple of 64. At `at`: four addresses of
 * data, then the words a, b, c and d of the four states (word by word, not state by state), then
 * room for the 64 bytes under way of each.
 */
export function md5x4(at: usize, length: usize): void {
  const source0: usize = load<u32>(at, SOURCES);
  const source1: usize = load<u32>(at, SOURCES + 4);
  const source2: usize = load<u32>(at, SOURCES + 8);
  const source3: usize = load<u32>(at, SOURCES + 12);
  let a = v128.load(at, STATES);
  let b = v128.load(at, STATES + 16);
  let c = v128.load(at, STATES + 32);
  let d = v128.load(at, STATES + 48);
  for (let done: usize = 0; done < length; done += 64) {
    const a0 = a;
    const b0 = b;
    const c0 = c;
    const d0 = d;
    for (let part: usize = 0; part < 64; part += 16) {
      transpose(
        at + WORDS + 4 * part,
        v128.load(source0 + done + part),
        v128.load(source1 + done + part),
        v128.load(source2 + done + part),
        v128.load(source3 + done + part),
      );
    }
    a = f4(a, b, c, d, given(at, 0, 0), 7);
    d = f4(d, a, b, c, given(at, 1, 1), 12);
    c = f4(c, d, a, b, given(at, 2, 2), 17);
    b = f4(b, c, d, a, given(at, 3, 3), 22);
    a = f4(a, b, c, d, given(at, 4, 4), 7);
    d = f4(d, a, b, c, given(at, 5, 5), 12);
    c = f4(c, d, a, b, given(at, 6, 6), 17);
    b = f4(b, c, d, a, given(at, 7, 7), 22);
    a = f4(a, b, c, d, given(at, 8, 8), 7);
    d = f4(d, a, b, c, given(at, 9, 9), 12);
    c = f4(c, d, a, b, given(at, 10, 10), 17);
    b = f4(b, c, d, a, given(at, 11, 11), 22);
    a = f4(a, b, c, d, given(at, 12, 12), 7);
    d = f4(d, a, b, c, given(at, 13, 13), 12);
    c = f4(c, d, a, b, given(at, 14, 14), 17);
    b = f4(b, c, d, a, given(at, 15, 15), 22);
    a = g4(a, b, c, d, given(at, 1, 16), 5);
    d = g4(d, a, b, c, given(at, 6, 17), 9);
    c = g4(c, d, a, b, given(at, 11, 18), 14);
    b = g4(b, c, d, a, given(at, 0, 19), 20);
    a = g4(a, b, c, d, given(at, 5, 20), 5);
    d = g4(d, a, b, c, given(at, 10, 21), 9);
    c = g4(c, d, a, b, given(at, 15, 22), 14);
    b = g4(b, c, d, a, given(at, 4, 23), 20);
    a = g4(a, b, c, d, given(at, 9, 24), 5);
    d = g4(d, a, b, c, given(at, 14, 25), 9);
    c = g4(c, d, a, b, given(at, 3, 26), 14);
    b = g4(b, c, d, a, given(at, 8, 27), 20);
    a = g4(a, b, c, d, given(at, 13, 28), 5);
    d = g4(d, a, b, c, given(at, 2, 29), 9);
    c = g4(c, d, a, b, given(at, 7, 30), 14);
    b = g4(b, c, d, a, given(at, 12, 31), 20);
    a = h4(a, b, c, d, given(at, 5, 32), 4);
    d = h4(d, a, b, c, given(at, 8, 33), 11);
    c = h4(c, d, a, b, given(at, 11, 34), 16);
    b = h4(b, c, d, a, given(at, 14, 35), 23);
    a = h4(a, b, c, d, given(at, 1, 36), 4);
    d = h4(d, a, b, c, given(at, 4, 37), 11);
    c = h4(c, d, a, b, given(at, 7, 38), 16);
    b = h4(b, c, d, a, given(at, 10, 39), 23);
    a = h4(a, b, c, d, given(at, 13, 40), 4);
    d = h4(d, a, b, c, given(at, 0, 41), 11);
    c = h4(c, d, a, b, given(at, 3, 42), 16);
    b = h4(b, c, d, a, given(at, 6, 43), 23);
    a = h4(a, b, c, d, given(at, 9, 44), 4);
    d = h4(d, a, b, c, given(at, 12, 45), 11);
    c = h4(c, d, a, b, given(at, 15, 46), 16);
    b = h4(b, c, d, a, given(at, 2, 47), 23);
    a = i4(a, b, c, d, given(at, 0, 48), 6);
    d = i4(d, a, b, c, given(at, 7, 49), 10);
    c = i4(c, d, a, b, given(at, 14, 50), 15);
    b = i4(b, c, d, a, given(at, 5, 51), 21);
    a = i4(a, b, c, d, given(at, 12, 52), 6);
    d = i4(d, a, b, c, given(at, 3, 53), 10);
    c = i4(c, d, a, b, given(at, 10, 54), 15);
    b = i4(b, c, d, a, given(at, 1, 55), 21);
    a = i4(a, b, c, d, given(at, 8, 56), 6);
    d = i4(d, a, b, c, given(at, 15, 57), 10);
    c = i4(c, d, a, b, given(at, 6, 58), 15);
    b = i4(b, c, d, a, given(at, 13, 59), 21);
    a = i4(a, b, c, d, given(at, 4, 60), 6);
    d = i4(d, a, b, c, given(at, 11, 61), 10);
    c = i4(c, d, a, b, given(at, 2, 62), 15);
    b = i4(b, c, d, a, given(at, 9, 63), 21);
    a = i32x4.add(a, a0);
    b = i32x4.add(b, b0);
    c = i32x4.add(c, c0);
    d = i32x4.add(d, d0);
  }
  v128.store(at, a, STATES);
  v128.store(at, b, STATES + 16);
  v128.store(at, c, STATES + 32);
  v128.store(at, d, STATES + 48);
}

// Stores final values only: other threads may be reading the same constants meanwhile.
export function prepareMd5(): void {
  store<u32>(MD5_SINES, 0xd76aa478);
  store<u32>(MD5_SINES, 0xe8c7b756, 4);
  store<u32>(MD5_SINES, 0x242070db, 8);
  store<u32>(MD5_SINES, 0xc1bdceee, 12);
  store<u32>(MD5_SINES, 0xf57c0faf, 16);
  store<u32>(MD5_SINES, 0x4787c62a, 20);
  store<u32>(MD5_SINES, 0xa8304613, 24);
  store<u32>(MD5_SINES, 0xfd469501, 28);
  store<u32>(MD5_SINES, 0x698098d8, 32);
  store<u32>(MD5_SINES, 0x8b44f7af, 36);
  store<u32>(MD5_SINES, 0xffff5bb1, 40);
  store<u32>(MD5_SINES, 0x895cd7be, 44);
  store<u32>(MD5_SINES, 0x6b901122, 48);
  store<u32>(MD5_SINES, 0xfd987193, 52);
  store<u32>(MD5_SINES, 0xa679438e, 56);
  store<u32>(MD5_SINES, 0x49b40821, 60);
  store<u32>(MD5_SINES, 0xf61e2562, 64);
  store<u32>(MD5_SINES, 0xc040b340, 68);
  store<u32>(MD5_SINES, 0x265e5a51, 72);
  store<u32>(MD5_SINES, 0xe9b6c7aa, 76);
  store<u32>(MD5_SINES, 0xd62f105d, 80);
  store<u32>(MD5_SINES, 0x02441453, 84);
  store<u32>(MD5_SINES, 0xd8a1e681, 88);
  store<u32>(MD5_SINES, 0xe7d3fbc8, 92);
  store<u32>(MD5_SINES, 0x21e1cde6, 96);
  store<u32>(MD5_SINES, 0xc33707d6, 100);
  store<u32>(MD5_SINES, 0xf4d50d87, 104);
  store<u32>(MD5_SINES, 0x455a14ed, 108);
  store<u32>(MD5_SINES, 0xa9e3e905, 112);
  store<u32>(MD5_SINES, 0xfcefa3f8, 116);
  store<u32>(MD5_SINES, 0x676f02d9, 120);
  store<u32>(MD5_SINES, 0x8d2a4c8a, 124);
  store<u32>(MD5_SINES, 0xfffa3942, 128);
  store<u32>(MD5_SINES, 0x8771f681, 132);
  store<u32>(MD5_SINES, 0x6d9d6122, 136);
  store<u32>(MD5_SINES, 0xfde5380c, 140);
  store<u32>(MD5_SINES, 0xa4beea44, 144);
  store<u32>(MD5_SINES, 0x4bdecfa9, 148);
  store<u32>(MD5_SINES, 0xf6bb4b60, 152);
  store<u32>(MD5_SINES, 0xbebfbc70, 156);
  store<u32>(MD5_SINES, 0x289b7ec6, 160);
  store<u32>(MD5_SINES, 0xeaa127fa, 164);
  store<u32>(MD5_SINES, 0xd4ef3085, 168);
  store<u32>(MD5_SINES, 0x04881d05, 172);
  store<u32>(MD5_SINES, 0xd9d4d039, 176);
  store<u32>(MD5_SINES, 0xe6db99e5, 180);
  store<u32>(MD5_SINES, 0x1fa27cf8, 184);
  store<u32>(MD5_SINES, 0xc4ac5665, 188);
  store<u32>(MD5_SINES, 0xf4292244, 192);
  store<u32>(MD5_SINES, 0x432aff97, 196);
  store<u32>(MD5_SINES, 0xab9423a7, 200);
  store<u32>(MD5_SINES, 0xfc93a039, 204);
  store<u32>(MD5_SINES, 0x655b59c3, 208);
  store<u32>(MD5_SINES, 0x8f0ccc92, 212);
  store<u32>(MD5_SINES, 0xffeff47d, 216);
  store<u32>(MD5_SINES, 0x85845dd1, 220);
  store<u32>(MD5_SINES, 0x6fa87e4f, 224);
  store<u32>(MD5_SINES, 0xfe2ce6e0, 228);
  store<u32>(MD5_SINES, 0xa3014314, 232);
  store<u32>(MD5_SINES, 0x4e0811a1, 236);
  store<u32>(MD5_SINES, 0xf7537e82, 240);
  store<u32>(MD5_SINES, 0xbd3af235, 244);
  store<u32>(MD5_SINES, 0x2ad7d2bb, 248);
  store<u32>(MD5_SINES, 0xeb86d391, 252);
}
