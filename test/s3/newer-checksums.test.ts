/** MD5, SHA-512 and the xxHash family as S3 checksums: in headers, trailers, parts and lists. */
import { createHash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { XxHash } from '../../src/wasm/xx-hash.ts';
import { expectS3Error, s3Client } from '../support/client.ts';
import { chunkedWire, patterned } from '../support/chunked-wire.ts';
import { headerOf, RawConnection, signHead } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'newer-checksums';
const ALGORITHMS = ['MD5', 'SHA512', 'XXHASH64', 'XXHASH3', 'XXHASH128'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

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

function sumOf(algorithm: Algorithm, bytes: Uint8Array): string {
  if (algorithm === 'MD5' || algorithm === 'SHA512') {
    return createHash(algorithm.toLowerCase()).update(bytes).digest('base64');
  }
  const name = algorithm.toLowerCase() as 'xxhash64' | 'xxhash3' | 'xxhash128';
  return Buffer.from(new XxHash(name).update(bytes).digest()).toString('base64');
}

describe.each(ALGORITHMS)('%s', (algorithm) => {
  const member = `Checksum${algorithm}` as const;
  const header = `x-amz-checksum-${algorithm.toLowerCase()}`;

  it.each([0, 5, 20_000, 300_000, 1_500_000])('of %i bytes is kept and told', async (length) => {
    const Body = patterned(length);
    const sum = sumOf(algorithm, Body);
    const Key = `${algorithm}-${length}`;
    const stored = await client.send(new PutObjectCommand({ Bucket, Key, Body, [member]: sum }));
    expect(stored).toMatchObject({ [member]: sum, ChecksumType: 'FULL_OBJECT' });
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({ [member]: sum, ContentLength: length });
    expect(head.ETag).toBe(`"${createHash('md5').update(Body).digest('hex')}"`);
    const Attributes = ['Checksum' as const];
    const told = await client.send(
      new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: Attributes }),
    );
    expect(told.Checksum).toMatchObject({ [member]: sum });
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
    expect(Contents?.[0]?.ChecksumAlgorithm).toEqual([algorithm]);
  });

  it.each([5, 300_000])('that does not fit %i bytes is refused', async (length) => {
    const Body = patterned(length);
    const wrong = { Bucket, Key: 'refused', Body, [member]: sumOf(algorithm, patterned(7)) };
    await expectS3Error(client.send(new PutObjectCommand(wrong)), 400, 'BadDigest');
    const short = { method: 'PUT', path: `/${Bucket}/refused`, headers: { [header]: 'AAAA' } };
    expect(await outcome(sluice, { ...short, body: 'x' })).toEqual([400, 'InvalidRequest']);
    await expectS3Error(
      client.send(new HeadObjectCommand({ Bucket, Key: 'refused' })),
      404,
      'NotFound',
    );
  });

  it('comes in a trailer', async () => {
    const body = patterned(70_000);
    const sum = sumOf(algorithm, body);
    const Key = `trailed-${algorithm}`;
    const send = async (value: string): Promise<number> => {
      const wire = chunkedWire(body, {
        chunkBytes: 65_536,
        trailer: [`${header}:${value}`],
        signer: undefined,
      });
      const head = await signHead(sluice, {
        method: 'PUT',
        port: sluice.port,
        path: `/${Bucket}/${Key}`,
        payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: {
          'content-encoding': 'aws-chunked',
          'content-length': String(wire.length),
          'x-amz-decoded-content-length': String(body.length),
          'x-amz-trailer': header,
        },
      });
      const connection = await RawConnection.open(sluice.port);
      const bytes = Buffer.concat([Buffer.from(head.text), wire]);
      const { status } = await connection.request('PUT', bytes);
      connection.destroy();
      return status;
    };
    expect(await send(sum)).toBe(200);
    expect(await send(sumOf(algorithm, patterned(7)))).toBe(400);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({ [member]: sum });
  });

  it('of a multipart upload is composite', async () => {
    const Key = `parts-${algorithm}`;
    const begin = { Bucket, Key, ChecksumAlgorithm: algorithm };
    const { UploadId, ChecksumType } = await client.send(new CreateMultipartUploadCommand(begin));
    expect(ChecksumType).toBe('COMPOSITE');
    const bodies = [patterned(5 * 1024 * 1024), patterned(1000)];
    const Parts = [];
    for (const [index, Body] of bodies.entries()) {
      const PartNumber = index + 1;
      // One sends the sum, the other leaves it to the server.
      const claim = index === 0 ? { [member]: sumOf(algorithm, Body) } : {};
      const part = { Bucket, Key, UploadId, PartNumber, Body, ...claim };
      const { ETag } = await client.send(new UploadPartCommand(part));
      Parts.push({ PartNumber, ETag, [member]: sumOf(algorithm, Body) });
    }
    const listed = await client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    expect(listed.Parts?.map((part) => part[member])).toEqual(
      bodies.map((body) => sumOf(algorithm, body)),
    );
    const raw = bodies.map((body) => Buffer.from(sumOf(algorithm, body), 'base64'));
    const done = await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
    expect(done[member]).toBe(`${sumOf(algorithm, Buffer.concat(raw))}-2`);
  });

  it('of a whole multipart object can’t be had', async () => {
    const whole = { Bucket, Key: 'k', ChecksumAlgorithm: algorithm } as const;
    const asked = { ...whole, ChecksumType: 'FULL_OBJECT' as const };
    await expectS3Error(
      client.send(new CreateMultipartUploadCommand(asked)),
      400,
      'InvalidRequest',
    );
  });
});

it('Content-MD5 and an MD5 checksum must agree', async () => {
  const md5 = sumOf('MD5', Buffer.from('x'));
  const send = (other: string): Promise<[number, string | undefined]> =>
    outcome(sluice, {
      method: 'PUT',
      path: `/${Bucket}/both`,
      headers: { 'content-md5': md5, 'x-amz-checksum-md5': other },
      body: 'x',
    });
  expect(await send(sumOf('MD5', Buffer.from('y')))).toEqual([400, 'BadDigest']);
  expect(await send(md5)).toEqual([200, undefined]);
});

it('Content-MD5 alone is no checksum of the object', async () => {
  const md5 = sumOf('MD5', Buffer.from('x'));
  const put = { method: 'PUT', path: `/${Bucket}/alone`, headers: { 'content-md5': md5 } };
  const answer = await ask(sluice, { ...put, body: 'x' });
  expect(headerOf(answer, 'x-amz-checksum-md5')).toBeUndefined();
});
