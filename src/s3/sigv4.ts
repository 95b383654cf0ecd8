/**
 * Signature Version 4 as a server sees it: canonical request, string to sign, key derivation,
 * and the two places credentials come in. Pure: no clock, no secrets store, no decisions.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
import { createHmac, hash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { S3Request } from './request.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

/** Credential, date and signature as the request presents them; nothing verified. */
export interface Presented {
  readonly form: 'header' | 'query';
  /** May itself contain slashes (Kerberos principals). */
  readonly accessKeyId: string;
  readonly day: string;
  /** Undefined where the regions are signed in another place (SigV4A). */
  readonly region: string | undefined;
  readonly service: string;
  readonly terminator: string;
  readonly signedHeaders: readonly string[];
  /** As sent: not even known to be hex. */
  readonly signature: string;
  /** `x-amz-date`, e.g. `20261123T040000Z`. */
  readonly date: string;
  /** Query form only, seconds. */
  readonly expires: number | undefined;
}

const DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** Milliseconds of a basic ISO 8601 date; undefined when it is not one. */
export function parseAmzDate(text: string): number | undefined {
  // Requests of one second say the same.
  if (text === lastDate) return lastDateMs;
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(ms)) return undefined;
  lastDate = text;
  lastDateMs = ms;
  return ms;
}

let lastDate = '';
let lastDateMs = 0;

/** In the words of the form that carried the credentials. */
export function malformed(form: Presented['form'], message: string): S3Error {
  return form === 'header'
    ? new S3Error('AuthorizationHeaderMalformed', {
        message: `The authorization header is malformed; ${message}`,
      })
    : new S3Error('AuthorizationQueryParametersError', { message });
}

export type Scope = Pick<Presented, 'accessKeyId' | 'day' | 'region' | 'service' | 'terminator'>;

const CREDENTIAL_SHAPE =
  'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".';

/** Throws in the words of the form that carried it. */
export function parseCredential(credential: string, form: Presented['form']): Scope {
  const start = form === 'query' ? 'Error parsing the X-Amz-Credential parameter; ' : '';
  const parts = credential.split('/');
  const [day, region, service, terminator] = parts.slice(-4);
  const accessKeyId = parts.slice(0, -4).join('/');
  if (
    accessKeyId === '' ||
    day === undefined ||
    region === undefined ||
    region.length > LIMITS.regionChars ||
    service === undefined ||
    terminator === undefined
  ) {
    throw malformed(form, `${start}${CREDENTIAL_SHAPE}`);
  }
  if (!/^\d{8}$/.test(day)) {
    throw malformed(
      form,
      `${start}incorrect date format "${day}". ` +
        'This date in the credential must be in the format "yyyyMMdd".',
    );
  }
  return { accessKeyId, day, region, service, terminator };
}

/** `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`. */
export function parseAuthorization(
  request: S3Request,
  authorization: string,
  readCredential: typeof parseCredential = parseCredential,
): Presented {
  const fields = new Map<string, string>();
  for (const field of authorization.slice(authorization.indexOf(' ')).split(',')) {
    const at = field.indexOf('=');
    if (at > 0) fields.set(field.slice(0, at).trim(), field.slice(at + 1).trim());
  }
  const take = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined || value === '') throw malformed('header', `missing ${name}.`);
    return value;
  };
  const scope = readCredential(take('Credential'), 'header');
  const signedHeaders = take('SignedHeaders').split(';');
  const signature = take('Signature');
  const date = request.headers.get('x-amz-date') ?? basicDate(request.headers.get('date'));
  if (date === undefined) throw dateMissing();
  return { form: 'header', ...scope, signedHeaders, signature, date, expires: undefined };
}

export function dateMissing(): S3Error {
  return new S3Error('AccessDenied', {
    message: 'AWS authentication requires a valid Date or x-amz-date header',
  });
}

/** A Date header in the form that is signed; old clients send that form itself. */
function basicDate(value: string | undefined): string | undefined {
  if (value === undefined || DATE.test(value)) return value;
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) return undefined;
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}

const PRESIGNED_NEEDS =
  'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, ' +
  'X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.';

/** The X-Amz-* query parameters of a presigned request. */
export function parsePresigned(
  request: S3Request,
  readCredential: typeof parseCredential = parseCredential,
  algorithms: readonly string[] = [ALGORITHM],
): Presented {
  const { query } = request;
  const take = (name: string): string => {
    const value = query.get(name);
    if (value === undefined || value === '') throw malformed('query', PRESIGNED_NEEDS);
    return value;
  };
  const algorithm = take('X-Amz-Algorithm');
  const credential = take('X-Amz-Credential');
  const date = take('X-Amz-Date');
  const expires = take('X-Amz-Expires');
  const signedHeaders = take('X-Amz-SignedHeaders').split(';');
  const signature = take('X-Amz-Signature');
  if (!algorithms.includes(algorithm)) {
    throw malformed('query', `X-Amz-Algorithm only supports "${ALGORITHM}"`);
  }
  if (parseAmzDate(date) === undefined) {
    throw malformed(
      'query',
      "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    );
  }
  return {
    form: 'query',
    ...readCredential(credential, 'query'),
    signedHeaders,
    signature,
    date,
    expires: parseExpires(expires),
  };
}

function parseExpires(text: string): number {
  if (!/^-?\d+$/.test(text)) throw malformed('query', 'X-Amz-Expires should be a number');
  const seconds = Number(text);
  if (seconds < 0) throw malformed('query', 'X-Amz-Expires must be non-negative');
  if (seconds === 0) throw malformed('query', 'X-Amz-Expires must be at least 1 second');
  if (seconds > LIMITS.presignSeconds) {
    throw malformed(
      'query',
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires ' +
        `must be less than ${LIMITS.presignSeconds} seconds`,
    );
  }
  return seconds;
}

/** RFC 3986: everything but the unreserved characters, in capitals. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function canonicalPath(rawPath: string): string {
  if (/^[A-Za-z0-9\-_.~/]*$/.test(rawPath)) return rawPath;
  return rawPath
    .split('/')
    .map((segment) => uriEncode(decodeURIComponent(segment)))
    .join('/');
}

function canonicalQuery(rawQuery: string): string {
  if (rawQuery === '') return '';
  const pairs: [string, string][] = [];
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
    const name = uriEncode(decode(at < 0 ? pair : pair.slice(0, at)));
    if (name === 'X-Amz-Signature') continue;
    pairs.push([name, at < 0 ? '' : uriEncode(decode(pair.slice(at + 1)))]);
  }
  const order = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
  pairs.sort((left, right) => order(left[0], right[0]) || order(left[1], right[1]));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

/** White space that is not one space at a time. */
const UNEVEN = /\s\s|[^\S ]/;

/** The request's path and query were decoded once already, so decoding cannot fail here. */
export function canonicalRequest(
  request: S3Request,
  signedHeaders: readonly string[],
  payloadHash: string,
): string {
  const lines = signedHeaders.map((name) => {
    // As the SDKs do: any run of white space, not only of spaces.
    const value = (request.headers.get(name) ?? '').trim();
    return `${name}:${UNEVEN.test(value) ? value.replaceAll(/\s+/g, ' ') : value}\n`;
  });
  return [
    request.method,
    canonicalPath(request.head.rawPath),
    canonicalQuery(request.head.rawQuery),
    lines.join(''),
    signedHeaders.join(';'),
    payloadHash,
  ].join('\n');
}

export function scopeOf(presented: Presented): string {
  const { day, region, service, terminator } = presented;
  return region === undefined
    ? `${day}/${service}/${terminator}`
    : `${day}/${region}/${service}/${terminator}`;
}

export function stringToSign(
  presented: Presented,
  canonical: string,
  algorithm: string = ALGORITHM,
): string {
  const digest = hash('sha256', canonical, 'hex');
  return `${algorithm}\n${presented.date}\n${scopeOf(presented)}\n${digest}`;
}

const hmac = (key: string | Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/** Depends on nothing but what is given here: safe to remember under it. */
export function deriveSigningKey(
  secret: string,
  scope: Pick<Presented, 'day' | 'region' | 'service'>,
): Buffer {
  const key = hmac(hmac(hmac(`AWS4${secret}`, scope.day), scope.region ?? ''), scope.service);
  return hmac(key, 'aws4_request');
}

/** Lower-case hex: the only spelling of a signature that is accepted. */
export function signatureOf(signingKey: Uint8Array, text: string): string {
  const { inner, outer } = padsOf(signingKey);
  const message = Buffer.allocUnsafe(BLOCK_BYTES + Buffer.byteLength(text));
  message.set(inner);
  message.write(text, BLOCK_BYTES);
  outer.set(hash('sha256', message, 'buffer'), BLOCK_BYTES);
  return hash('sha256', outer, 'hex');
}

/** HMAC's padded keys (RFC 2104), the outer one with room for the inner hash. */
interface Pads {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** A key that is remembered is used again and again. */
const PADS = new WeakMap<Uint8Array, Pads>();

function padsOf(key: Uint8Array): Pads {
  const known = PADS.get(key);
  if (known !== undefined) return known;
  assert(key.length <= BLOCK_BYTES, 'signing keys are hashes');
  const inner = Buffer.alloc(BLOCK_BYTES, 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES, 0x5c);
  for (const [at, byte] of key.entries()) {
    inner[at] = byte ^ 0x36;
    outer[at] = byte ^ 0x5c;
  }
  const pads = { inner, outer };
  PADS.set(key, pads);
  return pads;
}
