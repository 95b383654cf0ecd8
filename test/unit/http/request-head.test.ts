/** Heads that two readers could frame in two ways are refused; all others pass. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import { flawOf } from '../../../src/http/request-head.ts';
import type { RequestHead } from '../../../src/s3/request.ts';

const head = (...headers: [string, string][]): RequestHead => ({
  method: 'PUT',
  rawPath: '/b/k',
  rawQuery: '',
  headers: [['host', 'h'], ...headers],
  remoteAddress: '127.0.0.1',
  secure: false,
});

describe('the framing of a head', () => {
  it.each([
    [
      'two lengths',
      [
        ['content-length', '3'],
        ['content-length', '4'],
      ],
    ],
    [
      'two equal lengths',
      [
        ['content-length', '3'],
        ['content-length', '3'],
      ],
    ],
    [
      'length and encoding',
      [
        ['content-length', '3'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    [
      'encoding and length',
      [
        ['transfer-encoding', 'chunked'],
        ['content-length', '3'],
      ],
    ],
    [
      'two encodings',
      [
        ['transfer-encoding', 'chunked'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    ['two hosts', [['host', 'other']]],
    [
      'two authorizations',
      [
        ['authorization', 'a'],
        ['authorization', 'a'],
      ],
    ],
    ['an empty length', [['content-length', '']]],
    ['a signed length', [['content-length', '+3']]],
    ['a negative length', [['content-length', '-3']]],
    ['a list of lengths', [['content-length', '3, 3']]],
    ['a hexadecimal length', [['content-length', '0x3']]],
    ['an inexact length', [['content-length', '9'.repeat(16)]]],
  ] as [string, [string, string][]][])('refuses %s', (_, headers) => {
    expect(flawOf(head(...headers), 100)?.code).toBe('InvalidRequest');
  });

  it.each(['gzip', 'gzip, chunked', 'identity', 'chunked, chunked', ''])(
    'knows no transfer coding %j',
    (coding) => {
      const flaw = flawOf(head(['transfer-encoding', coding]), 100);
      expect(flaw?.code).toBe('NotImplemented');
    },
  );

  it('needs a host', () => {
    expect(flawOf({ ...head(), headers: [] }, 100)?.message).toBe('Missing header: host');
  });

  it('bounds the count and the bytes of headers exactly', () => {
    const many = (count: number): [string, string][] =>
      Array.from({ length: count - 1 }, (_, index) => [`x-${index}`, '1']);
    expect(flawOf(head(...many(LIMITS.headerCount)), 100)).toBeUndefined();
    expect(flawOf(head(...many(LIMITS.headerCount + 1)), 100)?.code).toBe(
      'RequestHeaderSectionTooLarge',
    );
    expect(flawOf(head(), LIMITS.headerBytes)).toBeUndefined();
    expect(flawOf(head(), LIMITS.headerBytes + 1)?.code).toBe('RequestHeaderSectionTooLarge');
  });

  it('lets every exact length and any other repeated header pass', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.string(), (length, value) => {
        const text = String(length).slice(0, 15);
        const repeated: [string, string] = ['x-amz-meta-a', value];
        expect(flawOf(head(['content-length', text], repeated, repeated), 100)).toBeUndefined();
      }),
    );
  });
});
