/**
 * Reads a posted form as the request that it stands for: a PUT of the object that its `key` names,
 * with the fields as headers. Headers of the HTTP request itself, which nobody signed, say nothing
 * about the object.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { S3Request } from '../request.ts';
import { checkKey } from '../resource.ts';
import { SUB_RESOURCES } from '../routes.ts';
import { requiredKey } from './signature.ts';

/**
 * A form posted to a bucket, which says in its fields who asks. What a policy allows is to post an
 * object: under a sub-resource (`?delete`) it is no form, and must be signed as everything else.
 */
export function isForm({ method, bucket, key, headers, query }: S3Request): boolean {
  if (method !== 'POST' || bucket === undefined || key !== undefined) return false;
  for (const name of query.keys()) if (SUB_RESOURCES.has(name)) return false;
  return /^multipart\/form-data\b/i.test(headers.get('content-type') ?? '');
}

/** Fields that are headers of the object under the same name. */
const HEADER_FIELDS: ReadonlySet<string> = new Set([
  'cache-control',
  'content-type',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'expires',
]);

/** Headers of the HTTP request that keep their meaning. */
const KEPT_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'origin',
  'user-agent',
  'referer',
  'x-amz-expected-bucket-owner',
]);

/** Of the signature: not headers. */
const SIGNATURE_FIELDS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-signature',
]);

function checkHeader(name: string, value: string): string {
  // A header would have been refused for these; sent back, they could start another header.
  if (/^[\x20-\x7e\x80-\uffff]*$/.test(value) && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
    return value.trim();
  }
  throw new S3Error('InvalidArgument', { fields: { ArgumentName: name, ArgumentValue: value } });
}

/** Throws S3Error for a form without a key, or with a field that could not be a header. */
export function formRequest(
  request: S3Request,
  fields: ReadonlyMap<string, string>,
  lengthMax: number,
): S3Request {
  const headers = new Map<string, string>();
  for (const [name, value] of request.headers) {
    if (KEPT_HEADERS.has(name)) headers.set(name, value);
  }
  for (const [name, value] of fields) {
    if (name === 'acl') headers.set('x-amz-acl', checkHeader(name, value));
    const isHeader = name.startsWith('x-amz-') && !SIGNATURE_FIELDS.has(name);
    if (isHeader || HEADER_FIELDS.has(name)) headers.set(name, checkHeader(name, value));
  }
  headers.set('content-length', String(Math.min(lengthMax, LIMITS.putBytes)));
  return { ...request, key: checkKey(requiredKey(fields)), headers, form: fields };
}
