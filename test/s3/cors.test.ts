/** CORS at run time: preflights without a signature, and the headers of actual answers. */
import {
  CreateBucketCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { codeOf, headerOf, RawConnection, type RawResponse } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask } from '../support/signed-request.ts';

const Bucket = 'shared';
const object = `/${Bucket}/key`;
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  for (const name of [Bucket, 'plain']) {
    await client.send(new CreateBucketCommand({ Bucket: name }));
    await client.send(new PutObjectCommand({ Bucket: name, Key: 'key', Body: 'x' }));
  }
  const CORSRules = [
    { AllowedMethods: ['GET'], AllowedOrigins: ['*suffix'] },
    { AllowedMethods: ['GET'], AllowedOrigins: ['start*end'] },
    { AllowedMethods: ['GET'], AllowedOrigins: ['prefix*'] },
    {
      AllowedMethods: ['PUT', 'POST'],
      AllowedOrigins: ['https://app.example'],
      AllowedHeaders: ['X-Amz-*', 'content-type'],
      ExposeHeaders: ['ETag', 'x-amz-request-id'],
      MaxAgeSeconds: 600,
    },
    { AllowedMethods: ['HEAD', 'DELETE'], AllowedOrigins: ['*'] },
  ];
  await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

/** As a browser sends it: no signature. */
async function options(
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<RawResponse> {
  const connection = await RawConnection.open(sluice.port);
  try {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const text = `OPTIONS ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join('')}\r\n`;
    return await connection.request('OPTIONS', text);
  } finally {
    connection.destroy();
  }
}

const preflight = (origin: string, method: string, headers?: string, path = object) =>
  options(path, {
    Origin: origin,
    'Access-Control-Request-Method': method,
    ...(headers === undefined ? {} : { 'Access-Control-Request-Headers': headers }),
  });

const grant = (response: RawResponse): (number | string | undefined)[] => [
  response.status,
  headerOf(response, 'access-control-allow-origin'),
  headerOf(response, 'access-control-allow-methods'),
];

describe('a preflight', () => {
  it.each([
    ['foo.suffix', 'GET', 'foo.suffix'],
    ['suffix', 'GET', 'suffix'],
    ['startend', 'GET', 'startend'],
    ['start1end', 'GET', 'start1end'],
    ['prefix.suffix', 'GET', 'prefix.suffix'],
    ['anybody', 'HEAD', '*'],
  ])('from %s for %s is granted', async (origin, method, allowed) => {
    const response = await preflight(origin, method);
    expect(grant(response)).toEqual([200, allowed, method === 'HEAD' ? 'HEAD, DELETE' : 'GET']);
    const credentials = headerOf(response, 'access-control-allow-credentials');
    expect(credentials).toBe(allowed === '*' ? undefined : 'true');
    expect(headerOf(response, 'vary')).toBe(
      'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    );
  });

  it('is told everything that the rule says, at the bucket too', async () => {
    const path = `/${Bucket}?list-type=2`;
    const response = await preflight(
      'https://app.example',
      'PUT',
      'X-Amz-Date, Content-Type',
      path,
    );
    expect(grant(response)).toEqual([200, 'https://app.example', 'PUT, POST']);
    expect(headerOf(response, 'access-control-allow-headers')).toBe('x-amz-date, content-type');
    expect(headerOf(response, 'access-control-expose-headers')).toBe('ETag, x-amz-request-id');
    expect(headerOf(response, 'access-control-max-age')).toBe('600');
  });

  it.each([
    ['foo.bar', 'GET', undefined],
    ['foo.suffix.get', 'GET', undefined],
    ['startxen', 'GET', undefined],
    ['foo.suffix', 'PUT', undefined],
    ['https://app.example', 'PUT', 'authorization'],
    ['anybody', 'HEAD', 'x-amz-date'],
  ])('from %s for %s with %s is refused', async (origin, method, headers) => {
    const response = await preflight(origin, method, headers);
    expect([...grant(response), codeOf(response)]).toEqual([
      403,
      undefined,
      undefined,
      'AccessForbidden',
    ]);
    expect(response.body.toString()).toContain('CORSResponse: This CORS request is not allowed.');
    expect(response.body.toString()).toContain('<ResourceType>OBJECT</ResourceType>');
  });

  it('cannot tell a bucket without rules from none', async () => {
    for (const path of ['/plain/key', '/no-such-bucket/key']) {
      const response = await preflight('a', 'GET', undefined, path);
      expect([response.status, codeOf(response)]).toEqual([403, 'AccessForbidden']);
      expect(response.body.toString()).toContain('CORS is not enabled for this bucket.');
    }
  });

  it.each([
    [{}],
    [{ Origin: 'foo.suffix' }],
    [{ 'Access-Control-Request-Method': 'GET' }],
    [{ Origin: 'foo.suffix', 'Access-Control-Request-Method': 'TRACE' }],
  ])('needs origin and method: %j', async (headers: Record<string, string>) => {
    const response = await options(object, headers);
    expect([response.status, codeOf(response)]).toEqual([400, 'BadRequest']);
  });
});

describe('an actual request', () => {
  const from = (Origin: string, path = object, more: Record<string, string> = {}) =>
    ask(sluice, { path, headers: { Origin, ...more } });

  it('is answered for its origin', async () => {
    expect(grant(await from('foo.suffix'))).toEqual([200, 'foo.suffix', 'GET']);
    expect(grant(await from('foo.bar'))).toEqual([200, undefined, undefined]);
    expect(grant(await ask(sluice, { path: object }))).toEqual([200, undefined, undefined]);
    expect(grant(await from('foo.suffix', '/plain/key'))).toEqual([200, undefined, undefined]);
  });

  it('is answered for its origin when it fails, and without a signature', async () => {
    expect(grant(await from('foo.suffix', `/${Bucket}/none`))).toEqual([404, 'foo.suffix', 'GET']);
    const connection = await RawConnection.open(sluice.port);
    const text = `GET ${object} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: foo.suffix\r\n\r\n`;
    const refused = await connection.request('GET', text);
    connection.destroy();
    expect(grant(refused)).toEqual([403, 'foo.suffix', 'GET']);
  });

  it('may name its method by the header of a preflight', async () => {
    const method = { 'Access-Control-Request-Method': 'PUT' };
    expect(grant(await from('foo.suffix', object, method))).toEqual([200, undefined, undefined]);
  });
});
