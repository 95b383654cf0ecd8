/** SigV4A through the front door: header, query and signed chunks, good and bad. */
import { createHash } from 'node:crypto';
import { CreateBucketCommand, GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { codeOf, headerOf, RawConnection, type RawResponse } from '../support/raw-client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';
import { ecdsa, signV4aHeaders, signV4aQuery, type V4aRequest } from '../support/sigv4a.ts';

const Bucket = 'asymmetric';
const MODE = 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ region: 'us-east-1' });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.idle();
  await sluice.close();
});

const sha256 = (bytes: string | Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

async function send(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array = Buffer.alloc(0),
): Promise<RawResponse> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const head = `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  const connection = await RawConnection.open(sluice.port);
  try {
    return await connection.request(method, Buffer.concat([Buffer.from(head), body]));
  } finally {
    connection.destroy();
  }
}

type More = Partial<V4aRequest> & { readonly body?: string };

function ask(method: string, key: string, more: More = {}): Promise<RawResponse> {
  const body = Buffer.from(more.body ?? '');
  const path = `/${Bucket}/${key}`;
  const headers = signV4aHeaders({
    method,
    path,
    accessKey: sluice.accessKey,
    secretKey: sluice.secretKey,
    payloadHash: sha256(body),
    ...more,
    headers: { host: 'localhost', 'content-length': String(body.length), ...more.headers },
  });
  return send(method, path, headers, body);
}

async function read(Key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

describe('a header of SigV4A', () => {
  it('puts, gets and deletes', async () => {
    expect((await ask('PUT', 'k', { body: 'hello' })).status).toBe(200);
    const got = await ask('GET', 'k', { regionSet: 'eu-west-1,us-*' });
    expect([got.status, got.body.toString()]).toEqual([200, 'hello']);
    expect((await ask('DELETE', 'k', { regionSet: 'us-east-1' })).status).toBe(204);
  });

  it.each([
    ['another secret', { secretKey: 'other' }, 403, 'SignatureDoesNotMatch'],
    ['a key that nobody has', { accessKey: 'NOBODY' }, 403, 'InvalidAccessKeyId'],
    ['another region', { regionSet: 'eu-west-1' }, 400, 'AuthorizationHeaderMalformed'],
    ['another service', { service: 'ec2' }, 400, 'AuthorizationHeaderMalformed'],
    ['an old date', { atMs: Date.now() - 3_600_000 }, 403, 'RequestTimeTooSkewed'],
    ['another body', { body: 'x', payloadHash: sha256('y') }, 400, 'XAmzContentSHA256Mismatch'],
    [
      'chunks of the other kind',
      { payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
      400,
      'InvalidArgument',
    ],
  ] as const)('with %s is refused', async (_, more, status, code) => {
    const answer = await ask('PUT', 'refused', more);
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  });

  it('tells what it signed, and must sign what it sends', async () => {
    const path = `/${Bucket}/k`;
    const keys = { accessKey: sluice.accessKey, secretKey: sluice.secretKey };
    const signed = signV4aHeaders({ method: 'GET', path, headers: { host: 'localhost' }, ...keys });
    const moved = await send('GET', `${path}2`, signed);
    expect(codeOf(moved)).toBe('SignatureDoesNotMatch');
    expect(moved.body.toString()).toContain('<StringToSign>AWS4-ECDSA-P256-SHA256&#xA;');
    const added = await send('GET', path, { ...signed, 'x-amz-acl': 'private' });
    expect([added.status, codeOf(added)]).toEqual([403, 'AccessDenied']);
    const { 'x-amz-region-set': _, ...without } = signed;
    expect(codeOf(await send('GET', path, without))).toBe('AuthorizationHeaderMalformed');
  });
});

describe('a query of SigV4A', () => {
  const presign = (method: string, more: Partial<V4aRequest> = {}, expires = 60): string => {
    const path = `/${Bucket}/query`;
    const keys = { accessKey: sluice.accessKey, secretKey: sluice.secretKey };
    return `${path}?${signV4aQuery({ method, path, ...keys, headers: { host: 'localhost' }, ...more }, expires)}`;
  };

  it('puts and gets', async () => {
    const put = { host: 'localhost', 'content-length': '5' };
    const tagged = presign('PUT', { query: { 'x-amz-meta-a': 'b' } });
    expect((await send('PUT', tagged, put, Buffer.from('hello'))).status).toBe(200);
    const got = await send('GET', presign('GET'), { host: 'localhost' });
    expect([got.body.toString(), headerOf(got, 'x-amz-meta-a')]).toEqual(['hello', 'b']);
  });

  it.each([
    ['another method', () => presign('PUT'), 403, 'SignatureDoesNotMatch'],
    [
      'another region',
      () => presign('GET', { regionSet: 'eu-*' }),
      400,
      'AuthorizationQueryParametersError',
    ],
    ['a past', () => presign('GET', { atMs: Date.now() - 61_000 }), 403, 'AccessDenied'],
    [
      'no expiry',
      () => presign('GET').replace(/X-Amz-Expires=60&/, ''),
      400,
      'AuthorizationQueryParametersError',
    ],
    [
      'no region set',
      () => presign('GET').replace(/X-Amz-Region-Set=[^&]*&/, ''),
      400,
      'AuthorizationQueryParametersError',
    ],
  ] as const)('with %s is refused', async (_, target, status, code) => {
    const answer = await send('GET', target(), { host: 'localhost' });
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  });
});

interface ChunkOptions {
  readonly chunkBytes: number;
  readonly trailer?: string;
  /** Changes the wire after it was signed. */
  readonly spoil?: (wire: Buffer) => Buffer;
}

/** Signed by the chain that the documentation describes, padded as clients do. */
async function chunked(key: string, payload: Buffer, options: ChunkOptions): Promise<RawResponse> {
  const { chunkBytes, trailer, spoil = (wire) => wire } = options;
  const { accessKey, secretKey } = sluice;
  const path = `/${Bucket}/${key}`;
  const chunks = Math.ceil(payload.length / chunkBytes);
  const line = ';chunk-signature='.length + 144 + 4;
  const size = (length: number): number => length.toString(16).length + line + length;
  let length = size(0) - (trailer === undefined ? 0 : 2);
  for (let at = 0; at < chunks; at += 1)
    length += size(Math.min(chunkBytes, payload.length - at * chunkBytes));
  if (trailer !== undefined)
    length += trailer.length + 2 + 'x-amz-trailer-signature:'.length + 144 + 2;
  const headers = signV4aHeaders({
    method: 'PUT',
    path,
    accessKey,
    secretKey,
    payloadHash: trailer === undefined ? MODE : `${MODE}-TRAILER`,
    headers: {
      host: 'localhost',
      'content-length': String(length),
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(payload.length),
      ...(trailer === undefined ? {} : { 'x-amz-trailer': trailer.split(':')[0] ?? '' }),
    },
  });
  const date = headers['x-amz-date'] ?? '';
  let previous = /Signature=(.*)$/.exec(headers['authorization'] ?? '')?.[1] ?? '';
  const sign = (kind: string, hashes: string): string => {
    const scope = `${date.slice(0, 8)}/s3/aws4_request`;
    const text = `AWS4-ECDSA-P256-SHA256-${kind}\n${date}\n${scope}\n${previous}\n${hashes}`;
    previous = ecdsa(accessKey, secretKey, text);
    return previous.padEnd(144, '*');
  };
  const parts: (string | Buffer)[] = [];
  for (let at = 0; ; at += chunkBytes) {
    const chunk = payload.subarray(at, at + chunkBytes);
    const last = chunk.length === 0;
    const signature = sign('PAYLOAD', `${sha256('')}\n${sha256(chunk)}`);
    parts.push(`${chunk.length.toString(16)};chunk-signature=${signature}\r\n`);
    if (!last) parts.push(chunk, '\r\n');
    if (last) break;
  }
  if (trailer === undefined) parts.push('\r\n');
  else
    parts.push(
      `${trailer}\r\nx-amz-trailer-signature:${sign('TRAILER', sha256(`${trailer}\n`))}\r\n`,
    );
  const wire = Buffer.concat(parts.map((part) => Buffer.from(part)));
  expect(wire.length).toBe(length);
  return send('PUT', path, headers, spoil(wire));
}

describe('chunks signed by SigV4A', () => {
  it.each([0, 1, 16_384, 300_000, 1_000_000])('of %i bytes are stored', async (size) => {
    const payload = Buffer.from(content(size, 5));
    const answer = await chunked(`chunks-${size}`, payload, { chunkBytes: 65_536 });
    expect([answer.status, codeOf(answer)]).toEqual([200, undefined]);
    expect((await read(`chunks-${size}`)).equals(payload)).toBe(true);
  });

  it.each([100, 200_000])('of %i bytes with a trailer are held to it', async (size) => {
    const payload = Buffer.from(content(size, 6));
    const sum = createHash('sha1').update(payload).digest('base64');
    const good = await chunked('trailer', payload, {
      chunkBytes: 9_000,
      trailer: `x-amz-checksum-sha1:${sum}`,
    });
    expect([good.status, headerOf(good, 'x-amz-checksum-sha1')]).toEqual([200, sum]);
    const wrong = createHash('sha1').update('x').digest('base64');
    const bad = await chunked('trailer', payload, {
      chunkBytes: 9_000,
      trailer: `x-amz-checksum-sha1:${wrong}`,
    });
    expect(codeOf(bad)).toBe('BadDigest');
    const forged = await chunked('trailer', payload, {
      chunkBytes: 9_000,
      trailer: `x-amz-checksum-sha1:${wrong}`,
      spoil: (wire) => Buffer.from(wire.toString('latin1').replace(wrong, sum), 'latin1'),
    });
    expect(codeOf(forged)).toBe('SignatureDoesNotMatch');
  });

  it.each([1_000, 300_000])('of %i bytes, one of them changed, are refused', async (size) => {
    const payload = Buffer.from(content(size, 7));
    const spoil = (wire: Buffer): Buffer => {
      const changed = Buffer.from(wire);
      changed[500] = (changed[500] ?? 0) ^ 1;
      return changed;
    };
    const answer = await chunked('changed', payload, { chunkBytes: 65_536, spoil });
    expect([answer.status, codeOf(answer)]).toEqual([403, 'SignatureDoesNotMatch']);
  });
});
