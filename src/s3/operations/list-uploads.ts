/** ListParts and ListMultipartUploads: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import type { ObjectStore } from '../../objects/contract.ts';
import type { Listing, ListUploadsOptions } from '../../objects/listing-contract.ts';
import type { Part, Upload, UploadAddress } from '../../objects/upload-contract.ts';
import { displayNameOf } from '../accounts.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { bucketOf, objectOf } from '../resource.ts';
import { element, timestamp } from '../xml.ts';
import { xmlResponse } from './document.ts';
import { boundName, type Encode, encodingOf, NOTHING, parseCount } from './list-objects.ts';

type NameOf = (id: string) => string;

function namesIn({ accounts }: OperationContext): NameOf {
  return (id) => displayNameOf(accounts, id);
}

function person(tag: string, id: string, nameOf: NameOf): string {
  return `<${tag}>${element('ID', id)}${element('DisplayName', nameOf(id))}</${tag}>`;
}

function people({ ownerId, initiatorId = ownerId }: Upload, nameOf: NameOf): string {
  return person('Initiator', initiatorId, nameOf) + person('Owner', ownerId, nameOf);
}

interface PartsInput {
  readonly address: UploadAddress;
  readonly after: number;
  readonly limit: number;
  readonly encode: Encode | undefined;
}

interface PartsOutput {
  readonly input: PartsInput;
  readonly upload: Upload;
  readonly parts: readonly Part[];
  readonly truncated: boolean;
  readonly nameOf: NameOf;
}

function renderPart(part: Part): string {
  return (
    `<Part>${element('PartNumber', part.number)}` +
    element('LastModified', timestamp(part.mtimeMs)) +
    element('ETag', `"${part.etag}"`) +
    element('Size', part.size) +
    (part.checksum === undefined
      ? ''
      : element(`Checksum${part.checksum.algorithm}`, part.checksum.value)) +
    '</Part>'
  );
}

function renderParts({ input, upload, parts, truncated, nameOf }: PartsOutput): S3Response {
  const encode = input.encode ?? ((text: string): string => text);
  const inner =
    element('Bucket', upload.bucket) +
    element('Key', encode(upload.key)) +
    element('UploadId', upload.uploadId) +
    people(upload, nameOf) +
    element('StorageClass', upload.storageClass) +
    element('PartNumberMarker', input.after) +
    element('NextPartNumberMarker', parts.at(-1)?.number ?? 0) +
    element('MaxParts', input.limit) +
    (input.encode === undefined ? '' : element('EncodingType', 'url')) +
    element('IsTruncated', truncated) +
    (upload.checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', upload.checksum.algorithm) +
        element('ChecksumType', upload.checksum.type)) +
    parts.map(renderPart).join('');
  return xmlResponse('ListPartsResult', inner);
}

function listUploadParts(
  objects: ObjectStore,
  { address, after, limit }: PartsInput,
): Pick<PartsOutput, 'upload' | 'parts' | 'truncated'> {
  if (limit === 0) return { upload: objects.upload(address), parts: [], truncated: false };
  return objects.listParts(address, { after: Math.min(after, LIMITS.partCount), limit });
}

export const listParts = operation<PartsInput, PartsOutput>({
  action: 's3:ListMultipartUploadParts',
  body: 'none',
  parse: (request) => ({
    address: { ...objectOf(request), uploadId: request.query.get('uploadId') ?? '' },
    after: request.query.get('part-number-marker')
      ? parseCount(request, 'part-number-marker', 2 ** 31 - 1)
      : 0,
    limit: parseCount(request, 'max-parts', LIMITS.listKeyCount),
    encode: encodingOf(request),
  }),
  run: (context, input) => ({
    input,
    ...listUploadParts(context.objects, input),
    nameOf: namesIn(context),
  }),
  render: renderParts,
});

interface UploadsInput extends ListUploadsOptions {
  readonly bucket: string;
  readonly encode: Encode | undefined;
}

interface UploadsOutput {
  readonly input: UploadsInput;
  readonly listing: Listing<Upload>;
  readonly nameOf: NameOf;
}

function parseUploads(request: S3Request): UploadsInput {
  const { query } = request;
  return {
    bucket: bucketOf(request),
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    keyMarker: query.get('key-marker') ?? '',
    uploadIdMarker: query.get('upload-id-marker') ?? '',
    limit: parseCount(request, 'max-uploads', LIMITS.listKeyCount),
    encode: encodingOf(request),
  };
}

function renderUpload(upload: Upload, encode: Encode, nameOf: NameOf): string {
  return (
    `<Upload>${element('Key', encode(upload.key))}` +
    element('UploadId', upload.uploadId) +
    people(upload, nameOf) +
    element('StorageClass', upload.storageClass) +
    element('Initiated', timestamp(upload.initiatedMs)) +
    (upload.checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', upload.checksum.algorithm) +
        element('ChecksumType', upload.checksum.type)) +
    '</Upload>'
  );
}

function renderUploads({ input, listing, nameOf }: UploadsOutput): S3Response {
  const encode = input.encode ?? ((text: string): string => text);
  // The last thing returned is an upload or a common prefix, whichever sorts last.
  const last = listing.entries.at(-1);
  const byUpload = last !== undefined && last.key === listing.next;
  const next = listing.truncated
    ? element('NextKeyMarker', encode(listing.next ?? '')) +
      element('NextUploadIdMarker', byUpload ? last.uploadId : '')
    : '';
  const inner =
    element('Bucket', input.bucket) +
    element('KeyMarker', encode(input.keyMarker)) +
    element('UploadIdMarker', input.uploadIdMarker) +
    next +
    (input.delimiter === '' ? '' : element('Delimiter', encode(input.delimiter))) +
    element('Prefix', encode(input.prefix)) +
    (input.encode === undefined ? '' : element('EncodingType', 'url')) +
    element('MaxUploads', input.limit) +
    element('IsTruncated', listing.truncated) +
    listing.entries.map((upload) => renderUpload(upload, encode, nameOf)).join('') +
    listing.prefixes
      .map((prefix) => `<CommonPrefixes>${element('Prefix', encode(prefix))}</CommonPrefixes>`)
      .join('');
  return xmlResponse('ListMultipartUploadsResult', inner);
}

function listUploads(objects: ObjectStore, input: UploadsInput): Listing<Upload> {
  objects.bucket(input.bucket);
  if (input.limit === 0) return NOTHING;
  return objects.listUploads(input.bucket, {
    prefix: boundName(input.prefix),
    delimiter: input.delimiter,
    keyMarker: boundName(input.keyMarker),
    // Without a key to belong to, the upload id says nothing.
    uploadIdMarker: input.keyMarker === '' ? '' : input.uploadIdMarker,
    limit: input.limit,
  });
}

export const listMultipartUploads = operation<UploadsInput, UploadsOutput>({
  action: 's3:ListBucketMultipartUploads',
  body: 'none',
  parse: parseUploads,
  run: (context, input) => ({
    input,
    listing: listUploads(context.objects, input),
    nameOf: namesIn(context),
  }),
  render: renderUploads,
});
