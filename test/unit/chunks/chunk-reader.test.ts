/** How much memory a reader holds, by the pace of its consumer. */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import { writeChunk } from '../../contract/chunk-store.contract.ts';
import { openDatanodes } from '../../support/datanodes.ts';

const MIB = 1024 * 1024;

it('reads less ahead of a slow consumer than of one that waits', async () => {
  const fixture = await openDatanodes(3);
  const { arena, store } = fixture;
  const payload = randomBytes(6 * MIB);
  const ref = await writeChunk(fixture, 'xor-2-1-1024k', payload);
  const held: number[] = [];
  const pieces: Buffer[] = [];
  for await (const block of store.read(ref, { offset: 0, length: payload.length })) {
    held.push(arena.blockCount - arena.freeCount - 1);
    pieces.push(Buffer.from(block.bytes));
    block.release();
    await setTimeout(40);
  }
  expect(Buffer.concat(pieces).equals(payload)).toBe(true);
  expect(held[0]).toBe(LIMITS.readAheadBlocks - 1);
  // One is with the consumer; its like were asked for before it took it.
  expect(Math.max(...held.slice(8))).toBeLessThan(LIMITS.readAheadBlocksMin);
  expect(arena.freeCount).toBe(arena.blockCount);
  await fixture.close();
  fixture.remove();
});
