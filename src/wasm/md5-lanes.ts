/**
 * The door to the MD5 kernels: states live wherever the caller keeps them, in four words each, so
 * a stream may be advanced by any thread and beside any others. One stream takes the scalar
 * kernel; two to four go in lock-step, which costs the same for each number.
 *
 * Invariant: nothing of a stream stays here between calls. The kernels' scratch belongs to one
 * thread and is claimed at its first MD5; a claim is never given back.
 */
import { assert } from '../base/assert.ts';

/** Scratches lie below the tables; the word before them counts those handed out. */
const SCRATCH_CLAIMS = 0x3fc;
const SCRATCH_START = 0x400;
const SCRATCH_END = 0x10000;
const SCRATCH_BYTES = 512;

/** The lock-step kernel's: four addresses, 4 × 4 words of state, and its own room. */
const STATES = 16;
/** The scalar kernel's: one state, and the end of a stream that is not in the memory. */
const STATE = 336;
const BYTES = 352;

export const MD5_LANES = 4;
export const MD5_BLOCK_BYTES = 64;
/** What `md5Bytes` takes at once: padding may need a second block. */
const BYTES_MAX = 2 * MD5_BLOCK_BYTES;

/** The state of the empty stream. */
export const MD5_START: readonly number[] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

export interface Md5Lane {
  /** The stream's state: four words from index `at` on. */
  readonly words: Int32Array;
  readonly at: number;
  /** Byte offset in the kernels' memory of what comes next. */
  readonly source: number;
}

export interface Md5Kernels {
  /** Advances one to four streams by `length` bytes each, a multiple of 64. */
  md5Lanes(lanes: readonly Md5Lane[], length: number): void;
  /** Advances a stream by 64 or 128 bytes of any memory. */
  md5Bytes(words: Int32Array, at: number, bytes: Uint8Array): void;
}

/** What the module exports. */
export interface Md5Exports {
  md5(state: number, source: number, length: number): void;
  md5x4(scratch: number, length: number): void;
}

type Check = (offset: number, length: number) => void;

function claimScratch(words: Int32Array): number {
  const start = SCRATCH_START + Atomics.add(words, SCRATCH_CLAIMS / 4, 1) * SCRATCH_BYTES;
  assert(start + SCRATCH_BYTES <= SCRATCH_END, 'few enough threads compute MD5 on one memory');
  return start;
}

export function bindMd5(memory: WebAssembly.Memory, raw: Md5Exports, readable: Check): Md5Kernels {
  const own = new Int32Array(memory.buffer);
  let claimed: number | undefined;
  const scratch = (): number => (claimed ??= claimScratch(own));

  const single = (words: Int32Array, at: number, source: number, length: number): void => {
    const state = scratch() + STATE;
    move(words, at, 1, own, state / 4, 1);
    raw.md5(state, source, length);
    move(own, state / 4, 1, words, at, 1);
  };

  const together = (lanes: readonly Md5Lane[], first: Md5Lane, length: number): void => {
    const base = scratch();
    const states = (base + STATES) / 4;
    for (let index = 0; index < MD5_LANES; index += 1) {
      // A lane nobody needs follows the first stream; what it computes is dropped.
      const { words, at, source } = lanes[index] ?? first;
      own[base / 4 + index] = source;
      move(words, at, 1, own, states + index, MD5_LANES);
    }
    raw.md5x4(base, length);
    for (const [index, { words, at }] of lanes.entries()) {
      move(own, states + index, MD5_LANES, words, at, 1);
    }
  };

  return {
    md5Lanes(lanes, length) {
      const [first] = lanes;
      assert(first !== undefined && lanes.length <= MD5_LANES, 'one to four lanes');
      assert(length % MD5_BLOCK_BYTES === 0, 'MD5 takes whole blocks');
      for (const { source } of lanes) readable(source, length);
      if (lanes.length === 1) single(first.words, first.at, first.source, length);
      else together(lanes, first, length);
    },
    md5Bytes(words, at, bytes) {
      const { length } = bytes;
      assert(length % MD5_BLOCK_BYTES === 0 && length <= BYTES_MAX, 'one or two whole blocks');
      const source = scratch() + BYTES;
      new Uint8Array(memory.buffer, source, length).set(bytes);
      single(words, at, source, length);
    },
  };
}

/** Copies the four words of a state; words of lanes in lock-step are `MD5_LANES` apart. */
function move(
  from: Int32Array,
  fromAt: number,
  fromStride: number,
  to: Int32Array,
  toAt: number,
  toStride: number,
): void {
  for (let word = 0; word < 4; word += 1) {
    to[toAt + word * toStride] = from[fromAt + word * fromStride] as number;
  }
}

/**
 * The padding that ends a stream of `length` bytes whose last ones, too few for a block, are
 * `tail`: one or two whole blocks (RFC 1321, 3.1 and 3.2).
 */
export function md5Padding(tail: Uint8Array, length: number): Uint8Array {
  assert(tail.length === length % MD5_BLOCK_BYTES, 'the tail is what makes no block');
  const padded = new Uint8Array(tail.length < 56 ? MD5_BLOCK_BYTES : BYTES_MAX);
  padded.set(tail);
  padded[tail.length] = 0x80;
  const bits = BigInt.asUintN(64, BigInt(length) * 8n);
  new DataView(padded.buffer).setBigUint64(padded.length - 8, bits, true);
  return padded;
}
