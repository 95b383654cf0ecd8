/** The chunked transfer coding: any split of the wire is the same body, and nothing is guessed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import { BrokenCoding, ChunkedCoding } from '../../../src/http/chunked-coding.ts';

function decode(pieces: Iterable<Uint8Array>) {
  const coding = new ChunkedCoding();
  const data: Buffer[] = [];
  let rest = 0;
  for (const piece of pieces) {
    const bytes = Buffer.from(piece);
    const taken = coding.push(bytes, (part) => data.push(Buffer.from(part)));
    rest += bytes.length - taken;
  }
  return { done: coding.done, data: Buffer.concat(data), rest };
}

const extension = fc.constantFrom('', ';a', ';a=b', ' ;a="b c"', '\t');

describe('the chunked coding', () => {
  it('finds data and end in pieces of any size', () => {
    const chunks = fc.array(
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 70 }), extension, fc.boolean()),
      { maxLength: 8 },
    );
    const trailers = fc.array(fc.constantFrom('x-a: b', 'x-checksum: c'), { maxLength: 3 });
    const cuts = fc.array(fc.nat(40), { maxLength: 40 });
    fc.assert(
      fc.property(chunks, trailers, cuts, fc.nat(9), (parts, lines, steps, beyond) => {
        const wire = Buffer.concat([
          ...parts.flatMap(([bytes, more, upper]) => {
            const size = bytes.length.toString(16);
            const line = `${upper ? `0${size.toUpperCase()}` : size}${more}\r\n`;
            return [Buffer.from(line), Buffer.from(bytes), Buffer.from('\r\n')];
          }),
          Buffer.from(`0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`),
          Buffer.alloc(beyond, 'G'),
        ]);
        const pieces: Buffer[] = [];
        let at = 0;
        for (const step of steps) pieces.push(wire.subarray(at, (at += step)));
        pieces.push(wire.subarray(at));
        const decoded = decode(pieces);
        expect(decoded.done).toBe(true);
        expect(decoded.rest).toBe(beyond);
        expect(decoded.data.equals(Buffer.concat(parts.map(([bytes]) => bytes)))).toBe(true);
      }),
    );
  });

  it.each([
    ['no size', '\r\n'],
    ['a sign', '+5\r\nhello\r\n'],
    ['a prefix', '0x5\r\nhello\r\n'],
    ['a space before the size', ' 5\r\nhello\r\n'],
    ['a size too large', `${'f'.repeat(13)}\r\n`],
    ['a bare line feed', '5\nhello\r\n'],
    ['data longer than its size', '4\r\nhello\r\n'],
    ['a line too long', `5;${'a'.repeat(LIMITS.chunkHeaderBytes)}`],
    ['a trailer too long', `0\r\n${`x: ${'a'.repeat(900)}\r\n`.repeat(20)}`],
  ])('%s is broken', (_, wire) => {
    expect(() => decode([Buffer.from(wire)])).toThrow(BrokenCoding);
  });

  it('is not done before its end', () => {
    expect(decode([Buffer.from('5\r\nhello\r\n0\r\n')]).done).toBe(false);
  });
});
