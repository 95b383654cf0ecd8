/**
 * What the headers say about the body, decided before its first byte: framing, length, digests
 * to compute, values they must have. Throws S3Error; a wrong declaration has no side effects.
 */
import { base64Decode, hexDecode } from '../base/bytes.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { BodyPlan, DigestName } from '../body/body.ts';
import type { VerifiedRequest } from './authn.ts';
import type { S3Request } from './request.ts';
import { UNSIGNED_PAYLOAD } from './sigv4.ts';

interface PayloadMode {
  readonly signed: boolean;
  readonly hasTrailer: boolean;
}

const STREAMING: ReadonlyMap<string, PayloadMode> = new Map([
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { signed: true, hasTrailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { signed: true, hasTrailer: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { signed: false, hasTrailer: true }],
]);

const CHECKSUMS: ReadonlyMap<string, readonly [DigestName, bytes: number]> = new Map([
  ['x-amz-checksum-crc32', ['crc32', 4]],
  ['x-amz-checksum-crc32c', ['crc32c', 4]],
  ['x-amz-checksum-crc64nvme', ['crc64nvme', 8]],
  ['x-amz-checksum-sha1', ['sha1', 20]],
  ['x-amz-checksum-sha256', ['sha256', 32]],
]);

/** Not checksums themselves. */
const CHECKSUM_SETTINGS: ReadonlySet<string> = new Set([
  'x-amz-checksum-algorithm',
  'x-amz-checksum-mode',
  'x-amz-checksum-type',
]);

function lengthOf(request: S3Request, header: string): number | undefined {
  const value = request.headers.get(header);
  if (value === undefined) return undefined;
  const length = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(length)) {
    throw new S3Error('InvalidArgument', {
      message: `Invalid ${header}`,
      fields: { ArgumentName: header, ArgumentValue: value },
    });
  }
  return length;
}

interface DeclaredChecksum {
  readonly name: DigestName;
  readonly value: Uint8Array;
}

function declaredChecksum(request: S3Request): DeclaredChecksum | undefined {
  let found: DeclaredChecksum | undefined;
  for (const [header, value] of request.headers) {
    if (!header.startsWith('x-amz-checksum-') || CHECKSUM_SETTINGS.has(header)) continue;
    const known = CHECKSUMS.get(header);
    const bytes = known === undefined ? undefined : base64Decode(value);
    if (found !== undefined) {
      throw new S3Error('InvalidRequest', {
        message:
          'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      });
    }
    if (known === undefined || bytes?.length !== known[1]) {
      throw new S3Error('InvalidRequest', { message: `Value for ${header} header is invalid.` });
    }
    found = { name: known[0], value: bytes };
  }
  return found;
}

function trailerName(request: S3Request): DigestName | undefined {
  const value = request.headers.get('x-amz-trailer')?.trim().toLowerCase();
  if (value === undefined || value === '') return undefined;
  const known = CHECKSUMS.get(value);
  if (known === undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'The value specified in the x-amz-trailer header is not supported',
    });
  }
  return known[0];
}

function contentMd5(request: S3Request): Uint8Array | undefined {
  const value = request.headers.get('content-md5');
  if (value === undefined) return undefined;
  const bytes = base64Decode(value);
  if (bytes?.length !== 16)
    throw new S3Error('InvalidDigest', { fields: { 'Content-MD5': value } });
  return bytes;
}

export interface BodyBounds {
  readonly bytesMax: number;
  /** True for object data: its MD5 is the ETag. */
  readonly object: boolean;
}

function payloadLength(request: S3Request, streaming: boolean, bounds: BodyBounds): number {
  const length = streaming
    ? (lengthOf(request, 'x-amz-decoded-content-length') ?? lengthOf(request, 'content-length'))
    : lengthOf(request, 'content-length');
  if (length === undefined) {
    // Documents may be absent altogether (CreateBucket); objects say how long they are.
    if (!bounds.object && !request.headers.has('transfer-encoding')) return 0;
    throw new S3Error('MissingContentLength');
  }
  if (length <= bounds.bytesMax) return length;
  if (!bounds.object) throw new S3Error('MaxMessageLengthExceeded');
  throw new S3Error('EntityTooLarge', {
    fields: { ProposedSize: String(length), MaxSizeAllowed: String(bounds.bytesMax) },
  });
}

/** The signed hash of a plain payload. Throws for values that are none of the documented ones. */
function hexPayloadHash(payloadHash: string): Uint8Array | undefined {
  if (payloadHash === UNSIGNED_PAYLOAD) return undefined;
  const bytes = hexDecode(payloadHash);
  if (bytes?.length === 32) return bytes;
  throw new S3Error('InvalidArgument', {
    message:
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, ' +
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, ' +
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER ' +
      'or a valid sha256 value.',
    fields: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: payloadHash },
  });
}

export function planBody(verified: VerifiedRequest, bounds: BodyBounds): BodyPlan {
  const { request, payloadHash, signer } = verified;
  const mode = STREAMING.get(payloadHash);
  const md5 = contentMd5(request);
  const checksum = declaredChecksum(request);
  const trailer = trailerName(request);
  const expected = new Map<DigestName, Uint8Array>();
  const digests = new Set<DigestName>();
  if (bounds.object || md5 !== undefined) digests.add('md5');
  if (md5 !== undefined) expected.set('md5', md5);
  let sha256From: BodyPlan['sha256From'];
  const hash = mode === undefined ? hexPayloadHash(payloadHash) : undefined;
  if (hash !== undefined) {
    expected.set('sha256', hash);
    sha256From = 'x-amz-content-sha256';
  }
  if (checksum !== undefined) {
    const other = checksum.name === 'sha256' ? hash : undefined;
    if (other !== undefined && Buffer.compare(other, checksum.value) !== 0) {
      throw new S3Error('BadDigest', {
        message: 'The SHA256 you specified did not match the calculated checksum.',
      });
    }
    expected.set(checksum.name, checksum.value);
    if (checksum.name === 'sha256' && hash === undefined) sha256From = 'x-amz-checksum-sha256';
  }
  if (trailer !== undefined && mode?.hasTrailer !== true) {
    throw new S3Error('InvalidRequest', {
      message: 'x-amz-trailer needs a payload with a trailer (STREAMING-…-TRAILER).',
    });
  }
  if (trailer !== undefined && checksum !== undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    });
  }
  for (const name of expected.keys()) digests.add(name);
  if (trailer !== undefined) digests.add(trailer);
  return {
    framing: mode === undefined ? 'identity' : 'aws-chunked',
    payloadLength: payloadLength(request, mode !== undefined, bounds),
    digests,
    expected,
    sha256From,
    trailer,
    hasTrailer: mode?.hasTrailer === true,
    signer: mode?.signed === true ? signer : undefined,
  };
}

/** Bounds of the two kinds of bodies that operations take. */
export const STREAM_BOUNDS: BodyBounds = { bytesMax: LIMITS.putBytes, object: true };

export function documentBounds(bytesMax: number | undefined): BodyBounds {
  return { bytesMax: bytesMax ?? LIMITS.configXmlBytes, object: false };
}
