/**
 * Signature Version 4A as a server sees it: the asymmetric form of SigV4, whose scope names no
 * region because the regions are signed apart, as a set. The key pair follows from the secret, so
 * the server derives it too and keeps only the public half. Pure but for that derivation's cost.
 * Source: AmazonS3/latest/API and the reference implementation's key derivation (NIST SP 800-108,
 * counter mode, HMAC-SHA256)
 */
import { createECDH, createHmac } from 'node:crypto';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { S3Request } from './request.ts';
import {
  malformed,
  type Presented,
  parseAuthorization,
  parsePresigned,
  type Scope,
} from './sigv4.ts';

export const ALGORITHM_V4A = 'AWS4-ECDSA-P256-SHA256';

const REGION_SET = 'x-amz-region-set';

/** The order of P-256 less two: the largest candidate, before one is added to it. */
const CANDIDATE_MAX = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254fn;
const KEY_BITS = 256;
const TRIES = 254;

export function usesV4A({ headers, query }: S3Request): boolean {
  if (headers.get('authorization')?.startsWith(`${ALGORITHM_V4A} `) === true) return true;
  return query.size > 0 && query.get('X-Amz-Algorithm') === ALGORITHM_V4A;
}

const SHAPE =
  'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/SERVICE/aws4_request".';

function parseCredential(credential: string, form: Presented['form']): Scope {
  const start = form === 'query' ? 'Error parsing the X-Amz-Credential parameter; ' : '';
  const parts = credential.split('/');
  const [day, service, terminator] = parts.slice(-3);
  const accessKeyId = parts.slice(0, -3).join('/');
  if (accessKeyId === '' || service === undefined || terminator === undefined) {
    throw malformed(form, `${start}${SHAPE}`);
  }
  if (day === undefined || !/^\d{8}$/.test(day)) {
    throw malformed(
      form,
      `${start}incorrect date format "${day}". ` +
        'This date in the credential must be in the format "yyyyMMdd".',
    );
  }
  return { accessKeyId, day, region: undefined, service, terminator };
}

/** Throws S3Error. */
export function parseV4A(request: S3Request): Presented {
  const authorization = request.headers.get('authorization');
  return authorization === undefined
    ? parsePresigned(request, parseCredential, [ALGORITHM_V4A])
    : parseAuthorization(request, authorization, parseCredential);
}

/** Names and wildcards, separated by commas. That the set was signed is checked elsewhere. */
export function checkRegionSet(
  request: S3Request,
  form: Presented['form'],
  region: string | undefined,
): void {
  const set =
    form === 'header' ? request.headers.get(REGION_SET) : request.query.get('X-Amz-Region-Set');
  const names = (set ?? '').split(',').map((name) => name.trim());
  if (set === undefined || names.includes('') || names.some((name) => !isPattern(name))) {
    throw malformed(form, 'the region set is missing or mal-formed.');
  }
  if (region === undefined || names.some((name) => covers(name, region))) return;
  const message = `the region set '${set}' is wrong; expecting '${region}'`;
  const shown =
    form === 'header'
      ? 'The authorization header is malformed'
      : 'Error parsing the X-Amz-Region-Set parameter';
  throw new S3Error(
    form === 'header' ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError',
    {
      message: `${shown}; ${message}`,
      fields: { Region: region },
      headers: { 'x-amz-bucket-region': region },
    },
  );
}

function isPattern(name: string): boolean {
  return name.length <= LIMITS.regionChars && /^[a-z0-9-]*\*?$/.test(name);
}

function covers(pattern: string, region: string): boolean {
  return pattern.endsWith('*') ? region.startsWith(pattern.slice(0, -1)) : pattern === region;
}

/** The private key that follows from a secret, 32 bytes. */
export function privateKeyOf(accessKeyId: string, secret: string): Buffer {
  const label = Buffer.from(ALGORITHM_V4A);
  const bits = Buffer.alloc(4);
  bits.writeUInt32BE(KEY_BITS);
  for (let counter = 1; counter <= TRIES; counter += 1) {
    const context = Buffer.concat([Buffer.from(accessKeyId), Buffer.from([counter])]);
    const input = Buffer.concat([
      Buffer.from([0, 0, 0, 1]),
      label,
      Buffer.from([0]),
      context,
      bits,
    ]);
    const hex = createHmac('sha256', `AWS4A${secret}`).update(input).digest('hex');
    const candidate = BigInt(`0x${hex}`);
    if (candidate > CANDIDATE_MAX) continue;
    return Buffer.from((candidate + 1n).toString(16).padStart(64, '0'), 'hex');
  }
  throw new S3Error('InternalError', { cause: new Error('no key follows from this secret') });
}

/** x and y, 64 bytes. */
export function publicPointOf(accessKeyId: string, secret: string): Buffer {
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(privateKeyOf(accessKeyId, secret));
  // A byte that says `uncompressed` goes first.
  return pair.getPublicKey().subarray(1);
}
