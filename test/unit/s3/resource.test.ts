import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import type { RequestHead, S3Request } from '../../../src/s3/request.ts';
import { resolveRequest } from '../../../src/s3/resource.ts';
import { failure, failureCode } from '../../support/s3-failure.ts';
import { plainHead } from '../../support/signed-head.ts';

const DOMAINS = ['s3g.internal', 'eu.s3g.internal'];

function resolve(target: string, host = 'localhost:9878'): S3Request {
  return resolveRequest(plainHead({ target, headers: { host } }), 'id', DOMAINS);
}

function withHeaders(headers: RequestHead['headers']): S3Request {
  return resolveRequest({ ...plainHead({}), headers }, 'id', []);
}

describe('the path', () => {
  it.each([
    ['/', undefined, undefined],
    ['/b', 'b', undefined],
    ['/b/', 'b', undefined],
    ['/b/k', 'b', 'k'],
    ['/b/k/', 'b', 'k/'],
    ['/b//k', 'b', '/k'],
    ['/b/../k', 'b', '../k'],
    ['/b/./k', 'b', './k'],
    ['/b/a%2Fb', 'b', 'a/b'],
    ['/b%2Fa/k', 'b/a', 'k'],
    ['/b/a+b%20c', 'b', 'a+b c'],
    ['/b/%00%01%0D%0A', 'b', '\0\u0001\r\n'],
    ['/b/%F0%9F%98%80', 'b', '\u{1f600}'],
    ['/b/\u{1f600}', 'b', '\u{1f600}'],
    ['/b/a$b', 'b', 'a$b'],
  ])('%s is bucket %j and key %j', (target, bucket, key) => {
    expect(resolve(target)).toMatchObject({ bucket, key });
  });

  it.each([
    '/b/%',
    '/b/%2',
    '/b/%zz',
    '/b/%ff',
    '/b/%C0%AF',
    '/b/%ED%A0%80',
    '/b/\ud800',
    '/%ff/k',
    'b/k',
    'http://host/b/k',
    '*',
    '/b?prefix=%ff',
    '/b?%=1',
    `/b?${'a&'.repeat(LIMITS.queryCount)}`,
  ])('%j is no URI', async (target) => {
    expect(await failureCode(() => resolve(target))).toBe('InvalidURI');
  });

  it('has a bucket before a key', async () => {
    expect(await failureCode(() => resolve('//k'))).toBe('InvalidBucketName');
  });

  it('holds keys of 1,024 bytes and no more', async () => {
    expect(resolve(`/b/${'%C3%A4'.repeat(512)}`).key).toHaveLength(512);
    const error = await failure(() => resolve(`/b/${'%C3%A4'.repeat(512)}a`));
    expect(error.code).toBe('KeyTooLongError');
    expect(error.fields).toEqual({ Size: '1025', MaxSizeAllowed: '1024' });
  });
});

describe('the host', () => {
  it.each([
    ['b.s3g.internal', 'b', 'x/y'],
    ['b.s3g.internal:9878', 'b', 'x/y'],
    ['B.S3G.Internal', 'b', 'x/y'],
    ['a.b.s3g.internal', 'a.b', 'x/y'],
    ['b.eu.s3g.internal', 'b', 'x/y'],
    ['s3g.internal', 'x', 'y'],
    ['eu.s3g.internal', 'x', 'y'],
    ['bs3g.internal', 'x', 'y'],
    ['127.0.0.1:9878', 'x', 'y'],
    ['[::1]:9878', 'x', 'y'],
  ])('%s names bucket %s', (host, bucket, key) => {
    // The longest domain wins, so that `eu` is no bucket.
    expect(resolve('/x/y', host)).toMatchObject(
      host === 'eu.s3g.internal' ? { bucket: 'eu', key: 'x/y' } : { bucket, key },
    );
  });

  it('names a bucket or nothing', async () => {
    expect(await failureCode(() => resolve('/k', '.s3g.internal'))).toBe('InvalidBucketName');
    expect(resolve('/', 'b.s3g.internal')).toMatchObject({ bucket: 'b', key: undefined });
  });
});

describe('the query', () => {
  it('is decoded, a plus is a space, the first of a name wins', () => {
    const { query } = resolve('/b?prefix=a+b%2Bc&delete&prefix=other&&x=a=b');
    expect([...query]).toEqual([
      ['prefix', 'a b+c'],
      ['delete', ''],
      ['x', 'a=b'],
    ]);
  });
});

describe('headers', () => {
  it('that repeat are joined', () => {
    const { headers } = withHeaders([
      ['host', 'h'],
      ['x-amz-meta-a', '1'],
      ['x-amz-meta-a', '2'],
    ]);
    expect(headers.get('x-amz-meta-a')).toBe('1,2');
  });

  it.each([
    'content-length',
    'transfer-encoding',
    'host',
    'authorization',
    'date',
    'x-amz-date',
    'x-amz-content-sha256',
    'x-amz-decoded-content-length',
    'content-md5',
  ])('that decide may not repeat: %s', async (name) => {
    const twice = (): S3Request =>
      withHeaders([
        [name, '1'],
        [name, '1'],
      ]);
    const error = await failure(twice);
    expect(error.code).toBe('InvalidRequest');
    expect(error.message).toContain(name);
  });

  it('say in one way only how long the body is', async () => {
    const both = (): S3Request =>
      withHeaders([
        ['content-length', '1'],
        ['transfer-encoding', 'chunked'],
      ]);
    expect(await failureCode(both)).toBe('InvalidRequest');
  });

  it('are bounded in number', async () => {
    const some = (count: number): RequestHead['headers'] =>
      Array.from({ length: count }, (_, index) => [`x-${index}`, '1'] as const);
    expect(withHeaders(some(LIMITS.headerCount)).headers.size).toBe(LIMITS.headerCount);
    const tooMany = (): S3Request => withHeaders(some(LIMITS.headerCount + 1));
    expect(await failureCode(tooMany)).toBe('RequestHeaderSectionTooLarge');
  });
});
