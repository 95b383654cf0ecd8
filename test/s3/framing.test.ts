/**
 * Framing through the front door: every kind of answer on one kept-alive connection, answers that
 * come before their request ended, and requests that must not be understood in two ways.
 */
import { CreateBucketCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import {
  codeOf,
  headerOf,
  RawConnection,
  type SignOptions,
  signHead,
} from '../support/raw-client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

const MIB = 1024 * 1024;
const Bucket = 'framing';
const SIZES = { inline: 1000, packed: 300_000, striped: 3 * MIB + 7 };

let sluice: SluiceInside;
let client: S3Client;
let connection: RawConnection;

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
  for (const [Key, size] of Object.entries(SIZES)) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: content(size) }));
  }
});
afterAll(async () => {
  client.destroy();
  await sluice.idle();
  await sluice.close();
});
beforeEach(async () => {
  connection = await RawConnection.open(sluice.port);
});
afterEach(() => {
  connection.destroy();
});

async function head(
  method: string,
  path: string,
  more: Partial<SignOptions> = {},
): Promise<string> {
  return (await signHead(sluice, { method, port: sluice.port, path, ...more })).text;
}

async function ask(method: string, path: string, headers: Record<string, string> = {}) {
  const response = await connection.request(method, await head(method, path, { headers }));
  expect(connection.leftover).toHaveLength(0);
  expect(headerOf(response, 'x-amz-request-id')).toMatch(/^[0-9A-F]{16}$/);
  expect(Date.parse(headerOf(response, 'date') ?? '')).toBeGreaterThan(0);
  return response;
}

describe('answers on one connection', () => {
  it.each(Object.entries(SIZES))('of the %s object', async (key, size) => {
    const path = `/${Bucket}/${key}`;
    const full = await ask('GET', path);
    expect(full.body.equals(content(size))).toBe(true);
    const etag = headerOf(full, 'etag') ?? '';
    const bare = await ask('HEAD', path);
    expect([bare.status, headerOf(bare, 'content-length')]).toEqual([200, String(size)]);
    const same = await ask('GET', path, { 'if-none-match': etag });
    expect([same.status, same.body.length, headerOf(same, 'etag')]).toEqual([304, 0, etag]);
    const sameBare = await ask('HEAD', path, { 'if-none-match': etag });
    expect(sameBare.status).toBe(304);
    const range = await ask('GET', path, { range: 'bytes=10-909' });
    expect([range.status, headerOf(range, 'content-range')]).toEqual([206, `bytes 10-909/${size}`]);
    expect(range.body.equals(content(size).subarray(10, 910))).toBe(true);
    const rangeBare = await ask('HEAD', path, { range: 'bytes=-5' });
    expect([rangeBare.status, headerOf(rangeBare, 'content-length')]).toEqual([206, '5']);
    const beyond = await ask('GET', path, { range: `bytes=${size}-` });
    expect([beyond.status, codeOf(beyond)]).toEqual([416, 'InvalidRange']);
    const failed = await ask('GET', path, { 'if-match': '"other"' });
    expect([failed.status, codeOf(failed)]).toEqual([412, 'PreconditionFailed']);
  });

  it('of things that are not there, and of a delete', async () => {
    const missing = await ask('GET', `/${Bucket}/missing`);
    expect([missing.status, codeOf(missing)]).toEqual([404, 'NoSuchKey']);
    const bare = await ask('HEAD', `/${Bucket}/missing`);
    expect([bare.status, bare.body.length]).toEqual([404, 0]);
    const deleted = await ask('DELETE', `/${Bucket}/missing`);
    expect([deleted.status, headerOf(deleted, 'content-length')]).toEqual([204, undefined]);
    expect((await ask('GET', '/')).status).toBe(200);
  });
});

describe('an answer before the end of the request', () => {
  it('the connection survives when little is left', async () => {
    const wrong = { accessKey: sluice.accessKey, secretKey: 'wrong' };
    const headers = { 'content-length': '200000' };
    const path = `/${Bucket}/early`;
    const { text } = await signHead(wrong, { method: 'PUT', port: sluice.port, path, headers });
    await connection.write(text);
    await connection.write(Buffer.alloc(200_000));
    const response = await connection.response();
    expect([response.status, codeOf(response)]).toEqual([403, 'SignatureDoesNotMatch']);
    expect((await ask('HEAD', path)).status).toBe(404);
  });

  it('a client in the middle of gigabytes reads why, then the connection ends', async () => {
    const wrong = { accessKey: sluice.accessKey, secretKey: 'wrong' };
    const headers = { 'content-length': String(4 * 1024 * MIB) };
    const path = `/${Bucket}/early`;
    const { text } = await signHead(wrong, { method: 'PUT', port: sluice.port, path, headers });
    await connection.write(text);
    const sending = (async () => {
      for (let piece = 0; piece < 16; piece += 1) await connection.write(Buffer.alloc(MIB));
    })();
    const response = await connection.response();
    expect([response.status, codeOf(response)]).toEqual([403, 'SignatureDoesNotMatch']);
    expect(headerOf(response, 'connection')).toBe('close');
    await sending;
    expect(await connection.closed).toBe('end');
    expect(sluice.arena.freeCount).toBe(sluice.arena.blockCount);
  });

  it('the SDK understands a refusal in the middle of its upload', async () => {
    const stranger = s3Client({ ...sluice, accessKey: 'NOBODY' });
    const Body = Buffer.alloc(64 * MIB);
    const put = new PutObjectCommand({ Bucket, Key: 'early', Body });
    await expectS3Error(stranger.send(put), 403, 'InvalidAccessKeyId');
    await expectS3Error(
      client.send(new PutObjectCommand({ Bucket: 'no-such-bucket', Key: 'k', Body })),
      404,
      'NoSuchBucket',
    );
    stranger.destroy();
  });

  it('Expect: 100-continue is met, whatever the answer', async () => {
    const put = (key: string, secretKey: string) =>
      signHead(
        { accessKey: sluice.accessKey, secretKey },
        {
          method: 'PUT',
          port: sluice.port,
          path: `/${Bucket}/${key}`,
          headers: { 'content-length': '5', expect: '100-continue' },
        },
      );
    await connection.write((await put('hundred', sluice.secretKey)).text);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(connection.leftover.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    const stored = await connection.request('PUT', 'hello');
    expect([stored.status, stored.interim]).toEqual([200, [100]]);
    await connection.write((await put('hundred', 'wrong')).text);
    expect((await connection.request('PUT', 'hello')).status).toBe(403);
    expect((await ask('GET', `/${Bucket}/hundred`)).body.toString()).toBe('hello');
  });
});

describe('requests that two readers could understand in two ways', () => {
  const variants: [string, (head: string) => string][] = [
    ['two lengths', (text) => text.replace('\r\n', '\r\nContent-Length: 9\r\n')],
    ['two equal lengths', (text) => text.replace('\r\n', '\r\nContent-Length: 5\r\n')],
    ['a second host', (text) => text.replace('\r\n\r\n', '\r\nHost: other\r\n\r\n')],
    ['no host', (text) => text.replace(/host: [^\r]*\r\n/i, '')],
    ['length and coding', (text) => text.replace('\r\n', '\r\nTransfer-Encoding: chunked\r\n')],
    ['a coding', (text) => text.replace(/content-length: 5/i, 'Transfer-Encoding: gzip')],
    ['a list of lengths', (text) => text.replace(/content-length: 5/i, 'Content-Length: 5, 5')],
    ['an empty length', (text) => text.replace(/content-length: 5/i, 'Content-Length:')],
    [
      'a second authorization',
      (text) => {
        const line = /authorization: [^\r]*\r\n/i.exec(text)?.[0] ?? '';
        return text.replace('\r\n\r\n', `\r\n${line}\r\n`);
      },
    ],
  ];

  it.each(variants)('%s: an error, nothing stored, the connection closed', async (_, change) => {
    const path = `/${Bucket}/ambiguous`;
    const text = await head('PUT', path, { headers: { 'content-length': '5' } });
    const changed = change(text);
    expect(changed).not.toBe(text);
    await connection.write(changed);
    await connection.write('hello');
    const response = await connection.response('PUT').catch((error: Error) => error.message);
    if (typeof response === 'string') expect(response).toMatch(/^closed/);
    else expect(response.status).toBeGreaterThanOrEqual(400);
    await connection.closed;
    const other = await RawConnection.open(sluice.port);
    expect((await other.request('HEAD', await head('HEAD', path))).status).toBe(404);
    other.destroy();
  });

  it('a chunked body has no length, which S3 demands', async () => {
    const text = await head('PUT', `/${Bucket}/chunked`, {
      headers: { 'transfer-encoding': 'chunked' },
    });
    await connection.write(text);
    await connection.write('5\r\nhello\r\n0\r\n\r\n');
    const response = await connection.response();
    expect([response.status, codeOf(response)]).toEqual([411, 'MissingContentLength']);
  });

  it('a request hidden behind an ambiguous one is not served', async () => {
    const hidden = await head('DELETE', `/${Bucket}/inline`);
    const path = `/${Bucket}/ambiguous`;
    const text = await head('PUT', path, { headers: { 'content-length': '0' } });
    const two = text.replace('\r\n', `\r\nContent-Length: ${hidden.length}\r\n`);
    await connection.write(two + hidden);
    await connection.closed;
    const other = await RawConnection.open(sluice.port);
    const kept = await other.request('HEAD', await head('HEAD', `/${Bucket}/inline`));
    expect(kept.status).toBe(200);
    other.destroy();
  });

  it.each([
    ['no HTTP at all', 'HELO there\r\n\r\n'],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'],
    ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS greeting', Buffer.from('16030100c8010000c40303', 'hex')],
  ])('%s: refused, closed, and the server goes on', async (_, bytes) => {
    await connection.write(bytes);
    await connection.write('\r\n\r\n');
    await connection.closed;
    const other = await RawConnection.open(sluice.port);
    expect((await other.request('GET', await head('GET', '/'))).status).toBe(200);
    other.destroy();
  });
});
