/**
 * Kernels against their scalar twins and against independent references, on any bytes, offset
 * and length; plus what the door refuses.
 */
import { Worker } from 'node:worker_threads';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { AssertionError } from '../../../src/base/assert.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import { ARENA_RESERVED_BYTES } from '../../../src/memory/arena.ts';
import { loadKernels } from '../../../src/wasm/kernels.ts';
import { crc32c, crc64nvme } from '../../../src/wasm/crc.ts';
import { KERNELS_WASM_BASE64 } from '../../../src/wasm/kernels-module.ts';
import * as twin from '../../../src/wasm/scalar.ts';
import { selfTest } from '../../../src/wasm/self-test.ts';

const PAGES = 24;
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
const kernels = loadKernels(memory);
const { h64Raw } = await xxhash();

const SOURCE = ARENA_RESERVED_BYTES;
const TARGET = ARENA_RESERVED_BYTES + 0x20000;
const AREA_BYTES = 4096;
const LONG = ARENA_RESERVED_BYTES + 0x30000;
const LONG_BYTES = 100_000;

const bytesAt = (offset: number, length: number): Uint8Array =>
  new Uint8Array(memory.buffer, offset, length);
const place = (bytes: Uint8Array, shift: number): number => {
  bytesAt(SOURCE + shift, bytes.length).set(bytes);
  return SOURCE + shift;
};
const content = fc.uint8Array({ maxLength: 700 });
const shift = fc.nat({ max: 63 });
const element = fc.nat({ max: 255 });

/** Runs a writing kernel and its meaning, and compares the target with its surroundings. */
function expectWrites(
  bytes: Uint8Array,
  [from, into]: readonly [number, number],
  kernel: (target: number, source: number, length: number) => void,
  meaning: (target: Uint8Array, source: Uint8Array) => void,
): void {
  const area = bytesAt(TARGET, AREA_BYTES);
  for (let index = 0; index < AREA_BYTES; index += 1) area[index] = (index * 31) >>> 3;
  const expected = area.slice();
  meaning(expected.subarray(into, into + bytes.length), bytes);
  kernel(TARGET + into, place(bytes, from), bytes.length);
  expect(Buffer.compare(area, expected)).toBe(0);
}

describe('writing kernels', () => {
  it('do what their twins do, at any alignment, and touch nothing around', () => {
    fc.assert(
      fc.property(content, fc.tuple(shift, shift), element, (bytes, shifts, factor) => {
        const { copy, zero, xorInto, gfMul, gfMulAdd } = kernels;
        expectWrites(bytes, shifts, copy, (target, source) => target.set(source));
        expectWrites(
          bytes,
          shifts,
          (target, _, length) => zero(target, length),
          (target) => {
            target.fill(0);
          },
        );
        expectWrites(bytes, shifts, xorInto, twin.xorInto);
        expectWrites(
          bytes,
          shifts,
          (target, source, length) => gfMul(target, source, length, factor),
          (target, source) => twin.gfMul(target, source, factor),
        );
        expectWrites(
          bytes,
          shifts,
          (target, source, length) => gfMulAdd(target, source, length, factor),
          (target, source) => twin.gfMulAdd(target, source, factor),
        );
      }),
    );
  });

  it('multiply in place', () => {
    const source = place(utf8('in place, longer than one vector of 32 bytes'), 1);
    const expected = bytesAt(source, 44).slice();
    twin.gfMul(expected, expected.slice(), 7);
    kernels.gfMul(source, source, 44, 7);
    expect(Buffer.compare(bytesAt(source, 44), expected)).toBe(0);
  });
});

describe('xxh64', () => {
  it('agrees with xxhash-wasm and with its twin', () => {
    fc.assert(
      fc.property(content, shift, (bytes, at) => {
        const hash = kernels.xxh64(place(bytes, at), bytes.length);
        expect(hash).toBe(h64Raw(bytes));
        expect(hash).toBe(twin.xxh64(bytes));
      }),
    );
  });

  it('hashes block by block, the last one short', () => {
    fc.assert(
      fc.property(content, shift, fc.integer({ min: 1, max: 300 }), (bytes, at, blockBytes) => {
        const count = Math.ceil(bytes.length / blockBytes);
        bytesAt(TARGET, 8 * count + 8).fill(0xa5);
        kernels.xxh64Blocks(place(bytes, at), bytes.length, blockBytes, TARGET);
        const words = new DataView(memory.buffer, TARGET);
        for (let index = 0; index < count; index += 1) {
          const block = bytes.subarray(index * blockBytes, (index + 1) * blockBytes);
          expect(words.getBigUint64(8 * index, true)).toBe(h64Raw(block));
        }
        expect(words.getBigUint64(8 * count, true)).toBe(0xa5a5_a5a5_a5a5_a5a5n);
      }),
    );
  });
});

describe('CRC kernels', () => {
  it('give the check values of the catalogue', () => {
    const source = place(utf8('123456789'), 3);
    expect(kernels.crc32(0, source, 9)).toBe(0xcbf43926);
    expect(kernels.crc32c(0, source, 9)).toBe(0xe3069283);
    expect(kernels.crc64nvme(0n, source, 9)).toBe(0xae8b14860a799888n);
  });

  it('agree with zlib and with their twins, in one piece or in two', () => {
    fc.assert(
      fc.property(content, fc.nat({ max: 700 }), shift, (bytes, cut, at) => {
        const source = place(bytes, at);
        const head = Math.min(cut, bytes.length);
        const tail = bytes.length - head;
        const crc32 = kernels.crc32(kernels.crc32(0, source, head), source + head, tail);
        expect(crc32).toBe(zlibCrc32(bytes));
        const crc32c = kernels.crc32c(kernels.crc32c(0, source, head), source + head, tail);
        expect(BigInt(crc32c)).toBe(twin.crc('crc32c', 0n, bytes));
        const first = kernels.crc64nvme(0n, source, head);
        const crc64 = kernels.crc64nvme(first, source + head, tail);
        expect(crc64).toBe(twin.crc('crc64nvme', 0n, bytes));
      }),
    );
  });
});

/** Bytes without a pattern, at any address: what folding must get right across its scratch. */
function placeLong(at: number, length: number, seed: number): number {
  const bytes = bytesAt(LONG + at, length);
  let state = seed;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return LONG + at;
}

describe('folded CRCs', () => {
  it('agree with the tables on spans of any length and state', () => {
    const state = fc.nat({ max: 0xffff_ffff });
    fc.assert(
      fc.property(shift, fc.nat({ max: LONG_BYTES }), state, state, (at, length, seed, before) => {
        const source = placeLong(at, length, seed);
        const bytes = bytesAt(source, length).slice();
        expect(kernels.crc32(before, source, length)).toBe(zlibCrc32(bytes, before));
        expect(kernels.crc32c(before, source, length)).toBe(crc32c(bytes, before));
        const wide = (BigInt(before) << 32n) | BigInt(seed);
        expect(kernels.crc64nvme(wide, source, length)).toBe(crc64nvme(bytes, wide));
        expect(Buffer.compare(bytesAt(source, length), bytes)).toBe(0);
      }),
    );
  });

  it('are right at every length around the first fold and the first turn of the scratch', () => {
    const source = placeLong(0, 70_000, 1);
    const bytes = bytesAt(source, 70_000).slice();
    for (const first of [12_900, 13_300, 27_750, 29_300, 29_430, 32_680]) {
      for (let length = first; length < first + 130; length += 1) {
        const part = bytes.subarray(0, length);
        if (kernels.crc32(0, source, length) !== zlibCrc32(part)) expect.unreachable(`${length}`);
        if (kernels.crc32c(0, source, length) !== crc32c(part)) expect.unreachable(`${length}`);
        const wide = kernels.crc64nvme(0n, source, length);
        if (wide !== crc64nvme(part)) expect.unreachable(`${length}`);
      }
    }
  });

  it('are right without a scratch: for the threads that come late', () => {
    const late = new WebAssembly.Memory({ initial: 20, maximum: 20, shared: true });
    new Int32Array(late.buffer)[0x2fffc / 4] = 26;
    const source = placeLong(0, LONG_BYTES, 2);
    const bytes = bytesAt(source, LONG_BYTES);
    new Uint8Array(late.buffer).set(bytes, SOURCE);
    const reserved = new Uint8Array(late.buffer, 0, ARENA_RESERVED_BYTES);
    const lateKernels = loadKernels(late);
    expect(lateKernels.crc32(0, SOURCE, LONG_BYTES)).toBe(zlibCrc32(bytes));
    expect(lateKernels.crc64nvme(0n, SOURCE, LONG_BYTES)).toBe(crc64nvme(bytes));
    expect(reserved.subarray(0x30000).every((byte) => byte === 0)).toBe(true);
  });
});

describe('loading', () => {
  it('lets threads load, fold and write tables again on one memory at once', async () => {
    const length = 60_000;
    const source = placeLong(0, length, 3);
    const expected = crc64nvme(bytesAt(source, length).slice());
    // The other thread computes too, with a scratch of its own, and rewrites the tables.
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { loader, memory, wasm, source, length, expected } = workerData;
      import(loader).then(({ loadKernels }) => {
        const kernels = loadKernels(memory);
        const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'));
        const { prepareTables } = new WebAssembly.Instance(module, { env: { memory } }).exports;
        parentPort.postMessage('running');
        let wrong = 0;
        for (let round = 0; round < 2000; round += 1) {
          if (round % 10 === 0) prepareTables();
          if (kernels.crc64nvme(0n, source, length) !== expected) wrong += 1;
        }
        parentPort.postMessage(wrong);
      });`;
    const loader = new URL('../../../dist/src/wasm/kernels.js', import.meta.url).href;
    const workerData = { loader, memory, wasm: KERNELS_WASM_BASE64, source, length, expected };
    const worker = new Worker(code, { eval: true, workerData });
    const next = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    expect(await next()).toBe('running');
    let theirWrong: unknown;
    const ended = next().then((wrong) => (theirWrong = wrong));
    let [rounds, wrong] = [0, 0];
    for (; theirWrong === undefined; await new Promise(setImmediate)) {
      for (let repeat = 0; repeat < 20; repeat += 1, rounds += 1) {
        if (kernels.crc64nvme(0n, source, length) !== expected) wrong += 1;
      }
    }
    await ended;
    await worker.terminate();
    expect(rounds).toBeGreaterThan(0);
    expect([wrong, theirWrong]).toEqual([0, 0]);
  });

  it('gives one memory one instance in each thread', () => {
    expect(loadKernels(memory)).toBe(kernels);
  });
});

describe('the self-test', () => {
  it('passes on real kernels and fails on any kernel that is wrong', () => {
    const wrong: Partial<typeof kernels>[] = [
      { copy: () => undefined },
      { zero: () => undefined },
      { xorInto: kernels.copy },
      { gfMul: (target, source, length) => kernels.gfMul(target, source, length, 3) },
      { gfMulAdd: kernels.gfMul },
      { xxh64: (source, length) => kernels.xxh64(source, length) ^ 1n },
      { crc32: kernels.crc32c },
      { crc32c: kernels.crc32 },
      { crc64nvme: (state, source, length) => kernels.crc64nvme(state, source, length) ^ 1n },
    ];
    selfTest(kernels, SOURCE);
    for (const kernel of wrong) {
      expect(() => selfTest({ ...kernels, ...kernel }, SOURCE)).toThrow(AssertionError);
    }
  });

  it('finds a damaged table', () => {
    const table = bytesAt(0x10000, 0x20000);
    for (const at of [32 * 200 + 9, 0x4000 + 4 * 777, 0x8000 + 4 * 777, 0x10000 + 8 * 777]) {
      table[at] = (table[at] ?? 0) ^ 1;
      expect(() => selfTest(kernels, SOURCE)).toThrow(AssertionError);
      table[at] = (table[at] ?? 0) ^ 1;
    }
    selfTest(kernels, SOURCE);
  });
});

describe('the door', () => {
  it.each<[string, () => void]>([
    ['a source past the end', () => kernels.xxh64(PAGES * 0x10000 - 7, 8)],
    ['a target past the end', () => kernels.zero(PAGES * 0x10000 - 7, 8)],
    ['a negative offset', () => kernels.crc32(0, -8, 8)],
    ['a negative length', () => kernels.crc32c(0, SOURCE, -1)],
    ['a fractional offset', () => kernels.crc64nvme(0n, SOURCE + 0.5, 8)],
    ['an offset that is no number', () => kernels.xorInto(Number.NaN, SOURCE, 8)],
    ['a write below the blocks', () => kernels.copy(ARENA_RESERVED_BYTES - 1, SOURCE, 1)],
    ['hashes that do not fit', () => kernels.xxh64Blocks(SOURCE, 64, 1, PAGES * 0x10000 - 256)],
    ['empty blocks', () => kernels.xxh64Blocks(SOURCE, 64, 0, TARGET)],
    ['a coefficient of nine bits', () => kernels.gfMul(TARGET, SOURCE, 8, 256)],
    ['a negative coefficient', () => kernels.gfMulAdd(TARGET, SOURCE, 8, -1)],
  ])('refuses %s', (_, call) => {
    const before = bytesAt(0, PAGES * 0x10000).slice();
    expect(call).toThrow(AssertionError);
    expect(Buffer.compare(bytesAt(0, PAGES * 0x10000), before)).toBe(0);
  });

  it('refuses a memory without room for a byte', () => {
    const small = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
    expect(() => loadKernels(small)).toThrow(AssertionError);
  });
});
