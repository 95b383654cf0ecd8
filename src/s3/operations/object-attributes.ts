/**
 * GetObjectAttributes: what the header asks for of an object's ETag, checksum, parts, storage class
 * and size, without a byte of its data. Parts are paged by number.
 * Source: AmazonS3/latest/API/API_GetObjectAttributes.html
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { ObjectPart, ReadResult } from '../../objects/contract.ts';
import type { CustomerKey } from '../../objects/encryption-contract.ts';
import { parseCustomerKey } from '../encryption/headers.ts';
import { operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { objectOf } from '../resource.ts';
import { element } from '../xml.ts';
import { xmlResponse } from './document.ts';
import { parseVersionId, versionHeaders } from './version-id.ts';

const ATTRIBUTES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;
type Attribute = (typeof ATTRIBUTES)[number];

interface Input {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
  readonly customerKey: CustomerKey | undefined;
  readonly wanted: ReadonlySet<Attribute>;
  readonly after: number;
  readonly limit: number;
}

const HEADER = 'x-amz-object-attributes';

function parseAttributes(value: string | undefined): Set<Attribute> {
  if (value === undefined) {
    throw new S3Error('InvalidRequest', {
      message: `Missing required header for this request: ${HEADER}`,
    });
  }
  const wanted = new Set<Attribute>();
  for (const name of value.split(',').map((one) => one.trim())) {
    const known = ATTRIBUTES.find((one) => one === name);
    if (known === undefined) {
      throw new S3Error('InvalidArgument', {
        message: 'Invalid attribute name specified.',
        fields: { ArgumentName: HEADER, ArgumentValue: value },
      });
    }
    wanted.add(known);
  }
  return wanted;
}

function parseNumber(request: S3Request, header: string, fallback: number): number {
  const value = request.headers.get(header);
  if (value === undefined) return fallback;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new S3Error('InvalidArgument', {
    message: `Provided ${header} not an integer or within integer range`,
    fields: { ArgumentName: header, ArgumentValue: value },
  });
}

function parse(request: S3Request): Input {
  return {
    ...objectOf(request),
    versionId: parseVersionId(request),
    customerKey: parseCustomerKey(request.headers),
    wanted: parseAttributes(request.headers.get(HEADER)),
    after: parseNumber(request, 'x-amz-part-number-marker', 0),
    limit: Math.min(
      parseNumber(request, 'x-amz-max-parts', LIMITS.listKeyCount),
      LIMITS.listKeyCount,
    ),
  };
}

function renderPart({ number, size, checksum }: ObjectPart): string {
  const sum = checksum && element(`Checksum${checksum.algorithm}`, checksum.value);
  return `<Part>${sum ?? ''}${element('PartNumber', number)}${element('Size', size)}</Part>`;
}

function renderParts({ after, limit }: Input, result: ReadResult): string {
  const { partCount } = result.head;
  // AWS tells of parts only where there are some.
  if (partCount === 0) return '';
  const { parts, truncated } = result.parts({ after, limit });
  const inner =
    element('IsTruncated', truncated) +
    element('MaxParts', limit) +
    element('NextPartNumberMarker', parts.at(-1)?.number ?? 0) +
    element('PartNumberMarker', after) +
    parts.map(renderPart).join('') +
    element('PartsCount', partCount);
  return `<ObjectParts>${inner}</ObjectParts>`;
}

function renderChecksum({ checksum }: ReadResult['head']): string {
  if (checksum === undefined) return '';
  const { algorithm, type, value } = checksum;
  return `<Checksum>${element(`Checksum${algorithm}`, value)}${element('ChecksumType', type)}</Checksum>`;
}

interface Output {
  readonly input: Input;
  readonly result: ReadResult;
}

function render({ input, result }: Output): S3Response {
  const { head } = result;
  const pieces: Readonly<Record<Attribute, () => string>> = {
    ETag: () => element('ETag', head.etag),
    Checksum: () => renderChecksum(head),
    ObjectParts: () => renderParts(input, result),
    StorageClass: () => element('StorageClass', head.storageClass),
    ObjectSize: () => element('ObjectSize', head.size),
  };
  const inner = ATTRIBUTES.filter((name) => input.wanted.has(name)).map((name) => pieces[name]());
  return xmlResponse('GetObjectAttributesResponse', inner.join(''), [
    ['Last-Modified', new Date(head.mtimeMs).toUTCString()],
    ...versionHeaders(head.versionId),
  ]);
}

export const getObjectAttributes = operation<Input, Output>({
  action: 's3:GetObjectAttributes',
  body: 'none',
  parse,
  run: (context, input) => {
    const { bucket, key, versionId } = input;
    context.authorize('s3:GetObject', bucket, key, versionId);
    const { customerKey } = input;
    const options = { conditions: {}, versionId, customerKey };
    const result = context.objects.read(bucket, key, options);
    return { input, result };
  },
  render,
});
