/** The xxHash family against its reference implementation, whole and in pieces. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { XxHash } from '../../../src/wasm/xx-hash.ts';

const NAMES = ['xxhash64', 'xxhash3', 'xxhash128'] as const;
type Vector = { readonly bytes: number } & Readonly<Record<(typeof NAMES)[number], string>>;
const FILE = new URL('../../vectors/xx-hash.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(FILE, 'utf8')) as { readonly vectors: Vector[] };

const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + 13) % 251);

describe.each(NAMES)('%s', (name) => {
  it.each(vectors.map((vector) => [vector.bytes, vector[name]] as const))(
    'of %i bytes is what the reference says',
    (length, expected) => {
      const hash = new XxHash(name).update(pattern(length)).digest();
      expect(Buffer.from(hash).toString('base64')).toBe(expected);
    },
  );

  it('of no update at all is that of nothing', () => {
    expect(new XxHash(name).digest()).toEqual(new XxHash(name).update(pattern(0)).digest());
  });

  it('does not mind how the bytes come, nor what else is hashed meanwhile', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4096));
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 900 }), { maxLength: 4 }), (pieces) => {
        const hash = new XxHash(name);
        const other = new XxHash(name);
        for (const piece of pieces) {
          shared.set(piece);
          hash.update(shared.subarray(0, piece.length));
          other.update(pattern(77));
        }
        const whole = new XxHash(name).update(Buffer.concat(pieces)).digest();
        expect(hash.digest()).toEqual(whole);
      }),
    );
  });
});
