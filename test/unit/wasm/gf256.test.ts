/** The field axioms, and agreement with carry-less multiplication. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { gfInverse, gfProduct } from '../../../src/wasm/gf256.ts';

const element = fc.nat({ max: 255 });

function longProduct(left: number, right: number): number {
  let sum = 0;
  for (let bit = 0; bit < 8; bit += 1) if ((right >> bit) & 1) sum ^= left << bit;
  for (let bit = 14; bit >= 8; bit -= 1) if ((sum >> bit) & 1) sum ^= 0x11d << (bit - 8);
  return sum;
}

it('multiplies as polynomials modulo 0x11d', () => {
  for (let left = 0; left < 256; left += 1) {
    for (let right = 0; right < 256; right += 1) {
      if (gfProduct(left, right) !== longProduct(left, right)) {
        expect.unreachable(`${left} times ${right}`);
      }
    }
  }
});

it('is a field', () => {
  fc.assert(
    fc.property(element, element, element, (a, b, c) => {
      expect(gfProduct(a, gfProduct(b, c))).toBe(gfProduct(gfProduct(a, b), c));
      expect(gfProduct(a, b ^ c)).toBe(gfProduct(a, b) ^ gfProduct(a, c));
    }),
  );
  for (let a = 1; a < 256; a += 1) expect(gfProduct(a, gfInverse(a))).toBe(1);
  expect(() => gfInverse(0)).toThrow(AssertionError);
});
