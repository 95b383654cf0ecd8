/** GetObjectAttributes through the front door: what was asked for, no more, parts by the page. */
import {
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectAttributesCommand,
  type ObjectAttributes,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { headerOf } from '../support/raw-client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'attributes';
const ALL: ObjectAttributes[] = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'];
const PART = content(5 * 1024 * 1024, 3);
let sluice: SluiceInside;
let client: S3Client;

const attributes = (Key: string, more = {}, wanted = ALL) =>
  client.send(new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: wanted, ...more }));

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

async function upload(Key: string, numbers: readonly number[]) {
  const algorithm = { ChecksumAlgorithm: 'SHA256' } as const;
  const target = { Bucket, Key };
  const created = await client.send(new CreateMultipartUploadCommand({ ...target, ...algorithm }));
  const at = { ...target, UploadId: created.UploadId };
  const Parts: CompletedPart[] = [];
  for (const [index, PartNumber] of numbers.entries()) {
    const Body = index === numbers.length - 1 ? Buffer.from('tail') : PART;
    const done = await client.send(
      new UploadPartCommand({ ...at, PartNumber, Body, ...algorithm }),
    );
    Parts.push({ PartNumber, ETag: done.ETag, ChecksumSHA256: done.ChecksumSHA256 });
  }
  const MultipartUpload = { Parts };
  const done = await client.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload }));
  return { Parts, done };
}

describe('attributes', () => {
  it('of a plain object are what was asked for', async () => {
    const put = await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'plain',
        Body: 'hello',
        ChecksumAlgorithm: 'CRC32C',
        StorageClass: 'STANDARD_IA',
      }),
    );
    const found = await attributes('plain');
    expect(found).toMatchObject({
      ETag: put.ETag?.replaceAll('"', ''),
      Checksum: { ChecksumCRC32C: put.ChecksumCRC32C, ChecksumType: 'FULL_OBJECT' },
      StorageClass: 'STANDARD_IA',
      ObjectSize: 5,
    });
    expect(found.ObjectParts).toBeUndefined();
    expect(found.LastModified).toBeInstanceOf(Date);
    const one = await attributes('plain', {}, ['ObjectSize']);
    expect([one.ObjectSize, one.ETag, one.StorageClass, one.Checksum]).toEqual([
      5,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('of a multipart object page through its parts', async () => {
    const { Parts, done } = await upload('parts', [2, 3, 9]);
    const found = await attributes('parts');
    expect(found.ETag).toBe(done.ETag?.replaceAll('"', ''));
    expect(found.Checksum).toEqual({
      ChecksumSHA256: done.ChecksumSHA256,
      ChecksumType: 'COMPOSITE',
    });
    expect(found.ObjectSize).toBe(2 * PART.length + 4);
    const sums = Parts.map(({ PartNumber, ChecksumSHA256 }, index) => ({
      PartNumber,
      ChecksumSHA256,
      Size: index === 2 ? 4 : PART.length,
    }));
    expect(found.ObjectParts).toEqual({
      IsTruncated: false,
      MaxParts: 1000,
      NextPartNumberMarker: '9',
      PartNumberMarker: '0',
      TotalPartsCount: 3,
      Parts: sums,
    });
    const page = await attributes('parts', { MaxParts: 1, PartNumberMarker: '2' });
    expect(page.ObjectParts).toMatchObject({
      IsTruncated: true,
      MaxParts: 1,
      NextPartNumberMarker: '3',
      PartNumberMarker: '2',
      TotalPartsCount: 3,
      Parts: [sums[1]],
    });
    const last = await attributes('parts', { MaxParts: 5, PartNumberMarker: '3' });
    expect(last.ObjectParts).toMatchObject({ IsTruncated: false, Parts: [sums[2]] });
    const behind = await attributes('parts', { PartNumberMarker: '9' });
    expect(behind.ObjectParts?.Parts).toBeUndefined();
  });

  it('of versions and delete markers', async () => {
    await client.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
    const old = await client.send(new PutObjectCommand({ Bucket, Key: 'v', Body: 'old' }));
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'v' }));
    const found = await attributes('v', { VersionId: old.VersionId });
    expect([found.ObjectSize, found.VersionId]).toEqual([3, old.VersionId]);
    await expectS3Error(attributes('v'), 404, 'NoSuchKey');
    const answer = await ask(sluice, {
      path: `/${Bucket}/v`,
      query: { attributes: '' },
      headers: { 'x-amz-object-attributes': 'ETag' },
    });
    expect([answer.status, headerOf(answer, 'x-amz-delete-marker')]).toEqual([404, 'true']);
  });

  it.each([
    [{}, 400, 'InvalidRequest'],
    [{ 'x-amz-object-attributes': 'ETag,Colour' }, 400, 'InvalidArgument'],
    [{ 'x-amz-object-attributes': '' }, 400, 'InvalidArgument'],
    [{ 'x-amz-object-attributes': 'ETag', 'x-amz-max-parts': 'x' }, 400, 'InvalidArgument'],
    [
      { 'x-amz-object-attributes': 'ETag', 'x-amz-part-number-marker': '-1' },
      400,
      'InvalidArgument',
    ],
    [{ 'x-amz-object-attributes': 'ETag' }, 404, 'NoSuchKey'],
  ])('with %j are refused', async (headers, status, code) => {
    const wanted = { path: `/${Bucket}/none`, query: { attributes: '' }, headers };
    expect(await outcome(sluice, wanted)).toEqual([status, code]);
  });
});
