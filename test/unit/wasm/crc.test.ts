/** CRCs over ordinary bytes, and the arithmetic of concatenated CRCs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import { crcCombine } from '../../../src/wasm/crc-combine.ts';
import { crc32, crc32c, crc64nvme } from '../../../src/wasm/crc.ts';
import * as twin from '../../../src/wasm/scalar.ts';

const NAMES = ['crc32', 'crc32c', 'crc64nvme'] as const;
const content = fc.uint8Array({ maxLength: 300 });

function bigEndian(name: twin.CrcName, value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return name === 'crc64nvme' ? bytes : bytes.slice(4);
}

describe('CRCs over ordinary bytes', () => {
  it('give the check values of the catalogue', () => {
    const bytes = utf8('123456789');
    expect(crc32(bytes)).toBe(0xcbf43926);
    expect(crc32c(bytes)).toBe(0xe3069283);
    expect(crc64nvme(bytes)).toBe(0xae8b14860a799888n);
  });

  it('agree with their twins at any alignment, in one piece or in two', () => {
    fc.assert(
      fc.property(content, fc.nat({ max: 300 }), fc.nat({ max: 7 }), (bytes, cut, shift) => {
        const moved = new Uint8Array(bytes.length + shift).subarray(shift);
        moved.set(bytes);
        const [head, tail] = [moved.subarray(0, cut), moved.subarray(cut)];
        expect(BigInt(crc32(tail, crc32(head)))).toBe(twin.crc('crc32', 0n, bytes));
        expect(BigInt(crc32c(tail, crc32c(head)))).toBe(twin.crc('crc32c', 0n, bytes));
        expect(crc64nvme(tail, crc64nvme(head))).toBe(twin.crc('crc64nvme', 0n, bytes));
      }),
    );
  });
});

describe('crcCombine', () => {
  it.each(NAMES)('%s of the pieces is that of the whole', (name) => {
    const crcOf = (bytes: Uint8Array): Uint8Array => bigEndian(name, twin.crc(name, 0n, bytes));
    fc.assert(
      fc.property(content, content, (first, second) => {
        const whole = crcOf(Buffer.concat([first, second]));
        expect(crcCombine(name, crcOf(first), crcOf(second), second.length)).toEqual(whole);
      }),
    );
  });

  it.each(NAMES)('%s is associative over lengths of terabytes', (name) => {
    const width = name === 'crc64nvme' ? 8 : 4;
    const value = fc.uint8Array({ minLength: width, maxLength: width });
    const length = fc.integer({ min: 0, max: 5 * 1024 ** 4 });
    fc.assert(
      fc.property(value, value, value, length, length, (a, b, c, bLength, cLength) => {
        const left = crcCombine(name, crcCombine(name, a, b, bLength), c, cLength);
        const right = crcCombine(name, a, crcCombine(name, b, c, cLength), bLength + cLength);
        expect(left).toEqual(right);
      }),
    );
  });

  it('combines equal parts past 4 GiB like one long run of zeroes', () => {
    // 2^33 zero bytes, once at once and once as 2^13 parts of 2^20 bytes.
    const zero = (name: twin.CrcName, length: number): Uint8Array => {
      let crc = bigEndian(name, twin.crc(name, 0n, new Uint8Array(1)));
      for (let have = 1; have < length; have *= 2) crc = crcCombine(name, crc, crc, have);
      return crc;
    };
    for (const name of NAMES) {
      const part = zero(name, 2 ** 20);
      let whole = part;
      for (let index = 1; index < 2 ** 13; index += 1) {
        whole = crcCombine(name, whole, part, 2 ** 20);
      }
      expect(whole).toEqual(zero(name, 2 ** 33));
    }
  });

  it('refuses CRCs of another width and lengths that are none', () => {
    const crc = new Uint8Array(4);
    expect(() => crcCombine('crc64nvme', crc, crc, 1)).toThrow(AssertionError);
    expect(() => crcCombine('crc32', crc, crc, -1)).toThrow(AssertionError);
    expect(() => crcCombine('crc32', crc, crc, 0.5)).toThrow(AssertionError);
  });
});
