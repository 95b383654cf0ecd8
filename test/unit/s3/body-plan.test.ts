import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import type { BodyPlan } from '../../../src/body/body.ts';
import { Authenticator } from '../../../src/s3/authn.ts';
import { boundsOf, checkPayloadHash, planBody } from '../../../src/s3/body-plan.ts';
import { OPERATIONS, type OperationName } from '../../../src/s3/registry.ts';
import { resolveRequest } from '../../../src/s3/resource.ts';
import { failure, failureCode } from '../../support/s3-failure.ts';
import { CREDENTIALS, NOW_MS, OWNER, signedHead } from '../../support/signed-head.ts';

type Headers = Readonly<Record<string, string>>;

const HASH = 'ab'.repeat(32);
const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const SIGNED_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

const authenticator = new Authenticator({
  credentials: CREDENTIALS,
  region: undefined,
  insecure: false,
  insecureOwner: { accessKeyId: undefined, ...OWNER },
});

async function plan(headers: Headers, name: OperationName = 'PutObject'): Promise<BodyPlan> {
  const head = await signedHead({
    method: 'PUT',
    target: '/b/k',
    headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers },
  });
  const verified = authenticator.authenticate(resolveRequest(head, 'id', []), NOW_MS);
  return planBody(verified, boundsOf(OPERATIONS[name]));
}

const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
const ZEROS = 'AAAAAA==';

describe('the form of the payload', () => {
  it('unsigned: only the ETag is computed', async () => {
    expect(await plan({ 'content-length': '5' })).toEqual({
      framing: 'identity',
      payloadLength: 5,
      digests: new Set(['md5']),
      expected: new Map(),
      sha256From: undefined,
      trailer: undefined,
      hasTrailer: false,
      signer: undefined,
    });
  });

  it('signed as a whole: the hash must be met', async () => {
    const signed = await plan({ 'content-length': '5', 'x-amz-content-sha256': HASH });
    expect(signed.digests).toEqual(new Set(['sha256', 'md5']));
    expect(Buffer.from(signed.expected.get('sha256') ?? []).toString('hex')).toBe(HASH);
    expect(signed.sha256From).toBe('x-amz-content-sha256');
  });

  it.each([
    [SIGNED, undefined, false, true],
    [SIGNED_TRAILER, 'x-amz-checksum-crc32c', true, true],
    [UNSIGNED_TRAILER, 'x-amz-checksum-crc64nvme', true, false],
  ])('%s', async (mode, trailer, hasTrailer, signs) => {
    const chunked = await plan({
      'content-length': '100',
      'x-amz-content-sha256': mode,
      'x-amz-decoded-content-length': '5',
      ...(trailer === undefined ? {} : { 'x-amz-trailer': trailer }),
    });
    expect(chunked).toMatchObject({ framing: 'aws-chunked', payloadLength: 5, hasTrailer });
    expect(chunked.trailer).toBe(trailer?.slice('x-amz-checksum-'.length));
    expect(chunked.digests).toEqual(new Set(['md5', chunked.trailer].filter(Boolean)));
    expect(chunked.signer !== undefined).toBe(signs);
  });

  it('is none that nobody knows, for any operation', async () => {
    for (const mode of ['', 'x', 'STREAMING-AWS4-ECDSA-P384-SHA384-PAYLOAD', `${HASH}00`]) {
      const request = { payloadHash: mode } as Parameters<typeof checkPayloadHash>[0];
      const error = await failure(() => checkPayloadHash(request));
      expect(error.code).toBe('InvalidArgument');
      expect(error.fields['ArgumentName']).toBe('x-amz-content-sha256');
    }
    const code = failureCode(() => plan({ 'x-amz-content-sha256': 'x', 'content-length': '1' }));
    expect(await code).toBe('InvalidArgument');
  });
});

describe('the length', () => {
  it.each([
    [{}, 'MissingContentLength'],
    [{ 'transfer-encoding': 'chunked' }, 'MissingContentLength'],
    [{ 'content-length': '9', 'x-amz-content-sha256': SIGNED }, 'MissingContentLength'],
    [{ 'content-length': '-1' }, 'InvalidArgument'],
    [{ 'content-length': '1e3' }, 'InvalidArgument'],
    [{ 'content-length': '9'.repeat(17) }, 'InvalidArgument'],
    [{ 'content-length': String(LIMITS.putBytes + 1) }, 'EntityTooLarge'],
    [
      {
        'x-amz-content-sha256': SIGNED,
        'x-amz-decoded-content-length': String(LIMITS.putBytes + 1),
      },
      'EntityTooLarge',
    ],
  ] as const)('of an object: %j is %s', async (headers, code) => {
    expect(await failureCode(() => plan(headers))).toBe(code);
  });

  it('of an object may be 5 GiB, in chunks of unknown framing', async () => {
    const headers = {
      'transfer-encoding': 'chunked',
      'x-amz-content-sha256': UNSIGNED_TRAILER,
      'x-amz-decoded-content-length': String(LIMITS.putBytes),
    };
    expect((await plan(headers)).payloadLength).toBe(LIMITS.putBytes);
  });

  it('of a document may be absent, and is bounded by its operation', async () => {
    expect(await plan({}, 'CreateBucket')).toMatchObject({ payloadLength: 0, digests: new Set() });
    const chunked = failureCode(() => plan({ 'transfer-encoding': 'chunked' }, 'CreateBucket'));
    expect(await chunked).toBe('MissingContentLength');
    for (const [name, bytesMax] of [
      ['CreateBucket', LIMITS.configXmlBytes],
      ['DeleteObjects', LIMITS.deleteXmlBytes],
      ['CompleteMultipartUpload', LIMITS.completeXmlBytes],
    ] as const) {
      const fits = await plan({ 'content-length': String(bytesMax) }, name);
      expect(fits.payloadLength).toBe(bytesMax);
      const code = failureCode(() => plan({ 'content-length': String(bytesMax + 1) }, name));
      expect(await code).toBe('MaxMessageLengthExceeded');
    }
  });
});

describe('what the headers claim', () => {
  const one = { 'content-length': '5' };

  it('is expected: Content-MD5 and one checksum', async () => {
    const md5 = base64('cd'.repeat(16));
    const claimed = await plan({ ...one, 'content-md5': md5, 'x-amz-checksum-crc32': ZEROS });
    expect([...claimed.expected.keys()]).toEqual(['md5', 'crc32']);
    expect(claimed.digests).toEqual(new Set(['md5', 'crc32']));
  });

  it('SHA-256 both ways must agree before a byte is read', async () => {
    const both = (hash: string): Promise<BodyPlan> =>
      plan({ ...one, 'x-amz-content-sha256': HASH, 'x-amz-checksum-sha256': base64(hash) });
    expect((await both(HASH)).sha256From).toBe('x-amz-content-sha256');
    expect(await failureCode(() => both('00'.repeat(32)))).toBe('BadDigest');
    const alone = await plan({ ...one, 'x-amz-checksum-sha256': base64(HASH) });
    expect(alone.sha256From).toBe('x-amz-checksum-sha256');
  });

  it.each([
    [{ 'content-md5': 'nonsense' }, 'InvalidDigest', /MD5/],
    [{ 'content-md5': ZEROS }, 'InvalidDigest', /MD5/],
    [{ 'x-amz-checksum-crc32': 'AAAA' }, 'InvalidRequest', /x-amz-checksum-crc32 header is inv/],
    [{ 'x-amz-checksum-crc32': 'AAAAAA' }, 'InvalidRequest', /x-amz-checksum-crc32 header is inv/],
    [{ 'x-amz-checksum-sha512': ZEROS }, 'InvalidRequest', /x-amz-checksum-sha512 header is inv/],
    [
      { 'x-amz-checksum-crc32': ZEROS, 'x-amz-checksum-crc32c': ZEROS },
      'InvalidRequest',
      /^Expecting a single x-amz-checksum- header/,
    ],
    [{ 'x-amz-trailer': 'x-amz-checksum-crc32' }, 'InvalidRequest', /x-amz-trailer needs/],
    [{ 'x-amz-trailer': 'x-amz-meta-a' }, 'InvalidRequest', /x-amz-trailer header is not supp/],
    [
      {
        'x-amz-content-sha256': UNSIGNED_TRAILER,
        'x-amz-decoded-content-length': '5',
        'x-amz-trailer': 'x-amz-checksum-crc32',
        'x-amz-checksum-crc32': ZEROS,
      },
      'InvalidRequest',
      /^Expecting a single x-amz-checksum- header/,
    ],
  ] as const)('%j is %s', async (headers, code, message) => {
    const error = await failure(() => plan({ ...one, ...headers }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('of a CompleteMultipartUpload speaks of the object, not of the list of parts', async () => {
    const headers = { ...one, 'x-amz-checksum-sha256': `${base64(HASH)}-2` };
    const complete = await plan(headers, 'CompleteMultipartUpload');
    expect(complete.expected.size).toBe(0);
    expect(complete.digests.size).toBe(0);
  });

  it('of another document speaks of the document', async () => {
    const document = await plan({ ...one, 'x-amz-checksum-crc32': ZEROS }, 'DeleteObjects');
    expect([...document.expected.keys()]).toEqual(['crc32']);
  });
});
