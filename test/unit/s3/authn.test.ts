import { describe, expect, it } from 'vitest';
import { failure } from '../../support/s3-failure.ts';
import {
  ACCESS_KEY,
  CREDENTIALS,
  NOW_MS,
  OWNER,
  plainHead,
  signedHead,
  type Wanted,
} from '../../support/signed-head.ts';
import { ANONYMOUS } from '../../../src/s3/accounts.ts';
import { Authenticator, type VerifiedRequest } from '../../../src/s3/authn.ts';
import type { RequestHead } from '../../../src/s3/request.ts';
import { resolveRequest } from '../../../src/s3/resource.ts';

const SKEW_MS = 15 * 60_000;
const HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function authenticator(options: { region?: string; insecure?: boolean } = {}): Authenticator {
  return new Authenticator({
    credentials: CREDENTIALS,
    region: options.region,
    insecure: options.insecure ?? false,
    insecureOwner: { accessKeyId: undefined, ...OWNER },
  });
}

function verify(head: RequestHead, atMs = NOW_MS, region?: string): VerifiedRequest {
  const options = region === undefined ? {} : { region };
  return authenticator(options).authenticate(resolveRequest(head, 'id', []), atMs);
}

/** Headers of a head, changed. */
function edited(head: RequestHead, change: (headers: Map<string, string>) => void): RequestHead {
  const headers = new Map(head.headers);
  change(headers);
  return { ...head, headers: [...headers] };
}

/** One of AWS's published examples: the head with the signature they print. */
function example(
  wanted: Wanted & { readonly signed: string; readonly signature: string },
): RequestHead {
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,` +
    `SignedHeaders=${wanted.signed},Signature=${wanted.signature}`;
  const headers = {
    host: 'examplebucket.s3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-content-sha256': HASH,
    ...wanted.headers,
    authorization,
  };
  return plainHead({ ...wanted, headers });
}

describe("AWS's published examples", () => {
  const plain = 'host;x-amz-content-sha256;x-amz-date';
  it.each([
    [
      'GET with a range',
      example({
        target: '/test.txt',
        headers: { range: 'bytes=0-9' },
        signed: 'host;range;x-amz-content-sha256;x-amz-date',
        signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
      }),
    ],
    [
      'PUT of a name with a dollar sign',
      example({
        method: 'PUT',
        target: '/test%24file.text',
        headers: {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-content-sha256':
            '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
        },
        signed: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
        signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      }),
    ],
    [
      'the same name sent unescaped',
      example({
        method: 'PUT',
        target: '/test$file.text',
        headers: {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-content-sha256':
            '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
        },
        signed: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
        signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      }),
    ],
    [
      'GET of a sub-resource',
      example({
        target: '/?lifecycle',
        signed: plain,
        signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
      }),
    ],
    [
      'a listing, parameters out of order',
      example({
        target: '/?prefix=J&max-keys=2',
        signed: plain,
        signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
      }),
    ],
    [
      'the seed of a chunked upload',
      example({
        method: 'PUT',
        target: '/examplebucket/chunkObject.txt',
        headers: {
          host: 's3.amazonaws.com',
          'content-encoding': 'aws-chunked',
          'content-length': '66824',
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
          'x-amz-decoded-content-length': '66560',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        },
        signed:
          'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;' +
          'x-amz-decoded-content-length;x-amz-storage-class',
        signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      }),
    ],
    [
      'a presigned GET',
      plainHead({
        target:
          `/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${ACCESS_KEY}` +
          '%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z' +
          '&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=' +
          'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
        headers: { host: 'examplebucket.s3.amazonaws.com' },
      }),
    ],
  ])('verifies %s', (_, head) => {
    const { identity, signer } = verify(head);
    expect(identity).toEqual({ accessKeyId: ACCESS_KEY, ...OWNER });
    expect(signer?.scope).toBe('20130524/us-east-1/s3/aws4_request');
    expect(signer?.date).toBe('20130524T000000Z');
  });
});

describe('a signature in the header', () => {
  it('says what was signed when it does not match', async () => {
    const head = await signedHead({ target: '/b/k', secretKey: 'another' });
    const error = await failure(() => verify(head));
    expect(error.code).toBe('SignatureDoesNotMatch');
    const { fields } = error;
    expect(fields['AWSAccessKeyId']).toBe(ACCESS_KEY);
    expect(fields['SignatureProvided']).toMatch(/^[0-9a-f]{64}$/);
    expect(fields['CanonicalRequest']).toContain('GET\n/b/k\n\nhost:localhost:9878\n');
    expect(fields['StringToSign']).toMatch(
      /^AWS4-HMAC-SHA256\n20130524T000000Z\n20130524\/us-east-1\/s3\/aws4_request\n/,
    );
    const bytes = fields['StringToSignBytes'] ?? '';
    expect(Buffer.from(bytes.replaceAll(' ', ''), 'hex').toString()).toBe(fields['StringToSign']);
    expect(fields['CanonicalRequestBytes']).toMatch(/^47 45 54 0a/);
  });

  it('is good for fifteen minutes, both ways, and not a millisecond more', async () => {
    const head = await signedHead({});
    expect(verify(head, NOW_MS + SKEW_MS).identity.accessKeyId).toBe(ACCESS_KEY);
    expect(verify(head, NOW_MS - SKEW_MS).identity.accessKeyId).toBe(ACCESS_KEY);
    for (const atMs of [NOW_MS + SKEW_MS + 1, NOW_MS - SKEW_MS - 1]) {
      const error = await failure(() => verify(head, atMs));
      expect(error.code).toBe('RequestTimeTooSkewed');
      expect(error.fields).toEqual({
        RequestTime: '20130524T000000Z',
        ServerTime: new Date(atMs).toISOString(),
        MaxAllowedSkewMilliseconds: '900000',
      });
    }
  });

  it('takes its date from the Date header when there is no other', async () => {
    const head = await signedHead({});
    const dated = edited(head, (headers) => {
      headers.delete('x-amz-date');
      headers.set('date', 'Fri, 24 May 2013 00:00:00 GMT');
    });
    // Another canonical request, but the date was understood: the signature is what is wrong.
    expect((await failure(() => verify(dated))).code).toBe('SignatureDoesNotMatch');
    const undated = edited(head, (headers) => headers.delete('x-amz-date'));
    expect((await failure(() => verify(undated))).message).toContain('valid Date or x-amz-date');
  });

  it('must cover host and every x-amz-* header', async () => {
    const head = await signedHead({});
    const added = edited(head, (headers) => headers.set('x-amz-acl', 'public-read'));
    const error = await failure(() => verify(added));
    expect(error.code).toBe('AccessDenied');
    expect(error.message).toBe('There were headers present in the request which were not signed');
    expect(error.fields).toEqual({ HeadersNotSigned: 'x-amz-acl' });
    const hostless = edited(head, (headers) =>
      headers.set('authorization', (headers.get('authorization') ?? '').replace('host;', '')),
    );
    expect((await failure(() => verify(hostless))).fields).toEqual({ HeadersNotSigned: 'host' });
  });

  it.each([
    [/20130524/, '20130523', /Invalid credential date "20130523"/],
    [/20130524/, '2013', /incorrect date format "2013"/],
    [/\/s3\//, '/ec2/', /incorrect service "ec2"/],
    [/aws4_request/, 'aws5_request', /incorrect terminal "aws5_request"/],
    [/AKIA[^,]*/, 'AKIA/s3', /the Credential is mal-formed/],
    [/us-east-1/, 'r'.repeat(65), /the Credential is mal-formed/],
    [/Credential=/, 'Nothing=', /missing Credential/],
    [/SignedHeaders=/, 'Nothing=', /missing SignedHeaders/],
    [/Signature=.*/, 'Signature=', /missing Signature/],
  ])('is malformed with %s → %s', async (from, to, message) => {
    const head = edited(await signedHead({}), (headers) =>
      headers.set('authorization', (headers.get('authorization') ?? '').replace(from, to)),
    );
    const error = await failure(() => verify(head));
    expect(error.code).toBe('AuthorizationHeaderMalformed');
    expect(error.message).toMatch(/^The authorization header is malformed; /);
    expect(error.message).toMatch(message);
  });

  it('is accepted in its lower-case spelling only', async () => {
    const shout = (headers: Map<string, string>): void => {
      const [start = '', end = ''] = (headers.get('authorization') ?? '').split('Signature=');
      headers.set('authorization', `${start}Signature=${end.toUpperCase()}`);
    };
    const head = edited(await signedHead({}), shout);
    expect((await failure(() => verify(head))).code).toBe('SignatureDoesNotMatch');
  });

  it('needs the payload hash', async () => {
    const head = edited(await signedHead({}), (headers) => headers.delete('x-amz-content-sha256'));
    const error = await failure(() => verify(head));
    expect(error.code).toBe('InvalidRequest');
    expect(error.message).toBe('Missing required header for this request: x-amz-content-sha256');
  });

  it('is refused for keys nobody has, and for tokens nobody gave out', async () => {
    const unknown = await signedHead({ accessKey: 'AKIDUNKNOWN' });
    const error = await failure(() => verify(unknown));
    expect(error.code).toBe('InvalidAccessKeyId');
    expect(error.fields).toEqual({ AWSAccessKeyId: 'AKIDUNKNOWN' });
    const token = await signedHead({ headers: { 'x-amz-security-token': 'token' } });
    expect((await failure(() => verify(token))).code).toBe('InvalidToken');
  });
});

describe('the region of the scope', () => {
  it.each(['auto', 'minio', 'garage', 'eu-central-1', ''])(
    'may be %j when none is set',
    async (region) => {
      expect(verify(await signedHead({ region })).identity.ownerId).toBe(OWNER.ownerId);
    },
  );

  it('must be the configured one', async () => {
    const right = await signedHead({ region: 'eu-central-1' });
    expect(verify(right, NOW_MS, 'eu-central-1').identity.ownerId).toBe(OWNER.ownerId);
    const error = await failure(async () =>
      verify(await signedHead({ region: 'us-east-1' }), NOW_MS, 'eu-central-1'),
    );
    expect(error.code).toBe('AuthorizationHeaderMalformed');
    expect(error.message).toBe(
      'The authorization header is malformed; ' +
        "the region 'us-east-1' is wrong; expecting 'eu-central-1'",
    );
    expect(error.fields).toEqual({ Region: 'eu-central-1' });
  });

  it('makes another key for every secret, day and region', async () => {
    const one = authenticator();
    const keys = new Set<string>();
    for (const [region, atMs] of [
      ['a', NOW_MS],
      ['b', NOW_MS],
      ['a', NOW_MS + 86_400_000],
      ['a', NOW_MS],
    ] as const) {
      const head = await signedHead({ region, atMs });
      const { signer } = one.authenticate(resolveRequest(head, 'id', []), atMs);
      keys.add(Buffer.from(signer?.signingKey ?? []).toString('hex'));
    }
    expect(keys.size).toBe(3);
  });
});

describe('a presigned query', () => {
  it.each(['GET', 'PUT', 'HEAD', 'DELETE', 'POST'])('is verified for %s', async (method) => {
    const head = await signedHead({ method, target: '/b/k?uploads=', expiresIn: 60 });
    const { payloadHash, request } = verify(head, NOW_MS + 60_000);
    expect(request.key).toBe('k');
    expect(payloadHash).toBe('UNSIGNED-PAYLOAD');
  });

  it('ends to the millisecond, and does not begin in the future', async () => {
    const head = await signedHead({ target: '/b/k', expiresIn: 60 });
    const late = await failure(() => verify(head, NOW_MS + 60_001));
    expect(late.code).toBe('AccessDenied');
    expect(late.message).toBe('Request has expired');
    expect(late.fields).toEqual({
      'X-Amz-Expires': '60',
      Expires: '2013-05-24T00:01:00.000Z',
      ServerTime: '2013-05-24T00:01:00.001Z',
    });
    const early = await failure(() => verify(head, NOW_MS - SKEW_MS - 1));
    expect(early.message).toBe('Request is not yet valid');
  });

  it.each([
    [/X-Amz-Expires=60/, 'X-Amz-Expires=604801', /less than a week/],
    [/X-Amz-Expires=60/, 'X-Amz-Expires=0', /at least 1 second/],
    [/X-Amz-Expires=60/, 'X-Amz-Expires=-1', /must be non-negative/],
    [/X-Amz-Expires=60/, 'X-Amz-Expires=1e3', /should be a number/],
    [/X-Amz-Expires=60&/, '', /requires the X-Amz-Algorithm/],
    [/&X-Amz-Signature=[^&]*/, '', /requires the X-Amz-Algorithm/],
    [/HMAC-SHA256/, 'HMAC-SHA512', /X-Amz-Algorithm only supports/],
    [/Date=20130524T000000Z/, 'Date=20130524', /ISO8601 Long Format/],
    [/%2Fs3%2F/, '%2Fec2%2F', /X-Amz-Credential parameter; incorrect service/],
    [/%2Faws4_request/, '', /X-Amz-Credential parameter; the Credential is mal-formed/],
  ])('is refused with %s → %s', async (from, to, message) => {
    const head = await signedHead({ target: '/b/k', expiresIn: 60 });
    const wrong = { ...head, rawQuery: head.rawQuery.replace(from, to) };
    expect(wrong.rawQuery).not.toBe(head.rawQuery);
    const error = await failure(() => verify(wrong));
    expect(error.code).toBe('AuthorizationQueryParametersError');
    expect(error.message).toMatch(message);
  });

  it('carries headers in the query, as SDKs put them there', async () => {
    const target = '/b/k?x-amz-meta-colour=blue%20green&x-amz-checksum-crc32=AAAAAA%3D%3D';
    const { request } = verify(await signedHead({ method: 'PUT', target, expiresIn: 60 }));
    expect(request.headers.get('x-amz-meta-colour')).toBe('blue green');
    expect(request.headers.get('x-amz-checksum-crc32')).toBe('AAAAAA==');
    expect(request.headers.has('x-amz-expires')).toBe(false);
    const hoisted = await signedHead({
      method: 'PUT',
      target: '/b/k',
      expiresIn: 60,
      headers: { 'x-amz-storage-class': 'STANDARD_IA' },
    });
    expect(hoisted.headers.some(([name]) => name === 'x-amz-storage-class')).toBe(false);
    expect(verify(hoisted).request.headers.get('x-amz-storage-class')).toBe('STANDARD_IA');
  });

  it('refuses in the query what no header could carry', async () => {
    const target = '/b/k?x-amz-meta-a=b%0D%0ASet-Cookie:%20c';
    const head = await signedHead({ method: 'PUT', target, expiresIn: 60 });
    expect((await failure(() => verify(head))).code).toBe('InvalidArgument');
  });

  it('refuses x-amz-* headers that were not signed, except the hash of the body', async () => {
    const head = await signedHead({ method: 'PUT', target: '/b/k', expiresIn: 60 });
    const more = edited(head, (headers) => headers.set('x-amz-tagging', 'a=b'));
    expect((await failure(() => verify(more))).fields).toEqual({
      HeadersNotSigned: 'x-amz-tagging',
    });
    const hashed = edited(head, (headers) => headers.set('x-amz-content-sha256', HASH));
    expect(verify(hashed).payloadHash).toBe(HASH);
  });
});

describe('whoever does not sign this way', () => {
  it('is nobody', () => {
    const { identity, signer, payloadHash } = verify(plainHead({ target: '/b/k' }));
    expect(identity).toBe(ANONYMOUS);
    expect([signer, payloadHash]).toEqual([undefined, 'UNSIGNED-PAYLOAD']);
  });

  it('cannot have signed chunks', async () => {
    const headers = { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' };
    const error = await failure(() => verify(plainHead({ target: '/b/k', headers })));
    expect([error.status, error.code]).toEqual([403, 'AccessDenied']);
  });

  it('is told when he signs twice', async () => {
    const head = await signedHead({ target: '/b/k', expiresIn: 60 });
    const both = edited(head, (headers) => headers.set('authorization', 'AWS4-HMAC-SHA256 a=b'));
    const error = await failure(() => verify(both));
    expect(error.code).toBe('InvalidArgument');
    expect(error.message).toMatch(/^Only one auth mechanism allowed/);
  });

  it.each([
    plainHead({ headers: { authorization: 'AWS AKID:c2lnbmF0dXJl' } }),
    plainHead({ headers: { authorization: 'AWS4-HMAC-SHA512 Credential=x' } }),
    plainHead({ target: '/b/k?AWSAccessKeyId=a&Signature=b&Expires=1' }),
  ])('is told which mechanism to use: $rawQuery $headers', async (head) => {
    const error = await failure(() => verify(head));
    expect(error.code).toBe('InvalidRequest');
    expect(error.message).toMatch(/Please use AWS4-HMAC-SHA256\.$/);
  });

  it('may not use another scheme', async () => {
    const head = plainHead({ headers: { authorization: 'Basic dXNlcjpwYXNz' } });
    const error = await failure(() => verify(head));
    expect(error.code).toBe('InvalidArgument');
    expect(error.message).toBe('Unsupported Authorization Type');
  });
});

describe('without security', () => {
  const insecure = authenticator({ insecure: true });
  const ask = (head: RequestHead): VerifiedRequest =>
    insecure.authenticate(resolveRequest(head, 'id', []), NOW_MS);

  it('everybody is the root owner, whatever they sign with', async () => {
    const heads = [
      plainHead({}),
      plainHead({ headers: { authorization: 'AWS any:thing' } }),
      await signedHead({ accessKey: 'any', secretKey: 'thing', atMs: 0 }),
    ];
    for (const head of heads) expect(ask(head).identity.ownerId).toBe(OWNER.ownerId);
  });

  it('the form of the payload is still what the request says', async () => {
    const payloadHash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
    const head = plainHead({ headers: { 'x-amz-content-sha256': payloadHash } });
    expect(ask(head)).toMatchObject({ payloadHash, signer: undefined });
  });
});
