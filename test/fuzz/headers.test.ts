/** Header and token parsers: any text is understood or refused with an S3Error, never a crash. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../src/base/s3-error.ts';
import { decodeHeader, headerSeed, UNIT } from '../../src/chunks/shard-format.ts';
import { parsePartNumber, parseRange } from '../../src/s3/operations/get-object.ts';
import { decodeToken, encodeToken } from '../../src/s3/operations/list-objects.ts';
import {
  parseConditions,
  parseHeadersAndMetadata,
  parseTaggingHeader,
} from '../../src/s3/operations/object-headers.ts';

const SECONDS = Number(process.env['SLUICE_FUZZ_SECONDS'] ?? '1');
const BUDGET = {
  numRuns: SECONDS > 1 ? 1_000_000_000 : 1000,
  interruptAfterTimeLimit: SECONDS * 1000,
} as const;

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom(
      ...'bytes=0123456789-, %2Fä&=+"*'.split(''),
      '%ff',
      'GMT',
      '99999999999999999999',
    ),
    maxLength: 30,
  }),
);

/** The value, or undefined after an S3Error of the client's class. */
function judged<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch (error) {
    expect(error).toBeInstanceOf(S3Error);
    const { status } = error as S3Error;
    expect(status === 501 || (status >= 400 && status < 500)).toBe(true);
    return undefined;
  }
}

describe('any text in a header', () => {
  it('as a range is a range or ignored', () => {
    fc.assert(
      fc.property(text, (value) => {
        const range = judged(() => parseRange(value));
        if (range === undefined) return;
        if ('suffix' in range) expect(range.suffix).toBeGreaterThanOrEqual(0);
        else expect(range.last ?? range.first).toBeGreaterThanOrEqual(range.first);
      }),
      BUDGET,
    );
  });

  it('as tags, metadata, conditions, part numbers is understood or refused', () => {
    fc.assert(
      fc.property(text, text, (value, other) => {
        const tags = judged(() => parseTaggingHeader(value));
        expect(Object.keys(tags ?? {}).length).toBeLessThanOrEqual(10);
        const headers = new Map([
          ['x-amz-meta-a', value],
          ['content-type', other],
          ['content-encoding', value],
          ['if-match', value],
          ['if-modified-since', other],
        ]);
        judged(() => parseHeadersAndMetadata(headers));
        judged(() => parseConditions(headers));
        const number = judged(() => parsePartNumber(value));
        if (number !== undefined) expect(number >= 1 && number <= 10_000).toBe(true);
      }),
      BUDGET,
    );
  });

  it('as a continuation token is refused unless it was made here', () => {
    fc.assert(
      fc.property(text, fc.string({ unit: 'grapheme', maxLength: 40 }), (value, key) => {
        judged(() => decodeToken(value));
        expect(decodeToken(encodeToken(key))).toBe(key);
      }),
      BUDGET,
    );
  });
});

describe('any bytes on disk', () => {
  it('are not a shard header', () => {
    const seed = headerSeed('test');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: UNIT }), (bytes) => {
        const unit = Buffer.alloc(UNIT);
        unit.set(bytes);
        expect(decodeHeader(unit, seed)).toBeUndefined();
        expect(decodeHeader(Buffer.concat([Buffer.from('SLUICESH'), unit]), seed)).toBeUndefined();
      }),
      BUDGET,
    );
  });
});
