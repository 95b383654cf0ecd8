import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../src/base/s3-error.ts';
import { AwsChunkedDecoder } from '../../src/body/aws-chunked.ts';
import { chunkedWire, piecesOf, SIGNER } from '../support/chunked-wire.ts';

// Seconds that each property may run: a moment in CI, as long as asked for by `npm run fuzz`.
const SECONDS = Number(process.env['SLUICE_FUZZ_SECONDS'] ?? '2');
const BUDGET = {
  numRuns: SECONDS > 2 ? 1_000_000_000 : 500,
  interruptAfterTimeLimit: SECONDS * 1000,
} as const;

interface Mode {
  readonly payloadLength: number;
  readonly signed: boolean;
  readonly hasTrailer: boolean;
}

interface Outcome {
  readonly events: string;
  readonly payload: string;
  /** Code of the S3Error that ended it. Anything else that is thrown fails the test. */
  readonly code: string | undefined;
}

/** `room` goes round: how much the sink takes at a time before it stops the decoder. */
function decode(mode: Mode, pieces: readonly Uint8Array[], room: readonly number[]): Outcome {
  const payload: Uint8Array[] = [];
  let events = '';
  let turn = 0;
  let length = 0;
  const decoder = new AwsChunkedDecoder(mode, {
    payload: (bytes) => {
      const taken = Math.min(bytes.length, room[turn % room.length] ?? Infinity);
      turn += 1;
      payload.push(new Uint8Array(bytes.subarray(0, taken)));
      length += taken;
      return taken;
    },
    chunkEnd: (signature) => void (events += `end ${length} ${signature}\n`),
    trailer: (trailer) =>
      void (events += `trailer ${trailer.signedText}${trailer.signature ?? ''}\n`),
  });
  let code: string | undefined;
  try {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) at = decoder.push(piece, at);
    }
    decoder.end();
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    code = error.code;
  }
  return { events, payload: Buffer.concat(payload).toString('latin1'), code };
}

const bodies = fc
  .record({
    payload: fc.uint8Array({ maxLength: 40_000, size: 'max' }),
    chunkBytes: fc.constantFrom(8192, 9001, 16_384),
    signed: fc.boolean(),
    hasTrailer: fc.boolean(),
    lineEnd: fc.constantFrom('\r\n', '\n', '\n\r\n'),
  })
  .map(({ payload, chunkBytes, signed, hasTrailer, lineEnd }) => ({
    payload,
    mode: { payloadLength: payload.length, signed, hasTrailer },
    wire: chunkedWire(payload, {
      chunkBytes,
      signer: signed ? SIGNER : undefined,
      trailer: hasTrailer ? ['x-amz-checksum-crc32:AAAAAA==', 'a:b'] : undefined,
      lineEnd,
    }),
  }));

const cuts = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 20_000 })),
  {
    minLength: 1,
    maxLength: 12,
  },
);
const rooms = fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 4 });

/** Wrecks a wire: flips, cuts out, doubles or writes bytes that mean something here. */
interface Wound {
  readonly kind: 'flip' | 'cut' | 'double' | 'write';
  readonly at: number;
  readonly length: number;
  readonly text: string;
}

const damage: fc.Arbitrary<Wound> = fc.record({
  kind: fc.constantFrom<Wound['kind'][]>('flip', 'cut', 'double', 'write'),
  at: fc.nat(),
  length: fc.integer({ min: 1, max: 40 }),
  text: fc.constantFrom(
    '\r\n',
    '\n',
    '0\r\n',
    ';',
    ':',
    'ffffffff',
    'x-amz-trailer-signature:',
    '',
  ),
});

function damaged(wire: Uint8Array, wounds: readonly Wound[]): Uint8Array {
  let bytes = Buffer.from(wire);
  for (const { kind, at: where, length, text } of wounds) {
    // Framing is a small part of the wire: half of the wounds go near its end.
    const at = where % 2 === 0 ? where % bytes.length : Math.max(0, bytes.length - (where % 300));
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    if (kind === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << (length % 8));
    else if (kind === 'cut') bytes = Buffer.concat([head, tail.subarray(length)]);
    else if (kind === 'double') bytes = Buffer.concat([head, tail.subarray(0, length), tail]);
    else bytes = Buffer.concat([head, Buffer.from(text), tail]);
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}

describe('the aws-chunked decoder', () => {
  const timeout = SECONDS * 1000 + 30_000;

  it('gives the same events for any split and any room', { timeout }, () => {
    fc.assert(
      fc.property(bodies, cuts, rooms, ({ payload, mode, wire }, sizes, room) => {
        const outcome = decode(mode, piecesOf(wire, sizes), room);
        expect(outcome.code).toBeUndefined();
        expect(outcome.payload === Buffer.from(payload).toString('latin1')).toBe(true);
        expect(outcome).toEqual(decode(mode, [wire], []));
      }),
      BUDGET,
    );
  });

  it('judges damaged wires by an S3Error alone, the same for any split', { timeout }, () => {
    fc.assert(
      fc.property(
        bodies,
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        cuts,
        rooms,
        ({ mode, wire }, wounds, sizes, room) => {
          const bytes = damaged(wire, wounds);
          const outcome = decode(mode, piecesOf(bytes, sizes), room);
          expect(outcome.code).toBe(decode(mode, [bytes], []).code);
          if (outcome.code === undefined) {
            expect(outcome.payload.length).toBe(mode.payloadLength);
          } else {
            expect(outcome.payload.length).toBeLessThanOrEqual(mode.payloadLength);
          }
        },
      ),
      BUDGET,
    );
  });

  it('takes any bytes at all without harm', { timeout }, () => {
    const modes = fc.record({
      payloadLength: fc.nat(100),
      signed: fc.boolean(),
      hasTrailer: fc.boolean(),
    });
    const noise = fc.array(
      fc.oneof(
        fc.constantFrom('0', '5', 'a', '\r\n', '\r', '\n', ';chunk-signature=', ':', 'hello'),
        fc.constantFrom('5\r\nhello\r\n', '0\r\n', 'a'.repeat(64), 'x'.repeat(2000)),
        fc.string({ maxLength: 5, unit: 'binary-ascii' }),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(modes, noise, cuts, (mode, parts, sizes) => {
        const bytes = Buffer.from(parts.join(''), 'latin1');
        const outcome = decode(mode, piecesOf(bytes, sizes), []);
        expect(outcome).toEqual(decode(mode, bytes.length > 0 ? [bytes] : [], []));
      }),
      BUDGET,
    );
  });
});
