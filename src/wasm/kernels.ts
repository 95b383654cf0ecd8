/**
 * The typed door to the WebAssembly kernels: the only place that instantiates them. They work in
 * place on a shared memory and take raw byte offsets; nothing is copied in or out.
 *
 * Invariant: the kernels own `[0, ARENA_RESERVED_BYTES)` of the memory and never write another
 * byte than the span they were given. Tables hold the same constants whichever thread wrote
 * them, and scratch belongs to one thread, so any number of threads may load kernels on one
 * memory at any time. A span outside the memory, or a write below its reserved part, is a broken
 * invariant and crashes before a byte moves.
 */
import { assert } from '../base/assert.ts';
import { ARENA_RESERVED_BYTES } from '../memory/arena.ts';
import { KERNELS_WASM_BASE64 } from './kernels-module.ts';
import { bindMd5, type Md5Exports, type Md5Kernels } from './md5-lanes.ts';
import { SELF_TEST_BYTES, selfTest } from './self-test.ts';

/** Scratch for folding CRCs: one for each of the first threads that want one. */
const SCRATCH_START = 0x30000;
const SCRATCH_BYTES = 0x8000;
const SCRATCH_COUNT = (ARENA_RESERVED_BYTES - SCRATCH_START) / SCRATCH_BYTES;
/** Address of the 32-bit count of scratches handed out, above the tables. */
const SCRATCH_CLAIMS = 0x2fffc;

/**
 * Offsets and lengths are bytes, any alignment. Target and source may be the same span, but must
 * not overlap otherwise (`copy` alone allows it). All are synchronous and allocate nothing.
 */
export interface Kernels extends Md5Kernels {
  readonly memory: WebAssembly.Memory;
  copy(target: number, source: number, length: number): void;
  zero(target: number, length: number): void;
  /** target ^= source */
  xorInto(target: number, source: number, length: number): void;
  /** target = coefficient · source, over GF(2^8) with the polynomial 0x11d. */
  gfMul(target: number, source: number, length: number, coefficient: number): void;
  /** target ^= coefficient · source */
  gfMulAdd(target: number, source: number, length: number, coefficient: number): void;
  /** xxHash64, seed 0, as an unsigned 64-bit integer. */
  xxh64(source: number, length: number): bigint;
  /**
   * One xxHash64 for each `blockBytes` of the source (the last block may be short), as 8 bytes
   * little-endian one after another at `target`. No hash for an empty source.
   */
  xxh64Blocks(source: number, length: number, blockBytes: number, target: number): void;
  /** CRC-32 (IEEE) of what `state` covered followed by the source; 0 for nothing yet. */
  crc32(state: number, source: number, length: number): number;
  /** CRC-32C (Castagnoli); `state` as in `crc32`. */
  crc32c(state: number, source: number, length: number): number;
  /** CRC-64/NVME; `state` as in `crc32`. */
  crc64nvme(state: bigint, source: number, length: number): bigint;
}

/** What the module exports; i32 and i64 results come back signed. */
interface Exports extends Md5Exports {
  prepareTables(): void;
  copy(target: number, source: number, length: number): void;
  zero(target: number, length: number): void;
  xorInto(target: number, source: number, length: number): void;
  gfMul(target: number, source: number, length: number, coefficient: number): void;
  gfMulAdd(target: number, source: number, length: number, coefficient: number): void;
  xxh64(source: number, length: number): bigint;
  xxh64Blocks(source: number, length: number, blockBytes: number, target: number): void;
  crc32(state: number, source: number, length: number, scratch: number): number;
  crc32c(state: number, source: number, length: number, scratch: number): number;
  crc64nvme(state: bigint, source: number, length: number, scratch: number): bigint;
}

const PAGE_BYTES = 0x10000;

/** Compiled and self-tested once in each thread. */
let compiled: WebAssembly.Module | undefined;
const bound = new WeakMap<WebAssembly.Memory, Kernels>();

/**
 * Kernels on `memory`, which must be shared, of fixed size, and longer than its reserved part.
 * Tests and threads may use a small memory of their own. Throws when the kernels disagree with
 * their scalar twins on this machine: then no byte may be trusted to them.
 */
export function loadKernels(memory: WebAssembly.Memory): Kernels {
  const known = bound.get(memory);
  if (known !== undefined) return known;
  if (compiled === undefined) {
    const module = new WebAssembly.Module(Buffer.from(KERNELS_WASM_BASE64, 'base64'));
    // On private memory: writes to the shared one would race with another thread's self-test.
    const pages = (ARENA_RESERVED_BYTES + SELF_TEST_BYTES) / PAGE_BYTES;
    const trial = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    selfTest(bind(module, trial), ARENA_RESERVED_BYTES);
    compiled = module;
  }
  const kernels = bind(compiled, memory);
  bound.set(memory, kernels);
  return kernels;
}

/**
 * A scratch nobody else has, or 0 when all are taken: then CRCs are right but slower. Claims are
 * never given back, so threads that are started again and again end without one.
 */
function claimScratch(memory: WebAssembly.Memory): number {
  const claim = Atomics.add(new Int32Array(memory.buffer), SCRATCH_CLAIMS / 4, 1);
  return claim < SCRATCH_COUNT ? SCRATCH_START + claim * SCRATCH_BYTES : 0;
}

function bind(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const bytesMax = memory.buffer.byteLength;
  assert(bytesMax > ARENA_RESERVED_BYTES, 'the memory is longer than its reserved part');
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const raw = instance.exports as unknown as Exports;
  raw.prepareTables();

  const readable = (source: number, length: number): void => {
    assert(
      Number.isInteger(source) && Number.isInteger(length) && source >= 0 && length >= 0,
      'spans are whole and not negative',
    );
    assert(source + length <= bytesMax, 'spans lie inside the memory');
  };
  const writable = (target: number, length: number): void => {
    readable(target, length);
    assert(target >= ARENA_RESERVED_BYTES, 'kernels write to blocks only');
  };
  const element = (coefficient: number): void => {
    assert((coefficient & 0xff) === coefficient, 'coefficients are elements of GF(2^8)');
  };

  return {
    memory,
    copy(target, source, length) {
      writable(target, length);
      readable(source, length);
      raw.copy(target, source, length);
    },
    zero(target, length) {
      writable(target, length);
      raw.zero(target, length);
    },
    xorInto(target, source, length) {
      writable(target, length);
      readable(source, length);
      raw.xorInto(target, source, length);
    },
    gfMul(target, source, length, coefficient) {
      writable(target, length);
      readable(source, length);
      element(coefficient);
      raw.gfMul(target, source, length, coefficient);
    },
    gfMulAdd(target, source, length, coefficient) {
      writable(target, length);
      readable(source, length);
      element(coefficient);
      raw.gfMulAdd(target, source, length, coefficient);
    },
    ...bindHashes(raw, readable, writable),
    ...bindCrcs(memory, raw, readable),
    ...bindMd5(memory, raw, readable),
  };
}

type Check = (offset: number, length: number) => void;

function bindHashes(
  raw: Exports,
  readable: Check,
  writable: Check,
): Pick<Kernels, 'xxh64' | 'xxh64Blocks'> {
  return {
    xxh64(source, length) {
      readable(source, length);
      return BigInt.asUintN(64, raw.xxh64(source, length));
    },
    xxh64Blocks(source, length, blockBytes, target) {
      readable(source, length);
      assert(Number.isInteger(blockBytes) && blockBytes > 0, 'blocks are not empty');
      writable(target, Math.ceil(length / blockBytes) * 8);
      raw.xxh64Blocks(source, length, blockBytes, target);
    },
  };
}

function bindCrcs(
  memory: WebAssembly.Memory,
  raw: Exports,
  readable: Check,
): Pick<Kernels, 'crc32' | 'crc32c' | 'crc64nvme'> {
  // Claimed at the first CRC: most threads never compute one.
  let claimed: number | undefined;
  const scratch = (): number => (claimed ??= claimScratch(memory));
  return {
    crc32(state, source, length) {
      readable(source, length);
      return raw.crc32(state, source, length, scratch()) >>> 0;
    },
    crc32c(state, source, length) {
      readable(source, length);
      return raw.crc32c(state, source, length, scratch()) >>> 0;
    },
    crc64nvme(state, source, length) {
      readable(source, length);
      const crc = raw.crc64nvme(BigInt.asIntN(64, state), source, length, scratch());
      return BigInt.asUintN(64, crc);
    },
  };
}
