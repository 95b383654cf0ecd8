/**
 * Resolves a request head to S3 terms: bucket, key, decoded query and joined headers, in path
 * style and in virtual-host style. Refuses what no S3 client may send: broken escapes, bytes
 * that are not UTF-8, keys that are too long, conflicting copies of decisive headers.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { RequestHead, S3Request } from './request.ts';

/** Headers of which a second copy would make two readers disagree. */
const SINGLE: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'authorization',
  'date',
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-decoded-content-length',
  'content-md5',
]);

/** Percent-decoding of a path: `+` stays. Throws InvalidURI. */
export function decodePath(text: string): string {
  if (!/[^ -$&-~]/.test(text)) return text;
  try {
    const decoded = decodeURIComponent(text);
    // Half a surrogate pair has no UTF-8: it would be stored as another key.
    if (!/\p{Surrogate}/u.test(decoded)) return decoded;
  } catch {
    // Not two hex digits after a percent sign, or bytes that are not UTF-8.
  }
  throw new S3Error('InvalidURI');
}

/** Decoded pairs, `+` is a space; the first value of a name wins. Throws InvalidURI. */
export function decodeQuery(rawQuery: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  if (rawQuery === '') return query;
  const pairs = rawQuery.split('&');
  if (pairs.length > LIMITS.queryCount) throw new S3Error('InvalidURI');
  for (const pair of pairs) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = decodePath((at < 0 ? pair : pair.slice(0, at)).replaceAll('+', ' '));
    const value = at < 0 ? '' : decodePath(pair.slice(at + 1).replaceAll('+', ' '));
    if (!query.has(name)) query.set(name, value);
  }
  return query;
}

function joinHeaders(head: RequestHead): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  if (head.headers.length > LIMITS.headerCount) throw new S3Error('RequestHeaderSectionTooLarge');
  for (const [name, value] of head.headers) {
    const earlier = headers.get(name);
    if (earlier === undefined) {
      headers.set(name, value);
    } else {
      if (SINGLE.has(name)) {
        throw new S3Error('InvalidRequest', { message: `Duplicate header: ${name}` });
      }
      headers.set(name, `${earlier},${value}`);
    }
  }
  if (headers.has('content-length') && headers.has('transfer-encoding')) {
    throw new S3Error('InvalidRequest', {
      message: 'Content-Length and Transfer-Encoding exclude each other',
    });
  }
  return headers;
}

/** The bucket that a Host header names below one of the domains, if it does. */
export function virtualBucket(host: string, domains: readonly string[]): string | undefined {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  let found: string | undefined;
  let length = 0;
  for (const domain of domains) {
    if (name.endsWith(`.${domain.toLowerCase()}`) && domain.length > length) {
      found = name.slice(0, name.length - domain.length - 1);
      length = domain.length;
    }
  }
  return found;
}

/** Throws KeyTooLongError. */
export function checkKey(key: string): string {
  const bytes = Buffer.byteLength(key);
  if (bytes > LIMITS.keyBytes) {
    throw new S3Error('KeyTooLongError', {
      fields: { Size: String(bytes), MaxSizeAllowed: String(LIMITS.keyBytes) },
    });
  }
  return key;
}

/** Bucket and key still encoded: an encoded slash belongs to the name that it stands in. */
function splitPath(rawPath: string, hosted: string | undefined): readonly [string, string] {
  const rest = rawPath.slice(1);
  if (hosted !== undefined) return [hosted, rest];
  const slash = rest.indexOf('/');
  return slash < 0 ? [rest, ''] : [rest.slice(0, slash), rest.slice(slash + 1)];
}

/** Throws S3Error; the request has no side effects yet. */
export function resolveRequest(
  head: RequestHead,
  id: string,
  domains: readonly string[],
): S3Request {
  const headers = joinHeaders(head);
  if (!head.rawPath.startsWith('/')) throw new S3Error('InvalidURI');
  const hosted = virtualBucket(headers.get('host') ?? '', domains);
  const [rawBucket, rawKey] = splitPath(head.rawPath, hosted);
  const bucket = hosted ?? decodePath(rawBucket);
  const key = decodePath(rawKey);
  if (bucket === '' && (key !== '' || hosted !== undefined)) {
    throw new S3Error('InvalidBucketName', { fields: { BucketName: '' } });
  }
  return {
    head,
    id,
    method: head.method,
    bucket: bucket === '' ? undefined : bucket,
    ...(hosted === undefined ? {} : { hosted: true }),
    key: key === '' ? undefined : checkKey(key),
    query: decodeQuery(head.rawQuery),
    headers,
  };
}

/** For operations on buckets: the route has made sure that there is one. */
export function bucketOf(request: S3Request): string {
  assert(request.bucket !== undefined, 'a bucket route');
  return request.bucket;
}

/** For operations on objects: the route has made sure that there is one. */
export function objectOf(request: S3Request): { readonly bucket: string; readonly key: string } {
  assert(request.key !== undefined, 'an object route');
  return { bucket: bucketOf(request), key: request.key };
}
