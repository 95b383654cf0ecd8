/**
 * Arithmetic of single elements of GF(2^8) with the polynomial 0x11d and the generator 2, as
 * erasure codes use it. Addition is XOR. For matrices and twins; spans are the kernels' work.
 */
import { assert } from '../base/assert.ts';

const POLYNOMIAL = 0x11d;
const ORDER = 255;

/** `POWERS[n]` is 2^n, written twice over so that a sum of two logarithms needs no reduction. */
const POWERS = new Uint8Array(2 * ORDER);
const LOGARITHMS = new Uint8Array(ORDER + 1);

for (let exponent = 0, power = 1; exponent < ORDER; exponent += 1) {
  POWERS[exponent] = power;
  POWERS[exponent + ORDER] = power;
  LOGARITHMS[power] = exponent;
  power = power < 0x80 ? power << 1 : (power << 1) ^ POLYNOMIAL;
}

export function gfProduct(left: number, right: number): number {
  if (left === 0 || right === 0) return 0;
  const sum = (LOGARITHMS[left] as number) + (LOGARITHMS[right] as number);
  return POWERS[sum] as number;
}

export function gfInverse(element: number): number {
  assert(element > 0 && element <= ORDER, 'zero has no inverse');
  return POWERS[ORDER - (LOGARITHMS[element] as number)] as number;
}
