/**
 * The typed door to the WebAssembly kernels: the only place that instantiates them. They work in
 * place on a shared memory and take raw byte offsets; nothing is copied in or out.
 *
 * Invariant: the kernels own `[0, KERNEL_TABLES_END)` of the memory and never write another byte
 * than the span they were given. Their tables hold the same constants whichever thread wrote
 * them, so any number of threads may load kernels on one memory at any time. A span outside the
 * memory, or a write into the tables, is a broken invariant and crashes before a byte moves.
 */
import { assert } from '../base/assert.ts';
import { KERNELS_WASM_BASE64 } from './kernels-module.ts';
import { selfTest } from './self-test.ts';

/** First address that data may use; `ARENA_RESERVED_BYTES` is above it. */
export const KERNEL_TABLES_END = 0x30000;

/**
 * Offsets and lengths are bytes, any alignment. Target and source may be the same span, but must
 * not overlap otherwise (`copy` alone allows it). All are synchronous and allocate nothing.
 */
export interface Kernels {
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
interface Exports {
  prepareTables(): void;
  copy(target: number, source: number, length: number): void;
  zero(target: number, length: number): void;
  xorInto(target: number, source: number, length: number): void;
  gfMul(target: number, source: number, length: number, coefficient: number): void;
  gfMulAdd(target: number, source: number, length: number, coefficient: number): void;
  xxh64(source: number, length: number): bigint;
  xxh64Blocks(source: number, length: number, blockBytes: number, target: number): void;
  crc32(state: number, source: number, length: number): number;
  crc32c(state: number, source: number, length: number): number;
  crc64nvme(state: bigint, source: number, length: number): bigint;
}

const PAGE_BYTES = 0x10000;

/** Compiled once in each thread, and self-tested once in each thread. */
let compiled: WebAssembly.Module | undefined;

/**
 * Kernels on `memory`, which must be shared, of fixed size, and longer than the tables. Tests and
 * threads may use a small memory of their own. Throws when the kernels disagree with their
 * scalar twins on this machine: then no byte may be trusted to them.
 */
export function loadKernels(memory: WebAssembly.Memory): Kernels {
  if (compiled === undefined) {
    const module = new WebAssembly.Module(Buffer.from(KERNELS_WASM_BASE64, 'base64'));
    // The writing kernels are tested on private memory: scratch in the shared one would race
    // with the self-test of another thread.
    const pages = KERNEL_TABLES_END / PAGE_BYTES + 1;
    const scratch = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    selfTest(bind(module, scratch), KERNEL_TABLES_END);
    compiled = module;
  }
  return bind(compiled, memory);
}

function bind(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const bytesMax = memory.buffer.byteLength;
  assert(bytesMax > KERNEL_TABLES_END, 'the memory is longer than the kernel tables');
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
    assert(target >= KERNEL_TABLES_END, 'kernels do not write over their tables');
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
  };
}

type Check = (offset: number, length: number) => void;
type Hashes = Pick<Kernels, 'xxh64' | 'xxh64Blocks' | 'crc32' | 'crc32c' | 'crc64nvme'>;

function bindHashes(raw: Exports, readable: Check, writable: Check): Hashes {
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
    crc32(state, source, length) {
      readable(source, length);
      return raw.crc32(state, source, length) >>> 0;
    },
    crc32c(state, source, length) {
      readable(source, length);
      return raw.crc32c(state, source, length) >>> 0;
    },
    crc64nvme(state, source, length) {
      readable(source, length);
      return BigInt.asUintN(64, raw.crc64nvme(BigInt.asIntN(64, state), source, length));
    },
  };
}
