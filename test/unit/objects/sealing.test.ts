import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import type { ByteRange, ChunkId, ChunkRef } from '../../../src/chunks/chunk-store.ts';
import { SegmentCipher, sealedLength } from '../../../src/crypto/segment-cipher.ts';
import { Arena, type Block } from '../../../src/memory/arena.ts';
import { Leases } from '../../../src/objects/leases.ts';
import type { Context } from '../../../src/objects/context.ts';
import { readBlocks } from '../../../src/objects/reads.ts';
import { Sealer, streamedLength } from '../../../src/objects/sealing.ts';
import { MemoryMetaStore } from '../../support/memory-meta-store.ts';
import { content } from '../../support/content.ts';
import { sealedTwin } from '../../support/sealed-twin.ts';

const KIB = 1024;
const BLOCK = 256 * KIB;
const KEY = new Uint8Array(randomBytes(32));
const arena = new Arena(32 * 1024 * KIB);
const { signal } = new AbortController();

/** Takes what is declared and nothing else, as chunks do. */
class Target {
  left: number;
  readonly written: Buffer[] = [];
  readonly declared: number[] = [];

  constructor(left: number) {
    this.left = left;
  }

  async extend(length: number): Promise<void> {
    expect(this.left).toBe(0);
    this.left = length;
    this.declared.push(length);
    await Promise.resolve();
  }

  async write(block: Block): Promise<void> {
    expect(block.offset).toBe(block.base);
    expect(block.length === BLOCK || block.length === this.left).toBe(true);
    this.written.push(Buffer.from(block.bytes));
    this.left -= block.length;
    block.release();
    await Promise.resolve();
  }
}

async function* blocksOf(bytes: Buffer): AsyncGenerator<Block> {
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const block = await arena.acquire('ingest');
    const piece = bytes.subarray(at, at + BLOCK);
    block.write(0, piece);
    block.setWindow(0, piece.length);
    yield block;
  }
}

const sealerFor = (target: Target): Sealer =>
  new Sealer(new SegmentCipher(KEY, 'leaf'), target, arena, signal);

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 5 * BLOCK }),
  // Where one segment, one block, one packed chunk ends.
  fc
    .tuple(
      fc.constantFrom(65_520, 262_080, BLOCK, 2 * BLOCK, 524_160),
      fc.integer({ min: -2, max: 2 }),
    )
    .map(([size, more]) => size + more),
);

describe('a sealer', () => {
  it('writes a body of known length as its twin seals it', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async (size) => {
        const bytes = content(size);
        const target = new Target(sealedLength(size));
        const sealer = sealerFor(target);
        for await (const block of blocksOf(bytes)) await sealer.write(block);
        await sealer.end();
        expect(target.left).toBe(0);
        const twin = Buffer.concat(sealedTwin(KEY, 'leaf', bytes));
        expect(Buffer.concat(target.written).equals(twin)).toBe(true);
        expect(arena.freeCount).toBe(arena.blockCount);
      }),
      { numRuns: 40 },
    );
  });

  it('writes the same when only the end told the length', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat({ max: 20 * KIB }), async (size, unsure) => {
        const bytes = content(size);
        const target = new Target(streamedLength(Math.max(0, size - unsure)));
        expect(target.left).toBeLessThan(sealedLength(size));
        const sealer = sealerFor(target);
        const rest: Block[] = [];
        for await (const block of blocksOf(bytes)) {
          if (target.left > 0) await sealer.write(block);
          else rest.push(block);
        }
        await sealer.endWith(rest);
        for (const block of rest) block.release();
        const twin = Buffer.concat(sealedTwin(KEY, 'leaf', bytes));
        expect(Buffer.concat(target.written).equals(twin)).toBe(true);
        // Small chunks only, which take no parity.
        for (const length of target.declared) expect(length).toBeLessThanOrEqual(2 * BLOCK);
        expect(arena.freeCount).toBe(arena.blockCount);
      }),
      { numRuns: 40 },
    );
  });
});

/** Chunks read in pieces that end wherever they like. */
function contextOf(chunks: ReadonlyMap<string, Buffer>, cuts: readonly number[]): Context {
  const read = async function* (ref: ChunkRef, range: ByteRange): AsyncGenerator<Block> {
    const stored = chunks.get(ref.id) ?? Buffer.alloc(0);
    const end = range.offset + range.length;
    let cut = 0;
    for (let at = range.offset; at < end;) {
      const length = Math.min(cuts[cut++ % cuts.length] ?? BLOCK, end - at);
      const block = await arena.acquire('read');
      block.write(0, stored.subarray(at, at + length));
      block.setWindow(0, length);
      yield block;
      at += length;
    }
  };
  const context = { arena, chunks: { read }, log: silentLog, leases: new Leases() };
  return { ...context, meta: new MemoryMetaStore() } as unknown as Context;
}

describe('a reader of sealed bytes', () => {
  it('gives any range, however chunks and pieces are cut', async () => {
    const cutSizes = fc.array(
      fc.integer({ min: 1, max: BLOCK }).map((n) => Math.max(n, 5000)),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    await fc.assert(
      fc.asyncProperty(sizes, cutSizes, fc.nat(), fc.nat(), async (size, cuts, a, b) => {
        const bytes = content(size);
        const sealed = Buffer.concat(sealedTwin(KEY, 'leaf', bytes));
        const pieces = [sealed.subarray(0, 2 * BLOCK), sealed.subarray(2 * BLOCK)];
        const chunks = pieces
          .filter(({ length }) => length > 0)
          .map((piece, index) => [`chunk-${index}` as ChunkId, piece] as const);
        const seal = { mode: 'AES256', id: 'seal', wrapped: '' } as const;
        const refs = chunks.map(([id, { length }]) => ({ id, length, layout: 'one', nodes: [0] }));
        const blob = { id: 'leaf', size, seal, chunks: refs };
        const hold = { ownerId: 'owner', blob, offset: 0, length: size };
        const offset = a % size;
        const range = { offset, length: 1 + (b % (size - offset)) };
        const context = contextOf(new Map(chunks), cuts);
        const opener = { keyOf: () => Promise.resolve(KEY) };
        const read: Buffer[] = [];
        const data = { kind: 'hold', hold } as const;
        for await (const block of readBlocks(context, data, range, signal, opener)) {
          read.push(Buffer.from(block.bytes));
          block.release();
        }
        const expected = bytes.subarray(offset, offset + range.length);
        expect(Buffer.concat(read).equals(expected)).toBe(true);
        expect(arena.freeCount).toBe(arena.blockCount);
      }),
      { numRuns: 60 },
    );
  });
});
