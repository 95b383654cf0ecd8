/** Presigned URLs that are too old, too young, too long, or not what was signed. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const Bucket = 'presigned-refused';
const Key = 'k';
const MINUTE = 60_000;
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const presign = (expiresIn = 60, signedMs = Date.now(), more = {}) =>
  getSignedUrl(client, new GetObjectCommand({ Bucket, Key, ...more }), {
    expiresIn,
    signingDate: new Date(signedMs),
  });
async function answer(url: string, init: RequestInit = {}): Promise<[number, string | undefined]> {
  const response = await fetch(url, init);
  return [response.status, /<Code>([^<]*)</.exec(await response.text())?.[1]];
}

describe('time', () => {
  it('counts from when it was signed', async () => {
    const now = Date.now();
    expect(await answer(await presign(60, now - 2 * MINUTE))).toEqual([403, 'AccessDenied']);
    expect(await answer(await presign(300, now - 2 * MINUTE))).toEqual([200, undefined]);
    expect(await answer(await presign(604_800, now - 6 * 24 * 60 * MINUTE))).toEqual([
      200,
      undefined,
    ]);
    expect(await answer(await presign(300, now + 60 * MINUTE))).toEqual([403, 'AccessDenied']);
  });

  it('tells what had expired', async () => {
    const response = await fetch(await presign(60, Date.now() - 5 * MINUTE));
    const text = await response.text();
    expect(text).toContain('<Message>Request has expired</Message>');
    expect(text).toMatch(/<Expires>\d{4}-\d\d-\d\dT/);
  });

  it.each(['0', '-1', '604801', 'x', ''])('of X-Amz-Expires=%s is refused', async (expires) => {
    const url = new URL(await presign());
    url.searchParams.set('X-Amz-Expires', expires);
    const [status, code] = await answer(url.href);
    expect([status, code]).toEqual([400, 'AuthorizationQueryParametersError']);
  });
});

describe('what was not signed', () => {
  it.each([
    ['Signature', 'SignatureDoesNotMatch', 403],
    ['Date', 'AuthorizationQueryParametersError', 400],
    ['Credential', 'AuthorizationQueryParametersError', 400],
    ['SignedHeaders', 'AccessDenied', 403],
    ['Algorithm', 'AuthorizationQueryParametersError', 400],
  ])('X-Amz-%s changed', async (name, code, status) => {
    const url = new URL(await presign());
    url.searchParams.set(`X-Amz-${name}`, name === 'Signature' ? '0'.repeat(64) : 'nonsense');
    expect(await answer(url.href)).toEqual([status, code]);
    url.searchParams.delete(`X-Amz-${name}`);
    const [missing] = await answer(url.href);
    expect([400, 403]).toContain(missing);
  });

  it.each(['partNumber=1', 'response-content-type=text/html', 'uploadId=x', 'x=y'])(
    '%s added',
    async (added) => {
      const url = await presign();
      expect(await answer(`${url}&${added}`)).toEqual([403, 'SignatureDoesNotMatch']);
    },
  );

  it('a signed header changed or left out', async () => {
    const url = await getSignedUrl(
      client,
      new PutObjectCommand({ Bucket, Key: 'typed', ContentType: 'text/plain' }),
      { expiresIn: 60, signableHeaders: new Set(['content-type']) },
    );
    const put = (type: string) =>
      answer(url, { method: 'PUT', body: 'x', headers: { 'content-type': type } });
    expect(await put('text/html')).toEqual([403, 'SignatureDoesNotMatch']);
    const missing = client.send(new HeadObjectCommand({ Bucket, Key: 'typed' }));
    await expectS3Error(missing, 404, 'NotFound');
    expect(await put('text/plain')).toEqual([200, undefined]);
    const found = await client.send(new HeadObjectCommand({ Bucket, Key: 'typed' }));
    expect(found.ContentType).toBe('text/plain');
  });

  it('two ways to authenticate at once', async () => {
    const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=a' };
    const [status, code] = await answer(await presign(), { headers });
    expect([status, code]).toEqual([400, 'InvalidArgument']);
  });
});

it('every override replaces its header, on GET and HEAD, for 200 and 206', async () => {
  const more = {
    ResponseContentType: 'text/other',
    ResponseContentLanguage: 'fr',
    ResponseCacheControl: 'no-cache',
    ResponseContentDisposition: 'inline; filename="b"',
    ResponseContentEncoding: 'identity',
    ResponseExpires: new Date('2030-05-06T07:08:09Z'),
  };
  for (const range of [undefined, 'bytes=1-2']) {
    const headers = range === undefined ? {} : { range };
    const found = await fetch(await presign(60, Date.now(), more), { headers });
    expect(found.status).toBe(range === undefined ? 200 : 206);
    expect(Object.fromEntries(found.headers)).toMatchObject({
      'content-type': 'text/other',
      'content-language': 'fr',
      'cache-control': 'no-cache',
      'content-disposition': 'inline; filename="b"',
      'content-encoding': 'identity',
      expires: 'Mon, 06 May 2030 07:08:09 GMT',
    });
  }
  const left = await fetch(await presign());
  expect(left.headers.get('content-language')).toBeNull();
});

it('an override cannot start another header', async () => {
  const url = await presign(60, Date.now(), { ResponseContentType: 'a\r\nx-evil: 1' });
  const found = await fetch(url);
  expect(found.status).toBe(200);
  expect(found.headers.get('x-evil')).toBeNull();
});
