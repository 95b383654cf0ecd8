/** PutObject and CopyObject: parse and render. The route table tells them apart by header. */
import type { Body } from '../../body/body.ts';
import { S3Error } from '../../base/s3-error.ts';
import type {
  ChecksumAlgorithm,
  Conditions,
  CopyOptions,
  CopyResult,
  CopySource,
  ObjectAttributes,
  PutResult,
} from '../../objects/contract.ts';
import { placeObject } from '../acl/placement.ts';
import { encryptionFor } from '../encryption/bucket-default.ts';
import { type AskedEncryption, parseEncryption, writtenHeaders } from '../encryption/headers.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { objectOf } from '../resource.ts';
import { element, timestamp } from '../xml.ts';
import { parseCopySource } from './copy-source.ts';
import { xmlResponse } from './document.ts';
import { writtenExpiration } from './expiration.ts';
import {
  bodyChecksumAlgorithm,
  checksumHeaders,
  DEFAULT_CHECKSUM,
  impliedChecksum,
  parseHeadersAndMetadata,
  parseAttributes,
  parseChecksumAlgorithm,
  parseStorageClass,
  parseTaggingHeader,
  parseWriteConditions,
  refuseUnbuiltHeaders,
} from './object-headers.ts';
import { lockHeaders } from './object-lock.ts';
import { versionHeaders } from './version-id.ts';

export interface PutInput {
  readonly bucket: string;
  readonly key: string;
  readonly attributes: ObjectAttributes;
  readonly conditions: Conditions;
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly encryption: AskedEncryption;
}

export function parsePut(request: S3Request): PutInput {
  refuseUnbuiltHeaders(request.headers);
  return {
    ...objectOf(request),
    attributes: parseAttributes(request.headers),
    conditions: parseWriteConditions(request.headers),
    checksumAlgorithm: bodyChecksumAlgorithm(request.headers) ?? DEFAULT_CHECKSUM,
    encryption: parseEncryption(request.headers),
  };
}

interface Copied {
  readonly result: CopyResult;
  readonly expiration: S3Response['headers'];
}

export interface Written {
  readonly result: PutResult;
  readonly expiration: S3Response['headers'];
}

/** What a PUT and a posted form do alike. `event`: the last word of the event's name. */
export async function writeObject(
  context: OperationContext,
  input: PutInput,
  body: Body,
  event: 'Put' | 'Post',
): Promise<Written> {
  const { attributes, bucket, key } = input;
  const lock = lockHeaders(context.request.request.headers, context.clock.now());
  const { ownerId, acl } = placeObject(context, bucket);
  const plain = lock === undefined && acl === undefined;
  const result = await context.objects.put(
    {
      ...input,
      encryption: encryptionFor(context.objects, bucket, input.encryption),
      attributes: plain ? attributes : { ...attributes, lock, acl },
      ownerId,
      signal: context.signal,
    },
    body,
  );
  const { size, etag, versionId } = result;
  const created = { name: `ObjectCreated:${event}`, key, size, etag, versionId };
  // Awaited only when somebody listens: an await costs more than the question.
  const noted = context.note(bucket, created);
  if (noted !== undefined) await noted;
  return { result, expiration: writtenExpiration(context, bucket, key) };
}

export const putObject = operation<PutInput, Written>({
  action: 's3:PutObject',
  body: 'stream',
  impliedChecksum: (_, request) => impliedChecksum(request.headers),
  parse: parsePut,
  run: (context, input, body) => writeObject(context, input, body, 'Put'),
  render: ({ result, expiration }, request) => ({
    status: 200,
    headers: [
      ['ETag', `"${result.etag}"`],
      ...checksumHeaders(result.checksum),
      ...versionHeaders(result.versionId),
      ...writtenHeaders(result.encryption, request.headers),
      ...expiration,
    ],
    body: undefined,
  }),
});

type CopyInput = Omit<CopyOptions, 'ownerId' | 'acl' | 'signal' | 'lock' | 'encryption'> & {
  readonly encryption: AskedEncryption;
};

interface Place {
  readonly bucket: string;
  readonly key: string;
}

/** Tags that go along have to be readable there and writable here. */
function authorizeTags(context: OperationContext, source: CopySource, target: Place): void {
  const { bucket, key, versionId } = source;
  const found = context.objects.access(bucket, key, versionId);
  if (found === undefined || Object.keys(found.tags).length === 0) return;
  context.authorize('s3:GetObjectTagging', bucket, key, versionId);
  context.authorize('s3:PutObjectTagging', target.bucket, target.key);
}

function directive(request: S3Request, header: string): 'COPY' | 'REPLACE' {
  const value = request.headers.get(header) ?? 'COPY';
  if (value === 'COPY' || value === 'REPLACE') return value;
  const what = header === 'x-amz-metadata-directive' ? 'metadata' : 'tagging';
  throw new S3Error('InvalidArgument', {
    message: `Unknown ${what} directive.`,
    fields: { ArgumentName: header, ArgumentValue: value },
  });
}

function parseCopy(request: S3Request): CopyInput {
  const { headers } = request;
  refuseUnbuiltHeaders(headers);
  const target = objectOf(request);
  const source = parseCopySource(request);
  const replaceMetadata = directive(request, 'x-amz-metadata-directive') === 'REPLACE';
  const replaceTags = directive(request, 'x-amz-tagging-directive') === 'REPLACE';
  const storageClass = parseStorageClass(headers);
  const redirect = headers.get('x-amz-website-redirect-location');
  const encryption = parseEncryption(headers);
  const itself =
    source.bucket === target.bucket && source.key === target.key && source.versionId === undefined;
  const changes = storageClass ?? redirect ?? encryption.request;
  if (itself && !replaceMetadata && changes === undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'This copy request is illegal because it is trying to copy an object to itself without ' +
        "changing the object's metadata, storage class, website redirect location or encryption " +
        'attributes.',
    });
  }
  return {
    ...target,
    source,
    headersAndMetadata: replaceMetadata ? parseHeadersAndMetadata(headers) : undefined,
    redirect,
    tags: replaceTags ? parseTaggingHeader(headers.get('x-amz-tagging')) : undefined,
    storageClass,
    checksumAlgorithm: parseChecksumAlgorithm(headers.get('x-amz-checksum-algorithm')),
    conditions: parseWriteConditions(headers),
    encryption,
  };
}

function renderCopy({ result, expiration }: Copied, request: S3Request): S3Response {
  const checksum = result.checksum;
  const inner =
    element('LastModified', timestamp(result.mtimeMs)) +
    element('ETag', `"${result.etag}"`) +
    (checksum === undefined
      ? ''
      : element(`Checksum${checksum.algorithm}`, checksum.value) +
        element('ChecksumType', checksum.type));
  const { versionId, sourceVersionId } = result;
  const source: S3Response['headers'] =
    sourceVersionId === undefined ? [] : [['x-amz-copy-source-version-id', sourceVersionId]];
  return xmlResponse('CopyObjectResult', inner, [
    ...versionHeaders(versionId),
    ...source,
    ...writtenHeaders(result.encryption, request.headers),
    ...expiration,
  ]);
}

export const copyObject = operation<CopyInput, Copied>({
  action: 's3:PutObject',
  body: 'none',
  parse: parseCopy,
  run: async (context, input) => {
    const { bucket, key, source } = input;
    context.authorize('s3:GetObject', source.bucket, source.key, source.versionId);
    if (input.tags === undefined) authorizeTags(context, source, { bucket, key });
    const placed = placeObject(context, bucket);
    const result = await context.objects.copy({
      ...input,
      encryption: encryptionFor(context.objects, bucket, input.encryption),
      lock: lockHeaders(context.request.request.headers, context.clock.now()),
      ...placed,
      signal: context.signal,
    });
    const { size, etag, versionId } = result;
    await context.note(bucket, { name: 'ObjectCreated:Copy', key, size, etag, versionId });
    return { result, expiration: writtenExpiration(context, bucket, key) };
  },
  render: renderCopy,
});
