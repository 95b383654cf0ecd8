import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import { openObjects } from '../../../src/objects/object-store.ts';
import { content } from '../../support/content.ts';
import { memoryBodies } from '../../support/memory-bodies.ts';
import { GRACE_MS, ObjectRoom } from '../../support/object-room.ts';

const KIB = 1024;

let room: ObjectRoom;

beforeEach(async () => {
  room = await ObjectRoom.open({ indexPartitions: 2 });
  await room.createBucket();
});

describe('the reclaimer', () => {
  it('tries again what failed, and loses no row', async () => {
    for (const key of ['a', 'b', 'c']) await room.put(key, content(100 * KIB));
    for (const key of ['a', 'b', 'c']) await room.delete(key);
    const remove = room.chunks.delete.bind(room.chunks);
    room.chunks.delete = () => Promise.reject(new StoreError('unavailable', 'disk is gone'));
    expect(await room.reclaim()).toBe(0);
    expect(room.store.stats().backlog).toBe(3);
    room.chunks.delete = remove;
    expect(await room.store.runReclaim(room.clock.ms)).toBe(3);
    expect(room.chunks.ids).toEqual([]);
  });

  it('repeats after a kill what was done but not noted', async () => {
    await room.put('a', content(100 * KIB));
    await room.copy('a', 'b');
    await room.delete('a');
    await room.delete('b');
    room.clock.ms += GRACE_MS + 1;
    for (let commits = 0; commits < 4; commits += 1) {
      let left = commits;
      const commit = room.meta.commit.bind(room.meta);
      room.meta.commit = (options) => {
        left -= 1;
        return left < 0 ? Promise.reject(new Error('killed')) : commit(options);
      };
      await room.store.runReclaim(room.clock.ms);
      room.meta.commit = commit;
      await room.reopen();
    }
    await room.store.runReclaim(room.clock.ms);
    expect(room.chunks.ids).toEqual([]);
    expect(room.store.stats().backlog).toBe(0);
    expect(room.meta.partitions(undefined, 100).filter((name) => name.startsWith('m/'))).toEqual(
      [],
    );
  });

  it('finds the rows of an earlier process', async () => {
    await room.put('a', content(100 * KIB));
    await room.delete('a');
    await room.reopen();
    expect(await room.reclaim()).toBe(1);
    expect(room.chunks.ids).toEqual([]);
  });

  it('runs by itself when timers are on, and stops with the store', async () => {
    await room.store.close();
    const engine = {
      meta: room.meta,
      chunks: room.chunks,
      indexPartitions: 2,
      replication: 'one' as const,
      close: async () => {},
    };
    const { arena } = room;
    const own = { keys: room.keys, bodies: memoryBodies(arena) };
    const options = { engine, arena, ...own, clock: systemClock, log: silentLog, uploadDays: 7 };
    room.store = await openObjects({ ...options, reclaimGraceMs: 20 });
    await room.put('a', content(100 * KIB));
    await room.delete('a');
    await expect.poll(() => room.chunks.ids.length, { timeout: 5000 }).toBe(0);
    await room.store.close();
  });
});
