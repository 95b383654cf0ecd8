/** CreateMultipartUpload, UploadPart, UploadPartCopy, Complete and Abort: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { ByteRange } from '../../chunks/chunk-store.ts';
import type { CustomerKey, EncryptionRequest } from '../../objects/encryption-contract.ts';
import type { CopySource, PartChecksum, PutResult } from '../../objects/contract.ts';
import type {
  CompletedPart,
  CompleteOptions,
  CreateUploadOptions,
  Part,
  Upload,
  UploadAddress,
} from '../../objects/upload-contract.ts';
import { isAnonymous } from '../accounts.ts';
import { placeObject } from '../acl/placement.ts';
import { encryptionFor } from '../encryption/bucket-default.ts';
import {
  type AskedEncryption,
  checkRepeated,
  encryptionHeaders,
  parseEncryption,
  writtenHeaders,
} from '../encryption/headers.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { objectOf } from '../resource.ts';
import { element, timestamp } from '../xml.ts';
import { type XmlNode, readXml } from '../xml-reader.ts';
import { parseCopySource, parseCopySourceRange } from './copy-source.ts';
import { readDocument, xmlResponse } from './document.ts';
import { writtenExpiration } from './expiration.ts';
import { parsePartNumber } from './get-object.ts';
import {
  CHECKSUM_ALGORITHMS,
  bodyChecksumAlgorithm,
  headerChecksum,
  impliedChecksum,
  parseAttributes,
  parseChecksumAlgorithm,
  parseChecksumType,
  parseWriteConditions,
  refuseUnbuiltHeaders,
} from './object-headers.ts';
import { lockHeaders } from './object-lock.ts';
import { versionHeaders } from './version-id.ts';

function uploadOf(request: S3Request): UploadAddress {
  return { ...objectOf(request), uploadId: request.query.get('uploadId') ?? '' };
}

function partNumberOf(request: S3Request): number {
  return parsePartNumber(request.query.get('partNumber') ?? '');
}

type CreateInput = Omit<CreateUploadOptions, 'ownerId' | 'encryption'> & {
  readonly encryption: AskedEncryption;
};

function parseCreate(request: S3Request): CreateInput {
  const { headers } = request;
  refuseUnbuiltHeaders(headers);
  const algorithm = parseChecksumAlgorithm(headers.get('x-amz-checksum-algorithm'));
  const type = parseChecksumType(headers.get('x-amz-checksum-type'));
  if (type !== undefined && algorithm === undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    });
  }
  const wrong =
    (algorithm === 'CRC64NVME' && type === 'COMPOSITE') ||
    (algorithm !== undefined && !algorithm.startsWith('CRC') && type === 'FULL_OBJECT');
  if (wrong) {
    throw new S3Error('InvalidRequest', {
      message:
        `The ${type} checksum type cannot be used with the ${algorithm?.toLowerCase()} ` +
        'checksum algorithm.',
    });
  }
  return {
    ...objectOf(request),
    attributes: parseAttributes(headers),
    encryption: parseEncryption(headers),
    checksum:
      algorithm === undefined
        ? undefined
        : { algorithm, type: type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE') },
  };
}

function renderCreate(upload: Upload, request: S3Request): S3Response {
  const checksum: (readonly [string, string])[] =
    upload.checksum === undefined
      ? []
      : [
          ['x-amz-checksum-algorithm', upload.checksum.algorithm],
          ['x-amz-checksum-type', upload.checksum.type],
        ];
  return xmlResponse(
    'InitiateMultipartUploadResult',
    element('Bucket', upload.bucket) +
      element('Key', upload.key) +
      element('UploadId', upload.uploadId),
    [...checksum, ...writtenHeaders(upload.encryption, request.headers)],
  );
}

function createUpload(context: OperationContext, input: CreateInput): Promise<Upload> {
  const { identity, objects } = context;
  if (isAnonymous(identity)) {
    throw new S3Error('AccessDenied', {
      message: 'Anonymous users cannot initiate multipart uploads. Please authenticate.',
    });
  }
  const { ownerId, acl } = placeObject(context, input.bucket);
  const lock = lockHeaders(context.request.request.headers, context.clock.now());
  const attributes = { ...input.attributes, lock, acl };
  const initiatorId = ownerId === identity.ownerId ? undefined : identity.ownerId;
  const encryption = encryptionFor(objects, input.bucket, input.encryption);
  return objects.createUpload({ ...input, attributes, ownerId, initiatorId, encryption });
}

export const createMultipartUpload = operation<CreateInput, Upload>({
  action: 's3:PutObject',
  body: 'none',
  parse: parseCreate,
  run: createUpload,
  render: renderCreate,
});

interface PartInput {
  readonly address: UploadAddress;
  readonly partNumber: number;
  readonly encryption: EncryptionRequest | undefined;
}

function parsePart(request: S3Request): PartInput {
  refuseUnbuiltHeaders(request.headers);
  const { request: encryption } = parseEncryption(request.headers);
  return { address: uploadOf(request), partNumber: partNumberOf(request), encryption };
}

/**
 * The customer's key that a part, or the end of an upload, is sent with. How the upload is
 * encrypted was said when it began; whoever says it again must say the same.
 */
function customerKeyOf(
  objects: OperationContext['objects'],
  address: UploadAddress,
  encryption: EncryptionRequest | undefined,
): CustomerKey | undefined {
  if (encryption === undefined) return undefined;
  if (encryption.mode === 'customer') return encryption.customerKey;
  try {
    checkRepeated(encryption, objects.upload(address).encryption);
  } catch (error) {
    // Whether it may be over is the store's to say.
    if (!(error instanceof S3Error) || error.code !== 'NoSuchUpload') throw error;
  }
  return undefined;
}

export const uploadPart = operation<PartInput, Part>({
  action: 's3:PutObject',
  body: 'stream',
  // An upload that names an algorithm has it of every part, whoever computed it.
  impliedChecksum: (objects, request) =>
    objects.uploadChecksum(uploadOf(request)) ?? impliedChecksum(request.headers),
  parse: (request) => {
    bodyChecksumAlgorithm(request.headers);
    return parsePart(request);
  },
  run: ({ objects, signal }, input, body) => {
    const { address, partNumber, encryption } = input;
    const customerKey = customerKeyOf(objects, address, encryption);
    return objects.putPart(address, partNumber, body, signal, customerKey);
  },
  render: (part, request) => ({
    status: 200,
    headers: [
      ['ETag', `"${part.etag}"`],
      ...(part.checksum === undefined
        ? []
        : [
            [
              `x-amz-checksum-${part.checksum.algorithm.toLowerCase()}`,
              part.checksum.value,
            ] as const,
          ]),
      ...encryptionHeaders(part.encryption, request.headers),
    ],
    body: undefined,
  }),
});

interface PartCopyInput extends PartInput {
  readonly source: CopySource;
  readonly range: ByteRange | undefined;
}

export const uploadPartCopy = operation<PartCopyInput, Part>({
  action: 's3:PutObject',
  body: 'none',
  parse: (request) => ({
    ...parsePart(request),
    source: parseCopySource(request),
    range: parseCopySourceRange(request),
  }),
  run: (context, input) => {
    const { bucket, key, versionId } = input.source;
    context.authorize('s3:GetObject', bucket, key, versionId);
    return context.objects.copyPart(
      input.address,
      input.partNumber,
      input.source,
      input.range,
      context.signal,
      customerKeyOf(context.objects, input.address, input.encryption),
    );
  },
  render: (part, request) =>
    xmlResponse(
      'CopyPartResult',
      element('LastModified', timestamp(part.mtimeMs)) +
        element('ETag', `"${part.etag}"`) +
        (part.checksum === undefined
          ? ''
          : element(`Checksum${part.checksum.algorithm}`, part.checksum.value)),
      encryptionHeaders(part.encryption, request.headers),
    ),
});

const PART_ELEMENTS: ReadonlySet<string> = new Set([
  'PartNumber',
  'ETag',
  ...CHECKSUM_ALGORITHMS.map((algorithm) => `Checksum${algorithm}`),
]);

function parseCompletedPart(node: XmlNode): CompletedPart {
  if (node.name !== 'Part') throw new S3Error('MalformedXML');
  const values = new Map<string, string>();
  for (const child of node.children) {
    if (!PART_ELEMENTS.has(child.name) || values.has(child.name)) throw new S3Error('MalformedXML');
    values.set(child.name, child.text.trim());
  }
  const number = values.get('PartNumber') ?? '';
  const etag = values.get('ETag');
  if (!/^\d{1,9}$/.test(number) || etag === undefined) throw new S3Error('MalformedXML');
  if (Number(number) < 1 || Number(number) > LIMITS.partCount) {
    throw new S3Error('InvalidArgument', {
      message: 'PartNumber must be >= 1 and <= 10000',
      fields: { ArgumentName: 'partNumber', ArgumentValue: number },
    });
  }
  const checksums: PartChecksum[] = [];
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = values.get(`Checksum${algorithm}`);
    if (value !== undefined) checksums.push({ algorithm, value });
  }
  return { number: Number(number), etag: etag.replace(/^"(.*)"$/, '$1'), checksums };
}

/** The parts as sent; order is the store's business (InvalidPartOrder). */
export function parseCompletedParts(text: string): CompletedPart[] {
  const root = readXml(text, 'CompleteMultipartUpload');
  const parts = root.children.map(parseCompletedPart);
  if (parts.length === 0 || parts.length > LIMITS.partCount) throw new S3Error('MalformedXML');
  return parts;
}

type CompleteInput = Omit<CompleteOptions, 'parts' | 'customerKey'> & {
  readonly encryption: EncryptionRequest | undefined;
};

interface CompleteOutput {
  readonly input: CompleteInput;
  readonly result: PutResult;
  readonly expiration: S3Response['headers'];
}

function parseComplete(request: S3Request): CompleteInput {
  refuseUnbuiltHeaders(request.headers);
  const size = request.headers.get('x-amz-mp-object-size');
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    throw new S3Error('InvalidRequest', {
      message: 'Value for x-amz-mp-object-size header is invalid.',
    });
  }
  return {
    ...uploadOf(request),
    conditions: parseWriteConditions(request.headers),
    checksum: headerChecksum(request.headers),
    checksumType: parseChecksumType(request.headers.get('x-amz-checksum-type')),
    size: size === undefined ? undefined : Number(size),
    encryption: parseEncryption(request.headers).request,
  };
}

function renderComplete(output: CompleteOutput, request: S3Request): S3Response {
  const { input, result, expiration } = output;
  const { checksum } = result;
  const host = request.headers.get('host') ?? '';
  const scheme = request.head.secure ? 'https' : 'http';
  return xmlResponse(
    'CompleteMultipartUploadResult',
    element('Location', `${scheme}://${host}${request.head.rawPath}`) +
      element('Bucket', input.bucket) +
      element('Key', input.key) +
      element('ETag', `"${result.etag}"`) +
      (checksum === undefined
        ? ''
        : element(`Checksum${checksum.algorithm}`, checksum.value) +
          element('ChecksumType', checksum.type)),
    [
      ...versionHeaders(result.versionId),
      ...encryptionHeaders(result.encryption, request.headers),
      ...expiration,
    ],
  );
}

export const completeMultipartUpload = operation<CompleteInput, CompleteOutput>({
  action: 's3:PutObject',
  body: 'document',
  documentBytesMax: LIMITS.completeXmlBytes,
  checksumsOf: 'result',
  parse: parseComplete,
  run: async (context, input, body) => {
    const parts = parseCompletedParts(await readDocument(body, LIMITS.completeXmlBytes));
    const customerKey = customerKeyOf(context.objects, input, input.encryption);
    const options = { ...input, parts, customerKey };
    const result = await context.objects.completeUpload(options, context.signal);
    const { bucket, key } = input;
    const { size, etag, versionId } = result;
    const name = 'ObjectCreated:CompleteMultipartUpload';
    await context.note(bucket, { name, key, size, etag, versionId });
    return { input, result, expiration: writtenExpiration(context, bucket, key) };
  },
  render: renderComplete,
});

export const abortMultipartUpload = operation<UploadAddress, void>({
  action: 's3:AbortMultipartUpload',
  body: 'none',
  parse: uploadOf,
  run: (context, input) => context.objects.abortUpload(input),
  render: () => ({ status: 204, headers: [], body: undefined }),
});
