/** CopyObject: what is copied, what is replaced, and what is refused. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  type CopyObjectCommandInput,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { outcome } from '../support/signed-request.ts';

const MIB = 1024 * 1024;
const Bucket = 'copies';
const Other = 'copies-other';
const Key = 'source';
const CopySource = `${Bucket}/${Key}`;
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  for (const name of [Bucket, Other]) await client.send(new CreateBucketCommand({ Bucket: name }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});
beforeEach(async () => {
  await client.send(
    new PutObjectCommand({
      Bucket,
      Key,
      Body: 'source',
      ContentType: 'text/source',
      CacheControl: 'no-store',
      WebsiteRedirectLocation: '/elsewhere',
      StorageClass: 'STANDARD_IA',
      Metadata: { from: 'source' },
      Tagging: 'from=source',
      ChecksumAlgorithm: 'SHA256',
    }),
  );
});

const copy = (more: Partial<CopyObjectCommandInput> = {}) =>
  client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, ...more }));
const head = (key: string, more = {}) =>
  client.send(new HeadObjectCommand({ Bucket, Key: key, ...more }));
async function tags(key: string): Promise<Record<string, string | undefined>> {
  const found = await client.send(new GetObjectTaggingCommand({ Bucket, Key: key }));
  return Object.fromEntries((found.TagSet ?? []).map((tag) => [tag.Key, tag.Value]));
}

describe('a copy', () => {
  it('has all that its source has, but its storage class and its redirect', async () => {
    const { CopyObjectResult, ...rest } = await copy({ Metadata: { from: 'ignored' } });
    const source = await head(Key, { ChecksumMode: 'ENABLED' });
    expect(rest.$metadata.httpStatusCode).toBe(200);
    expect(CopyObjectResult?.ETag).toBe(source.ETag);
    expect(CopyObjectResult?.ChecksumSHA256).toBe(source.ChecksumSHA256);
    expect(CopyObjectResult?.LastModified).toBeInstanceOf(Date);
    const found = await head('copy', { ChecksumMode: 'ENABLED' });
    expect(found).toMatchObject({
      ContentType: 'text/source',
      CacheControl: 'no-store',
      Metadata: { from: 'source' },
      TagCount: 1,
      ChecksumSHA256: source.ChecksumSHA256,
    });
    expect(found.StorageClass).toBeUndefined();
    expect(found.WebsiteRedirectLocation).toBeUndefined();
    expect(await tags('copy')).toEqual({ from: 'source' });
  });

  it('with new metadata has none of the old', async () => {
    await copy({
      MetadataDirective: 'REPLACE',
      Metadata: { new: 'yes' },
      ContentType: 'text/new',
      StorageClass: 'GLACIER_IR',
    });
    const found = await head('copy');
    expect(found).toMatchObject({
      ContentType: 'text/new',
      Metadata: { new: 'yes' },
      StorageClass: 'GLACIER_IR',
      TagCount: 1,
    });
    expect(found.CacheControl).toBeUndefined();
    await copy({ MetadataDirective: 'REPLACE' });
    expect((await head('copy')).Metadata).toEqual({});
  });

  it('with new tags has none of the old', async () => {
    await copy({ TaggingDirective: 'REPLACE', Tagging: 'a=1&b=2' });
    expect(await tags('copy')).toEqual({ a: '1', b: '2' });
    await copy({ TaggingDirective: 'REPLACE' });
    expect(await tags('copy')).toEqual({});
    expect((await head('copy')).Metadata).toEqual({ from: 'source' });
  });

  it('takes a new redirect under either directive', async () => {
    await copy({ WebsiteRedirectLocation: '/new' });
    const found = await head('copy');
    expect(found.WebsiteRedirectLocation).toBe('/new');
    expect(found.Metadata).toEqual({ from: 'source' });
  });

  it('lives on when its source goes, and the other way round', async () => {
    const big = content(3 * MIB, 2);
    await client.send(new PutObjectCommand({ Bucket, Key: 'big', Body: big }));
    await copy({ Bucket: Other, Key: 'one', CopySource: `${Bucket}/big` });
    await copy({ Bucket: Other, Key: 'two', CopySource: `${Other}/one` });
    await client.send(new PutObjectCommand({ Bucket, Key: 'big', Body: 'replaced' }));
    await client.send(new DeleteObjectCommand({ Bucket: Other, Key: 'one' }));
    const found = await client.send(new GetObjectCommand({ Bucket: Other, Key: 'two' }));
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    expect(bytes.equals(big)).toBe(true);
  });

  it('of a multipart object keeps its ETag and its bytes', async () => {
    const target = { Bucket, Key: 'parts' };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
    const Parts = [];
    const bodies = [content(5 * MIB), content(100, 1)];
    for (const [index, Body] of bodies.entries()) {
      const part = { ...target, UploadId, PartNumber: index + 1, Body };
      const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand(part));
      Parts.push({ PartNumber: index + 1, ETag, ChecksumCRC32 });
    }
    const done = { ...target, UploadId, MultipartUpload: { Parts } };
    const { ETag } = await client.send(new CompleteMultipartUploadCommand(done));
    await copy({ CopySource: `${Bucket}/parts`, Key: 'parts-copy' });
    const found = await client.send(new GetObjectCommand({ Bucket, Key: 'parts-copy' }));
    expect(found.ETag).toBe(ETag);
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    expect(bytes.equals(Buffer.concat(bodies))).toBe(true);
  });
});

describe('a copy onto itself', () => {
  const onto = (more: Partial<CopyObjectCommandInput>) => copy({ Key, ...more });
  it.each([{}, { Metadata: { x: 'y' } }, { TaggingDirective: 'REPLACE' as const, Tagging: 'a=b' }])(
    'that changes nothing is refused: %j',
    async (more) => {
      await expectS3Error(onto(more), 400, 'InvalidRequest');
      expect((await head(Key)).Metadata).toEqual({ from: 'source' });
    },
  );

  it.each([
    { MetadataDirective: 'REPLACE' as const, Metadata: { x: 'y' } },
    { StorageClass: 'STANDARD' as const },
    { WebsiteRedirectLocation: '/other' },
  ])('that changes something is done: %j', async (more) => {
    await onto(more);
    const found = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(await found.Body?.transformToString()).toBe('source');
    expect(found.Metadata).toEqual(more.Metadata ?? { from: 'source' });
    expect(found.StorageClass).toBeUndefined();
    expect(found.WebsiteRedirectLocation).toBe(more.WebsiteRedirectLocation);
  });
});

describe('the name of the source', () => {
  it.each([
    ['sp ace', `${Bucket}/sp%20ace`],
    ['sp ace', `/${Bucket}/sp+ace`],
    ['pl+us', `${Bucket}/pl%2Bus`],
    ['per%cent', `${Bucket}/per%25cent`],
    ['sla/sh//es', `${Bucket}/sla/sh//es`],
    ['sla/sh//es', `${Bucket}%2Fsla%2Fsh%2F%2Fes`],
    ['que?stion', `${Bucket}/que%3Fstion`],
    ['ä\u{1f600}', `${Bucket}/${encodeURIComponent('ä\u{1f600}')}`],
    ['null', `${Bucket}/null?versionId=null`],
  ])('%j as %s', async (key, source) => {
    await client.send(new PutObjectCommand({ Bucket, Key: key, Body: key }));
    await copy({ CopySource: source });
    const found = await client.send(new GetObjectCommand({ Bucket, Key: 'copy' }));
    expect(await found.Body?.transformToString()).toBe(key);
  });

  it.each([
    [`/${Bucket}/none`, 404, 'NoSuchKey'],
    ['/no-such-bucket/key', 404, 'NoSuchBucket'],
    [`${Bucket}`, 400, 'InvalidArgument'],
    [`/${Bucket}/`, 400, 'InvalidArgument'],
    ['/', 400, 'InvalidArgument'],
    [`${Bucket}/%zz`, 400, 'InvalidArgument'],
    [`${Bucket}/${'x'.repeat(1025)}`, 400, 'KeyTooLongError'],
    [`${CopySource}?versionId=abc`, 400, 'InvalidArgument'],
    [`${CopySource}?acl`, 400, 'InvalidArgument'],
  ])('%.40s answers %i %s', async (source, status, code) => {
    const headers = { 'x-amz-copy-source': source };
    const wanted = { method: 'PUT', path: `/${Bucket}/copied`, headers };
    expect(await outcome(sluice, wanted)).toEqual([status, code]);
    await expectS3Error(head('copied'), 404, 'NotFound');
  });
});

it.each([
  ['x-amz-metadata-directive', 'MOVE', 400, 'InvalidArgument'],
  ['x-amz-tagging-directive', 'replace', 400, 'InvalidArgument'],
  ['x-amz-storage-class', 'CHEAP', 400, 'InvalidStorageClass'],
  ['x-amz-server-side-encryption', 'aws:kms:dsse', 501, 'NotImplemented'],
  ['x-amz-copy-source-server-side-encryption-customer-algorithm', 'AES256', 400, 'InvalidArgument'],
])('%s: %s answers %i %s', async (name, value, status, code) => {
  const headers = { 'x-amz-copy-source': CopySource, [name]: value };
  const wanted = { method: 'PUT', path: `/${Bucket}/refused`, headers };
  expect(await outcome(sluice, wanted)).toEqual([status, code]);
  await expectS3Error(head('refused'), 404, 'NotFound');
});

it('a checksum of the kind that the source has may be asked for, and no other', async () => {
  const source = await head(Key, { ChecksumMode: 'ENABLED' });
  const same = await copy({ ChecksumAlgorithm: 'SHA256' });
  expect(same.CopyObjectResult?.ChecksumSHA256).toBe(source.ChecksumSHA256);
  await expectS3Error(copy({ ChecksumAlgorithm: 'CRC32' }), 501, 'NotImplemented');
});

it('a missing target bucket is told', async () => {
  await expectS3Error(copy({ Bucket: 'no-such-bucket' }), 404, 'NoSuchBucket');
});
