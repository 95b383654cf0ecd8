/** Ranges of objects however they are stored: in the row, packed, striped, and of several parts. */
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { patterned } from '../support/chunked-wire.ts';
import { codeOf, headerOf } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask } from '../support/signed-request.ts';

const MIB = 1024 * 1024;
const Bucket = 'ranges';
const SIZES = { one: 1, inline: 1000, packed: 300_000, striped: 7 * MIB + 13, parts: 11 * MIB + 5 };
const WHOLE = patterned(Math.max(...Object.values(SIZES)));
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
  for (const Key of ['one', 'inline', 'packed', 'striped'] as const) {
    const Body = WHOLE.subarray(0, SIZES[Key]);
    await client.send(new PutObjectCommand({ Bucket, Key, Body }));
  }
  await client.send(new PutObjectCommand({ Bucket, Key: 'empty', Body: '' }));
  const Key = 'parts';
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts = [];
  for (const [index, [from, to]] of [
    [0, 5 * MIB],
    [5 * MIB, 10 * MIB + 1],
    [10 * MIB + 1, SIZES.parts],
  ].entries()) {
    const PartNumber = index + 1;
    const Body = WHOLE.subarray(from, to);
    const part = { Bucket, Key, UploadId, PartNumber, Body };
    Parts.push({ PartNumber, ETag: (await client.send(new UploadPartCommand(part))).ETag });
  }
  const done = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
  await client.send(new CompleteMultipartUploadCommand(done));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const get = (key: string, range: string, method = 'GET') =>
  ask(sluice, { method, path: `/${Bucket}/${key}`, headers: { range } });

describe.each(Object.entries(SIZES))('of the object %s', (key, size) => {
  const last = size - 1;
  const middle = Math.floor(size / 2);
  it.each([
    [`bytes=0-${last}`, 0, last],
    ['bytes=0-0', 0, 0],
    [`bytes=${last}-`, last, last],
    [`bytes=${middle}-${middle}`, middle, middle],
    [`bytes=${middle}-`, middle, last],
    [`bytes=0-${size * 2}`, 0, last],
    ['bytes=0-99999999999999999999', 0, last],
    ['bytes=-1', last, last],
    [`bytes=-${size}`, 0, last],
    [`bytes=-${size + 5}`, 0, last],
    [`bytes=${Math.max(0, middle - 70_000)}-${middle}`, Math.max(0, middle - 70_000), middle],
    [`bytes=${Math.min(5 * MIB - 1, last)}-${last}`, Math.min(5 * MIB - 1, last), last],
  ])('%s', async (range, from, to) => {
    const found = await get(key, range);
    expect(found.status).toBe(206);
    expect(headerOf(found, 'content-range')).toBe(`bytes ${from}-${to}/${size}`);
    expect(headerOf(found, 'content-length')).toBe(String(to - from + 1));
    expect(found.body.equals(WHOLE.subarray(from, to + 1))).toBe(true);
  });

  it.each([`bytes=${size}-`, `bytes=${size}-${size + 1}`, 'bytes=-0'])('not %s', async (range) => {
    const found = await get(key, range);
    expect([found.status, codeOf(found)]).toEqual([416, 'InvalidRange']);
    expect(headerOf(found, 'content-range')).toBe(`bytes */${size}`);
    expect(found.body.toString()).toContain(`<ActualObjectSize>${size}</ActualObjectSize>`);
  });
});

describe('what is no range', () => {
  it.each([
    'bytes=5-2',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'chunks=0-1',
    '0-1',
    'bytes=0-1,3-4',
    'bytes=0 - 1 - 2',
  ])('%s gets the whole object', async (range) => {
    const found = await get('inline', range);
    expect([found.status, found.body.length]).toEqual([200, SIZES.inline]);
    expect(headerOf(found, 'content-range')).toBeUndefined();
  });
});

it('HEAD answers a range without a body', async () => {
  const found = await get('striped', 'bytes=10-19', 'HEAD');
  expect([found.status, found.body.length]).toEqual([206, 0]);
  expect(headerOf(found, 'content-range')).toBe(`bytes 10-19/${SIZES.striped}`);
  expect(headerOf(found, 'content-length')).toBe('10');
  expect((await get('striped', `bytes=${SIZES.striped}-`, 'HEAD')).status).toBe(416);
});

it.each(['bytes=0-', 'bytes=0-0', 'bytes=-1'])('an empty object has no %s', async (range) => {
  const found = await get('empty', range);
  expect([found.status, codeOf(found)]).toEqual([416, 'InvalidRange']);
});

it('a range of a missing key is a missing key', async () => {
  const found = await get('none', 'bytes=0-1');
  expect([found.status, codeOf(found)]).toEqual([404, 'NoSuchKey']);
});

it('conditions come before ranges', async () => {
  const headers = { range: 'bytes=99999-', 'if-match': '"other"' };
  const found = await ask(sluice, { path: `/${Bucket}/inline`, headers });
  expect(found.status).toBe(412);
});

it('If-Range is honoured', async () => {
  const path = `/${Bucket}/inline`;
  const etag = headerOf(await ask(sluice, { method: 'HEAD', path }), 'etag') ?? '';
  const same = await ask(sluice, { path, headers: { range: 'bytes=0-1', 'if-range': etag } });
  expect([same.status, same.body.length]).toEqual([206, 2]);
  const other = await ask(sluice, { path, headers: { range: 'bytes=0-1', 'if-range': '"x"' } });
  expect([other.status, other.body.length]).toEqual([200, SIZES.inline]);
});
