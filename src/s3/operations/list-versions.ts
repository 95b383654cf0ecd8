/** ListObjectVersions: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { VersionEntry, VersionListing } from '../../objects/listing-contract.ts';
import { operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { bucketOf } from '../resource.ts';
import { element, timestamp } from '../xml.ts';
import { xmlResponse } from './document.ts';
import {
  boundName,
  type Encode,
  encodingOf,
  type OwnerOf,
  ownersIn,
  ownerXml,
  parseCount,
} from './list-objects.ts';

interface Input {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly keyMarker: string;
  readonly versionIdMarker: string;
  readonly limit: number;
  readonly encode: Encode | undefined;
}

interface Output {
  readonly input: Input;
  readonly listing: VersionListing;
  readonly ownerOf: OwnerOf;
}

const NOTHING: VersionListing = {
  entries: [],
  prefixes: [],
  truncated: false,
  next: undefined,
  nextVersionId: undefined,
};

const ORDINARY: Encode = (text) => text;

function parse(request: S3Request): Input {
  const { query } = request;
  const keyMarker = query.get('key-marker') ?? '';
  const versionIdMarker = query.get('version-id-marker') ?? '';
  if (query.has('version-id-marker') && keyMarker === '') {
    throw new S3Error('InvalidArgument', {
      message: 'A version-id marker cannot be specified without a key marker.',
      fields: { ArgumentName: 'version-id-marker', ArgumentValue: versionIdMarker },
    });
  }
  if (query.has('version-id-marker') && versionIdMarker === '') {
    throw new S3Error('InvalidArgument', {
      message: 'A version-id marker cannot be empty.',
      fields: { ArgumentName: 'version-id-marker', ArgumentValue: '' },
    });
  }
  return {
    bucket: bucketOf(request),
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    keyMarker,
    versionIdMarker,
    limit: parseCount(request, 'max-keys', LIMITS.listKeyCount),
    encode: encodingOf(request),
  };
}

function renderEntry(entry: VersionEntry, encode: Encode, ownerOf: OwnerOf): string {
  const name = entry.deleteMarker ? 'DeleteMarker' : 'Version';
  const { checksum } = entry;
  const content = entry.deleteMarker
    ? ''
    : element('ETag', `"${entry.etag}"`) +
      (checksum === undefined
        ? ''
        : element('ChecksumAlgorithm', checksum.algorithm) +
          element('ChecksumType', checksum.type)) +
      element('Size', entry.size) +
      element('StorageClass', entry.storageClass);
  return (
    `<${name}>${content}${element('Key', encode(entry.key))}` +
    element('VersionId', entry.versionId) +
    element('IsLatest', entry.isLatest) +
    element('LastModified', timestamp(entry.mtimeMs)) +
    `${ownerXml(ownerOf(entry.ownerId))}</${name}>`
  );
}

function render({ input, listing, ownerOf }: Output): S3Response {
  const encode = input.encode ?? ORDINARY;
  const { next, nextVersionId, truncated } = listing;
  const following =
    truncated && next !== undefined
      ? element('NextKeyMarker', encode(next)) +
        (nextVersionId === undefined ? '' : element('NextVersionIdMarker', nextVersionId))
      : '';
  const prefixes = listing.prefixes.map(
    (prefix) => `<CommonPrefixes>${element('Prefix', encode(prefix))}</CommonPrefixes>`,
  );
  return xmlResponse(
    'ListVersionsResult',
    element('Name', input.bucket) +
      element('Prefix', encode(input.prefix)) +
      element('KeyMarker', encode(input.keyMarker)) +
      element('VersionIdMarker', input.versionIdMarker) +
      following +
      element('MaxKeys', input.limit) +
      (input.delimiter === '' ? '' : element('Delimiter', encode(input.delimiter))) +
      (input.encode === undefined ? '' : element('EncodingType', 'url')) +
      element('IsTruncated', truncated) +
      listing.entries.map((entry) => renderEntry(entry, encode, ownerOf)).join('') +
      prefixes.join(''),
  );
}

export const listObjectVersions = operation<Input, Output>({
  action: 's3:ListBucketVersions',
  body: 'none',
  parse,
  run: (context, input) => {
    const { bucket, prefix, keyMarker, limit } = input;
    context.objects.bucket(bucket);
    const bounded = { ...input, prefix: boundName(prefix), keyMarker: boundName(keyMarker) };
    const listing = limit === 0 ? NOTHING : context.objects.listVersions(bucket, bounded);
    return { input, listing, ownerOf: ownersIn(context, bucket) };
  },
  render,
});
