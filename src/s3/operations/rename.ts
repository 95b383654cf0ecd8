/**
 * RenameObject, on ordinary buckets too: the source is a key of the same bucket. A client token is
 * accepted and says nothing: a rename that is asked for again finds its source gone.
 * Source: AmazonS3/latest/API/API_RenameObject.html
 */
import { S3Error } from '../../base/s3-error.ts';
import type { RenameOptions } from '../../objects/contract.ts';
import { operation } from '../operation.ts';
import type { S3Request } from '../request.ts';
import { checkKey, objectOf } from '../resource.ts';
import { parseConditions, parseWriteConditions } from './object-headers.ts';

const HEADER = 'x-amz-rename-source';

/** A key, url-encoded; a slash before it is no part of it. */
function parseSource(value: string | undefined): string {
  try {
    const decoded = decodeURIComponent(value ?? '');
    const key = decoded.startsWith('/') ? decoded.slice(1) : decoded;
    if (key !== '') return checkKey(key);
  } catch (error) {
    if (error instanceof S3Error) throw error;
  }
  throw new S3Error('InvalidArgument', {
    message: 'Rename Source must mention the source key.',
    fields: { ArgumentName: HEADER, ArgumentValue: value ?? '' },
  });
}

export const renameObject = operation<RenameOptions, void>({
  action: 's3:PutObject',
  body: 'none',
  parse: (request: S3Request) => {
    const { headers } = request;
    const key = parseSource(headers.get(HEADER));
    const conditions = parseConditions(headers, 'x-amz-rename-source-');
    const source = { key, conditions };
    return { ...objectOf(request), source, conditions: parseWriteConditions(headers) };
  },
  run: (context, input) => {
    context.authorize('s3:GetObject', input.bucket, input.source.key);
    context.authorize('s3:DeleteObject', input.bucket, input.source.key);
    return context.objects.rename(input);
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});
