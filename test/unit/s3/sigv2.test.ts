/** Signature version 2 against the examples that AWS published, and everything it must refuse. */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Authenticator } from '../../../src/s3/authn.ts';
import type { S3Request } from '../../../src/s3/request.ts';
import { resolveRequest } from '../../../src/s3/resource.ts';
import { parseV2, signatureV2, stringsToSignV2 } from '../../../src/s3/sigv2.ts';
import { failure } from '../../support/s3-failure.ts';
import {
  ACCESS_KEY,
  CREDENTIALS,
  OWNER,
  plainHead,
  SECRET_KEY,
} from '../../support/signed-head.ts';

const DOMAIN = 's3.amazonaws.com';
const HOST = `johnsmith.${DOMAIN}`;

interface Wanted {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function request(wanted: Wanted): S3Request {
  return resolveRequest(plainHead(wanted), 'id', [DOMAIN]);
}

const authenticator = (sigv2 = true): Authenticator =>
  new Authenticator({
    credentials: CREDENTIALS,
    region: undefined,
    insecure: false,
    sigv2,
    insecureOwner: { accessKeyId: undefined, ...OWNER },
  });

/** The examples of RESTAuthentication.html. */
const EXAMPLES: readonly (readonly [string, Wanted, string])[] = [
  [
    'object GET',
    {
      target: '/photos/puppy.jpg',
      headers: { host: HOST, date: 'Tue, 27 Mar 2007 19:36:42 +0000' },
    },
    'bWq2s1WEIj+Ydj0vQ697zp+IXMU=',
  ],
  [
    'object PUT',
    {
      method: 'PUT',
      target: '/photos/puppy.jpg',
      headers: {
        host: HOST,
        'content-type': 'image/jpeg',
        'content-length': '94328',
        date: 'Tue, 27 Mar 2007 21:15:45 +0000',
      },
    },
    'MyyxeRY7whkBe+bq8fHCL/2kKUg=',
  ],
  [
    'list',
    {
      target: '/?prefix=photos&max-keys=50&marker=puppy',
      headers: { host: HOST, date: 'Tue, 27 Mar 2007 19:42:41 +0000' },
    },
    'htDYFYduRNen8P9ZfE/s9SuKy0U=',
  ],
  [
    'fetch',
    { target: '/?acl', headers: { host: HOST, date: 'Tue, 27 Mar 2007 19:44:46 +0000' } },
    'c2WLPFtWHVgbEmeEG93a4cG37dM=',
  ],
  [
    'upload',
    {
      method: 'PUT',
      target: '/db-backup.dat.gz',
      headers: {
        host: `static.johnsmith.net.${DOMAIN}:8080`,
        date: 'Tue, 27 Mar 2007 21:06:08 +0000',
        'x-amz-acl': 'public-read',
        'content-type': 'application/x-download',
        'content-md5': '4gJE4saaMU4BqNR0kLY+lw==',
        'x-amz-meta-reviewedby': 'joe@johnsmith.net,jane@johnsmith.net',
        'x-amz-meta-filechecksum': '0x02661779',
        'x-amz-meta-checksumalgorithm': 'crc32',
        'content-length': '5913339',
      },
    },
    'ilyl83RwaSoYIEdixDQcA4OnAnc=',
  ],
  [
    'list all my buckets',
    { headers: { host: DOMAIN, date: 'Wed, 28 Mar 2007 01:29:59 +0000' } },
    'qGdzdERIC03wnaRNKh6OqZehG9s=',
  ],
  [
    'Unicode keys',
    {
      target: '/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re',
      headers: { host: DOMAIN, date: 'Wed, 28 Mar 2007 01:49:49 +0000' },
    },
    'DNEZGsoieTZ92F3bUfSPQcbGmlM=',
  ],
];

describe('the published example', () => {
  it.each(EXAMPLES)('%s', (_, wanted, signature) => {
    const headers = { ...wanted.headers, authorization: `AWS ${ACCESS_KEY}:${signature}` };
    const asked = request({ ...wanted, headers });
    const nowMs = Date.parse(wanted.headers?.['date'] ?? '');
    const { identity, payloadHash, signer } = authenticator().authenticate(asked, nowMs);
    expect(identity).toEqual({ accessKeyId: ACCESS_KEY, ...OWNER });
    expect([payloadHash, signer]).toEqual(['UNSIGNED-PAYLOAD', undefined]);
  });

  it('of a query', () => {
    const target = `/photos/puppy.jpg?AWSAccessKeyId=${ACCESS_KEY}&Expires=1175139620&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D`;
    const asked = request({ target, headers: { host: HOST } });
    expect(authenticator().authenticate(asked, 1175139620_000).identity.ownerId).toBe('owner-id');
  });
});

const DATE = 'Tue, 27 Mar 2007 19:36:42 +0000';
const AT_MS = Date.parse(DATE);

/** Signed by a reading of the documentation that shares nothing with the server. */
function signed(
  { method = 'GET', target = '/b/k', headers = {} }: Wanted,
  resource: string,
): S3Request {
  const amz = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-amz-'))
    .toSorted()
    .map(([name, value]) => `${name}:${value}\n`);
  const date = 'x-amz-date' in headers ? '' : DATE;
  const text = `${method}\n\n\n${date}\n${amz.join('')}${resource}`;
  const signature = createHmac('sha1', SECRET_KEY).update(text).digest('base64');
  const own = { date: DATE, authorization: `AWS ${ACCESS_KEY}:${signature}` };
  return request({ method, target, headers: { host: DOMAIN, ...own, ...headers } });
}

describe('a signature of version 2', () => {
  it.each([
    ['a plain one', {}, '/b/k'],
    [
      'a part',
      { method: 'PUT', target: '/b/k?uploadId=a%2Fb&partNumber=7&x-id=UploadPart' },
      '/b/k?partNumber=7&uploadId=a/b',
    ],
    [
      'overrides',
      { target: '/b/k?response-content-type=a%2Fb+c&versionId=3' },
      '/b/k?response-content-type=a/b c&versionId=3',
    ],
    ['an empty sub-resource with its sign', { target: '/b?acl=' }, '/b?acl='],
    ['an empty sub-resource without', { target: '/b?acl=' }, '/b?acl'],
    ['a younger sub-resource', { target: '/b/k?retention' }, '/b/k?retention'],
    ['x-amz-date alone', { headers: { 'x-amz-date': '20070327T193642Z' } }, '/b/k'],
    ['an encoded path', { target: '/b/a%20b%2Fc+d' }, '/b/a%20b%2Fc+d'],
  ] as const)('%s is good', (_, wanted, resource) => {
    expect(authenticator().authenticate(signed(wanted, resource), AT_MS).identity.accessKeyId).toBe(
      ACCESS_KEY,
    );
  });

  it.each([
    ['an unsigned sub-resource', { target: '/b/k?acl' }, '/b/k'],
    ['an unsigned younger sub-resource', { target: '/b/k?retention' }, '/b/k'],
    ['an unsigned override', { target: '/b/k?response-expires=x' }, '/b/k'],
    ['another path', { target: '/b/j' }, '/b/k'],
    ['another version', { target: '/b/k?versionId=2' }, '/b/k?versionId=1'],
  ] as const)('%s is refused', async (_, wanted, resource) => {
    const error = await failure(() =>
      authenticator().authenticate(signed(wanted, resource), AT_MS),
    );
    expect(error.code).toBe('SignatureDoesNotMatch');
    expect(error.fields['StringToSign']).toContain('GET\n');
  });

  it('does not read headers from a query, which it does not sign', () => {
    const asked = signed({ method: 'PUT', target: '/b/k?x-amz-acl=public-read' }, '/b/k');
    expect(authenticator().authenticate(asked, AT_MS).request.headers.has('x-amz-acl')).toBe(false);
  });

  it.each([
    ['too early', -15 * 60_000 - 1, 'RequestTimeTooSkewed'],
    ['too late', 15 * 60_000 + 1, 'RequestTimeTooSkewed'],
  ])('%s is refused', async (_, skewMs, code) => {
    const asked = signed({}, '/b/k');
    expect((await failure(() => authenticator().authenticate(asked, AT_MS + skewMs))).code).toBe(
      code,
    );
  });

  it.each([
    [{ authorization: 'AWS nobody:c2ln' }, 'InvalidAccessKeyId'],
    [{ authorization: 'AWS nobody' }, 'InvalidArgument'],
    [{ authorization: `AWS ${ACCESS_KEY}:c2ln`, date: 'yesterday' }, 'AccessDenied'],
    [{ authorization: `AWS ${ACCESS_KEY}:c2ln`, 'x-amz-security-token': 't' }, 'InvalidToken'],
  ])('%j is refused', async (headers, code) => {
    const asked = request({ target: '/b/k', headers: { host: DOMAIN, date: DATE, ...headers } });
    expect((await failure(() => authenticator().authenticate(asked, AT_MS))).code).toBe(code);
  });

  it('of chunks is refused: nothing signs them', async () => {
    const headers = { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' };
    const asked = signed({ method: 'PUT', headers }, '/b/k');
    expect((await failure(() => authenticator().authenticate(asked, AT_MS))).code).toBe(
      'InvalidRequest',
    );
  });

  it('is refused by name where it is not switched on, and beside another', async () => {
    const asked = signed({}, '/b/k');
    const off = await failure(() => authenticator(false).authenticate(asked, AT_MS));
    expect([off.code, off.message]).toEqual([
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    ]);
    const twice = signed({ target: '/b/k?AWSAccessKeyId=a&Signature=b&Expires=1' }, '/b/k');
    expect((await failure(() => authenticator().authenticate(twice, AT_MS))).code).toBe(
      'InvalidArgument',
    );
  });
});

describe('a query signed by version 2', () => {
  const ask = (expires: string, more = ''): S3Request => {
    const text = `GET\n\n\n${expires}\n/b/k`;
    const signature = encodeURIComponent(signatureV2(SECRET_KEY, text));
    const query = `AWSAccessKeyId=${ACCESS_KEY}&Expires=${expires}&Signature=${signature}${more}`;
    return request({ target: `/b/k?${query}`, headers: { host: DOMAIN } });
  };

  it('is good until it expires', async () => {
    expect(authenticator().authenticate(ask('1000'), 1_000_000).identity.accessKeyId).toBe(
      ACCESS_KEY,
    );
    const late = await failure(() => authenticator().authenticate(ask('1000'), 1_000_001));
    expect([late.code, late.message]).toEqual(['AccessDenied', 'Request has expired']);
  });

  it.each([
    ['soon', /Invalid date/],
    ['', /requires the Signature, Expires and AWSAccessKeyId/],
  ])('that expires %j is refused', async (expires, message) => {
    const error = await failure(() => authenticator().authenticate(ask(expires), 0));
    expect([error.code, error.message]).toEqual(['AccessDenied', expect.stringMatching(message)]);
  });

  it('whose plus signs nobody encoded is read all the same', () => {
    const query = 'AWSAccessKeyId=a&Expires=1&Signature=a+b/c=';
    const asked = request({ target: `/b/k?${query}`, headers: { host: DOMAIN } });
    expect(parseV2(asked).signature).toBe('a+b/c=');
    expect(stringsToSignV2(asked, parseV2(asked))).toEqual(['GET\n\n\n1\n/b/k']);
  });
});
