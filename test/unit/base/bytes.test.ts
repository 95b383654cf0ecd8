/** Byte helpers: the properties that listings and signatures stand on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  base64,
  base64Decode,
  compareBytes,
  equalConstantTime,
  hex,
  hexDecode,
  prefixSuccessor,
} from '../../../src/base/bytes.ts';
import { idTime, timeOrderedId } from '../../../src/base/clock.ts';

describe('bytes', () => {
  it('hex and base64 come back, and anything not canonical is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(hexDecode(hex(bytes))).toEqual(bytes);
        expect(base64Decode(base64(bytes))).toEqual(bytes);
      }),
    );
    for (const text of ['0', 'zz', '0g']) expect(hexDecode(text)).toBeUndefined();
    for (const text of ['a', 'YQ', 'YR==', 'Y Q==', '!'])
      expect(base64Decode(text)).toBeUndefined();
  });

  it('the prefix successor is the least string after all strings with the prefix', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 4 }),
        fc.uint8Array(),
        (prefix, rest) => {
          const successor = prefixSuccessor(prefix);
          const inside = new Uint8Array([...prefix, ...rest]);
          if (successor === undefined) expect(prefix.every((byte) => byte === 0xff)).toBe(true);
          else expect(compareBytes(inside, successor)).toBeLessThan(0);
        },
      ),
    );
  });

  it('compares in constant time without minding lengths', () => {
    expect(equalConstantTime(new Uint8Array([1, 2]), new Uint8Array([1, 2]))).toBe(true);
    expect(equalConstantTime(new Uint8Array([1, 2]), new Uint8Array([1, 3]))).toBe(false);
    expect(equalConstantTime(new Uint8Array([1, 2]), new Uint8Array([1]))).toBe(false);
  });
});

describe('time-ordered ids', () => {
  it('sort by creation time and tell it', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (first, second) => {
        const ids = [first, second].map((ms) => timeOrderedId({ now: () => ms }));
        expect(ids.map(idTime)).toEqual([first, second]);
        if (first < second) expect((ids[0] ?? '') < (ids[1] ?? '')).toBe(true);
      }),
    );
  });
});
