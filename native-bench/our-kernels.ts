/**
 * Our side of every kernel: the same work on blocks of the same size as the C programs do, done by
 * what the server itself uses (WASM kernels on a shared memory, digests as bodies compute them).
 * Each is one synchronous function; `measure` repeats it and counts the CPU of this process.
 */
import { hash } from 'node:crypto';
import type { Replication } from '../src/chunks/chunk-store.ts';
import { codecFor } from '../src/chunks/codec.ts';
import { LIMITS } from '../src/base/limits.ts';
import { ARENA_RESERVED_BYTES } from '../src/memory/arena.ts';
import { type Kernels, loadKernels } from '../src/wasm/kernels.ts';
import { MD5_LANES, type Md5Lane } from '../src/wasm/md5-lanes.ts';
import type { ProgramName } from './compiler.ts';
import { type Sample, sampleOf } from './sample.ts';

const BLOCK = LIMITS.blockBytes;
const DATA_MAX = 10;
const PARITY_MAX = 4;
const PAGE_BYTES = 64 * 1024;
const WARM_MS = 60;

export interface OurKernel {
  /** As the C program names it. */
  readonly name: string;
  readonly program: ProgramName;
  readonly what: string;
  /** Of payload, each time it runs. */
  readonly bytes: number;
  run(): void;
}

export function ourKernels(): readonly OurKernel[] {
  const bytes = ARENA_RESERVED_BYTES + (DATA_MAX + PARITY_MAX + 1) * BLOCK;
  const pages = bytes / PAGE_BYTES;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernels = loadKernels(memory);
  const all = new Uint32Array(memory.buffer, ARENA_RESERVED_BYTES);
  for (let at = 0, state = 1; at < all.length; at += 1) {
    state = Math.imul(state, 0x9e3779b1) + 12345;
    all[at] = state ^ (state >>> 15);
  }
  return [...digestKernels(kernels), ...codeKernels(kernels)];
}

const blockAt = (index: number): number => ARENA_RESERVED_BYTES + index * BLOCK;

/** Lock-step rounds of the digest threads: digest-sessions.ts takes as much of each stream. */
const ROUND_BYTES = 64 * 1024;

/** Streams go together as far as the kernel has lanes, like bodies on a digest thread. */
function md5(kernels: Kernels, streams: number): OurKernel {
  const words = new Int32Array(4 * streams);
  const rounds: (readonly Md5Lane[])[] = [];
  for (let first = 0; first < streams; first += MD5_LANES) {
    const count = Math.min(MD5_LANES, streams - first);
    for (let at = 0; at < BLOCK; at += ROUND_BYTES) {
      const lane = (stream: number): Md5Lane => ({
        words,
        at: 4 * stream,
        source: blockAt(stream) + at,
      });
      rounds.push(Array.from({ length: count }, (_, index) => lane(first + index)));
    }
  }
  return {
    name: `md5-${streams}`,
    program: 'digests',
    what: streams === 1 ? 'MD5, one stream' : `MD5, ${streams} streams`,
    bytes: streams * BLOCK,
    run: () => {
      for (const lanes of rounds) kernels.md5Lanes(lanes, ROUND_BYTES);
    },
  };
}

function digestKernels(kernels: Kernels): OurKernel[] {
  const digest = (name: string, what: string, run: () => void): OurKernel => ({
    name,
    program: 'digests',
    what,
    bytes: BLOCK,
    run,
  });
  const bytes = new Uint8Array(kernels.memory.buffer, blockAt(0), BLOCK);
  return [
    md5(kernels, 1),
    md5(kernels, 4),
    md5(kernels, 8),
    digest('sha256', 'SHA-256', () => void hash('sha256', bytes, 'hex')),
    digest('crc32', 'CRC-32', () => void kernels.crc32(0, blockAt(0), BLOCK)),
    digest('crc32c', 'CRC-32C', () => void kernels.crc32c(0, blockAt(0), BLOCK)),
    digest('crc64nvme', 'CRC-64/NVME', () => void kernels.crc64nvme(0n, blockAt(0), BLOCK)),
    {
      name: 'xxh64',
      program: 'digests',
      what: 'xxHash64 of 64 KiB blocks',
      bytes: BLOCK,
      run: () => kernels.xxh64Blocks(blockAt(0), BLOCK, LIMITS.checksumBlockBytes, blockAt(1)),
    },
  ];
}

function codeKernels(kernels: Kernels): OurKernel[] {
  const code = (replication: Replication, what: string, name: string): OurKernel => {
    const codec = codecFor(replication, kernels);
    const { dataColumns, parityColumns } = codec;
    return {
      name,
      program: 'codes',
      what,
      bytes: dataColumns * BLOCK,
      run: () => {
        for (let data = 0; data < dataColumns; data += 1) {
          for (let parity = 0; parity < parityColumns; parity += 1) {
            const target = blockAt(DATA_MAX + parity);
            codec.accumulate(parity, data, data === 0, target, blockAt(data), BLOCK);
          }
        }
      },
    };
  };
  return [
    code('xor-2-1-1024k', 'XOR 2+1', 'xor-2-1'),
    code('rs-3-2-1024k', 'Reed-Solomon 3+2', 'rs-3-2'),
    code('rs-6-3-1024k', 'Reed-Solomon 6+3', 'rs-6-3'),
    code('rs-10-4-1024k', 'Reed-Solomon 10+4', 'rs-10-4'),
    {
      name: 'gf-mul-add',
      program: 'codes',
      what: 'one coefficient (native: SSSE3)',
      bytes: BLOCK,
      run: () => kernels.gfMulAdd(blockAt(DATA_MAX), blockAt(0), BLOCK, 0x8e),
    },
    {
      name: 'memcpy',
      program: 'codes',
      what: 'memcpy',
      bytes: BLOCK,
      run: () => kernels.copy(blockAt(DATA_MAX), blockAt(0), BLOCK),
    },
  ];
}

/** Whole calls until the time is over, after a warm-up that lets the engine compile. */
export function measure(kernel: OurKernel, milliseconds: number): Sample {
  const warmMs = performance.now() + WARM_MS;
  while (performance.now() < warmMs) kernel.run();
  const before = process.cpuUsage();
  const startedMs = performance.now();
  let bytes = 0;
  let wallMs = 0;
  while (wallMs < milliseconds) {
    for (let turn = 0; turn < 8; turn += 1) kernel.run();
    bytes += 8 * kernel.bytes;
    wallMs = performance.now() - startedMs;
  }
  const { user, system } = process.cpuUsage(before);
  return sampleOf(kernel.name, bytes, (user + system) * 1e3, wallMs * 1e6);
}
