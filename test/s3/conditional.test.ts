/** Conditional requests: reads, writes, copies and completions, also when many race. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { codeOf, headerOf } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'conditional';
const Key = 'object';
const path = `/${Bucket}/${Key}`;
const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
const ETAG = md5('first');
const SOONER = 'Mon, 01 Jan 2001 00:00:00 GMT';
const LATER = 'Fri, 01 Jan 2100 00:00:00 GMT';
let sluice: SluiceProcess;
let client: S3Client;
let modified: string;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'first' }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});
beforeEach(async () => {
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first' }));
  modified = headerOf(await ask(sluice, { method: 'HEAD', path }), 'last-modified') ?? '';
});

type Case = readonly [headers: Readonly<Record<string, string>>, status: number];

const READS: readonly Case[] = [
  [{ 'if-match': `"${ETAG}"` }, 200],
  [{ 'if-match': ETAG }, 200],
  [{ 'if-match': '*' }, 200],
  [{ 'if-match': `"x", "${ETAG}"` }, 200],
  [{ 'if-match': `W/"${ETAG}"` }, 412],
  [{ 'if-match': '"other"' }, 412],
  [{ 'if-none-match': `"${ETAG}"` }, 304],
  [{ 'if-none-match': ETAG }, 304],
  [{ 'if-none-match': `W/"${ETAG}"` }, 304],
  [{ 'if-none-match': '*' }, 304],
  [{ 'if-none-match': '"other"' }, 200],
  [{ 'if-modified-since': SOONER }, 200],
  [{ 'if-modified-since': LATER }, 304],
  [{ 'if-modified-since': 'no date' }, 200],
  [{ 'if-unmodified-since': SOONER }, 412],
  [{ 'if-unmodified-since': LATER }, 200],
  [{ 'if-unmodified-since': 'no date' }, 200],
  // Precedence, as documented for GetObject.
  [{ 'if-match': `"${ETAG}"`, 'if-unmodified-since': SOONER }, 200],
  [{ 'if-none-match': `"${ETAG}"`, 'if-modified-since': SOONER }, 304],
  [{ 'if-none-match': '"other"', 'if-modified-since': LATER }, 200],
  [{ 'if-match': '"other"', 'if-none-match': `"${ETAG}"` }, 412],
];

describe.each(['GET', 'HEAD'])('%s', (method) => {
  it.each(READS)('%j answers %i', async (headers, status) => {
    const found = await ask(sluice, { method, path, headers });
    expect(found.status).toBe(status);
    if (status === 412 && method === 'GET') expect(codeOf(found)).toBe('PreconditionFailed');
    else if (status !== 200 || method === 'HEAD') expect(found.body).toHaveLength(0);
    if (status === 304) expect(headerOf(found, 'etag')).toBe(`"${ETAG}"`);
  });

  it('takes Last-Modified as it was given', async () => {
    const since = await ask(sluice, { method, path, headers: { 'if-modified-since': modified } });
    expect(since.status).toBe(304);
    const headers = { 'if-unmodified-since': modified };
    expect((await ask(sluice, { method, path, headers })).status).toBe(200);
  });
});

const WRITES: readonly (readonly [
  key: string,
  headers: Readonly<Record<string, string>>,
  outcome: [number, string | undefined],
])[] = [
  [Key, { 'if-match': `"${ETAG}"` }, [200, undefined]],
  [Key, { 'if-match': ETAG }, [200, undefined]],
  [Key, { 'if-match': '*' }, [200, undefined]],
  [Key, { 'if-match': '"other"' }, [412, 'PreconditionFailed']],
  [Key, { 'if-none-match': '*' }, [412, 'PreconditionFailed']],
  ['none', { 'if-match': `"${ETAG}"` }, [404, 'NoSuchKey']],
  ['none', { 'if-match': '*' }, [404, 'NoSuchKey']],
  [Key, { 'if-none-match': `"${ETAG}"` }, [501, 'NotImplemented']],
];

describe('a write', () => {
  it.each(WRITES)('PUT %s %j answers %j', async (key, headers, expected) => {
    const wanted = { method: 'PUT', path: `/${Bucket}/${key}`, headers, body: 'second' };
    expect(await outcome(sluice, wanted)).toEqual(expected);
    const after = await ask(sluice, { path });
    expect(after.body.toString()).toBe(expected[0] === 200 ? 'second' : 'first');
  });

  it.each(WRITES)('Copy to %s %j answers %j', async (key, headers, expected) => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'copied' }));
    const wanted = {
      method: 'PUT',
      path: `/${Bucket}/${key}`,
      headers: { ...headers, 'x-amz-copy-source': `/${Bucket}/source` },
    };
    expect(await outcome(sluice, wanted)).toEqual(expected);
    const after = await ask(sluice, { path });
    expect(after.body.toString()).toBe(expected[0] === 200 ? 'copied' : 'first');
  });

  it.each(WRITES)('Complete of %s %j answers %j', async (key, headers, expected) => {
    const target = { Bucket, Key: key };
    const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand(target));
    const { ETag } = await client.send(
      new UploadPartCommand({ ...target, UploadId, PartNumber: 1, Body: 'part' }),
    );
    const body =
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>' +
      `<ETag>${ETag}</ETag></Part></CompleteMultipartUpload>`;
    const wanted = {
      method: 'POST',
      path: `/${Bucket}/${key}`,
      query: { uploadId: UploadId },
      headers,
      body,
    };
    expect(await outcome(sluice, wanted)).toEqual(expected);
    const after = await ask(sluice, { path });
    expect(after.body.toString()).toBe(expected[0] === 200 ? 'part' : 'first');
    // A refused completion ends nothing: it can be asked again without the condition.
    const again = await outcome(sluice, { ...wanted, headers: {} });
    expect(again).toEqual([200, undefined]);
    if (key !== Key) await ask(sluice, { method: 'DELETE', path: `/${Bucket}/${key}` });
  });

  it.each([
    [{ 'if-match': '"other"' }, [412, 'PreconditionFailed'], 200],
    [{ 'if-match': `"${ETAG}"` }, [204, undefined], 404],
    [{ 'if-match': '*' }, [204, undefined], 404],
  ] as const)('DELETE %j answers %j', async (headers, expected, status) => {
    expect(await outcome(sluice, { method: 'DELETE', path, headers })).toEqual(expected);
    expect((await ask(sluice, { method: 'HEAD', path })).status).toBe(status);
  });
});

describe('races', () => {
  const settle = async (work: Promise<unknown>[]): Promise<(number | undefined)[]> =>
    (await Promise.allSettled(work)).map((one) => {
      if (one.status === 'fulfilled') return 200;
      if (one.reason instanceof S3ServiceException) return one.reason.$metadata.httpStatusCode;
      throw one.reason;
    });

  it.each([10, 200_000])('of 20 PUTs of %i bytes if the key is free, one wins', async (size) => {
    const target = { Bucket, Key: `race-${size}` };
    const bodies = Array.from({ length: 20 }, (_, index) => String.fromCharCode(97 + index));
    const statuses = await settle(
      bodies.map((letter) =>
        client.send(
          new PutObjectCommand({ ...target, Body: letter.repeat(size), IfNoneMatch: '*' }),
        ),
      ),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    for (const status of statuses) expect([200, 409, 412]).toContain(status);
    const winner = bodies[statuses.indexOf(200)] ?? '';
    const found = await client.send(new GetObjectCommand(target));
    expect(await found.Body?.transformToString()).toBe(winner.repeat(size));
  });

  it('a counter kept by compare-and-swap counts every success', async () => {
    const target = { Bucket, Key: 'counter' };
    await client.send(new PutObjectCommand({ ...target, Body: '0' }));
    let successes = 0;
    const add = async (): Promise<void> => {
      for (let tries = 0; tries < 15; tries += 1) {
        const now = await client.send(new GetObjectCommand(target));
        const Body = String(Number(await now.Body?.transformToString()) + 1);
        const [status] = await settle([
          client.send(new PutObjectCommand({ ...target, Body, IfMatch: now.ETag })),
        ]);
        if (status === 200) successes += 1;
        else expect([409, 412]).toContain(status);
      }
    };
    await Promise.all(Array.from({ length: 6 }, add));
    const end = await client.send(new GetObjectCommand(target));
    expect(await end.Body?.transformToString()).toBe(String(successes));
    expect(successes).toBeGreaterThanOrEqual(15);
  });

  it('of 10 completions of different uploads if the key is free, one wins', async () => {
    const target = { Bucket, Key: 'race-complete' };
    const uploads = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand(target));
        const part = { ...target, UploadId, PartNumber: 1, Body: UploadId };
        const { ETag } = await client.send(new UploadPartCommand(part));
        return { UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } };
      }),
    );
    const statuses = await settle(
      uploads.map((upload) =>
        client.send(new CompleteMultipartUploadCommand({ ...target, ...upload, IfNoneMatch: '*' })),
      ),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    const found = await client.send(new GetObjectCommand(target));
    expect(await found.Body?.transformToString()).toBe(uploads[statuses.indexOf(200)]?.UploadId);
  });
});

describe('conditions on the source of a copy', () => {
  const copy = (more: object) =>
    client.send(
      new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${Key}`, ...more }),
    );
  it.each([
    [{ CopySourceIfMatch: ETAG }, true],
    [{ CopySourceIfMatch: `"${ETAG}"` }, true],
    [{ CopySourceIfMatch: 'other' }, false],
    [{ CopySourceIfNoneMatch: ETAG }, false],
    [{ CopySourceIfNoneMatch: 'other' }, true],
    [{ CopySourceIfModifiedSince: new Date(SOONER) }, true],
    [{ CopySourceIfModifiedSince: new Date(LATER) }, false],
    [{ CopySourceIfUnmodifiedSince: new Date(SOONER) }, false],
    [{ CopySourceIfUnmodifiedSince: new Date(LATER) }, true],
    [{ CopySourceIfMatch: ETAG, CopySourceIfUnmodifiedSince: new Date(SOONER) }, true],
    [{ CopySourceIfNoneMatch: ETAG, CopySourceIfModifiedSince: new Date(SOONER) }, false],
  ])('%j', async (more, passes) => {
    if (passes) expect((await copy(more)).CopyObjectResult?.ETag).toBe(`"${ETAG}"`);
    else await expectS3Error(copy(more), 412, 'PreconditionFailed');
  });
});

it('a missing key is missing whatever the condition', async () => {
  const missing = { Bucket, Key: 'none' };
  const get = client.send(new GetObjectCommand({ ...missing, IfNoneMatch: '*' }));
  await expectS3Error(get, 404, 'NoSuchKey');
  const head = client.send(new HeadObjectCommand({ ...missing, IfMatch: '"x"' }));
  await expectS3Error(head, 404, 'NotFound');
});
