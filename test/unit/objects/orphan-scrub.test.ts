import { beforeEach, describe, expect, it } from 'vitest';
import { STATE_KEY } from '../../../src/meta/keyspace.ts';
import type { Commit, CommitResult, Partition } from '../../../src/meta/meta-store.ts';
import { content } from '../../support/content.ts';
import { BUCKET, ObjectRoom } from '../../support/object-room.ts';

const KIB = 1024;
const LARGE = content(100 * KIB);

let room: ObjectRoom;

beforeEach(async () => {
  room = await ObjectRoom.open();
  await room.createBucket();
});

/** Kills the process at the first commit that `isLast` names: it never takes effect. */
async function killAt(
  isLast: (commit: Commit) => boolean,
  work: () => Promise<unknown>,
): Promise<void> {
  const commit = room.meta.commit.bind(room.meta);
  let isDead = false;
  room.meta.commit = (options): Promise<CommitResult> => {
    isDead ||= isLast(options);
    return isDead ? Promise.reject(new Error('killed')) : commit(options);
  };
  await expect(work()).rejects.toThrow('killed');
  room.meta.commit = commit;
  await room.reopen();
}

const isIndex = ({ partition }: Commit): boolean => partition.startsWith('o/');

function partitionsLike(prefix: string): readonly Partition[] {
  return room.meta.partitions(undefined, 1000).filter((name) => name.startsWith(prefix));
}

describe('the orphan scrub after a kill', () => {
  it('removes chunks that were sealed but never committed, and no others', async () => {
    await room.put('kept', LARGE);
    const kept = room.chunks.ids;
    await killAt(isIndex, () => room.put('lost', LARGE));
    expect(room.chunks.ids).toHaveLength(2);
    expect(await room.store.scrubOrphans()).toEqual({ shards: 1, partitions: 0, sharings: 0 });
    expect(room.chunks.ids).toEqual(kept);
    expect((await room.get('kept')).equals(LARGE)).toBe(true);
  });

  it('removes what a writer had begun', async () => {
    await room.chunks.create('one', 100);
    await room.reopen();
    await room.store.scrubOrphans();
    expect(room.chunks.ids).toEqual([]);
  });

  it('leaves what this process made alone, committed or not', async () => {
    const writer = await room.chunks.create('one', 256 * KIB);
    const block = await room.arena.acquire('ingest');
    block.setWindow(0, 256 * KIB);
    await writer.write(block);
    await writer.seal();
    expect((await room.store.scrubOrphans()).shards).toBe(0);
    expect(room.chunks.ids).toHaveLength(1);
  });

  it('removes pages of a Complete that was not decided, and keeps the parts', async () => {
    const address = await room.createUpload('k');
    const part = await room.putPart(address, 1, LARGE);
    await killAt(isIndex, () => room.complete(address, [part]));
    expect(partitionsLike('m/')).toHaveLength(1);
    expect(await room.store.scrubOrphans()).toEqual({ shards: 0, partitions: 1, sharings: 0 });
    expect(partitionsLike('m/')).toEqual([]);
    await room.complete(address, [part]);
    expect((await room.get('k')).equals(LARGE)).toBe(true);
  });

  it('removes the sharing row of a copy that was not decided', async () => {
    await room.put('from', LARGE);
    await killAt(isIndex, () => room.copy('from', 'to'));
    expect(await room.store.scrubOrphans()).toEqual({ shards: 0, partitions: 0, sharings: 1 });
    await room.delete('from');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
    expect(partitionsLike('m/')).toEqual([]);
  });

  it('removes what only such a row still held', async () => {
    await room.put('from', LARGE);
    await killAt(isIndex, () => room.copy('from', 'to'));
    await room.delete('from');
    await room.reclaim();
    expect(room.chunks.ids).toHaveLength(1);
    await room.reopen();
    expect(await room.store.scrubOrphans()).toEqual({ shards: 1, partitions: 1, sharings: 0 });
    expect(room.chunks.ids).toEqual([]);
  });

  it('removes parts without an upload and rows without a bucket', async () => {
    await killAt(isIndex, () => room.createUpload('k'));
    await killAt(
      ({ partition }) => partition === 'buckets',
      () => room.createBucket('other'),
    );
    const before = partitionsLike('o/').length;
    expect(await room.store.scrubOrphans()).toEqual({ shards: 0, partitions: 2, sharings: 0 });
    expect(partitionsLike('p/')).toEqual([]);
    expect(partitionsLike('o/')).toHaveLength(before - 1);
    await room.put('k', 'still there');
  });

  it('keeps parts of running and of ended uploads', async () => {
    const running = await room.createUpload('running');
    const part = await room.putPart(running, 1, LARGE);
    const ended = await room.createUpload('ended');
    await room.putPart(ended, 1, LARGE);
    await room.store.abortUpload(ended);
    await room.reopen();
    expect(await room.store.scrubOrphans()).toEqual({ shards: 0, partitions: 0, sharings: 0 });
    await room.complete(running, [part]);
    await room.reclaim();
    expect((await room.get('running')).equals(LARGE)).toBe(true);
    expect(room.chunks.ids).toHaveLength(1);
  });

  it('deletes nothing when a row cannot be read', async () => {
    await killAt(isIndex, () => room.put('lost', LARGE));
    await room.put('kept', LARGE);
    const { id } = room.store.bucket(BUCKET);
    const partition = `o/${id}/0` as Partition;
    const key = Buffer.from('okept');
    const value = room.meta.get(partition, key)?.value as Uint8Array;
    value[20] = (value[20] ?? 0) ^ 1;
    await room.meta.commit({ partition, checks: [], writes: [{ kind: 'put', key, value }] });
    await expect(room.store.scrubOrphans()).rejects.toThrow('damaged object row');
    expect(room.chunks.ids).toHaveLength(2);
  });

  it('spares references that move behind its back', async () => {
    await room.put('z', LARGE);
    await room.reopen();
    for (let filler = 0; filler < 150; filler += 1) await room.put(`f${filler}`, 'x');
    // The walk for chunks reads `z` in its second batch. After the first, the bytes move to `a`,
    // which it has passed, and the old reference is worked off.
    const move = async (): Promise<void> => {
      await room.copy('z', 'a');
      await room.delete('z');
      expect(await room.reclaim()).toBe(1);
    };
    let moved: Promise<void> | undefined;
    let isListed = false;
    const list = room.chunks.list.bind(room.chunks);
    room.chunks.list = async function* listed(createdBeforeMs) {
      yield* list(createdBeforeMs);
      isListed = true;
    };
    const scan = room.meta.scan.bind(room.meta);
    room.meta.scan = (partition, options) => {
      const page = scan(partition, options);
      if (isListed && page.more && partition.startsWith('o/')) moved ??= move();
      return page;
    };
    const report = await room.store.scrubOrphans();
    expect(moved).toBeDefined();
    await moved;
    expect(report.shards).toBe(0);
    expect((await room.get('a')).equals(LARGE)).toBe(true);
  });

  it('stops when the clock stands before the start', async () => {
    await killAt(isIndex, () => room.put('lost', LARGE));
    room.clock.ms -= 10_000;
    await room.put('new', LARGE);
    expect((await room.store.scrubOrphans()).shards).toBe(0);
    expect((await room.get('new')).equals(LARGE)).toBe(true);
  });
});

describe('closed partitions', () => {
  it('a commit that knows an old state row is refused', async () => {
    const { id } = room.store.bucket(BUCKET);
    const partition = `o/${id}/0` as Partition;
    const state = room.meta.get(partition, STATE_KEY);
    await room.store.deleteBucket(BUCKET);
    const checks = [{ key: STATE_KEY, rev: state?.rev ?? ('absent' as const) }];
    const writes = [{ kind: 'put', key: Buffer.from('ok'), value: Buffer.from('v') }] as const;
    expect(await room.meta.commit({ partition, checks, writes })).toBe('conflict');
  });
});
