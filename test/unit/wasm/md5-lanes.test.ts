/**
 * The MD5 kernels against the scalar twin and against OpenSSL: any number of lanes, any offsets,
 * states that move from lane to lane, and what the door refuses.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { ARENA_RESERVED_BYTES } from '../../../src/memory/arena.ts';
import { loadKernels } from '../../../src/wasm/kernels.ts';
import { md5Padding, MD5_LANES, MD5_START } from '../../../src/wasm/md5-lanes.ts';
import { md5Block } from '../../../src/wasm/scalar.ts';
import { patterned } from '../../support/chunked-wire.ts';

const BYTES = 128 * 1024;
const pages = (ARENA_RESERVED_BYTES + BYTES) / 65_536;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const kernels = loadKernels(memory);
const payload = new Uint8Array(memory.buffer, ARENA_RESERVED_BYTES, BYTES);
payload.set(patterned(BYTES));

const start = (): Int32Array => Int32Array.from(MD5_START);
const digestOf = (words: Int32Array): string => hex(new Uint8Array(words.buffer));
const openssl = (from: number, length: number): string =>
  createHash('md5')
    .update(payload.subarray(from, from + length))
    .digest('hex');

/** Ends the stream that began at `from`, of which all whole blocks were taken. */
function finish(words: Int32Array, from: number, length: number): string {
  const tail = payload.subarray(from + length - (length % 64), from + length);
  kernels.md5Bytes(words, 0, md5Padding(tail, length));
  return digestOf(words);
}

describe('the MD5 kernels', () => {
  it('advance one to four states as their twin does', () => {
    const offsets = fc.array(fc.nat({ max: 5000 }), { minLength: 1, maxLength: MD5_LANES });
    fc.assert(
      fc.property(offsets, fc.integer({ min: 0, max: 5 }), (froms, blocks) => {
        const lanes = froms.map((from) => {
          const words = new Int32Array(8).fill(-7);
          words.set(MD5_START, 2);
          return { words, at: 2, source: ARENA_RESERVED_BYTES + from };
        });
        kernels.md5Lanes(lanes, 64 * blocks);
        for (const [index, { words }] of lanes.entries()) {
          let state: readonly number[] = MD5_START;
          for (let block = 0; block < blocks; block += 1) {
            const from = (froms[index] ?? 0) + 64 * block;
            state = md5Block(state, payload.subarray(from, from + 64));
          }
          // Nothing but the four words of the state was touched.
          const expected = Int32Array.of(-7, -7, ...state.map((word) => word | 0), -7, -7);
          expect(words).toEqual(expected);
        }
      }),
    );
  });

  it('compute what OpenSSL does, whoever shares the lanes from round to round', () => {
    const stream = fc.record({ from: fc.nat(BYTES / 2), length: fc.nat(BYTES / 2) });
    fc.assert(
      fc.property(
        fc.array(stream, { minLength: 1, maxLength: 7 }),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: MD5_LANES })), { maxLength: 30 }),
        (streams, rounds) => {
          const running = streams.map(({ from, length }) => ({
            words: start(),
            at: 0,
            source: ARENA_RESERVED_BYTES + from,
            left: length - (length % 64),
          }));
          const advance = (chosen: typeof running, most: number): void => {
            const common = Math.min(most, ...chosen.map(({ left }) => left));
            if (chosen.length > 0) kernels.md5Lanes(chosen, common);
            for (const lane of chosen) {
              lane.source += common;
              lane.left -= common;
            }
          };
          for (const [seed, count] of rounds) {
            const open = running.filter(({ left }) => left > 0);
            const first = open.length === 0 ? 0 : seed % open.length;
            advance(open.slice(first, first + count), 64 * (1 + (seed % 99)));
          }
          for (const lane of running) advance([lane], lane.left);
          for (const [index, { from, length }] of streams.entries()) {
            const words = running[index]?.words ?? start();
            expect(finish(words, from, length)).toBe(openssl(from, length));
          }
        },
      ),
    );
  });

  it('end a stream of any length, also when the padding needs a second block', () => {
    for (let length = 0; length <= 200; length += 1) {
      const words = start();
      const whole = length - (length % 64);
      kernels.md5Lanes([{ words, at: 0, source: ARENA_RESERVED_BYTES }], whole);
      expect(finish(words, 0, length)).toBe(openssl(0, length));
    }
  });

  it('count the bits of streams past 4 GiB', () => {
    const padded = md5Padding(new Uint8Array(0), 5 * 2 ** 40);
    expect(hex(padded.subarray(56))).toBe('0000000000280000');
  });

  it('refuse parts of blocks, too many lanes and bytes outside the memory', () => {
    const lane = { words: start(), at: 0, source: ARENA_RESERVED_BYTES };
    expect(() => kernels.md5Lanes([lane], 63)).toThrow('whole blocks');
    expect(() => kernels.md5Lanes([], 64)).toThrow('one to four');
    expect(() => kernels.md5Lanes([lane, lane, lane, lane, lane], 64)).toThrow('one to four');
    expect(() => kernels.md5Lanes([lane], BYTES + 64)).toThrow('inside the memory');
    expect(() => kernels.md5Bytes(start(), 0, new Uint8Array(192))).toThrow('two whole blocks');
    expect(() => md5Padding(new Uint8Array(3), 64)).toThrow('the tail');
  });
});
