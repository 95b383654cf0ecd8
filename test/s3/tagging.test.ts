/** Tags of objects: the three operations, the header, and the rules for both. */
import {
  CreateBucketCommand,
  DeleteObjectTaggingCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { outcome } from '../support/signed-request.ts';

const Bucket = 'tagging';
const Key = 'tagged';
const path = `/${Bucket}/${Key}`;
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});
beforeEach(async () => {
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', Tagging: 'old=tag' }));
});

type Tags = readonly (readonly [string, string])[];
const tagSet = (tags: Tags) => tags.map(([name, Value]) => ({ Key: name, Value }));
const put = (tags: Tags) =>
  client.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: tagSet(tags) } }));
async function get(key = Key): Promise<unknown> {
  return (await client.send(new GetObjectTaggingCommand({ Bucket, Key: key }))).TagSet;
}
const numbered = (count: number): Tags =>
  Array.from({ length: count }, (_, index) => [`k${index}`, `v${index}`] as const);

const GOOD: readonly Tags[] = [
  [],
  [['a', '']],
  [['a', '1'] as const, ['A', '2'] as const],
  [[`sp ace_.:/=+-@ä語`, `sp ace_.:/=+-@ä語`]],
  [['k'.repeat(128), 'v'.repeat(256)]],
  numbered(10),
];
const BAD: readonly (readonly [Tags, string])[] = [
  [numbered(11), 'BadRequest'],
  [[['k'.repeat(129), 'v']], 'InvalidTag'],
  [[['k', 'v'.repeat(257)]], 'InvalidTag'],
  [[['', 'v']], 'InvalidTag'],
  [[['k', 'a<b']], 'InvalidTag'],
  [[['k!', 'v']], 'InvalidTag'],
  [[['aws:k', 'v']], 'InvalidTag'],
  [[['k', '1'] as const, ['k', '2'] as const], 'InvalidTag'],
];

describe('tags put by a document', () => {
  it.each(GOOD.map((tags) => [tags]))('%.60j', async (tags) => {
    const before = await client.send(new HeadObjectCommand({ Bucket, Key }));
    await put(tags);
    expect(await get()).toEqual(tagSet(tags));
    const after = await client.send(new HeadObjectCommand({ Bucket, Key }));
    expect(after.TagCount).toBe(tags.length === 0 ? undefined : tags.length);
    expect([after.ETag, after.LastModified]).toEqual([before.ETag, before.LastModified]);
  });

  it.each(BAD)('%.60j is refused', async (tags, code) => {
    await expectS3Error(put(tags), 400, code);
    expect(await get()).toEqual(tagSet([['old', 'tag']]));
  });

  it.each([
    ['', 'MissingRequestBodyError'],
    ['<Tagging/>', 'MalformedXML'],
    ['<TagSet/>', 'MalformedXML'],
    ['<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>', 'MalformedXML'],
    ['<Tagging><TagSet><Tag><Value>v</Value></Tag></TagSet></Tagging>', 'MalformedXML'],
    ['<Tagging><TagSet><Other/></TagSet></Tagging>', 'MalformedXML'],
  ])('not %j', async (body, code) => {
    const wanted = { method: 'PUT', path, query: { tagging: '' }, body };
    expect(await outcome(sluice, wanted)).toEqual([400, code]);
    expect(await get()).toEqual(tagSet([['old', 'tag']]));
  });
});

describe('tags put by a header', () => {
  const header = (tags: Tags): string =>
    tags.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');

  it.each(GOOD.map((tags) => [tags]))('%.60j', async (tags) => {
    await client.send(new PutObjectCommand({ Bucket, Key, Tagging: header(tags) }));
    expect(await get()).toEqual(tagSet(tags));
  });

  it.each(BAD)('%.60j is refused', async (tags, code) => {
    const stored = new PutObjectCommand({ Bucket, Key, Body: 'new', Tagging: header(tags) });
    await expectS3Error(client.send(stored), 400, code);
    expect(await get()).toEqual(tagSet([['old', 'tag']]));
  });

  it.each([
    ['a+b=c+d', [['a b', 'c d']]],
    ['lone', [['lone', '']]],
    ['a=b=c', [['a', 'b=c']]],
  ] as const)('%s', async (Tagging, tags) => {
    await client.send(new PutObjectCommand({ Bucket, Key, Tagging }));
    expect(await get()).toEqual(tagSet(tags));
  });

  it('must be url-encoded', async () => {
    const headers = { 'x-amz-tagging': 'a=%zz' };
    const wanted = { method: 'PUT', path, headers, body: 'x' };
    expect(await outcome(sluice, wanted)).toEqual([400, 'InvalidArgument']);
  });
});

it('deleting tags leaves the object', async () => {
  const gone = await client.send(new DeleteObjectTaggingCommand({ Bucket, Key }));
  expect(gone.$metadata.httpStatusCode).toBe(204);
  expect(await get()).toEqual([]);
});

it('a missing key has no tags to get, put or delete', async () => {
  const none = { Bucket, Key: 'none' };
  const Tagging = { TagSet: [] };
  await expectS3Error(client.send(new GetObjectTaggingCommand(none)), 404, 'NoSuchKey');
  const stored = client.send(new PutObjectTaggingCommand({ ...none, Tagging }));
  await expectS3Error(stored, 404, 'NoSuchKey');
  await expectS3Error(client.send(new DeleteObjectTaggingCommand(none)), 404, 'NoSuchKey');
});
