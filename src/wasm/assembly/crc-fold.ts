// CRCs of long spans without a look-up per byte. A CRC is a remainder, so it stays the same when
// a multiple of the polynomial is added to the message. Each CRC polynomial has multiples of few
// terms, all of them powers of x^128 (CRC-64: of x^32): with one, a message is divided by XORs
// of whole vectors. Each quotient vector is the input plus the quotient vectors at the terms'
// distances back. What remains is as long as the longest distance, and goes through the tables.
// The idea is that of Chorba (Russell, 2024, https://arxiv.org/abs/2412.16398).
//
// The terms were found by birthday search (triples of 240 powers; for CRC-64 pairs of pairs of
// 2,300 powers), the shortest of those whose distances are longer than a step. That they are
// multiples is proved by the tests: with any other distances no CRC would be right.
import { CRC32, CRC32C, SCRATCH_BYTES } from './layout';
import { xorInto } from './memory';

/** Bytes one step takes; no distance is shorter, so a step reads only finished vectors. */
const STEP: usize = 64;

// Distances in bytes, ascending; the last one is the length of the remainder.
const A1: usize = 17 * 16;
const A2: usize = 80 * 16;
const A3: usize = 118 * 16;
const A4: usize = 124 * 16;
const A5: usize = 203 * 16;

const B1: usize = 65 * 16;
const B2: usize = 155 * 16;
const B3: usize = 170 * 16;
const B4: usize = 195 * 16;
const B5: usize = 209 * 16;

const C1: usize = 280 * 4;
const C2: usize = 979 * 4;
const C3: usize = 1172 * 4;
const C4: usize = 1598 * 4;
const C5: usize = 1607 * 4;
const C6: usize = 1645 * 4;
const C7: usize = 1740 * 4;

// @ts-ignore: decorator
@inline
function xor2(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline
function xor3(a: v128, b: v128, c: v128): v128 {
  return v128.xor(v128.xor(a, b), c);
}

// One step: the input plus what stands at each of five distances before `at`.
// @ts-ignore: decorator
@inline
function step5(at: usize, source: usize, a: usize, b: usize, c: usize, d: usize, e: usize): void {
  a = at - a;
  b = at - b;
  c = at - c;
  d = at - d;
  e = at - e;
  v128.store(
    at,
    xor2(
      xor3(v128.load(source), v128.load(a), v128.load(b)),
      xor3(v128.load(c), v128.load(d), v128.load(e)),
    ),
  );
  v128.store(
    at,
    xor2(
      xor3(v128.load(source, 16), v128.load(a, 16), v128.load(b, 16)),
      xor3(v128.load(c, 16), v128.load(d, 16), v128.load(e, 16)),
    ),
    16,
  );
  v128.store(
    at,
    xor2(
      xor3(v128.load(source, 32), v128.load(a, 32), v128.load(b, 32)),
      xor3(v128.load(c, 32), v128.load(d, 32), v128.load(e, 32)),
    ),
    32,
  );
  v128.store(
    at,
    xor2(
      xor3(v128.load(source, 48), v128.load(a, 48), v128.load(b, 48)),
      xor3(v128.load(c, 48), v128.load(d, 48), v128.load(e, 48)),
    ),
    48,
  );
}

// The same with seven distances.
// @ts-ignore: decorator
@inline
function step7(
  at: usize,
  source: usize,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  e: usize,
  f: usize,
  g: usize,
): void {
  a = at - a;
  b = at - b;
  c = at - c;
  d = at - d;
  e = at - e;
  f = at - f;
  g = at - g;
  v128.store(
    at,
    xor3(
      xor3(v128.load(source), v128.load(a), v128.load(b)),
      xor3(v128.load(c), v128.load(d), v128.load(e)),
      xor2(v128.load(f), v128.load(g)),
    ),
  );
  v128.store(
    at,
    xor3(
      xor3(v128.load(source, 16), v128.load(a, 16), v128.load(b, 16)),
      xor3(v128.load(c, 16), v128.load(d, 16), v128.load(e, 16)),
      xor2(v128.load(f, 16), v128.load(g, 16)),
    ),
    16,
  );
  v128.store(
    at,
    xor3(
      xor3(v128.load(source, 32), v128.load(a, 32), v128.load(b, 32)),
      xor3(v128.load(c, 32), v128.load(d, 32), v128.load(e, 32)),
      xor2(v128.load(f, 32), v128.load(g, 32)),
    ),
    32,
  );
  v128.store(
    at,
    xor3(
      xor3(v128.load(source, 48), v128.load(a, 48), v128.load(b, 48)),
      xor3(v128.load(c, 48), v128.load(d, 48), v128.load(e, 48)),
      xor2(v128.load(f, 48), v128.load(g, 48)),
    ),
    48,
  );
}

// @ts-ignore: decorator
@inline
function step(kind: u32, at: usize, source: usize): void {
  if (kind == CRC32) step5(at, source, A1, A2, A3, A4, A5);
  else if (kind == CRC32C) step5(at, source, B1, B2, B3, B4, B5);
  else step7(at, source, C1, C2, C3, C4, C5, C6, C7);
}

// @ts-ignore: decorator
@inline
function longest(kind: u32): usize {
  return kind == CRC32 ? A5 : kind == CRC32C ? B5 : C7;
}

// Adds the last quotient vectors to the remainder that starts where they end.
// @ts-ignore: decorator
@inline
function settle(kind: u32, at: usize): void {
  if (kind == CRC32) {
    settle5(at, A1, A2, A3, A4, A5);
  } else if (kind == CRC32C) {
    settle5(at, B1, B2, B3, B4, B5);
  } else {
    settle5(at, C1, C2, C3, C4, C5);
    xorInto(at, at - C6, C6);
    xorInto(at, at - C7, C7);
  }
}

function settle5(at: usize, a: usize, b: usize, c: usize, d: usize, e: usize): void {
  xorInto(at, at - a, a);
  xorInto(at, at - b, b);
  xorInto(at, at - c, c);
  xorInto(at, at - d, d);
  xorInto(at, at - e, e);
}

/** Shorter spans are not worth it; nor may they be folded: a quotient must be left to make. */
// @ts-ignore: decorator
@inline
export function foldableBytes(kind: u32): usize {
  return 4 * longest(kind);
}

/** Length of the remainder that `fold` leaves of `length` bytes. */
// @ts-ignore: decorator
@inline
export function remainderBytes(kind: u32, length: usize): usize {
  return length - ((length - longest(kind)) & ~(STEP - 1));
}

/**
 * Folds a span of at least `foldableBytes`, with the inverted state `ones` added to its first
 * bytes. Returns the address in the scratch of the remainder, whose CRC from an all-zero
 * register is that of the span. The scratch is `SCRATCH_BYTES` that no other thread touches.
 */
// @ts-ignore: decorator
@inline
export function fold(
  kind: u32,
  ones: u64,
  source: usize,
  length: usize,
  scratch: usize,
): usize {
  const history = longest(kind);
  const first = scratch + history;
  const last = first + ((<usize>SCRATCH_BYTES - history) & ~(STEP - 1));
  const rest = remainderBytes(kind, length);
  const end = source + (length - rest);
  let at = first;
  memory.fill(scratch, 0, history);
  step(kind, at, source);
  store<u64>(at, load<u64>(at) ^ ones);
  at += STEP;
  source += STEP;
  while (source < end) {
    if (at == last) {
      memory.copy(scratch, at - history, history);
      at = first;
    }
    const stop = at + min(end - source, last - at);
    while (at < stop) {
      step(kind, at, source);
      at += STEP;
      source += STEP;
    }
  }
  if (at + rest > last) {
    memory.copy(scratch, at - history, history);
    at = first;
  }
  memory.copy(at, source, rest);
  settle(kind, at);
  return at;
}
