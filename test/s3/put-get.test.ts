/** What was put comes back: bytes, every header, and any key that S3 allows. */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { codeOf, headerOf, RawConnection, signHead } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'put-get';
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

const put = (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, ...more }));
const get = (Key: string) => client.send(new GetObjectCommand({ Bucket, Key }));
const head = (Key: string) => client.send(new HeadObjectCommand({ Bucket, Key }));

describe('headers', () => {
  const Expires = new Date('2031-01-02T03:04:05Z');
  const all = {
    ContentType: 'text/plain; charset=utf-8',
    CacheControl: 'max-age=60, private',
    ContentDisposition: 'attachment; filename="a.txt"',
    ContentEncoding: 'gzip',
    ContentLanguage: 'de, en',
    WebsiteRedirectLocation: '/elsewhere',
    StorageClass: 'STANDARD_IA',
    Metadata: { one: '1', 'with-dash': 'two words', empty: '', constructor: 'safe' },
  } as const;

  it('come back from GET and HEAD as they were put', async () => {
    const stored = await put('all', { Body: 'x', ...all, Expires });
    const ETag = `"${createHash('md5').update('x').digest('hex')}"`;
    expect(stored.ETag).toBe(ETag);
    for (const found of [await get('all'), await head('all')]) {
      expect(found).toMatchObject({
        ...all,
        ETag,
        AcceptRanges: 'bytes',
        ContentLength: 1,
      });
      expect(found.ExpiresString).toBe('Thu, 02 Jan 2031 03:04:05 GMT');
      expect(Date.now() - (found.LastModified?.getTime() ?? 0)).toBeLessThan(60_000);
    }
  });

  it('have defaults', async () => {
    const path = `/${Bucket}/plain`;
    await ask(sluice, { method: 'PUT', path, body: 'x' });
    const found = await ask(sluice, { path });
    expect(headerOf(found, 'content-type')).toBe('binary/octet-stream');
    expect(headerOf(found, 'x-amz-storage-class')).toBeUndefined();
    expect(headerOf(found, 'content-encoding')).toBeUndefined();
    expect(headerOf(found, 'x-amz-id-2')).toBeTruthy();
  });

  it('keep metadata as it was written and join what was repeated', async () => {
    const path = `/${Bucket}/written`;
    const headers = { 'x-amz-meta-colour': '=?UTF-8?Q?gr=C3=BCn?=', 'X-Amz-Meta-CASE': 'Aa,b' };
    await ask(sluice, { method: 'PUT', path, body: 'x', headers });
    const found = await ask(sluice, { path });
    expect(headerOf(found, 'x-amz-meta-colour')).toBe('=?UTF-8?Q?gr=C3=BCn?=');
    expect(headerOf(found, 'x-amz-meta-case')).toBe('Aa,b');
  });

  it('keep metadata under every name that HTTP allows', async () => {
    const path = `/${Bucket}/named`;
    const headers = {
      'x-amz-meta-foo_bar': '1',
      'x-amz-meta-a.b~c': '2',
      "x-amz-meta-!#$%&'*+^`|": '3',
      'x-amz-meta-ends': 'é inside ü',
    };
    expect((await ask(sluice, { method: 'PUT', path, body: 'x', headers })).status).toBe(200);
    const found = await ask(sluice, { path });
    for (const [name, value] of Object.entries(headers)) {
      const bytes = Buffer.from(headerOf(found, name) ?? 'none', 'latin1');
      expect(bytes.toString()).toBe(value);
    }
  });

  it('keep UTF-8, inner white space and empty values of metadata', async () => {
    const path = `/${Bucket}/utf8`;
    const values = { utf8: 'grün 語 x', spaces: 'a  b\tc', empty: '' };
    const headers = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [`x-amz-meta-${name}`, value]),
    );
    expect((await ask(sluice, { method: 'PUT', path, body: 'x', headers })).status).toBe(200);
    const found = await ask(sluice, { method: 'HEAD', path });
    for (const [name, value] of Object.entries(headers)) {
      const bytes = Buffer.from(headerOf(found, name) ?? 'none', 'latin1');
      expect(bytes.toString()).toBe(value);
    }
  });

  it('are replaced whole by the next PUT', async () => {
    await put('again', { Body: 'x', ...all, Tagging: 'a=b' });
    await put('again', { Body: 'y', ContentType: 'x/y' });
    const found = await head('again');
    expect(found.Metadata).toEqual({});
    expect(found.CacheControl).toBeUndefined();
    expect(found.StorageClass).toBeUndefined();
    expect(found.TagCount).toBeUndefined();
    expect(found.ContentType).toBe('x/y');
  });

  it.each([
    ['aws-chunked', undefined],
    ['aws-chunked,gzip', 'gzip'],
    ['gzip, AWS-chunked', 'gzip'],
    ['gzip, br', 'gzip,br'],
  ])('Content-Encoding %s is kept as %s', async (sent, kept) => {
    const path = `/${Bucket}/encoded`;
    const headers = { 'content-encoding': sent };
    expect((await ask(sluice, { method: 'PUT', path, headers, body: 'x' })).status).toBe(200);
    expect(headerOf(await ask(sluice, { method: 'HEAD', path }), 'content-encoding')).toBe(kept);
  });

  it.each([2048, 2049])('%i bytes of metadata', async (bytes) => {
    const work = put('metadata', { Body: 'x', Metadata: { a: 'x'.repeat(bytes - 1) } });
    if (bytes > 2048) await expectS3Error(work, 400, 'MetadataTooLarge');
    else expect((await work).$metadata.httpStatusCode).toBe(200);
  });

  it.each([
    ['x-amz-storage-class', 'CHEAP', 400, 'InvalidStorageClass'],
    ['x-amz-server-side-encryption', 'aws:kms:dsse', 501, 'NotImplemented'],
    ['x-amz-server-side-encryption', 'aes256', 400, 'InvalidArgument'],
    ['x-amz-acl', 'public-read', 400, 'AccessControlListNotSupported'],
    ['x-amz-acl', 'nonsense', 400, 'InvalidArgument'],
    ['x-amz-grant-read', 'id=x', 400, 'AccessControlListNotSupported'],
    ['content-md5', 'nonsense', 400, 'InvalidDigest'],
    ['content-md5', '', 400, 'InvalidDigest'],
    ['content-md5', 'rL0Y20zC+Fzt72VPzMSk2A==', 400, 'BadDigest'],
    ['x-amz-checksum-crc32', 'AAAAAA==', 400, 'BadDigest'],
    ['x-amz-checksum-crc32', 'AA==', 400, 'InvalidRequest'],
    ['x-amz-checksum-crc16', 'AAAA', 400, 'InvalidRequest'],
    ['x-amz-sdk-checksum-algorithm', 'CRC32', 400, 'InvalidRequest'],
    ['x-amz-sdk-checksum-algorithm', 'MD4', 400, 'InvalidRequest'],
  ])('%s: %s answers %i %s and stores nothing', async (name, value, status, code) => {
    const path = `/${Bucket}/refused`;
    const headers = { [name]: value };
    const answer = await outcome(sluice, { method: 'PUT', path, headers, body: 'hello' });
    expect(answer).toEqual([status, code]);
    await expectS3Error(head('refused'), 404, 'NotFound');
  });
});

/** As SigV4 wants it: only unreserved characters stay. */
function uriEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

describe('a key', () => {
  const keys = [
    'a b',
    'a+b',
    'a%20b',
    'a%2Fb',
    '..',
    '../up',
    'a/../b',
    './a',
    '/',
    '//',
    '/lead',
    'trail/',
    'a//b',
    'é',
    'e\u0301',
    '日本/語',
    '\u{1f600}',
    "~!*'();:@&=$,?#[]",
    '"<>&\'',
    'x\u0001\u001f\u007f',
    'line\r\nbreak\ttab',
    'back\\slash',
    'key?versionId=null',
    'null\u0000byte',
    '\ufeffbom',
    'x'.repeat(1024),
    '語'.repeat(341),
  ];

  it.each(keys.map((key) => [key.length > 40 ? `${key.slice(0, 4)}… ${key.length}` : key, key]))(
    '%j',
    async (_, key) => {
      const path = `/${Bucket}/${uriEncode(key)}`;
      const body = Buffer.from(key);
      const stored = await ask(sluice, { method: 'PUT', path, body });
      expect(stored.status).toBe(200);
      const found = await ask(sluice, { path });
      expect([found.status, found.body.toString()]).toEqual([200, key]);
      const copied = `/${Bucket}/copied`;
      const headers = { 'x-amz-copy-source': path };
      expect((await ask(sluice, { method: 'PUT', path: copied, headers })).status).toBe(200);
      expect((await ask(sluice, { path: copied })).body.toString()).toBe(key);
      const encoded = { 'list-type': '2', 'encoding-type': 'url', prefix: key };
      const listed = await ask(sluice, { path: `/${Bucket}`, query: encoded });
      const names = [...listed.body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) =>
        decodeURIComponent((match[1] ?? '').replaceAll('+', ' ')),
      );
      expect(names).toContain(key);
      expect((await ask(sluice, { method: 'DELETE', path })).status).toBe(204);
      expect(await outcome(sluice, { path })).toEqual([404, 'NoSuchKey']);
    },
  );

  it('over the SDK: dots and slashes are names, not ways', async () => {
    for (const key of ['dir/./x', 'dir//x', 'dir/../y']) {
      await put(key, { Body: key });
      expect(await (await get(key)).Body?.transformToString()).toBe(key);
      await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    }
    const left = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'dir/' }));
    expect(left.KeyCount).toBe(0);
  });

  it.each([
    ['1,025 bytes', 'x'.repeat(1025), 'KeyTooLongError'],
    ['1,026 bytes of UTF-8', encodeURIComponent('語'.repeat(342)), 'KeyTooLongError'],
    ['not UTF-8', '%ff', 'InvalidURI'],
    ['a broken escape', '%zz', 'InvalidURI'],
    ['half a surrogate pair', '%ed%a0%80', 'InvalidURI'],
  ])('of %s is refused', async (_, raw, code) => {
    const wanted = { method: 'PUT', path: `/${Bucket}/${raw}`, body: 'x' };
    expect(await outcome(sluice, wanted)).toEqual([400, code]);
  });

  it('that XML cannot hold is listed only encoded', async () => {
    const prefix = 'ctl/';
    await ask(sluice, { method: 'PUT', path: `/${Bucket}/ctl/%01`, body: 'x' });
    const listed = await client.send(
      new ListObjectsV2Command({ Bucket, Prefix: prefix, EncodingType: 'url' }),
    );
    expect(listed.Contents?.map((entry) => entry.Key)).toEqual(['ctl/%01']);
  });
});

it.each([
  ['0'.repeat(64), 'XAmzContentSHA256Mismatch'],
  ['no hash', 'InvalidArgument'],
])('a payload hash of %s is refused', async (payload, code) => {
  const path = `/${Bucket}/hashed`;
  const headers = { 'content-length': '1' };
  const signed = await signHead(sluice, {
    method: 'PUT',
    port: sluice.port,
    path,
    headers,
    payload,
  });
  const connection = await RawConnection.open(sluice.port);
  const answer = await connection.request('PUT', `${signed.text}x`);
  connection.destroy();
  expect([answer.status, codeOf(answer)]).toEqual([400, code]);
  await expectS3Error(head('hashed'), 404, 'NotFound');
});

describe('errors of reading', () => {
  it('carry an XML document with all fields', async () => {
    const path = `/${Bucket}/none%20such`;
    const missing = await ask(sluice, { path });
    const id = headerOf(missing, 'x-amz-request-id');
    expect(headerOf(missing, 'content-type')).toBe('application/xml');
    expect(missing.body.toString()).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>' +
        `<Key>none such</Key><Resource>${path}</Resource>` +
        `<RequestId>${id}</RequestId><HostId>${headerOf(missing, 'x-amz-id-2')}</HostId></Error>`,
    );
  });

  it('are empty for HEAD', async () => {
    const missing = await ask(sluice, { method: 'HEAD', path: `/${Bucket}/none` });
    expect([missing.status, missing.body.length]).toEqual([404, 0]);
  });

  it.each([
    ['GET', '/no-such-bucket/k', 404, 'NoSuchBucket'],
    ['PUT', '/no-such-bucket/k', 404, 'NoSuchBucket'],
    ['DELETE', '/no-such-bucket/k', 404, 'NoSuchBucket'],
    ['DELETE', `/${Bucket}/never-was`, 204, undefined],
    ['POST', `/${Bucket}/k`, 405, 'MethodNotAllowed'],
    ['PATCH', `/${Bucket}/k`, 405, 'MethodNotAllowed'],
    ['GET', `/${Bucket}/k?versionId=abc`, 400, 'InvalidArgument'],
    ['DELETE', `/${Bucket}/k?versionId=abc`, 400, 'InvalidArgument'],
  ])('%s %s answers %i %s', async (method, target, status, code) => {
    const [path = '', versionId] = target.split('?versionId=');
    const query: Record<string, string> = versionId === undefined ? {} : { versionId };
    const body = method === 'PUT' ? 'x' : undefined;
    const wanted = { method, path, query, ...(body === undefined ? {} : { body }) };
    expect(await outcome(sluice, wanted)).toEqual([status, code]);
  });
});

describe('an empty object', () => {
  it('is an object', async () => {
    const stored = await put('empty', { Body: '' });
    expect(stored.ETag).toBe('"d41d8cd98f00b204e9800998ecf8427e"');
    const found = await get('empty');
    expect([found.ContentLength, await found.Body?.transformToString()]).toEqual([0, '']);
    await client.send(
      new CopyObjectCommand({ Bucket, Key: 'empty-too', CopySource: `${Bucket}/empty` }),
    );
    expect((await head('empty-too')).ContentLength).toBe(0);
  });
});
