/**
 * Reads a request's head out of uWebSockets' callback, once, and judges its framing. A head that
 * two readers could frame in two ways is refused here, before anything acts on it.
 *
 * Facts about uWebSockets this builds on: it lower-cases and trims; keeps duplicates; takes any
 * Transfer-Encoding for chunked, an empty Content-Length for none, and the first of two; calls
 * the handler before it looks at the digits; enforces the size of heads only across reads.
 */
import { LIMITS } from '../base/limits.ts';
import type { S3ErrorCode } from '../base/s3-error.ts';
import type { RequestHead } from '../s3/request.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

export interface ReceivedHead {
  readonly head: RequestHead;
  /** Bytes of body on the wire; undefined: chunked, known at its end. */
  readonly bodyLength: number | undefined;
  /** Why the request must not be served and its connection not be used again. */
  readonly flaw: Flaw | undefined;
}

export interface Flaw {
  readonly code: S3ErrorCode;
  readonly message: string;
}

/** Each at most once: they decide where the request ends, for whom it is, and who sent it. */
const SINGLE = ['content-length', 'transfer-encoding', 'host', 'authorization'] as const;

const textDecoder = new TextDecoder();

export function receiveHead(res: HttpResponse, req: HttpRequest): ReceivedHead {
  const headers: [string, string][] = [];
  let headBytes = 0;
  req.forEach((name, value) => {
    headBytes += name.length + value.length + 4;
    headers.push([name, value]);
  });
  const rawPath = req.getUrl();
  const rawQuery = req.getQuery() ?? '';
  headBytes += rawPath.length + rawQuery.length;
  const head: RequestHead = {
    method: req.getCaseSensitiveMethod().toUpperCase(),
    rawPath,
    rawQuery,
    headers,
    remoteAddress: textDecoder.decode(res.getRemoteAddressAsText()),
    secure: false,
  };
  return { head, bodyLength: bodyLengthOf(headers), flaw: flawOf(head, headBytes) };
}

function bodyLengthOf(headers: RequestHead['headers']): number | undefined {
  for (const [name, value] of headers) {
    if (name === 'transfer-encoding') return undefined;
    if (name === 'content-length') return Number(value);
  }
  return 0;
}

/** Exported for its tests. `headBytes` counts the target and the headers. */
export function flawOf(head: RequestHead, headBytes: number): Flaw | undefined {
  if (head.headers.length > LIMITS.headerCount || headBytes > LIMITS.headerBytes) {
    return {
      code: 'RequestHeaderSectionTooLarge',
      message: 'Your request header section exceeds the maximum allowed size.',
    };
  }
  const seen = new Map<string, string>();
  for (const [name, value] of head.headers) {
    if (!(SINGLE as readonly string[]).includes(name)) continue;
    if (seen.has(name)) return { code: 'InvalidRequest', message: `Duplicate header: ${name}` };
    seen.set(name, value);
  }
  const length = seen.get('content-length');
  const encoding = seen.get('transfer-encoding');
  if (length !== undefined && encoding !== undefined) {
    return {
      code: 'InvalidRequest',
      message: 'Content-Length and Transfer-Encoding exclude each other',
    };
  }
  // 15 digits: every such number is exact.
  if (length !== undefined && !/^\d{1,15}$/.test(length)) {
    return { code: 'InvalidRequest', message: 'Invalid Content-Length' };
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') {
    return { code: 'NotImplemented', message: 'Transfer-Encoding must be chunked' };
  }
  if (!seen.has('host')) return { code: 'InvalidRequest', message: 'Missing header: host' };
  return undefined;
}
