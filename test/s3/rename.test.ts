/** RenameObject through the front door: whole objects, conditions, races. */
import { createHash } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  RenameObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'renames';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ 'reclaim-grace-seconds': '0' });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const rename = (RenameSource: string, Key: string, more = {}) =>
  client.send(new RenameObjectCommand({ Bucket, Key, RenameSource, ...more }));
const put = (Key: string, Body: string | Uint8Array, more = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const status = async (key: string): Promise<number> =>
  (await ask(sluice, { method: 'HEAD', path: `/${Bucket}/${key}` })).status;

async function read(Key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

describe('a rename', () => {
  it.each([5, 300_000, 2_000_000])('moves an object of %i bytes with all it has', async (size) => {
    const bytes = content(size, 1);
    const done = await put('old a+b', bytes, { Metadata: { a: 'b' }, Tagging: 'k=v' });
    await put('new', content(600_000, 2));
    expect((await rename('old%20a%2Bb', 'new')).$metadata.httpStatusCode).toBe(200);
    expect(await status('old%20a%2Bb')).toBe(404);
    const found = await client.send(new GetObjectCommand({ Bucket, Key: 'new' }));
    expect(found).toMatchObject({ ETag: done.ETag, Metadata: { a: 'b' }, TagCount: 1 });
    const body = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    expect(body.equals(bytes)).toBe(true);
    // What it replaced is reclaimed, what it brought is not.
    await sluice.objects.runReclaim(Date.now() + 1000);
    expect((await read('new')).equals(bytes)).toBe(true);
    await sluice.objects.scrubOrphans();
    expect((await read('new')).equals(bytes)).toBe(true);
  });

  it('keeps its conditions, on both ends', async () => {
    const etag = `"${createHash('md5').update('x').digest('hex')}"`;
    await put('from', 'x');
    await put('to', 'y');
    await expectS3Error(
      rename('from', 'to', { DestinationIfNoneMatch: '*' }),
      412,
      'PreconditionFailed',
    );
    await expectS3Error(
      rename('from', 'to', { DestinationIfMatch: etag }),
      412,
      'PreconditionFailed',
    );
    await expectS3Error(rename('from', 'to', { SourceIfMatch: '"z"' }), 412, 'PreconditionFailed');
    await expectS3Error(
      rename('from', 'to', { SourceIfNoneMatch: etag }),
      412,
      'PreconditionFailed',
    );
    expect((await read('to')).toString()).toBe('y');
    await rename('/from', 'free', { DestinationIfNoneMatch: '*', SourceIfMatch: etag });
    expect((await read('free')).toString()).toBe('x');
  });

  it('of what is not there, to itself, or from nowhere is refused', async () => {
    await put('self', 'x');
    await expectS3Error(rename('none', 'to'), 404, 'NoSuchKey');
    await expectS3Error(rename('self', 'self'), 400, 'InvalidRequest');
    const wanted = { method: 'PUT', path: `/${Bucket}/k`, query: { renameObject: '' } };
    expect(await outcome(sluice, wanted)).toEqual([400, 'InvalidArgument']);
    for (const source of ['%zz', '', '/']) {
      const headers = { 'x-amz-rename-source': source };
      expect(await outcome(sluice, { ...wanted, headers })).toEqual([400, 'InvalidArgument']);
    }
    expect(await status('self')).toBe(200);
  });

  it('of one source to many keys happens once', async () => {
    for (let round = 0; round < 5; round += 1) {
      await put('one', 'x');
      const keys = Array.from({ length: 10 }, (_, index) => `round-${round}-${index}`);
      const done = await Promise.allSettled(keys.map((key) => rename('one', key)));
      expect(done.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
      const statuses = await Promise.all(keys.map(status));
      expect(statuses.filter((each) => each === 200)).toHaveLength(1);
    }
  });

  it('is refused in a bucket with versioning', async () => {
    const other = { Bucket: 'renames-versioned' };
    await client.send(new CreateBucketCommand(other));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await client.send(new PutBucketVersioningCommand({ ...other, VersioningConfiguration }));
    await put('k', 'x', other);
    await expectS3Error(rename('k', 'j', other), 400, 'InvalidRequest');
  });
});
