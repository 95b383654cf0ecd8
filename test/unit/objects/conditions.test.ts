import { describe, expect, it } from 'vitest';
import {
  checkCopySource,
  checkDelete,
  checkRead,
  checkWrite,
  resolveRange,
} from '../../../src/objects/conditions.ts';
import { failure, failureCode } from '../../support/s3-failure.ts';

const object = { etag: 'abc', size: 5, mtimeMs: Date.UTC(2026, 0, 1, 12, 0, 0, 900) };
const second = Date.UTC(2026, 0, 1, 12, 0, 0);

describe('conditions of reads', () => {
  it.each([
    [{ ifMatch: '"abc"' }],
    [{ ifMatch: 'abc' }],
    [{ ifMatch: '*' }],
    [{ ifMatch: '"x", "abc"' }],
    [{ ifMatch: '"abc"', ifUnmodifiedSinceMs: second - 1000 }],
    [{ ifNoneMatch: '"x"' }],
    [{ ifNoneMatch: '"x"', ifModifiedSinceMs: second + 1000 }],
    [{ ifModifiedSinceMs: second - 1000 }],
    [{ ifUnmodifiedSinceMs: second }],
  ])('%j holds', (conditions) => {
    expect(() => checkRead(conditions, object)).not.toThrow();
    expect(() => checkCopySource(conditions, object)).not.toThrow();
  });

  it.each([
    [{ ifMatch: '"x"' }],
    [{ ifMatch: 'W/"abc"' }],
    [{ ifMatch: '"a", "bc"' }],
    [{ ifUnmodifiedSinceMs: second - 1000 }],
    [{ ifMatch: '"x"', ifNoneMatch: '"abc"' }],
  ])('%j is a failed precondition', async (conditions) => {
    expect(await failureCode(() => checkRead(conditions, object))).toBe('PreconditionFailed');
    expect(await failureCode(() => checkCopySource(conditions, object))).toBe('PreconditionFailed');
  });

  it.each([
    [{ ifNoneMatch: '"abc"' }],
    [{ ifNoneMatch: '*' }],
    [{ ifNoneMatch: 'W/"abc"' }],
    [{ ifModifiedSinceMs: second }],
    [{ ifNoneMatch: '"abc"', ifModifiedSinceMs: second - 1000 }],
  ])('%j is not modified, and for a copy a failed precondition', async (conditions) => {
    const error = await failure(() => checkRead(conditions, object));
    expect(error.code).toBe('NotModified');
    expect(error.headers).toEqual({
      ETag: '"abc"',
      'Last-Modified': 'Thu, 01 Jan 2026 12:00:00 GMT',
    });
    expect(await failureCode(() => checkCopySource(conditions, object))).toBe('PreconditionFailed');
  });
});

describe('conditions of writes', () => {
  it('If-Match wants the key to be there', async () => {
    const missing = (): void => checkWrite({ ifMatch: '"abc"' }, 'k', undefined);
    expect(await failureCode(missing)).toBe('NoSuchKey');
    const other = (): void => checkWrite({ ifMatch: '"x"' }, 'k', object);
    expect(await failureCode(other)).toBe('PreconditionFailed');
    expect(() => checkWrite({ ifMatch: '"abc"' }, 'k', object)).not.toThrow();
  });

  it('If-None-Match: * wants the key to be free', async () => {
    const taken = (): void => checkWrite({ ifNoneMatch: '*' }, 'k', object);
    expect(await failureCode(taken)).toBe('PreconditionFailed');
    expect(() => checkWrite({ ifNoneMatch: '*' }, 'k', undefined)).not.toThrow();
  });

  it('a delete of a free key passes, of another version it does not', async () => {
    expect(() => checkDelete({ ifMatch: '"abc"' }, undefined)).not.toThrow();
    const other = (): void => checkDelete({ ifMatch: '"x"' }, object);
    expect(await failureCode(other)).toBe('PreconditionFailed');
  });
});

describe('ranges', () => {
  it.each([
    [
      { first: 0, last: 0 },
      { offset: 0, length: 1 },
    ],
    [
      { first: 2, last: 900 },
      { offset: 2, length: 8 },
    ],
    [
      { first: 9, last: undefined },
      { offset: 9, length: 1 },
    ],
    [{ suffix: 3 }, { offset: 7, length: 3 }],
    [{ suffix: 30 }, { offset: 0, length: 10 }],
  ])('%j of ten bytes is %j', (asked, range) => {
    expect(resolveRange(asked, 10)).toEqual(range);
  });

  it.each([
    [{ first: 10, last: undefined }, 10],
    [{ suffix: 0 }, 10],
    [{ first: 0, last: 0 }, 0],
    [{ suffix: 5 }, 0],
  ])('%j of %i bytes cannot be satisfied', async (asked, size) => {
    const error = await failure(() => resolveRange(asked, size));
    expect(error.code).toBe('InvalidRange');
    expect(error.fields['ActualObjectSize']).toBe(String(size));
  });
});
