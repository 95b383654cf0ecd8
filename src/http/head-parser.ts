/**
 * Reads a request's head out of its bytes: everything up to the blank line, once, by the grammar
 * of HTTP/1.1 and nothing laxer. What the grammar refuses comes back as a flaw, with as much of
 * the head as was understood; nothing is repaired.
 * Source: RFC 9112 (2 to 5) and RFC 9110 (5.5, 5.6.2).
 */
import type { S3ErrorCode } from '../base/s3-error.ts';
import { bodyLengthOf, type Flaw, flawOf, type ReceivedHead } from './request-head.ts';

export interface ParsedHead extends ReceivedHead {
  /** The client may send another request on this connection. */
  readonly keepAlive: boolean;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Controls other than tab and the line ends, and line ends that are not CR LF. */
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;
const BEYOND_ASCII = /[\x80-\xff]/;
const REQUEST_LINE = /^([^ ]+) ([^ \t]+) HTTP\/(\d)\.(\d)$/;
/** `http://host/path?query`, as clients send it to what they take for a proxy. */
const ABSOLUTE = /^https?:\/\/[^/?]*/i;
const TAB = 0x09;
const SPACE = 0x20;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `bytes`: the head without the blank line that ends it. */
export function parseHead(bytes: Buffer, remoteAddress: string, secure = false): ParsedHead {
  const text = textOf(bytes);
  const lineEnd = text.indexOf('\r\n');
  const requestLine = lineEnd < 0 ? text : text.slice(0, lineEnd);
  const headers: [string, string][] = [];
  const line = REQUEST_LINE.exec(requestLine);
  const method = line?.[1] ?? 'GET';
  const target = (line?.[2] ?? '/').replace(ABSOLUTE, '');
  const queryAt = target.indexOf('?');
  const path = queryAt < 0 ? target : target.slice(0, queryAt);
  const head = {
    method: method.toUpperCase(),
    rawPath: path === '' ? '/' : path,
    rawQuery: queryAt < 0 ? '' : target.slice(queryAt + 1),
    headers,
    remoteAddress,
    secure,
  };
  let flaw = lineFlaw(line, path);
  if (flaw === undefined && FORBIDDEN.test(text)) flaw = unreadable('a control character');
  flaw ??= readHeaders(text, lineEnd, headers);
  flaw ??= flawOf(head, bytes.length - method.length);
  const old = line?.[4] === '0';
  const bodyLength = flaw === undefined ? bodyLengthOf(headers) : 0;
  if (old && bodyLength === undefined) flaw = unreadable('Transfer-Encoding with HTTP/1.0');
  return {
    head,
    bodyLength: flaw === undefined ? bodyLength : 0,
    expectsContinue: !old && flaw === undefined && hasToken(headers, 'expect', '100-continue'),
    flaw,
    keepAlive: !old && flaw === undefined && !hasToken(headers, 'connection', 'close'),
  };
}

/** A head that never ended, or is too long: of its bytes only the first line is looked at. */
export function tooLongHead(bytes: Buffer, remoteAddress: string): ParsedHead {
  const lineEnd = bytes.indexOf('\r\n');
  const parsed = parseHead(bytes.subarray(0, Math.max(0, lineEnd)), remoteAddress);
  return {
    ...parsed,
    bodyLength: 0,
    keepAlive: false,
    flaw: {
      code: 'RequestHeaderSectionTooLarge',
      message: 'Your request header section exceeds the maximum allowed size.',
    },
  };
}

/** Bytes that are not UTF-8 are taken one by one, as HTTP once had it. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (!BEYOND_ASCII.test(text)) return text;
  try {
    return utf8.decode(bytes);
  } catch {
    return text;
  }
}

function lineFlaw(line: RegExpExecArray | null, path: string): Flaw | undefined {
  if (line === null) return unreadable('the request line');
  const [, method = '', , major, minor] = line;
  if (major !== '1' || (minor !== '0' && minor !== '1')) {
    return flawed('HttpVersionNotSupported', 'The HTTP version specified is not supported.');
  }
  if (!TOKEN.test(method)) return unreadable('the method');
  if (path !== '' && !path.startsWith('/')) return unreadable('the request target');
  return undefined;
}

/** Appends to `headers`; `from` is the end of the request line. */
function readHeaders(text: string, from: number, headers: [string, string][]): Flaw | undefined {
  if (from < 0) return undefined;
  for (let at = from + 2; at < text.length;) {
    const found = text.indexOf('\r\n', at);
    const end = found < 0 ? text.length : found;
    const colon = text.indexOf(':', at);
    if (colon < 0 || colon >= end) return unreadable('a header line');
    const name = text.slice(at, colon);
    // Also refuses the white space of folded lines and before the colon.
    if (!TOKEN.test(name)) return unreadable('a header name');
    headers.push([name.toLowerCase(), trimmed(text, colon + 1, end)]);
    at = end + 2;
  }
  return undefined;
}

/** Not `trim`, which also takes white space that belongs to the value. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

function hasToken(headers: readonly [string, string][], name: string, token: string): boolean {
  return headers.some(
    ([header, value]) =>
      header === name && value.split(',').some((item) => item.trim().toLowerCase() === token),
  );
}

function unreadable(what: string): Flaw {
  return flawed('BadRequest', `An error occurred when parsing the HTTP request: ${what}.`);
}

function flawed(code: S3ErrorCode, message: string): Flaw {
  return { code, message };
}
