/**
 * Our side of every kernel: the same work on blocks of the same size as the C programs do, done by
 * what the server itself uses (WASM kernels on a shared memory, digests as bodies compute them).
 * Each is one synchronous function; `measure` repeats it and counts the CPU of this process.
 */
import { DigestSet } from '../src/body/digests.ts';
import type { DigestName } from '../src/body/body.ts';
import type { Replication } from '../src/chunks/chunk-store.ts';
import { codecFor } from '../src/chunks/codec.ts';
import { LIMITS } from '../src/base/limits.ts';
import { ARENA_RESERVED_BYTES } from '../src/memory/arena.ts';
import { type Kernels, loadKernels } from '../src/wasm/kernels.ts';
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

function digestKernels(kernels: Kernels): OurKernel[] {
  const digest = (name: DigestName, streams: number, what: string, as: string): OurKernel => ({
    name: as,
    program: 'digests',
    what,
    bytes: streams * BLOCK,
    run: () => {
      for (let stream = 0; stream < streams; stream += 1) {
        const set = new DigestSet([name], kernels);
        set.update({ offset: blockAt(stream), length: BLOCK });
        set.finish();
      }
    },
  });
  return [
    digest('md5', 1, 'MD5, one stream', 'md5-1'),
    digest('md5', 4, 'MD5, four streams', 'md5-4'),
    digest('md5', 8, 'MD5, eight streams', 'md5-8'),
    digest('sha256', 1, 'SHA-256', 'sha256'),
    digest('crc32', 1, 'CRC-32', 'crc32'),
    digest('crc32c', 1, 'CRC-32C', 'crc32c'),
    digest('crc64nvme', 1, 'CRC-64/NVME', 'crc64nvme'),
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
