import { beforeEach, describe, expect, it } from 'vitest';
import { S3Error } from '../../../src/base/s3-error.ts';
import { content, md5 } from '../../support/content.ts';
import { memoryBody } from '../../support/memory-body.ts';
import { BUCKET, OWNER, GRACE_MS, ObjectRoom } from '../../support/object-room.ts';
import { failure, failureCode } from '../../support/s3-failure.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

let room: ObjectRoom;

beforeEach(async () => {
  room = await ObjectRoom.open();
  await room.createBucket();
});

function blocksAreBack(): void {
  expect(room.arena.freeCount).toBe(room.arena.blockCount);
}

describe('put and read', () => {
  it.each([0, 1, 16 * KIB, 16 * KIB + 1, 512 * KIB, 512 * KIB + 1, 3 * MIB + 5])(
    '%i bytes come back with their MD5 as ETag',
    async (size) => {
      const bytes = content(size, 3);
      const put = await room.put('a/key', bytes);
      expect(put).toMatchObject({ etag: md5(bytes), size });
      expect((await room.get('a/key')).equals(bytes)).toBe(true);
      const { head } = room.store.read(BUCKET, 'a/key', { conditions: {} });
      expect(head).toMatchObject({ key: 'a/key', size, etag: md5(bytes), partCount: 0 });
      expect(head.headers).toEqual({ 'content-type': 'text/plain' });
      blocksAreBack();
    },
  );

  it('ranges across chunks are exact', async () => {
    const bytes = content(3 * MIB + 5);
    await room.put('k', bytes);
    for (const [first, last] of [
      [0, 0],
      [512 * KIB - 1, 512 * KIB],
      [100, 2 * MIB + 99],
      [3 * MIB + 4, 9 * MIB],
    ] as const) {
      const read = await room.get('k', { range: { first, last } });
      expect(read.equals(bytes.subarray(first, last + 1))).toBe(true);
    }
    blocksAreBack();
  });

  it('partNumber 1 of a simple object is all of it, others are refused', async () => {
    await room.put('k', 'abc');
    const read = room.store.read(BUCKET, 'k', { conditions: {}, partNumber: 1 });
    expect(read).toMatchObject({ partial: true, range: { offset: 0, length: 3 } });
    const error = await failure(() =>
      room.store.read(BUCKET, 'k', { conditions: {}, partNumber: 2 }),
    );
    expect(error.code).toBe('InvalidPartNumber');
  });

  it('a missing key and a missing bucket are told apart', async () => {
    expect((await failure(() => room.get('none'))).fields).toEqual({ Key: 'none' });
    const noBucket = await failure(() => room.get('none', {}, 'other'));
    expect(noBucket.code).toBe('NoSuchBucket');
    expect(noBucket.fields).toEqual({ BucketName: 'other' });
  });

  it('attributes that do not fit a row are refused before the body is read', async () => {
    const attributes = {
      headers: {},
      metadata: { big: 'x'.repeat(50_000) },
      tags: {},
      storageClass: 'STANDARD',
    };
    const put = room.store.put.bind(room.store);
    const options = { bucket: BUCKET, key: 'k', ownerId: 'o', attributes, conditions: {} };
    const { signal } = new AbortController();
    const code = await failureCode(() =>
      put({ ...options, checksumAlgorithm: undefined, signal }, undefined as never),
    );
    expect(code).toBe('MetadataTooLarge');
  });
});

describe('what fails leaves nothing', () => {
  it.each([10, 100 * KIB, 2 * MIB])('a refused body of %i bytes', async (size) => {
    await room.put('k', 'before');
    const refusal = new S3Error('BadDigest');
    const work = (): Promise<unknown> => room.put('k', content(size), { body: { refusal } });
    expect(await failureCode(work)).toBe('BadDigest');
    expect((await room.get('k')).toString()).toBe('before');
    expect(room.chunks.ids).toEqual([]);
    blocksAreBack();
  });

  it('a body that is cut off between chunks', async () => {
    const cut = { cutAfter: 1280 * KIB };
    const work = (): Promise<unknown> => room.put('k', content(2 * MIB), { body: cut });
    expect(await failureCode(work)).toBe('IncompleteBody');
    expect(await failureCode(() => room.get('k'))).toBe('NoSuchKey');
    expect(room.chunks.ids).toEqual([]);
    blocksAreBack();
  });

  it('a put that loses its precondition at the commit point', async () => {
    const puts = [1, 2, 3, 4].map((n) =>
      room
        .put('k', content(100 * KIB, n), { conditions: { ifNoneMatch: '*' } })
        .then(() => 'stored')
        .catch((error: S3Error) => error.code),
    );
    const outcomes = await Promise.all(puts);
    expect(outcomes.toSorted()).toEqual([
      'PreconditionFailed',
      'PreconditionFailed',
      'PreconditionFailed',
      'stored',
    ]);
    expect(room.chunks.ids).toHaveLength(1);
  });

  it('a put into a bucket that is deleted meanwhile', async () => {
    const put = room.put('k', content(100 * KIB));
    const deletion = room.store.deleteBucket(BUCKET);
    const [putOutcome, deleteOutcome] = await Promise.allSettled([put, deletion]);
    const codes = [putOutcome, deleteOutcome].map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as S3Error).code : 'done',
    );
    expect([
      ['NoSuchBucket', 'done'],
      ['done', 'BucketNotEmpty'],
    ]).toContainEqual(codes);
    if (codes[0] === 'NoSuchBucket') expect(room.chunks.ids).toEqual([]);
  });
});

describe('overwrite and delete', () => {
  it('many writers of one key all succeed; one of them is what is read', async () => {
    const bodies = Array.from({ length: 40 }, (_, n) => content(20 * KIB, n));
    await Promise.all(bodies.map((bytes) => room.put('k', bytes)));
    const read = await room.get('k');
    expect(bodies.some((bytes) => bytes.equals(read))).toBe(true);
    await room.reclaim();
    expect(room.chunks.ids).toHaveLength(1);
  });

  it('replaced bytes stay for the grace time, then go', async () => {
    await room.put('k', content(100 * KIB));
    const before = room.chunks.ids;
    await room.put('k', 'small');
    expect(await room.store.runReclaim(room.clock.ms)).toBe(0);
    expect(room.chunks.ids).toEqual(before);
    expect(await room.reclaim()).toBe(1);
    expect(room.chunks.ids).toEqual([]);
    expect(room.store.stats().backlog).toBe(0);
  });

  it('a read that outlasts the grace time ends with the bytes it began with', async () => {
    const bytes = content(2 * MIB);
    await room.put('k', bytes);
    const read = room.store.read(BUCKET, 'k', { conditions: {} });
    const pieces: Buffer[] = [];
    for await (const block of read.blocks(new AbortController().signal)) {
      pieces.push(Buffer.from(block.bytes));
      block.release();
      if (pieces.length !== 1) continue;
      await room.put('k', 'new');
      expect(await room.reclaim()).toBe(0);
      expect(room.store.stats()).toEqual({ backlog: 1, leases: 1 });
    }
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    expect(await room.store.runReclaim(room.clock.ms)).toBe(1);
    expect(room.chunks.ids).toEqual([]);
  });

  it('a read that is left early gives up its lease', async () => {
    await room.put('k', content(2 * MIB));
    const read = room.store.read(BUCKET, 'k', { conditions: {} });
    for await (const block of read.blocks(new AbortController().signal)) {
      block.release();
      break;
    }
    expect(room.store.stats().leases).toBe(0);
    blocksAreBack();
  });

  it('deletes are idempotent and honour If-Match', async () => {
    await room.delete('none');
    await room.put('k', 'abc');
    expect(await failureCode(() => room.delete('k', { ifMatch: '"x"' }))).toBe(
      'PreconditionFailed',
    );
    await room.delete('k', { ifMatch: `"${md5(Buffer.from('abc'))}"` });
    expect(await failureCode(() => room.get('k'))).toBe('NoSuchKey');
  });
});

describe('copy', () => {
  it.each([5, 300 * KIB, 2 * MIB])('shares %i bytes and outlives its source', async (size) => {
    const bytes = content(size, 5);
    const put = await room.put('from', bytes);
    const stored = room.chunks.ids.length;
    expect((await room.copy('from', 'to')).etag).toBe(put.etag);
    await room.copy('to', 'again');
    expect(room.chunks.ids).toHaveLength(stored);
    await room.delete('from');
    await room.reclaim();
    expect((await room.get('to')).equals(bytes)).toBe(true);
    await room.delete('to');
    await room.reclaim();
    expect((await room.get('again')).equals(bytes)).toBe(true);
    await room.delete('again');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
    expect(room.meta.partitions(undefined, 100).filter((name) => name.startsWith('m/'))).toEqual(
      [],
    );
  });

  it('owners that go in the same batch leave nothing behind', async () => {
    await room.put('a', content(100 * KIB));
    await room.copy('a', 'b');
    await room.copy('b', 'c');
    await Promise.all(['a', 'b', 'c'].map((key) => room.delete(key)));
    expect(await room.reclaim()).toBe(3);
    expect(room.chunks.ids).toEqual([]);
  });

  it('onto itself needs a change and keeps the bytes', async () => {
    const bytes = content(200 * KIB);
    await room.put('k', bytes);
    expect(await failureCode(() => room.copy('k', 'k'))).toBe('InvalidRequest');
    await room.copy('k', 'k', { headersAndMetadata: { headers: {}, metadata: { a: 'b' } } });
    await room.reclaim();
    expect((await room.get('k')).equals(bytes)).toBe(true);
    const { head } = room.store.read(BUCKET, 'k', { conditions: {} });
    expect(head.metadata).toEqual({ a: 'b' });
    await room.delete('k');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
  });

  it('carries attributes over unless they are replaced', async () => {
    const signal = new AbortController().signal;
    const attributes = {
      headers: { 'content-type': 'a/b', 'x-amz-website-redirect-location': '/x' },
      metadata: { m: '1' },
      tags: { t: '1' },
      storageClass: 'STANDARD_IA',
    };
    const target = { bucket: BUCKET, key: 'from', ownerId: 'o', attributes, conditions: {} };
    const body = memoryBody(room.arena, Buffer.from('x'));
    await room.store.put({ ...target, checksumAlgorithm: undefined, signal }, body);
    await room.copy('from', 'to');
    const { head } = room.store.read(BUCKET, 'to', { conditions: {} });
    expect(head).toMatchObject({
      headers: { 'content-type': 'a/b' },
      metadata: { m: '1' },
      tags: { t: '1' },
      storageClass: 'STANDARD',
    });
    expect(head.headers).not.toHaveProperty('x-amz-website-redirect-location');
    await room.copy('from', 'to', { tags: { u: '2' } });
    expect(room.store.tags(BUCKET, 'to').tags).toEqual({ u: '2' });
  });

  it('a copy that is refused leaves the source alone in its blob', async () => {
    await room.put('from', content(100 * KIB));
    await room.put('to', 'taken');
    const refused = (): Promise<unknown> =>
      room.copy('from', 'to', { conditions: { ifNoneMatch: '*' } });
    expect(await failureCode(refused)).toBe('PreconditionFailed');
    const conditions = { ifMatch: '"x"' };
    const source = { bucket: BUCKET, key: 'from', conditions };
    expect(await failureCode(() => room.copy('from', 'to', { source }))).toBe('PreconditionFailed');
    await room.delete('from');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
  });

  it('a source that goes while it is copied, grace time and all, is not lost to the copy', async () => {
    const bytes = content(300 * KIB);
    await room.put('from', bytes);
    const commit = room.meta.commit.bind(room.meta);
    room.meta.commit = async (options) => {
      if (options.partition.startsWith('m/')) {
        room.meta.commit = commit;
        await room.delete('from');
        room.clock.ms += GRACE_MS + 1;
        expect(await room.store.runReclaim(room.clock.ms)).toBe(0);
      }
      return await commit(options);
    };
    await room.copy('from', 'to');
    expect(await room.store.runReclaim(room.clock.ms)).toBe(1);
    expect((await room.get('to')).equals(bytes)).toBe(true);
    await room.delete('to');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
  });
});

describe('tags', () => {
  it('change neither ETag nor Last-Modified nor bytes', async () => {
    const put = await room.put('k', content(100 * KIB));
    room.clock.ms += 5000;
    await room.store.setTags(BUCKET, 'k', { colour: 'blue' });
    expect(room.store.tags(BUCKET, 'k').tags).toEqual({ colour: 'blue' });
    const { head } = room.store.read(BUCKET, 'k', { conditions: {} });
    expect(head).toMatchObject({ etag: put.etag, mtimeMs: put.mtimeMs });
    await room.reclaim();
    expect((await room.get('k')).equals(content(100 * KIB))).toBe(true);
    expect(await failureCode(() => room.store.setTags(BUCKET, 'none', {}))).toBe('NoSuchKey');
  });
});

describe('who may what', () => {
  it('is kept with the object, and changes neither its bytes nor its times', async () => {
    expect(room.store.access(BUCKET, 'k')).toBeUndefined();
    await room.put('k', 'hello');
    const before = room.store.read(BUCKET, 'k', { conditions: {} }).head;
    expect(room.store.access(BUCKET, 'k')).toMatchObject({ acl: undefined, tags: {} });
    await room.store.setAcl({ bucket: BUCKET, key: 'k', versionId: undefined }, OWNER, '[]');
    const late = await failureCode(() =>
      room.store.setAcl({ bucket: BUCKET, key: 'k', versionId: undefined }, 'other', undefined),
    );
    expect(late).toBe('OperationAborted');
    await room.reopen();
    const { acl, ownerId } = room.store.access(BUCKET, 'k') ?? {};
    expect([acl, ownerId]).toEqual(['[]', before.ownerId]);
    expect(room.store.read(BUCKET, 'k', { conditions: {} }).head).toEqual({ ...before, acl });
    expect((await room.get('k')).toString()).toBe('hello');
    await room.store.setAcl({ bucket: BUCKET, key: 'k', versionId: undefined }, OWNER, undefined);
    expect(room.store.access(BUCKET, 'k')?.acl).toBeUndefined();
    expect(
      await failureCode(() =>
        room.store.setAcl({ bucket: BUCKET, key: 'none', versionId: undefined }, OWNER, '[]'),
      ),
    ).toBe('NoSuchKey');
    expect(await failureCode(() => room.store.access('none', 'k'))).toBe('NoSuchBucket');
  });
});
