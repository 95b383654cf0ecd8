import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../src/base/store-error.ts';
import {
  SEGMENT_BYTES,
  SEGMENT_PLAIN_BYTES,
  SegmentCipher,
  segmentCount,
  segmentsOf,
  sealedLength,
} from '../../../src/crypto/segment-cipher.ts';
import { content } from '../../support/content.ts';
import { expand, sealedTwin } from '../../support/sealed-twin.ts';

const KEY = randomBytes(32);

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  let from = 0;
  return ends
    .toSorted((a, b) => a - b)
    .map((end) => {
      const piece = bytes.subarray(from, end);
      from = end;
      return piece;
    });
}

const lengths = fc.oneof(
  fc.integer({ min: 0, max: 3 * SEGMENT_PLAIN_BYTES }),
  fc.constantFrom(0, 1, SEGMENT_PLAIN_BYTES - 1, SEGMENT_PLAIN_BYTES, SEGMENT_PLAIN_BYTES + 1),
  fc.constantFrom(2 * SEGMENT_PLAIN_BYTES, SEGMENT_BYTES),
);

describe('segments', () => {
  it('take their keys as HKDF does', () => {
    const extracted = createHmac('sha256', 'salt').update(KEY).digest();
    const whole = Buffer.from(hkdfSync('sha256', KEY, 'salt', 'info', 32));
    expect(expand(extracted, 'info').equals(whole)).toBe(true);
  });

  it('agree with the readable twin, however the plaintext is cut, and open again', () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.nat(), { maxLength: 4 }), (length, cuts) => {
        const plain = content(length);
        const cipher = new SegmentCipher(KEY, 'leaf');
        const twin = sealedTwin(KEY, 'leaf', plain);
        expect(segmentCount(length)).toBe(twin.length);
        expect(sealedLength(length)).toBe(Buffer.concat(twin).length);
        for (const [index, expected] of twin.entries()) {
          const isLast = index === twin.length - 1;
          const piece = plain.subarray(
            index * SEGMENT_PLAIN_BYTES,
            (index + 1) * SEGMENT_PLAIN_BYTES,
          );
          const sealed = Buffer.concat(cipher.seal(index, isLast, cutAt(piece, cuts)));
          expect(sealed.equals(expected)).toBe(true);
          expect(Buffer.from(cipher.open(index, isLast, sealed)).equals(piece)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuse every changed bit, wherever it is', () => {
    const plain = content(1000);
    const [sealed] = sealedTwin(KEY, 'leaf', plain);
    fc.assert(
      fc.property(fc.nat({ max: 1015 }), fc.nat({ max: 7 }), (at, bit) => {
        const changed = Buffer.from(sealed ?? []);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(() => new SegmentCipher(KEY, 'leaf').open(0, true, changed)).toThrow(StoreError);
      }),
    );
  });

  it('refuse another place, another leaf, another key, and an end that is none', () => {
    const [first, second] = sealedTwin(KEY, 'leaf', content(SEGMENT_PLAIN_BYTES + 10));
    const open = (cipher: SegmentCipher, index: number, isLast: boolean, bytes?: Buffer) => () =>
      cipher.open(index, isLast, bytes ?? Buffer.alloc(0));
    const cipher = new SegmentCipher(KEY, 'leaf');
    expect(open(cipher, 0, false, first)).not.toThrow();
    expect(open(cipher, 1, true, second)).not.toThrow();
    // Re-ordered, cut off behind the first, or said to go on.
    expect(open(cipher, 1, false, first)).toThrow(/segment 1 of leaf/);
    expect(open(cipher, 0, true, first)).toThrow(StoreError);
    expect(open(cipher, 1, false, second)).toThrow(StoreError);
    expect(open(new SegmentCipher(KEY, 'other'), 0, false, first)).toThrow(StoreError);
    expect(open(new SegmentCipher(randomBytes(32), 'leaf'), 0, false, first)).toThrow(StoreError);
    // Shorter than a tag, longer than a segment, without its tag.
    expect(open(cipher, 0, true, Buffer.alloc(15))).toThrow(StoreError);
    expect(open(cipher, 0, true, Buffer.alloc(SEGMENT_BYTES + 1))).toThrow(StoreError);
    expect(open(cipher, 1, true, second?.subarray(0, 10))).toThrow(StoreError);
  });

  it('of a range are those that it touches and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400_000 }), fc.nat(), fc.nat(), (size, a, b) => {
        const offset = a % size;
        const length = 1 + (b % (size - offset));
        const span = segmentsOf(size, { offset, length });
        const plainStart = span.first * SEGMENT_PLAIN_BYTES;
        expect(plainStart + span.skip).toBe(offset);
        expect(span.skip).toBeLessThan(SEGMENT_PLAIN_BYTES);
        const last = Math.floor((offset + length - 1) / SEGMENT_PLAIN_BYTES);
        expect(span.first + span.count - 1).toBe(last);
        const lastEnd = last === segmentCount(size) - 1 ? sealedLength(size) : (last + 1) * 65_536;
        expect(span.offset + span.length).toBe(lastEnd);
      }),
    );
  });
});
