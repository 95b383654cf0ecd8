/**
 * The CRC of a concatenation from the CRCs of its pieces, without a byte of them: this is how a
 * multipart object gets its FULL_OBJECT checksum. Pure arithmetic, O(log length).
 *
 * Appending n zero bytes multiplies a CRC by x^(8n) modulo the polynomial, and a CRC is linear:
 * crc(A‖B) = crc(A)·x^(8·|B|) + crc(B). Polynomials are reflected: the top bit is x^0. A value
 * is two halves of 32 bits, for BigInt arithmetic would be the cost of a 10,000-part Complete.
 */
import { assert } from '../base/assert.ts';
import { CRC_POLYNOMIALS } from './scalar.ts';
import type { CrcName } from './scalar.ts';

interface Value {
  /** 0 for the 32-bit CRCs. */
  readonly high: number;
  readonly low: number;
}

class Field {
  readonly bytes: number;
  readonly #polynomial: Value;
  /** The halves of x^0: the top bit of the CRC. */
  readonly #one: Value;
  /** `#squares[k]` is x^(8·2^k); grows as far as the longest length needs. */
  readonly #squares: Value[] = [];
  #lastLength = 0;
  #lastShift: Value;

  constructor(name: CrcName) {
    const { bits, polynomial } = CRC_POLYNOMIALS[name];
    this.bytes = Number(bits) / 8;
    this.#polynomial = {
      high: Number(polynomial >> 32n),
      low: Number(polynomial & 0xffff_ffffn),
    };
    const top = 0x8000_0000;
    this.#one = bits === 64n ? { high: top, low: 0 } : { high: 0, low: top };
    this.#lastShift = this.#one;
    // x^8 is one bit, eight places below x^0.
    const byte = top >>> 8;
    this.#squares.push(bits === 64n ? { high: byte, low: 0 } : { high: 0, low: byte });
  }

  combine(first: Value, second: Value, secondLength: number): Value {
    assert(Number.isSafeInteger(secondLength) && secondLength >= 0, 'lengths are whole');
    const shifted = this.#product(this.#shift(secondLength), first);
    return { high: (shifted.high ^ second.high) >>> 0, low: (shifted.low ^ second.low) >>> 0 };
  }

  /** x^(8·length). All parts but the last are mostly of one length: the last one is kept. */
  #shift(length: number): Value {
    if (length === this.#lastLength) return this.#lastShift;
    let power = this.#one;
    for (let rest = length, index = 0; rest > 0; rest = Math.floor(rest / 2), index += 1) {
      if (rest % 2 === 1) power = this.#product(power, this.#square(index));
    }
    this.#lastLength = length;
    this.#lastShift = power;
    return power;
  }

  #square(index: number): Value {
    for (let at = this.#squares.length; at <= index; at += 1) {
      const before = this.#squares[at - 1];
      assert(before !== undefined, 'squares grow one by one');
      this.#squares.push(this.#product(before, before));
    }
    const square = this.#squares[index];
    assert(square !== undefined, 'the square was made');
    return square;
  }

  /** Schoolbook: for each set bit x^n of `left`, from x^0 on, adds right·x^n. */
  #product(left: Value, right: Value): Value {
    let [leftHigh, leftLow, high, low] = [left.high, left.low, right.high, right.low];
    if (this.bytes === 4) [leftHigh, leftLow] = [leftLow, 0];
    let [sumHigh, sumLow] = [0, 0];
    while ((leftHigh | leftLow) !== 0) {
      const wanted = leftHigh >> 31;
      sumHigh ^= high & wanted;
      sumLow ^= low & wanted;
      leftHigh = (leftHigh << 1) | (leftLow >>> 31);
      leftLow <<= 1;
      const carry = -(low & 1);
      low = ((low >>> 1) | (high << 31)) ^ (this.#polynomial.low & carry);
      high = (high >>> 1) ^ (this.#polynomial.high & carry);
    }
    return { high: sumHigh >>> 0, low: sumLow >>> 0 };
  }
}

const FIELDS: Readonly<Record<CrcName, Field>> = {
  crc32: new Field('crc32'),
  crc32c: new Field('crc32c'),
  crc64nvme: new Field('crc64nvme'),
};

function decode(bytes: Uint8Array, width: number): Value {
  assert(bytes.length === width, `a CRC of ${width} bytes`);
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 4) return { high: 0, low: words.getUint32(0) };
  return { high: words.getUint32(0), low: words.getUint32(4) };
}

/**
 * CRC of A‖B from the CRC of A, the CRC of B and the length of B in bytes. CRCs are raw
 * big-endian bytes, as S3 base64-encodes them.
 */
export function crcCombine(
  name: CrcName,
  first: Uint8Array,
  second: Uint8Array,
  secondLength: number,
): Uint8Array {
  const field = FIELDS[name];
  const width = field.bytes;
  const value = field.combine(decode(first, width), decode(second, width), secondLength);
  const combined = new Uint8Array(width);
  const words = new DataView(combined.buffer);
  words.setUint32(width - 4, value.low);
  if (width === 8) words.setUint32(0, value.high);
  return combined;
}
