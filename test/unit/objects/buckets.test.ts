import { beforeEach, describe, expect, it } from 'vitest';
import { BUCKET, ObjectRoom, OWNER } from '../../support/object-room.ts';
import { failureCode } from '../../support/s3-failure.ts';

let room: ObjectRoom;

beforeEach(async () => {
  room = await ObjectRoom.open({ indexPartitions: 3 });
});

describe('buckets', () => {
  it('are found again after a restart', async () => {
    const made = await room.store.createBucket({
      name: 'paris',
      ownerId: OWNER,
      location: 'eu-west-3',
      replication: 'three',
    });
    expect(made).toMatchObject({ volume: 's3v', name: 'paris', location: 'eu-west-3' });
    await room.reopen();
    expect(room.store.bucket('paris')).toEqual(made);
  });

  it('have the configurations that they were made with, from their first moment on', async () => {
    const configs = new Map([['acl', '[]']]);
    const options = { name: 'b', ownerId: OWNER, location: '', replication: undefined, configs };
    const made = await room.store.createBucket(options);
    expect([...made.configs]).toEqual([...configs]);
    await room.reopen();
    expect([...room.store.bucket('b').configs]).toEqual([...configs]);
    await room.store.deleteBucket('b');
    await room.reopen();
    await room.createBucket('b');
    expect(room.store.bucket('b').configs.size).toBe(0);
  });

  it('exist once, whoever asks, also at the same time', async () => {
    const create = (ownerId: string): Promise<unknown> =>
      room.store.createBucket({ name: 'b', ownerId, location: '', replication: undefined });
    const outcomes = await Promise.allSettled([create(OWNER), create(OWNER), create('other')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await failureCode(() => create(OWNER))).toBe('BucketAlreadyOwnedByYou');
    expect(await failureCode(() => create('other'))).toBe('BucketAlreadyExists');
  });

  it('are listed by name, paged, per owner', async () => {
    for (const name of ['c', 'a', 'b1', 'b2']) await room.createBucket(name);
    const names = (options: object): string[] => {
      const defaults = { ownerId: OWNER, prefix: '', after: '', limit: 100 };
      return room.store.listBuckets({ ...defaults, ...options }).buckets.map(({ name }) => name);
    };
    expect(names({})).toEqual(['a', 'b1', 'b2', 'c']);
    expect(names({ prefix: 'b' })).toEqual(['b1', 'b2']);
    expect(names({ after: 'b1', limit: 1 })).toEqual(['b2']);
    expect(names({ ownerId: 'other' })).toEqual([]);
    const page = { ownerId: OWNER, prefix: '', after: '', limit: 4 };
    expect(room.store.listBuckets(page).truncated).toBe(false);
    expect(room.store.listBuckets({ ...page, limit: 3 }).truncated).toBe(true);
  });

  it('keep their configurations, changed one after the other, until they are deleted', async () => {
    await room.createBucket('a');
    await room.createBucket('b');
    const { store } = room;
    const add = (letter: string): Promise<void> =>
      store.configureBucket('a', 'cors', (text = '') => text + letter);
    await Promise.all([add('x'), add('y'), store.configureBucket('a', 'policy', () => 'p')]);
    const fails = store.configureBucket('a', 'cors', () => {
      throw new Error('no');
    });
    await expect(fails).rejects.toThrow('no');
    const tooLong = (): Promise<void> =>
      store.configureBucket('a', 'cors', () => 'é'.repeat(40_000));
    expect(await failureCode(tooLong)).toBe('EntityTooLarge');
    await store.configureBucket('a', 'policy', () => undefined);
    const missing = (): Promise<void> => store.configureBucket('c', 'cors', () => 'x');
    expect(await failureCode(missing)).toBe('NoSuchBucket');
    await room.reopen();
    expect([...room.store.bucket('a').configs]).toEqual([['cors', 'xy']]);
    expect(room.store.bucket('b').configs.size).toBe(0);
    await room.store.deleteBucket('a');
    await room.createBucket('a');
    expect(room.store.bucket('a').configs.size).toBe(0);
    await room.reopen();
    expect(room.store.bucket('a').configs.size).toBe(0);
  });

  it('are deleted only when empty, and go on as before otherwise', async () => {
    await room.createBucket();
    await room.put('k', 'abc');
    expect(await failureCode(() => room.store.deleteBucket(BUCKET))).toBe('BucketNotEmpty');
    await room.put('k2', 'def');
    await room.delete('k');
    await room.delete('k2');
    await room.store.deleteBucket(BUCKET);
    expect(await failureCode(() => room.store.bucket(BUCKET))).toBe('NoSuchBucket');
    expect(await failureCode(() => room.put('k', 'abc'))).toBe('NoSuchBucket');
  });

  it('made again under the same name are other buckets', async () => {
    await room.createBucket();
    const { id } = room.store.bucket(BUCKET);
    await room.put('k', Buffer.alloc(100_000));
    await room.delete('k');
    await room.store.deleteBucket(BUCKET);
    await room.createBucket();
    expect(room.store.bucket(BUCKET).id).not.toBe(id);
    // The reclaim row of the first one is still worked off.
    expect(room.chunks.ids).toHaveLength(1);
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
    const left = room.meta.partitions(undefined, 100).filter((name) => name.includes(id));
    expect(left).toEqual([]);
  });

  it.each([3, 700_000])(
    'made again under the same name take no object of %i bytes',
    async (size) => {
      await room.createBucket();
      let end = (): void => {};
      const after = new Promise<void>((resolve) => {
        end = resolve;
      });
      const writing = room.put('k', new Uint8Array(size), { body: { after } });
      await room.store.deleteBucket(BUCKET);
      await room.createBucket();
      end();
      expect(await failureCode(() => writing)).toBe('NoSuchBucket');
      expect(await failureCode(() => room.store.read(BUCKET, 'k', { conditions: {} }))).toBe(
        'NoSuchKey',
      );
      expect(room.chunks.ids).toEqual([]);
    },
  );

  it('made again under the same name take no configuration of the one before', async () => {
    await room.createBucket();
    const first = room.store.deleteBucket(BUCKET);
    const second = room.createBucket();
    const third = room.store.configureBucket(BUCKET, 'policy', () => '{}');
    await Promise.all([first, second, expect(third).rejects.toThrow('bucket does not exist')]);
    expect(room.store.bucket(BUCKET).configs.size).toBe(0);
  });

  it('a deletion that a crash cut off is ended or undone by the next start', async () => {
    await room.createBucket('empty');
    await room.createBucket('full');
    await room.put('k', 'abc', { bucket: 'full' });
    const commit = room.meta.commit.bind(room.meta);
    for (const name of ['empty', 'full']) {
      // The commits that close the partitions never come.
      let commits = 0;
      room.meta.commit = (options) => {
        commits += 1;
        return commits > 2 ? Promise.reject(new Error('killed')) : commit(options);
      };
      if (name === 'full') await hideObjects(() => room.store.deleteBucket(name));
      else await expect(room.store.deleteBucket(name)).rejects.toThrow('killed');
      room.meta.commit = commit;
      await room.reopen();
    }
    expect(await failureCode(() => room.store.bucket('empty'))).toBe('NoSuchBucket');
    await room.put('k2', 'def', { bucket: 'full' });
    expect((await room.get('k', {}, 'full')).toString()).toBe('abc');
  });

  /** Lets a delete pass its early look, as a put does that lands right after it. */
  async function hideObjects(work: () => Promise<void>): Promise<void> {
    const scan = room.meta.scan.bind(room.meta);
    room.meta.scan = () => ({ rows: [], more: false });
    await expect(work()).rejects.toThrow('killed');
    room.meta.scan = scan;
  }
});
