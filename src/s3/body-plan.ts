/**
 * What the headers say about the body, decided before its first byte: framing, length, digests
 * to compute, values they must have. Throws S3Error; a wrong declaration has no side effects.
 */
import { base64Decode, equalConstantTime, hexDecode } from '../base/bytes.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { BodyPlan, DigestName } from '../body/body.ts';
import type { ChecksumAlgorithm } from '../objects/contract.ts';
import type { VerifiedRequest } from './authn.ts';
import type { BoundOperation } from './operation.ts';
import type { FileBounds } from './post-form/form-feed.ts';
import type { S3Request } from './request.ts';
import { UNSIGNED_PAYLOAD } from './sigv4.ts';

interface PayloadMode {
  readonly signed: boolean;
  /** Signed by SigV4A. */
  readonly ecdsa?: true;
  readonly hasTrailer: boolean;
}

const STREAMING: ReadonlyMap<string, PayloadMode> = new Map([
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { signed: true, hasTrailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { signed: true, hasTrailer: true }],
  ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', { signed: true, hasTrailer: false, ecdsa: true }],
  [
    'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER',
    { signed: true, hasTrailer: true, ecdsa: true },
  ],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { signed: false, hasTrailer: true }],
]);

const CHECKSUMS: ReadonlyMap<string, readonly [DigestName, bytes: number]> = new Map([
  ['x-amz-checksum-crc32', ['crc32', 4]],
  ['x-amz-checksum-crc32c', ['crc32c', 4]],
  ['x-amz-checksum-crc64nvme', ['crc64nvme', 8]],
  ['x-amz-checksum-sha1', ['sha1', 20]],
  ['x-amz-checksum-sha256', ['sha256', 32]],
  ['x-amz-checksum-sha512', ['sha512', 64]],
  ['x-amz-checksum-md5', ['md5', 16]],
  ['x-amz-checksum-xxhash64', ['xxhash64', 8]],
  ['x-amz-checksum-xxhash3', ['xxhash3', 8]],
  ['x-amz-checksum-xxhash128', ['xxhash128', 16]],
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

function tooManyChecksums(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
  });
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
    if (found !== undefined) throw tooManyChecksums();
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
  /** What `x-amz-checksum-*` headers speak of: these bytes, or what the operation makes. */
  readonly checksumsOf: 'body' | 'result';
}

function payloadLength(request: S3Request, streaming: boolean, bounds: BodyBounds): number {
  const length = lengthOf(request, streaming ? 'x-amz-decoded-content-length' : 'content-length');
  if (length === undefined) {
    // Documents may be absent altogether (CreateBucket); objects say how long they are.
    const absent = !bounds.object && !streaming && !request.headers.has('transfer-encoding');
    if (absent) return 0;
    throw new S3Error('MissingContentLength');
  }
  if (length <= bounds.bytesMax) return length;
  if (!bounds.object) throw new S3Error('MaxMessageLengthExceeded');
  throw new S3Error('EntityTooLarge', {
    fields: { ProposedSize: String(length), MaxSizeAllowed: String(bounds.bytesMax) },
  });
}

function invalidPayloadHash(payloadHash: string): S3Error {
  return new S3Error('InvalidArgument', {
    message:
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, ' +
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, ' +
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, ' +
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER ' +
      'or a valid sha256 value.',
    fields: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: payloadHash },
  });
}

/** Throws for values that are none of the documented ones. For requests without a body too. */
export function checkPayloadHash({ payloadHash }: VerifiedRequest): void {
  const known = payloadHash === UNSIGNED_PAYLOAD || STREAMING.has(payloadHash);
  if (!known && !/^[0-9a-fA-F]{64}$/.test(payloadHash)) throw invalidPayloadHash(payloadHash);
}

/** What the headers claim of the payload's digests, each claim to be verified. */
interface Claims {
  readonly expected: Map<DigestName, Uint8Array>;
  readonly sha256From: BodyPlan['sha256From'];
}

function claimsOf(verified: VerifiedRequest, checksum: DeclaredChecksum | undefined): Claims {
  const { payloadHash, request } = verified;
  const expected = new Map<DigestName, Uint8Array>();
  const md5 = contentMd5(request);
  if (md5 !== undefined) expected.set('md5', md5);
  const plain = payloadHash !== UNSIGNED_PAYLOAD && !STREAMING.has(payloadHash);
  const hash = plain ? hexDecode(payloadHash) : undefined;
  if (hash !== undefined) expected.set('sha256', hash);
  let sha256From: BodyPlan['sha256From'] = hash === undefined ? undefined : 'x-amz-content-sha256';
  if (checksum !== undefined) {
    // Two claims of one digest hold together or not at all.
    const same = expected.get(checksum.name);
    if (same !== undefined && !equalConstantTime(same, checksum.value)) {
      const name = checksum.name.toUpperCase();
      throw new S3Error('BadDigest', {
        message: `The ${name} you specified did not match the calculated checksum.`,
      });
    }
    if (checksum.name === 'sha256') sha256From ??= 'x-amz-checksum-sha256';
    expected.set(checksum.name, checksum.value);
  }
  return { expected, sha256From };
}

/** `implied`: computed beside what the client declares, see `Operation.impliedChecksum`. */
export function planBody(
  verified: VerifiedRequest,
  bounds: BodyBounds,
  implied?: ChecksumAlgorithm,
): BodyPlan {
  checkPayloadHash(verified);
  const { request, payloadHash, signer } = verified;
  const mode = STREAMING.get(payloadHash);
  const ecdsa = signer?.publicPoint !== undefined;
  // Chunks are signed as the request is.
  if (mode?.signed === true && signer !== undefined && ecdsa !== (mode.ecdsa === true)) {
    throw invalidPayloadHash(payloadHash);
  }
  const checksum = bounds.checksumsOf === 'body' ? declaredChecksum(request) : undefined;
  const trailer = trailerName(request);
  if (trailer !== undefined && mode?.hasTrailer !== true) {
    throw new S3Error('InvalidRequest', {
      message: 'x-amz-trailer needs a payload with a trailer (STREAMING-…-TRAILER).',
    });
  }
  if (trailer !== undefined && checksum !== undefined) throw tooManyChecksums();
  const { expected, sha256From } = claimsOf(verified, checksum);
  const digests = new Set<DigestName>(expected.keys());
  if (bounds.object) digests.add('md5');
  if (trailer !== undefined) digests.add(trailer);
  if (implied !== undefined) digests.add(implied.toLowerCase() as DigestName);
  return {
    framing: mode === undefined ? 'identity' : 'aws-chunked',
    payloadLength: payloadLength(request, mode !== undefined, bounds),
    digests,
    expected,
    sha256From,
    declared: checksum?.name,
    trailer,
    hasTrailer: mode?.hasTrailer === true,
    signer: mode?.signed === true ? signer : undefined,
  };
}

/** A form's file: how long it is, its end tells. */
export function planForm(
  verified: VerifiedRequest,
  bounds: BodyBounds,
  { lengthMin, lengthMax }: FileBounds,
  implied?: ChecksumAlgorithm,
): BodyPlan {
  if (lengthMin > bounds.bytesMax) {
    throw new S3Error('EntityTooLarge', {
      fields: { ProposedSize: String(lengthMax), MaxSizeAllowed: String(bounds.bytesMax) },
    });
  }
  return { ...planBody(verified, bounds, implied), lengthMin };
}

/** Bounds of the body that an operation takes. */
export function boundsOf(operation: BoundOperation): BodyBounds {
  const { checksumsOf, documentBytesMax } = operation;
  return operation.body === 'stream'
    ? { bytesMax: LIMITS.putBytes, object: true, checksumsOf }
    : { bytesMax: documentBytesMax ?? LIMITS.configXmlBytes, object: false, checksumsOf };
}
