/**
 * Signature Version 2 as a server sees it: where credentials stand, the string to sign, the clock.
 * Pure; whether it is switched on at all is decided by the caller.
 *
 * What it does not sign has no say: `x-amz-*` parameters of a query are not headers here, and every
 * sub-resource that this server knows is signed, also those younger than AWS's own list.
 * Source: AmazonS3/latest/API/RESTAuthentication.html
 */
import { createHmac } from 'node:crypto';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { S3Request } from './request.ts';
import { SUB_RESOURCES } from './routes.ts';
import { dateMissing, parseAmzDate } from './sigv4.ts';

export interface PresentedV2 {
  readonly form: 'header' | 'query';
  readonly accessKeyId: string;
  /** As sent: not even known to be base64. */
  readonly signature: string;
  /** What the string to sign says of time: a date, nothing beside x-amz-date, or the end. */
  readonly date: string;
  /** Of the request (header form), or when it ends (query form). */
  readonly timeMs: number;
}

/** Parameters that are signed beside the sub-resources. */
const SIGNED_PARAMETERS: ReadonlySet<string> = new Set([
  ...SUB_RESOURCES,
  'torrent',
  'partNumber',
  'uploadId',
  'versionId',
  'storageClass',
  'select-type',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
]);

function parseHeader(request: S3Request, authorization: string): PresentedV2 {
  const match = /^AWS ([^:\s]+):(\S+)$/.exec(authorization.trim());
  const [, accessKeyId, signature] = match ?? [];
  if (accessKeyId === undefined || signature === undefined) {
    throw new S3Error('InvalidArgument', {
      message: 'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
      fields: { ArgumentName: 'Authorization', ArgumentValue: authorization },
    });
  }
  const amzDate = request.headers.get('x-amz-date');
  const date = amzDate ?? request.headers.get('date');
  const timeMs = date === undefined ? Number.NaN : (parseAmzDate(date) ?? Date.parse(date));
  if (date === undefined || Number.isNaN(timeMs)) throw dateMissing();
  // x-amz-date is signed among the headers.
  const signedDate = amzDate === undefined ? date : '';
  return { form: 'header', accessKeyId, signature, date: signedDate, timeMs };
}

function parseQuery({ query }: S3Request): PresentedV2 {
  const accessKeyId = query.get('AWSAccessKeyId');
  const signature = query.get('Signature');
  const expires = query.get('Expires');
  if (!accessKeyId || !signature || !expires) {
    throw new S3Error('AccessDenied', {
      message:
        'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
    });
  }
  if (!/^\d{1,12}$/.test(expires)) {
    throw new S3Error('AccessDenied', {
      message: `Invalid date (should be seconds since epoch): ${expires}`,
    });
  }
  return {
    form: 'query',
    accessKeyId,
    // A plus sign that nobody encoded was read as a space; base64 has none.
    signature: signature.replaceAll(' ', '+'),
    date: expires,
    timeMs: Number(expires) * 1000,
  };
}

/** Where this version's credentials stand, if anywhere. */
export function formOfV2({ headers, query }: S3Request): PresentedV2['form'] | undefined {
  if (query.size > 0 && query.has('AWSAccessKeyId')) return 'query';
  return headers.get('authorization')?.startsWith('AWS ') === true ? 'header' : undefined;
}

/** Throws S3Error for a credential that lacks a part. */
export function parseV2(request: S3Request): PresentedV2 {
  if (formOfV2(request) === 'query') return parseQuery(request);
  return parseHeader(request, request.headers.get('authorization') ?? '');
}

export function checkClockV2({ form, timeMs }: PresentedV2, nowMs: number): void {
  const ServerTime = new Date(nowMs).toISOString();
  if (form === 'query') {
    if (nowMs <= timeMs) return;
    throw new S3Error('AccessDenied', {
      message: 'Request has expired',
      fields: { Expires: new Date(timeMs).toISOString(), ServerTime },
    });
  }
  if (Math.abs(nowMs - timeMs) <= LIMITS.clockSkewMs) return;
  throw new S3Error('RequestTimeTooSkewed', {
    fields: {
      RequestTime: new Date(timeMs).toISOString(),
      ServerTime,
      MaxAllowedSkewMilliseconds: String(LIMITS.clockSkewMs),
    },
  });
}

function amzHeaders({ headers }: S3Request): string {
  return [...headers]
    .filter(([name]) => name.startsWith('x-amz-'))
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim().replaceAll(/\s+/g, ' ')}\n`)
    .join('');
}

/** `withEquals`: whether `?acl=` is signed as it stands, or as `?acl`. Clients do both. */
function resource(request: S3Request, withEquals: boolean): string {
  const { bucket, head, query } = request;
  const { rawPath, rawQuery } = head;
  const path = request.hosted === true ? `/${bucket}${rawPath}` : rawPath;
  const signed = new Map<string, string>();
  for (const pair of rawQuery.split('&')) {
    const name = decodeURIComponent(pair.split('=', 1)[0]?.replaceAll('+', ' ') ?? '');
    if (!SIGNED_PARAMETERS.has(name) || signed.has(name)) continue;
    // The value that the request has, decoded: AWS demands that of all of them.
    const value = query.get(name) ?? '';
    const bare = value === '' && !(withEquals && pair.includes('='));
    signed.set(name, bare ? name : `${name}=${value}`);
  }
  if (signed.size === 0) return path;
  const names = [...signed.keys()].toSorted();
  return `${path}?${names.map((name) => signed.get(name)).join('&')}`;
}

/** What a client may have signed: one text, or two where a sub-resource has an empty value. */
export function stringsToSignV2(request: S3Request, presented: PresentedV2): readonly string[] {
  const { headers, method } = request;
  const lines = [method, headers.get('content-md5') ?? '', headers.get('content-type') ?? ''];
  const start = `${lines.join('\n')}\n${presented.date}\n${amzHeaders(request)}`;
  const [first, second] = [resource(request, true), resource(request, false)];
  return first === second ? [start + first] : [start + first, start + second];
}

export function signatureV2(secret: string, text: string): string {
  return createHmac('sha1', secret).update(text).digest('base64');
}
