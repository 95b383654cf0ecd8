import { describe, expect, it } from 'vitest';
import { S3_ERRORS, S3Error } from '../../../src/base/s3-error.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import { renderError, toS3Error } from '../../../src/s3/errors.ts';

const PLACE = { resource: '/b/<k>', requestId: 'ID', hostId: 'HOST', method: 'GET' };

describe('an error', () => {
  it('is a document without a namespace, its fields escaped', () => {
    const error = new S3Error('NoSuchBucket', { fields: { BucketName: 'a&b' } });
    expect(renderError(error, PLACE)).toEqual({
      status: 404,
      headers: [['Content-Type', 'application/xml']],
      body:
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchBucket</Code>' +
        '<Message>The specified bucket does not exist</Message><BucketName>a&amp;b</BucketName>' +
        '<Resource>/b/&lt;k&gt;</Resource><RequestId>ID</RequestId><HostId>HOST</HostId></Error>',
    });
  });

  it('has no body for HEAD and for 304, but its headers', () => {
    const place = { ...PLACE, method: 'HEAD' };
    expect(renderError(new S3Error('NoSuchKey'), place)).toMatchObject({
      status: 404,
      body: undefined,
    });
    const unchanged = new S3Error('NotModified', { headers: { ETag: '"e"' } });
    expect(renderError(unchanged, PLACE)).toEqual({
      status: 304,
      headers: [['ETag', '"e"']],
      body: undefined,
    });
  });

  it.each([
    ['unavailable', 503, 'ServiceUnavailable', '5'],
    ['timeout', 503, 'ServiceUnavailable', '5'],
    ['full', 503, 'ServiceUnavailable', '60'],
    ['limit', 503, 'SlowDown', '1'],
    ['corrupt', 500, 'InternalError', undefined],
  ] as const)('of the stores, %s, is %i %s', (kind, status, code, retryAfter) => {
    const cause = new StoreError(kind, 'secret path');
    const error = toS3Error(cause);
    expect(error).toMatchObject({ status, code, cause });
    const { body, headers } = renderError(error, PLACE);
    expect(new Map(headers).get('Retry-After')).toBe(retryAfter);
    expect(body).not.toContain('secret path');
  });

  it('that nobody expected tells nothing', () => {
    const error = toS3Error(new TypeError('secret'));
    expect(error.code).toBe('InternalError');
    expect(renderError(error, PLACE).body).not.toContain('secret');
  });

  it('has a status for each code', async () => {
    const lines = Object.entries(S3_ERRORS).map(([code, [status]]) => `${status} ${code}`);
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('errors.snapshot.txt');
  });
});
