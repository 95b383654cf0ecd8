/** Deletes under conditions on ETag, size and time, alone and by the thousand; and their races. */
import { createHash } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'conditional-delete';
const Key = 'k';
const path = `/${Bucket}/${Key}`;
const ETAG = '5d41402abc4b2a76b9719d911017c592';
const DAY_MS = 86_400_000;
let sluice: SluiceInside;
let client: S3Client;
let modified: Date;

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});
beforeEach(async () => {
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }));
  const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
  modified = head.LastModified ?? new Date(0);
});

async function exists(key = Key): Promise<boolean> {
  return (await ask(sluice, { method: 'HEAD', path: `/${Bucket}/${key}` })).status === 200;
}

/** What the object is, or is not; by name as the SDK has it. */
const CONDITIONS = [
  ['ETag', () => ({ ETag: ETAG }), true],
  ['a quoted ETag', () => ({ ETag: `"${ETAG}"` }), true],
  ['any ETag', () => ({ ETag: '*' }), true],
  ['another ETag', () => ({ ETag: '"other"' }), false],
  ['its size', () => ({ Size: 5 }), true],
  ['another size', () => ({ Size: 0 }), false],
  ['its time', () => ({ LastModifiedTime: modified }), true],
  ['another time', () => ({ LastModifiedTime: new Date(modified.getTime() - DAY_MS) }), false],
  ['all', () => ({ ETag: ETAG, Size: 5, LastModifiedTime: modified }), true],
  ['all but one', () => ({ ETag: ETAG, Size: 6, LastModifiedTime: modified }), false],
] as const;

interface Condition {
  readonly ETag?: string;
  readonly Size?: number;
  readonly LastModifiedTime?: Date;
}

describe('a delete if the object has', () => {
  it.each(CONDITIONS)('%s', async (_, condition, passes) => {
    const { ETag, Size, LastModifiedTime }: Condition = condition();
    const send = client.send(
      new DeleteObjectCommand({
        Bucket,
        Key,
        ...(ETag === undefined ? {} : { IfMatch: ETag }),
        ...(Size === undefined ? {} : { IfMatchSize: Size }),
        ...(LastModifiedTime === undefined ? {} : { IfMatchLastModifiedTime: LastModifiedTime }),
      }),
    );
    if (passes) expect((await send).$metadata.httpStatusCode).toBe(204);
    else await expectS3Error(send, 412, 'PreconditionFailed');
    expect(await exists()).toBe(!passes);
  });

  it.each(CONDITIONS)('%s, among many', async (_, condition, passes) => {
    const Objects = [
      { Key, ...condition() },
      { Key: 'absent', ...condition() },
    ];
    const done = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(done.Errors?.map(({ Key: key, Code }) => [key, Code])).toEqual(
      passes ? undefined : [[Key, 'PreconditionFailed']],
    );
    const deleted = passes ? [{ Key }, { Key: 'absent' }] : [{ Key: 'absent' }];
    expect(done.Deleted).toEqual(deleted);
    expect(await exists()).toBe(!passes);
  });
});

describe('a condition', () => {
  it('on a key that nobody has is met', async () => {
    const headers = { 'if-match': '"x"', 'x-amz-if-match-size': '9' };
    const wanted = { method: 'DELETE', path: `/${Bucket}/absent`, headers };
    expect(await outcome(sluice, wanted)).toEqual([204, undefined]);
  });

  it.each([
    [{ 'x-amz-if-match-size': 'five' }],
    [{ 'x-amz-if-match-size': '-1' }],
    [{ 'x-amz-if-match-last-modified-time': 'yesterday' }],
  ])('%j says nothing: it is refused', async (headers) => {
    expect(await outcome(sluice, { method: 'DELETE', path, headers })).toEqual([
      400,
      'InvalidArgument',
    ]);
    expect(await exists()).toBe(true);
  });

  it('of a delete is refused by what cannot keep it', async () => {
    const headers = { 'x-amz-if-match-size': '5' };
    const put = { method: 'PUT', path, headers, body: 'other' };
    expect(await outcome(sluice, put)).toEqual([501, 'NotImplemented']);
  });

  it.each(['<Size>x</Size>', '<LastModifiedTime>x</LastModifiedTime>'])(
    '%s in a list is malformed, and nothing of the list is done',
    async (element) => {
      const body = `<Delete><Object><Key>${Key}</Key></Object><Object><Key>a</Key>${element}</Object></Delete>`;
      const md5 = createHash('md5').update(body).digest('base64');
      const wanted = {
        method: 'POST',
        path: `/${Bucket}`,
        query: { delete: '' },
        headers: { 'content-md5': md5 },
        body,
      };
      expect(await outcome(sluice, wanted)).toEqual([400, 'MalformedXML']);
      expect(await exists()).toBe(true);
    },
  );

  it('decides a race between a delete and overwrites: never is the wrong object gone', async () => {
    for (let round = 0; round < 10; round += 1) {
      await client.send(new PutObjectCommand({ Bucket, Key: 'race', Body: 'hello' }));
      const remove = client
        .send(new DeleteObjectCommand({ Bucket, Key: 'race', IfMatch: ETAG }))
        .catch((error: unknown) => error);
      const put = client.send(new PutObjectCommand({ Bucket, Key: 'race', Body: 'newer' }));
      const [outcomeOfDelete] = await Promise.all([remove, put]);
      // Whoever came first: the newer object was not the one that the condition names.
      expect(await exists('race')).toBe(true);
      if (outcomeOfDelete instanceof S3ServiceException) {
        expect([409, 412]).toContain(outcomeOfDelete.$metadata.httpStatusCode);
      }
    }
  });
});
