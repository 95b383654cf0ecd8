/**
 * Judges the framing of a request's head. A head that two readers could frame in two ways is
 * refused here, before anything acts on it. Who read it out of the bytes is another matter.
 */
import { LIMITS } from '../base/limits.ts';
import type { S3ErrorCode } from '../base/s3-error.ts';
import type { RequestHead } from '../s3/request.ts';

export interface ReceivedHead {
  readonly head: RequestHead;
  /** Bytes of body on the wire; undefined: chunked, known at its end. */
  readonly bodyLength: number | undefined;
  /** The client waits for a 100 before it sends its body, and nobody has answered it yet. */
  readonly expectsContinue: boolean;
  /** Why the request must not be served and its connection not be used again. */
  readonly flaw: Flaw | undefined;
}

export interface Flaw {
  readonly code: S3ErrorCode;
  readonly message: string;
}

/** Each at most once: they decide where the request ends, for whom it is, and who sent it. */
const SINGLE: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'authorization',
]);

export function bodyLengthOf(headers: RequestHead['headers']): number | undefined {
  for (const [name, value] of headers) {
    if (name === 'transfer-encoding') return undefined;
    if (name === 'content-length') return Number(value);
  }
  return 0;
}

/** `headBytes` counts the target and the headers. */
export function flawOf(head: RequestHead, headBytes: number): Flaw | undefined {
  if (head.headers.length > LIMITS.headerCount || headBytes > LIMITS.headerBytes) {
    return {
      code: 'RequestHeaderSectionTooLarge',
      message: 'Your request header section exceeds the maximum allowed size.',
    };
  }
  const seen = new Map<string, string>();
  for (const [name, value] of head.headers) {
    if (!SINGLE.has(name)) continue;
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
