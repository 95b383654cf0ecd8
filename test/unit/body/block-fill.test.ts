/**
 * What the fill writes down for the digests: spans and chunk ends in wire order, each chunk end
 * with the block that holds the chunk's last byte.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockFill } from '../../../src/body/block-fill.ts';
import { AwsChunkedDecoder } from '../../../src/body/aws-chunked.ts';
import type { DigestStep } from '../../../src/body/digest-sessions.ts';
import { Arena } from '../../../src/memory/arena.ts';
import { chunkedWire, patterned, piecesOf, SIGNER } from '../../support/chunked-wire.ts';

const BLOCK = 64 * 1024;

interface Filled {
  readonly length: number;
  readonly steps: readonly DigestStep[];
}

/** Everything that a body of signed chunks makes of its wire bytes. */
function fill(bytes: number, chunkBytes: number, cuts: readonly number[]) {
  const arena = new Arena(32 * BLOCK, BLOCK);
  const filled: Filled[] = [];
  const blockFill = new BlockFill(arena, bytes, {
    hasRoom: () => true,
    granted: () => {},
    filled: (block, steps) => {
      filled.push({ length: block.length, steps });
      block.release();
    },
  });
  const signed = { payloadLength: bytes, signed: true, hasTrailer: false };
  const decoder = new AwsChunkedDecoder(signed, {
    payload: (piece, last) => blockFill.take(piece, last),
    chunkEnd: (signature) => blockFill.endChunk(signature),
    trailer: () => {},
  });
  const wire = chunkedWire(patterned(bytes), { chunkBytes, signer: SIGNER });
  for (const piece of piecesOf(wire, cuts)) expect(decoder.push(piece)).toBe(piece.length);
  decoder.end();
  const tail = blockFill.tail();
  expect(arena.freeCount).toBe(arena.blockCount);
  return { filled, tail };
}

const isEnd = (step: DigestStep | undefined): boolean =>
  step !== undefined && 'chunkSignature' in step;
const lengthsOf = (steps: readonly DigestStep[]): (number | 'end')[] =>
  steps.map((step) => ('chunkSignature' in step ? 'end' : step.length));

describe('the fill', () => {
  it('leaves no chunk open between blocks when chunks fit them', () => {
    const { filled, tail } = fill(10 * BLOCK, BLOCK / 2, [50_000]);
    expect(filled.length).toBe(10);
    for (const { steps } of filled) {
      expect(lengthsOf(steps)).toEqual([BLOCK / 2, 'end', BLOCK / 2, 'end']);
    }
    expect(lengthsOf(tail)).toEqual(['end']);
  });

  it('writes down every byte and every end once, in order, however the wire is cut', () => {
    const sizes = fc.tuple(
      fc.integer({ min: 1, max: 12 * BLOCK }),
      fc.integer({ min: 8192, max: 3 * BLOCK }),
      fc.array(fc.integer({ min: 1000, max: 2 * BLOCK }), { minLength: 1, maxLength: 4 }),
    );
    fc.assert(
      fc.property(sizes, ([bytes, chunkBytes, cuts]) => {
        const { filled, tail } = fill(bytes, chunkBytes, cuts);
        let at = 0;
        let ended = 0;
        const follow = (step: DigestStep): void => {
          if ('chunkSignature' in step) {
            const expected = Math.min(ended + chunkBytes, bytes);
            expect(at).toBe(expected);
            ended = expected;
          } else {
            at += step.length;
          }
        };
        for (const { length, steps } of filled) {
          const before = at;
          for (const step of steps) follow(step);
          expect(at - before).toBe(length);
          const closed = at === bytes || at % chunkBytes === 0;
          expect(isEnd(steps.at(-1))).toBe(closed);
        }
        expect(at).toBe(bytes);
        expect(ended).toBe(bytes);
        expect(lengthsOf(tail)).toEqual(['end']);
      }),
      { numRuns: 60 },
    );
  });
});
