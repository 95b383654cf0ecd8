/**
 * The If-Match family and ranges, decided on one object. Pure: the caller proves by the row's
 * revision that what was decided still holds when it commits.
 *
 * Order as AWS documents it (RFC 9110 §13.2.2): a true If-Match silences If-Unmodified-Since, a
 * failed If-None-Match answers 304 whatever If-Modified-Since says.
 */
import { S3Error } from '../base/s3-error.ts';
import type { ByteRange } from '../chunks/chunk-store.ts';
import type { Conditions, RangeRequest } from './contract.ts';

export interface Validators {
  /** Without quotes. */
  readonly etag: string;
  readonly mtimeMs: number;
  readonly size: number;
}

/** Entity tags of a header: quoted, bare (clients send both), weak, or `*`. */
const ENTITY_TAG = /\s*(W\/)?(?:"([^"]*)"|([^\s,"]+))\s*(?:,|$)/gy;

function matches(header: string, etag: string, weakly: boolean): boolean {
  if (header.trim() === '*') return true;
  for (const [, weak, quoted, bare] of header.matchAll(ENTITY_TAG)) {
    if ((weakly || weak === undefined) && (quoted ?? bare) === etag) return true;
  }
  return false;
}

/** HTTP dates have no milliseconds: an object is as old as its Last-Modified says. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function modifiedSince(mtimeMs: number, dateMs: number): boolean {
  return seconds(mtimeMs) * 1000 > dateMs;
}

type Verdict = 'passed' | 'not-modified' | { readonly failed: string };

function judge(conditions: Conditions, { etag, mtimeMs }: Validators): Verdict {
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, etag, false)) return { failed: 'If-Match' };
  } else if (ifUnmodifiedSinceMs !== undefined && modifiedSince(mtimeMs, ifUnmodifiedSinceMs)) {
    return { failed: 'If-Unmodified-Since' };
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, etag, true)) return 'not-modified';
  } else if (ifModifiedSinceMs !== undefined && !modifiedSince(mtimeMs, ifModifiedSinceMs)) {
    return 'not-modified';
  }
  return 'passed';
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', { fields: { Condition: condition } });
}

/** For GET and HEAD: throws PreconditionFailed, or NotModified with the headers of a 304. */
export function checkRead(conditions: Conditions, object: Validators): void {
  const verdict = judge(conditions, object);
  if (verdict === 'passed') return;
  if (verdict !== 'not-modified') throw preconditionFailed(verdict.failed);
  throw new S3Error('NotModified', {
    headers: { ETag: `"${object.etag}"`, 'Last-Modified': new Date(object.mtimeMs).toUTCString() },
  });
}

/** RFC 9110 §13.1.5: a strong entity tag, or exactly the Last-Modified that was given. */
export function holdsIfRange(header: string | undefined, object: Validators): boolean {
  if (header === undefined) return true;
  if (header.startsWith('W/')) return false;
  if (header.replace(/^"(.*)"$/, '$1') === object.etag) return true;
  return Date.parse(header) === Math.floor(object.mtimeMs / 1000) * 1000;
}

/** For `x-amz-copy-source-if-*` and its like: whatever fails is PreconditionFailed. */
export function checkCopySource(
  conditions: Conditions,
  source: Validators,
  prefix: string = 'x-amz-copy-source',
): void {
  const verdict = judge(conditions, source);
  if (verdict === 'passed') return;
  if (verdict !== 'not-modified') throw preconditionFailed(`${prefix}-${verdict.failed}`);
  const name = conditions.ifNoneMatch === undefined ? 'If-Modified-Since' : 'If-None-Match';
  throw preconditionFailed(`${prefix}-${name}`);
}

/** For PUT, Complete and Copy, at the commit point. `current` undefined: the key is free. */
export function checkWrite(
  conditions: Conditions,
  key: string,
  current: Validators | undefined,
): void {
  const { ifMatch, ifNoneMatch } = conditions;
  if (ifMatch !== undefined) {
    if (current === undefined) throw new S3Error('NoSuchKey', { fields: { Key: key } });
    if (!matches(ifMatch, current.etag, false)) throw preconditionFailed('If-Match');
  }
  if (ifNoneMatch !== undefined && current !== undefined) {
    if (matches(ifNoneMatch, current.etag, true)) throw preconditionFailed('If-None-Match');
  }
}

/** For DELETE: AWS answers 204 when the key is free, even with If-Match. */
export function checkDelete(conditions: Conditions, current: Validators | undefined): void {
  if (current === undefined) return;
  const { ifMatch, ifMatchSize, ifMatchMtimeMs } = conditions;
  if (ifMatch !== undefined && !matches(ifMatch, current.etag, false)) {
    throw preconditionFailed('If-Match');
  }
  if (ifMatchSize !== undefined && ifMatchSize !== current.size) {
    throw preconditionFailed('x-amz-if-match-size');
  }
  if (ifMatchMtimeMs !== undefined && seconds(ifMatchMtimeMs) !== seconds(current.mtimeMs)) {
    throw preconditionFailed('x-amz-if-match-last-modified-time');
  }
}

export function isConditional(conditions: Conditions): boolean {
  const { ifMatch, ifNoneMatch, ifMatchSize, ifMatchMtimeMs } = conditions;
  return (ifMatch ?? ifNoneMatch ?? ifMatchSize ?? ifMatchMtimeMs) !== undefined;
}

/** Throws InvalidRange where no byte of the object is asked for. */
export function resolveRange(range: RangeRequest, size: number): ByteRange {
  if ('suffix' in range) {
    if (range.suffix <= 0 || size === 0) throw invalidRange(`bytes=-${range.suffix}`, size);
    const length = Math.min(range.suffix, size);
    return { offset: size - length, length };
  }
  const { first, last } = range;
  if (first >= size || (last !== undefined && last < first)) {
    throw invalidRange(`bytes=${first}-${last ?? ''}`, size);
  }
  return { offset: first, length: Math.min(last ?? size - 1, size - 1) - first + 1 };
}

function invalidRange(asked: string, size: number): S3Error {
  return new S3Error('InvalidRange', {
    fields: { RangeRequested: asked, ActualObjectSize: String(size) },
    headers: { 'Content-Range': `bytes */${size}` },
  });
}
