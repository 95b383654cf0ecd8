/** What is not built says so by its name and does nothing: no sub-resource falls through. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/s3/routes.ts';
import { s3Client } from '../support/client.ts';
import { codeOf } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'not-implemented';
const Key = 'object';
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'untouched' }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});
afterEach(async () => {
  await client.send(new HeadBucketCommand({ Bucket }));
  const found = await client.send(new GetObjectCommand({ Bucket, Key }));
  expect(await found.Body?.transformToString()).toBe('untouched');
});

const UNBUILT = ROUTES.flatMap(({ method, level, query, header, operation }) =>
  typeof operation === 'string'
    ? []
    : [{ name: operation.notImplemented, method, level, query: query ?? '', header }],
);

describe.each(UNBUILT)('$name ($method ?$query)', ({ name, method, level, query, header }) => {
  it('is 501 by name', async () => {
    const names = query === '' ? [] : query.split('&');
    const [headerName = '', start = ''] = header?.split('^=') ?? [];
    const answer = await ask(sluice, {
      method,
      path: level === 'object' ? `/${Bucket}/${Key}` : `/${Bucket}`,
      query: Object.fromEntries(names.map((one) => [one, ''])),
      headers: headerName === '' ? {} : { [headerName]: start === '' ? 'x' : start },
      ...(method === 'PUT' || method === 'POST' ? { body: '<Anything/>' } : {}),
    });
    expect([answer.status, codeOf(answer)]).toEqual([501, 'NotImplemented']);
    expect(answer.body.toString()).toContain(name);
  });
});

describe('a sub-resource under a method that it does not have', () => {
  it.each([
    ['DELETE', `/${Bucket}`, 'versioning'],
    ['DELETE', `/${Bucket}`, 'location'],
    ['DELETE', `/${Bucket}`, 'acl'],
    ['DELETE', `/${Bucket}`, 'uploads'],
    ['PUT', `/${Bucket}`, 'location'],
    ['PUT', `/${Bucket}`, 'versions'],
    ['POST', `/${Bucket}`, 'policy'],
    ['DELETE', `/${Bucket}/${Key}`, 'acl'],
    ['DELETE', `/${Bucket}/${Key}`, 'retention'],
    ['DELETE', `/${Bucket}/${Key}`, 'uploads'],
    ['PUT', `/${Bucket}/${Key}`, 'torrent'],
    ['PUT', `/${Bucket}/${Key}`, 'restore'],
    ['PUT', `/${Bucket}/${Key}`, 'uploads'],
    ['GET', `/${Bucket}/${Key}`, 'uploads'],
    ['POST', `/${Bucket}/${Key}`, 'tagging'],
    ['GET', `/${Bucket}`, 'delete'],
  ])('%s %s?%s does nothing', async (method, path, name) => {
    const body = method === 'PUT' || method === 'POST' ? { body: 'overwritten' } : {};
    const answer = await outcome(sluice, { method, path, query: { [name]: '' }, ...body });
    expect(answer).toEqual([405, 'MethodNotAllowed']);
  });
});

it('a value does not hide a sub-resource, nor does a second parameter', async () => {
  for (const query of [{ analytics: 'x' }, { 'x-id': 'PutObject', analytics: '' }]) {
    const wanted = { method: 'DELETE', path: `/${Bucket}`, query };
    expect(await outcome(sluice, wanted)).toEqual([501, 'NotImplemented']);
  }
});
