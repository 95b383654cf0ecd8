/** GetObject, HeadObject and DeleteObject: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type {
  DeleteOptions,
  DeleteResult,
  ObjectHead,
  RangeRequest,
  ReadOptions,
  ReadResult,
} from '../../objects/contract.ts';
import { isAnonymous } from '../accounts.ts';
import { removalOf } from '../events.ts';
import { encryptionHeaders, parseCustomerKey, refuseEncryption } from '../encryption/headers.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { objectOf } from '../resource.ts';
import { expirationHeader } from './expiration.ts';
import {
  checksumHeaders,
  objectHeaders,
  DELETE_CONDITIONS,
  parseConditions,
  parseDeleteConditions,
  refuseUnbuiltHeaders,
} from './object-headers.ts';
import { bypasses } from './object-lock.ts';
import { deleteHeaders, parseVersionId } from './version-id.ts';
import { visibleHead } from './visible-head.ts';

interface ReadInput {
  readonly bucket: string;
  readonly key: string;
  readonly options: ReadOptions;
  readonly overrides: Readonly<Record<string, string>>;
  readonly checksumMode: boolean;
}

interface ReadOutput {
  readonly input: ReadInput;
  readonly result: ReadResult;
  /** As the reader may see it. */
  readonly head: ObjectHead;
  /** Made when asked for: most answers need none. */
  signal(): AbortSignal;
  readonly expiration: S3Response['headers'];
}

/**
 * One byte range. Anything else (another unit, several ranges, nonsense) is ignored, as RFC 9110
 * allows and S3 does: the whole object is sent.
 */
export function parseRange(value: string | undefined): RangeRequest | undefined {
  if (value === undefined) return undefined;
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/.exec(value);
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? undefined : { suffix: Number(last) };
  if (last !== '' && Number(last) < Number(first)) return undefined;
  return { first: Number(first), last: last === '' ? undefined : Number(last) };
}

/** A part number 1..10,000. Throws InvalidArgument. */
export function parsePartNumber(value: string): number {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (number < 1 || number > LIMITS.partCount) {
    throw new S3Error('InvalidArgument', {
      message: `Part number must be an integer between 1 and ${LIMITS.partCount}, inclusive`,
      fields: { ArgumentName: 'partNumber', ArgumentValue: value },
    });
  }
  return number;
}

const OVERRIDES = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
] as const;

function parseRead(request: S3Request): ReadInput {
  const { headers, query } = request;
  refuseEncryption(headers);
  const range = parseRange(headers.get('range'));
  const part = query.get('partNumber');
  if (range !== undefined && part !== undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Cannot specify both Range header and partNumber query parameter',
    });
  }
  const overrides: Record<string, string> = {};
  for (const name of query.size === 0 ? [] : OVERRIDES) {
    const value = query.get(`response-${name}`);
    // A header value must not be able to start another header.
    if (value !== undefined) overrides[name] = value.replaceAll(/[\r\n\0]/g, ' ');
  }
  return {
    ...objectOf(request),
    options: {
      conditions: parseConditions(headers),
      range,
      ifRange: headers.get('if-range'),
      versionId: parseVersionId(request),
      partNumber: part === undefined ? undefined : parsePartNumber(part),
      customerKey: parseCustomerKey(headers),
    },
    overrides,
    checksumMode: headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED',
  };
}

/** AWS: only who signed may choose what the answer's headers say. */
function checkOverrides({ identity }: OperationContext, { overrides }: ReadInput): void {
  if (!isAnonymous(identity) || Object.keys(overrides).length === 0) return;
  throw new S3Error('InvalidRequest', {
    message: 'Request specific response headers cannot be used for anonymous GET requests.',
  });
}

function renderRead(
  { input, result, head, signal, expiration }: ReadOutput,
  request: S3Request,
): S3Response {
  const { range, partial } = result;
  const headers = objectHeaders(head, input.overrides);
  headers.push(...encryptionHeaders(head.encryption, request.headers));
  headers.push(...expiration);
  const byPart = input.options.partNumber !== undefined;
  if (byPart && head.partCount > 0) headers.push(['x-amz-mp-parts-count', String(head.partCount)]);
  if (partial) {
    const last = range.offset + range.length - 1;
    headers.push(['Content-Range', `bytes ${range.offset}-${last}/${head.size}`]);
  }
  if (input.checksumMode) {
    const part = result.partChecksum;
    if (part !== undefined) {
      headers.push([`x-amz-checksum-${part.algorithm.toLowerCase()}`, part.value]);
    } else if (range.length === head.size) {
      headers.push(...checksumHeaders(head.checksum));
    }
  }
  const status = partial ? 206 : 200;
  if (request.method === 'HEAD') {
    return { status, headers, body: undefined, contentLength: range.length };
  }
  const body = result.inline ?? { length: range.length, blocks: result.blocks(signal()) };
  return { status, headers, body };
}

export const getObject = operation<ReadInput, ReadOutput>({
  action: 's3:GetObject',
  body: 'none',
  parse: parseRead,
  run: (context, input) => {
    checkOverrides(context, input);
    const result = context.objects.read(input.bucket, input.key, input.options);
    const expiration = expirationHeader(context, input.bucket, result.head);
    const target = { bucket: input.bucket, key: input.key, versionId: input.options.versionId };
    const head = visibleHead(context, target, result.head);
    const output = { input, signal: () => context.signal, result, head, expiration };
    const { unlock } = result;
    if (unlock === undefined || context.request.request.method === 'HEAD') return output;
    return unlock().then((inline) => ({ ...output, result: { ...result, inline } }));
  },
  render: renderRead,
});

export const headObject = getObject;

interface DeleteInput {
  readonly bucket: string;
  readonly key: string;
  readonly options: DeleteOptions;
}

export const deleteObject = operation<DeleteInput, DeleteResult>({
  action: 's3:DeleteObject',
  body: 'none',
  parse: (request) => {
    refuseUnbuiltHeaders(request.headers, DELETE_CONDITIONS);
    return {
      ...objectOf(request),
      options: {
        conditions: parseDeleteConditions(request.headers),
        versionId: parseVersionId(request),
        bypassGovernance: bypasses(request),
      },
    };
  },
  run: async (context, { bucket, key, options }) => {
    if (options.bypassGovernance) context.authorize('s3:BypassGovernanceRetention', bucket, key);
    const result = await context.objects.delete(bucket, key, options);
    await context.note(bucket, removalOf(key, options.versionId, result));
    return result;
  },
  render: (result) => ({ status: 204, headers: deleteHeaders(result), body: undefined }),
});
