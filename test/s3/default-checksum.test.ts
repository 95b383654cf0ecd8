/** Checksums that no client sent: CRC64NVME by default, and whatever an upload was begun with. */
import { createHash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOnce } from '../../src/body/digests.ts';
import { s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';

const Bucket = 'default-checksum';
const PART = Buffer.from(content(5 * 1024 * 1024, 8));
const TAIL = Buffer.from('tail');
let sluice: SluiceInside;
/** As clients were before they sent checksums by themselves. */
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

function crc64(bytes: Uint8Array): string {
  return Buffer.from(digestOnce(['crc64nvme'], bytes).get('crc64nvme') ?? []).toString('base64');
}

describe('an object whose client sent no checksum', () => {
  it('has the published CRC of the published text', async () => {
    const done = await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: '123456789' }));
    expect(done.ChecksumCRC64NVME).toBe('rosUhgp5mIg=');
    expect(done.ChecksumType).toBe('FULL_OBJECT');
  });

  it.each([0, 16_384, 16_385, 400_000, 3_000_000])(
    'of %i bytes has its CRC64NVME',
    async (size) => {
      const Body = Buffer.from(content(size, 4));
      const target = { Bucket, Key: `size-${size}` };
      const done = await client.send(new PutObjectCommand({ ...target, Body }));
      expect(done.ChecksumCRC64NVME).toBe(crc64(Body));
      const plain = await client.send(new HeadObjectCommand(target));
      expect(plain.ChecksumCRC64NVME).toBeUndefined();
      // The SDK verifies what it reads.
      const found = await client.send(new GetObjectCommand({ ...target, ChecksumMode: 'ENABLED' }));
      expect(found.ChecksumCRC64NVME).toBe(crc64(Body));
      expect((await found.Body?.transformToByteArray())?.length).toBe(size);
    },
  );

  it('has only the one that was sent', async () => {
    const sum = createHash('sha1').update('x').digest('base64');
    const done = await client.send(
      new PutObjectCommand({ Bucket, Key: 'sent', Body: 'x', ChecksumSHA1: sum }),
    );
    expect([done.ChecksumSHA1, done.ChecksumCRC64NVME]).toEqual([sum, undefined]);
  });
});

describe('an upload', () => {
  async function upload(Key: string, more: { ChecksumAlgorithm?: 'SHA256' | 'CRC32' } = {}) {
    const target = { Bucket, Key };
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ ...target, ...more }),
    );
    const at = { ...target, UploadId };
    const first = await client.send(new UploadPartCommand({ ...at, PartNumber: 1, Body: PART }));
    const last = await client.send(new UploadPartCommand({ ...at, PartNumber: 2, Body: TAIL }));
    return { at, first, last };
  }

  it('without an algorithm gets the CRC64NVME of the whole', async () => {
    const { at, first, last } = await upload('whole');
    expect(first.ChecksumCRC64NVME).toBe(crc64(PART));
    const Parts = [first, last].map(({ ETag }, index) => ({ ETag, PartNumber: index + 1 }));
    const done = await client.send(
      new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }),
    );
    expect(done.ChecksumCRC64NVME).toBe(crc64(Buffer.concat([PART, TAIL])));
    expect(done.ChecksumType).toBe('FULL_OBJECT');
  });

  it('with one has it of parts that came without', async () => {
    const { at, first, last } = await upload('sha256', { ChecksumAlgorithm: 'SHA256' });
    const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64');
    expect([first.ChecksumSHA256, last.ChecksumSHA256]).toEqual([sum(PART), sum(TAIL)]);
    const listed = await client.send(new ListPartsCommand(at));
    expect(listed.Parts?.map((part) => part.ChecksumSHA256)).toEqual([sum(PART), sum(TAIL)]);
    const Parts = [first, last].map(({ ETag, ChecksumSHA256 }, index) => ({
      ETag,
      ChecksumSHA256,
      PartNumber: index + 1,
    }));
    const done = await client.send(
      new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }),
    );
    const both = Buffer.concat(
      [PART, TAIL].map((bytes) => createHash('sha256').update(bytes).digest()),
    );
    expect(done.ChecksumSHA256).toBe(`${sum(both)}-2`);
    expect(done.ChecksumType).toBe('COMPOSITE');
  });
});
