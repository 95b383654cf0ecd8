/** The arena: reference counts, first come first served, shares per purpose. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena, type Block } from '../../../src/memory/arena.ts';

const BLOCK = 64 * 1024;
const arenaOf = (blocks: number): Arena => new Arena(blocks * BLOCK, BLOCK);

describe('arena', () => {
  it('hands out disjoint blocks of one shared memory and takes them back', async () => {
    const arena = arenaOf(8);
    const blocks = await arena.acquireMany(4, 'ingest');
    for (const [index, block] of blocks.entries()) block.capacity.fill(index + 1);
    for (const [index, block] of blocks.entries()) {
      block.setWindow(10, 5);
      expect([...block.bytes]).toEqual(Array.from({ length: 5 }, () => index + 1));
      expect(block.offset % BLOCK).toBe(10);
      block.release();
    }
    expect(arena.freeCount).toBe(8);
  });

  it('copies into a block what any alignment has, and nothing around it', () => {
    const arena = arenaOf(4);
    const block = arena.tryAcquire('ingest') as Block;
    const source = Uint8Array.from({ length: 300 }, (_, index) => index % 251);
    const piece = fc.tuple(fc.nat(64), fc.nat(200), fc.nat(BLOCK - 300));
    fc.assert(
      fc.property(piece, ([from, length, start]) => {
        const slow = block.capacity.fill(0xaa).slice();
        for (let at = 0; at < length; at += 1) slow[start + at] = source[from + at] ?? 0;
        block.write(start, source.subarray(from, from + length));
        expect(Buffer.compare(block.capacity, slow)).toBe(0);
      }),
    );
    expect(() => block.write(BLOCK - 1, source)).toThrow('fits');
    expect(() => block.write(-1, source)).toThrow('fits');
    block.release();
  });

  it('frees a block with its last reference only, and refuses a release too many', () => {
    const arena = arenaOf(4);
    const block = arena.tryAcquire('ingest') as Block;
    block.retain();
    block.release();
    expect(arena.freeCount).toBe(3);
    block.release();
    expect(arena.freeCount).toBe(4);
    expect(() => block.release()).toThrow('released');
    expect(() => block.retain()).toThrow('released');
  });

  it('serves waiters in order, a large grant before a small one that came later', async () => {
    const arena = arenaOf(8);
    const held = await arena.acquireMany(4, 'ingest');
    const order: string[] = [];
    const large = arena.acquireMany(3, 'ingest').then((blocks) => {
      order.push('large');
      return blocks;
    });
    const small = arena.acquire('ingest').then((block) => {
      order.push('small');
      return block;
    });
    expect(arena.tryAcquire('ingest')).toBeUndefined();
    for (const block of held) block.release();
    for (const block of await large) block.release();
    (await small).release();
    expect(order).toEqual(['large', 'small']);
    expect(arena.freeCount).toBe(8);
  });

  it('keeps a share free for the other purposes', async () => {
    const arena = arenaOf(16);
    const ingest = await arena.acquireMany(arena.maxFor('ingest'), 'ingest');
    expect(arena.tryAcquire('ingest')).toBeUndefined();
    const read = arena.tryAcquire('read');
    const parity = arena.tryAcquire('parity');
    expect(read).toBeDefined();
    expect(parity).toBeDefined();
    for (const block of [...ingest, read, parity]) block?.release();
    expect(arena.freeCount).toBe(16);
  });

  it('an aborted waiter holds nothing and lets the next one through', async () => {
    const arena = arenaOf(8);
    const held = await arena.acquireMany(2, 'ingest');
    const controller = new AbortController();
    const aborted = arena.acquireMany(3, 'ingest', controller.signal);
    const next = arena.acquire('ingest');
    controller.abort(new Error('client gone'));
    await expect(aborted).rejects.toThrow('client gone');
    (await next).release();
    for (const block of held) block.release();
    await expect(arena.acquire('ingest', controller.signal)).rejects.toThrow('client gone');
    expect(arena.freeCount).toBe(8);
  });
});
