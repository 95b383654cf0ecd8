/** `x-amz-copy-source` and its companions, for CopyObject and UploadPartCopy. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { ByteRange } from '../../chunks/chunk-store.ts';
import type { CopySource } from '../../objects/contract.ts';
import { parseSourceCustomerKey } from '../encryption/headers.ts';
import type { S3Request } from '../request.ts';
import { parseConditions } from './object-headers.ts';

const HEADER = 'x-amz-copy-source';
const SHAPE = 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey';

function invalid(message: string, value: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    fields: { ArgumentName: HEADER, ArgumentValue: value },
  });
}

/** `/bucket/key` or `bucket/key`, url-encoded, with an optional `?versionId=`. */
export function parseCopySource(request: S3Request): CopySource {
  const value = request.headers.get(HEADER) ?? '';
  const mark = value.indexOf('?');
  const path = mark < 0 ? value : value.slice(0, mark);
  const query = mark < 0 ? '' : value.slice(mark + 1);
  let decoded: string;
  try {
    decoded = decodeURIComponent(path.replaceAll('+', ' '));
  } catch {
    throw invalid(SHAPE, value);
  }
  const bare = decoded.startsWith('/') ? decoded.slice(1) : decoded;
  const slash = bare.indexOf('/');
  if (slash <= 0 || slash === bare.length - 1) {
    throw invalid(SHAPE, value);
  }
  let versionId: string | undefined;
  if (query !== '') {
    const version = /^versionId=(.*)$/.exec(query)?.[1];
    if (version === undefined) throw invalid('Unsupported copy source parameter.', value);
    if (version === '') throw invalid('Version id cannot be the empty string', version);
    versionId = version;
  }
  const key = bare.slice(slash + 1);
  if (Buffer.byteLength(key) > LIMITS.keyBytes) {
    throw new S3Error('KeyTooLongError', {
      fields: { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: String(LIMITS.keyBytes) },
    });
  }
  return {
    bucket: bare.slice(0, slash),
    key,
    versionId,
    conditions: parseConditions(request.headers, 'x-amz-copy-source-'),
    customerKey: parseSourceCustomerKey(request.headers),
  };
}

/** `x-amz-copy-source-range: bytes=first-last`, both ends required. */
export function parseCopySourceRange(request: S3Request): ByteRange | undefined {
  const value = request.headers.get('x-amz-copy-source-range');
  if (value === undefined) return undefined;
  const match = /^bytes=(\d+)-(\d+)$/.exec(value);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || !Number.isSafeInteger(last) || first > last) {
    throw new S3Error('InvalidArgument', {
      message:
        'The x-amz-copy-source-range value must be of the form bytes=first-last where first and ' +
        'last are the zero-based offsets of the first and last bytes to copy',
      fields: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: value },
    });
  }
  return { offset: first, length: last - first + 1 };
}
