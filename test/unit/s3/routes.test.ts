import { describe, expect, it } from 'vitest';
import { OPERATIONS } from '../../../src/s3/registry.ts';
import { resolveRequest } from '../../../src/s3/resource.ts';
import { ROUTES, routeOf } from '../../../src/s3/routes.ts';
import { failure } from '../../support/s3-failure.ts';
import { plainHead } from '../../support/signed-head.ts';

type Headers = Readonly<Record<string, string>>;

function route(method: string, target: string, headers: Headers = {}): string {
  return routeOf(resolveRequest(plainHead({ method, target, headers }), 'id', []));
}

describe('the routes table', () => {
  it('is this one', async () => {
    const lines = ROUTES.map(({ method, level, query, header, operation }) => {
      const built = typeof operation === 'string';
      const name = built ? operation : operation.notImplemented;
      const where = [query === undefined ? '' : `?${query}`, header ?? '']
        .filter(Boolean)
        .join(' ');
      return `${built ? '+' : '-'} ${method.padEnd(7)} ${level.padEnd(7)} ${where.padEnd(40)} ${name}`;
    });
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('routes.snapshot.txt');
  });

  it('reaches every operation that is built', () => {
    const reached = new Set(ROUTES.map((one) => one.operation));
    for (const name of Object.keys(OPERATIONS)) expect(reached).toContain(name);
  });

  it('answers by name for every sub-resource that is not built', async () => {
    for (const { method, level, query, header, operation } of ROUTES) {
      if (typeof operation === 'string') continue;
      const path = { service: '/', bucket: '/b', object: '/b/k' }[level];
      const [name = '', start = ''] = header?.split('^=') ?? [];
      const headers = header === undefined ? {} : { [name]: `${start}x` };
      const target = query === undefined ? path : `${path}?${query}=`;
      const error = await failure(() => route(method, target, headers));
      expect(error.status, `${method} ${target}`).toBe(501);
      expect(error.fields['Operation']).toBe(operation.notImplemented);
      expect(error.message).toBe(`${operation.notImplemented} is not implemented.`);
    }
  });
});

describe('a request', () => {
  it.each([
    ['GET', '/', {}, 'ListBuckets'],
    ['GET', '/?x-id=ListBuckets', {}, 'ListBuckets'],
    ['GET', '/b', {}, 'ListObjects'],
    ['GET', '/b?list-type=2&prefix=policy', {}, 'ListObjectsV2'],
    ['GET', '/b?list-type=1', {}, 'ListObjects'],
    ['GET', '/b?location', {}, 'GetBucketLocation'],
    ['GET', '/b?nonsense', {}, 'ListObjects'],
    ['HEAD', '/b', {}, 'HeadBucket'],
    ['POST', '/b?delete', {}, 'DeleteObjects'],
    ['PUT', '/b/k', {}, 'PutObject'],
    ['PUT', '/b/k', { 'x-amz-copy-source': '/b/j' }, 'CopyObject'],
    ['PUT', '/b/k?partNumber=1&uploadId=u', {}, 'UploadPart'],
    ['PUT', '/b/k?partNumber=1&uploadId=u', { 'x-amz-copy-source': '/b/j' }, 'UploadPartCopy'],
    ['GET', '/b/k?partNumber=1', {}, 'GetObject'],
    ['GET', '/b/k?versionId=null', {}, 'GetObject'],
    ['GET', '/b/k?uploadId=u', {}, 'ListParts'],
    ['HEAD', '/b/k', {}, 'HeadObject'],
    ['POST', '/b/k?uploads', {}, 'CreateMultipartUpload'],
    ['POST', '/b/k?uploadId=u', {}, 'CompleteMultipartUpload'],
    ['DELETE', '/b/k?uploadId=u', {}, 'AbortMultipartUpload'],
    ['DELETE', '/b/k?tagging', {}, 'DeleteObjectTagging'],
  ] as const)('%s %s is what it says', (method, target, headers, name) => {
    expect(route(method, target, headers)).toBe(name);
  });

  it.each([
    ['DELETE', '/b?acl'],
    ['DELETE', '/b?uploads'],
    ['DELETE', '/b?versioning'],
    ['PUT', '/b?location'],
    ['PUT', '/b?versions'],
    ['DELETE', '/b/k?retention'],
    ['DELETE', '/b/k?acl'],
    ['PUT', '/b/k?attributes'],
    ['PUT', '/b/k?uploads'],
    ['HEAD', '/b/k?uploadId=u'],
    ['HEAD', '/b?policy'],
    ['GET', '/b?list-type=2&replication=&delete'],
  ])('%s %s never falls through to the plain operation', async (method, target) => {
    const error = await failure(() => route(method, target));
    expect([405, 501]).toContain(error.status);
  });

  it.each([
    ['POST', '/', 'SERVICE', 'GET'],
    ['PATCH', '/b', 'BUCKET', 'DELETE, GET, HEAD, POST, PUT'],
    ['POST', '/b', 'BUCKET', 'DELETE, GET, HEAD, POST, PUT'],
    ['POST', '/b/k', 'OBJECT', 'DELETE, GET, HEAD, POST, PUT'],
  ])('%s %s is not allowed', async (method, target, ResourceType, Allow) => {
    const error = await failure(() => route(method, target));
    expect(error.code).toBe('MethodNotAllowed');
    expect(error.fields).toEqual({ Method: method, ResourceType });
    expect(error.headers).toEqual({ Allow });
  });

  it('with a form is a PostObject, whatever its letters', () => {
    const headers = { 'content-type': 'Multipart/Form-Data; boundary=x' };
    expect(route('POST', '/b', headers)).toBe('PostObject');
  });
});
