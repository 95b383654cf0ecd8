/** ListObjects and ListObjectsV2: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { ObjectStore } from '../../objects/contract.ts';
import type { ListEntry, Listing } from '../../objects/listing-contract.ts';
import { displayNameOf } from '../accounts.ts';
import { type BoundOperation, type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { bucketOf } from '../resource.ts';
import { element, timestamp } from '../xml.ts';
import { xmlResponse } from './document.ts';

/** How names are written: as XML text, or percent-encoded for names that XML can't hold. */
export type Encode = (text: string) => string;

/**
 * `encoding-type=url`: `/` and the unreserved characters stay. A space is `%20`, which those who
 * decode forms read as well as those who decode paths; `+` only the former.
 */
export function encodingOf(request: S3Request): Encode | undefined {
  const value = request.query.get('encoding-type');
  if (value === undefined || value === '') return undefined;
  if (value.toLowerCase() === 'url') return urlEncode;
  throw new S3Error('InvalidArgument', {
    message: 'Invalid Encoding Method specified in Request',
    fields: { ArgumentName: 'encoding-type', ArgumentValue: value },
  });
}

function urlEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/');
}

/** 0..1,000; larger values are cut as AWS does. Throws InvalidArgument. */
export function parseCount(request: S3Request, name: string, max: number): number {
  const value = request.query.get(name);
  if (value === undefined || value === '') return max;
  if (!/^-?\d+$/.test(value)) {
    throw new S3Error('InvalidArgument', {
      message: `Provided ${name} not an integer or within integer range`,
      fields: { ArgumentName: name, ArgumentValue: value },
    });
  }
  const count = Number(value);
  if (count < 0 || count > 2 ** 31 - 1) {
    throw new S3Error('InvalidArgument', {
      message: `Argument ${name} must be an integer between 0 and 2147483647`,
      fields: { ArgumentName: name, ArgumentValue: value },
    });
  }
  return Math.min(count, max);
}

/**
 * Cuts a prefix or position that is longer than any key, just past the longest one: it selects
 * the same keys, and stays a legal row key.
 */
export function boundName(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  let end = LIMITS.keyBytes + 1;
  if (bytes.length <= end) return text;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end += 1;
  return bytes.toString('utf8', 0, end);
}

/** What a listing of at most nothing finds, whatever is stored: AWS says it is complete. */
export const NOTHING: Listing<never> = {
  entries: [],
  prefixes: [],
  truncated: false,
  next: undefined,
};

interface ListInput {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
  readonly encode: Encode | undefined;
  readonly after: string;
  /** V1: the marker as sent. */
  readonly marker: string;
  /** V2 only. */
  readonly startAfter: string | undefined;
  readonly token: string | undefined;
  readonly fetchOwner: boolean;
}

/** The owner to show for an object. */
export type OwnerOf = (ownerId: string) => { readonly id: string; readonly name: string };

export function ownersIn(context: OperationContext, bucketName: string): OwnerOf {
  const bucket = context.objects.bucket(bucketName);
  const nameOf = (id: string): string => displayNameOf(context.accounts, id);
  if (context.rules.ownership(bucket) !== 'BucketOwnerEnforced') {
    return (id) => ({ id, name: nameOf(id) });
  }
  const owner = { id: bucket.ownerId, name: nameOf(bucket.ownerId) };
  return () => owner;
}

export function ownerXml({ id, name }: ReturnType<OwnerOf>): string {
  return `<Owner>${element('ID', id)}${element('DisplayName', name)}</Owner>`;
}

interface ListOutput {
  readonly input: ListInput;
  readonly listing: Listing<ListEntry>;
  readonly ownerOf: OwnerOf;
}

/** A continuation token is opaque to clients: base64 of a version byte and the last key. */
export function encodeToken(key: string): string {
  return Buffer.from(`1${key}`).toString('base64');
}

/** Throws InvalidArgument for anything `encodeToken` did not make. */
export function decodeToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString();
  if (text.startsWith('1') && encodeToken(text.slice(1)) === token) return text.slice(1);
  throw new S3Error('InvalidArgument', {
    message: 'The continuation token provided is incorrect',
    fields: { ArgumentName: 'continuation-token' },
  });
}

function parseList(request: S3Request): ListInput {
  const { query } = request;
  const second = query.get('list-type') === '2';
  const token = second ? query.get('continuation-token') : undefined;
  if (token === '') {
    throw new S3Error('InvalidArgument', {
      message: 'The continuation token provided is incorrect',
      fields: { ArgumentName: 'continuation-token' },
    });
  }
  const startAfter = second ? query.get('start-after') : undefined;
  const marker = second ? '' : (query.get('marker') ?? '');
  return {
    bucket: bucketOf(request),
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    limit: parseCount(request, 'max-keys', LIMITS.listKeyCount),
    encode: encodingOf(request),
    after: token === undefined ? (startAfter ?? marker) : decodeToken(token),
    marker,
    startAfter,
    token,
    fetchOwner: query.get('fetch-owner')?.toLowerCase() === 'true',
  };
}

const ORDINARY: Encode = (text) => text;

function renderEntry(entry: ListEntry, encode: Encode, ownerOf: OwnerOf | undefined): string {
  return (
    `<Contents>${element('Key', encode(entry.key))}` +
    `<LastModified>${timestamp(entry.mtimeMs)}</LastModified>` +
    `<ETag>&quot;${entry.etag}&quot;</ETag>` +
    (entry.checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', entry.checksum.algorithm) +
        element('ChecksumType', entry.checksum.type)) +
    `<Size>${entry.size}</Size>` +
    (ownerOf === undefined ? '' : ownerXml(ownerOf(entry.ownerId))) +
    `<StorageClass>${entry.storageClass}</StorageClass></Contents>`
  );
}

function renderShared({ input, listing, ownerOf }: ListOutput, withOwner: boolean): string {
  const encode = input.encode ?? ORDINARY;
  const owner = withOwner ? ownerOf : undefined;
  const prefixes = listing.prefixes.map(
    (prefix) => `<CommonPrefixes>${element('Prefix', encode(prefix))}</CommonPrefixes>`,
  );
  return (
    element('MaxKeys', input.limit) +
    (input.delimiter === '' ? '' : element('Delimiter', encode(input.delimiter))) +
    (input.encode === undefined ? '' : element('EncodingType', 'url')) +
    element('IsTruncated', listing.truncated) +
    listing.entries.map((entry) => renderEntry(entry, encode, owner)).join('') +
    prefixes.join('')
  );
}

function renderV1(output: ListOutput): S3Response {
  const { input, listing } = output;
  const encode = input.encode ?? ORDINARY;
  // AWS gives NextMarker only with a delimiter; without one the last key is the marker.
  const next =
    listing.truncated && input.delimiter !== '' && listing.next !== undefined
      ? element('NextMarker', encode(listing.next))
      : '';
  const inner =
    element('Name', input.bucket) +
    element('Prefix', encode(input.prefix)) +
    element('Marker', encode(input.marker)) +
    next +
    renderShared(output, true);
  return xmlResponse('ListBucketResult', inner);
}

function renderV2(output: ListOutput): S3Response {
  const { input, listing } = output;
  const encode = input.encode ?? ORDINARY;
  const next =
    listing.truncated && listing.next !== undefined
      ? element('NextContinuationToken', encodeToken(listing.next))
      : '';
  const inner =
    element('Name', input.bucket) +
    element('Prefix', encode(input.prefix)) +
    (input.startAfter === undefined ? '' : element('StartAfter', encode(input.startAfter))) +
    (input.token === undefined ? '' : element('ContinuationToken', input.token)) +
    next +
    element('KeyCount', listing.entries.length + listing.prefixes.length) +
    renderShared(output, input.fetchOwner);
  return xmlResponse('ListBucketResult', inner);
}

function listBucket(objects: ObjectStore, input: ListInput): Listing<ListEntry> {
  objects.bucket(input.bucket);
  if (input.limit === 0) return NOTHING;
  return objects.list(input.bucket, {
    prefix: boundName(input.prefix),
    delimiter: input.delimiter,
    after: boundName(input.after),
    limit: input.limit,
  });
}

function list(render: (output: ListOutput) => S3Response): BoundOperation {
  return operation<ListInput, ListOutput>({
    action: 's3:ListBucket',
    body: 'none',
    parse: parseList,
    run: (context, input) => ({
      input,
      listing: listBucket(context.objects, input),
      ownerOf: ownersIn(context, input.bucket),
    }),
    render,
  });
}

export const listObjects = list(renderV1);
export const listObjectsV2 = list(renderV2);
