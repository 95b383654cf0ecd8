import { describe, expect, it } from 'vitest';
import { AwsChunkedDecoder } from '../../../src/body/aws-chunked.ts';
import type { Trailer } from '../../../src/body/framing.ts';
import { LIMITS } from '../../../src/base/limits.ts';
import { chunkedWire, patterned, SIGNER } from '../../support/chunked-wire.ts';

interface Options {
  readonly signed?: boolean;
  readonly hasTrailer?: boolean;
  /** Bytes the sink takes in all before it stops the decoder. */
  readonly room?: number;
}

/** Everything that a decoder raises, as one value. */
function recorder(payloadLength: number, options: Options = {}) {
  const payload: number[] = [];
  const ends: (readonly [at: number, signature: string | undefined])[] = [];
  const trailers: Trailer[] = [];
  let room = options.room ?? Infinity;
  const { signed = false, hasTrailer = false } = options;
  const decoder = new AwsChunkedDecoder(
    { payloadLength, signed, hasTrailer },
    {
      payload: (bytes) => {
        const taken = Math.min(room, bytes.length);
        room -= taken;
        payload.push(...bytes.subarray(0, taken));
        return taken;
      },
      chunkEnd: (signature) => ends.push([payload.length, signature]),
      trailer: (trailer) => trailers.push(trailer),
    },
  );
  return { decoder, payload, ends, trailers, allow: (more: number) => void (room += more) };
}

function decode(wire: string | Uint8Array, payloadLength: number, options: Options = {}) {
  const run = recorder(payloadLength, options);
  run.decoder.push(Buffer.from(wire));
  run.decoder.end();
  return run;
}

const SIGNATURE = 'a'.repeat(64);
const signedHeader = (size: number): string => `${size.toString(16)};chunk-signature=${SIGNATURE}`;

describe('AwsChunkedDecoder', () => {
  it('finds payload and chunk signatures', () => {
    const payload = patterned(20_000);
    const wire = chunkedWire(payload, { chunkBytes: 8192, signer: SIGNER });
    const { payload: got, ends } = decode(wire, payload.length, { signed: true });
    expect(Buffer.from(got).equals(payload)).toBe(true);
    expect(ends.map(([at]) => at)).toEqual([8192, 16_384, 20_000, 20_000]);
    expect(new Set(ends.map(([, signature]) => signature)).size).toBe(4);
  });

  it('stops where the sink stops and goes on from there', () => {
    const payload = patterned(100);
    const wire = chunkedWire(payload, { chunkBytes: 64, signer: undefined });
    const run = recorder(100, { room: 10 });
    let at = run.decoder.push(wire);
    expect(at).toBe('40\r\n'.length + 10);
    expect(run.decoder.push(wire, at)).toBe(at);
    while (at < wire.length) {
      run.allow(7);
      at = run.decoder.push(wire, at);
    }
    run.decoder.end();
    expect(Buffer.from(run.payload).equals(payload)).toBe(true);
  });

  it.each([
    ['CRLF and an empty line', 'x-amz-checksum-crc32:AAAAAA==\r\n\r\n'],
    ['LF alone', 'x-amz-checksum-crc32:AAAAAA==\n\n'],
    ['an LF before each CRLF', 'x-amz-checksum-crc32:AAAAAA==\n\r\n\r\n'],
    ['no empty line at all', 'X-Amz-Checksum-CRC32: AAAAAA== \r\n'],
  ])('reads a trailer with %s', (_, section) => {
    const { trailers } = decode(`3\r\nabc\r\n0\r\n${section}`, 3, { hasTrailer: true });
    expect(trailers).toEqual([
      {
        values: new Map([['x-amz-checksum-crc32', 'AAAAAA==']]),
        signedText: 'x-amz-checksum-crc32:AAAAAA==\n',
        signature: undefined,
      },
    ]);
  });

  it('keeps the trailer signature apart from what it signs', () => {
    const section = `x-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:${SIGNATURE}\r\n\r\n`;
    const wire = `${signedHeader(3)}\r\nabc\r\n${signedHeader(0)}\r\n${section}`;
    const { trailers } = decode(wire, 3, { signed: true, hasTrailer: true });
    expect(trailers[0]?.signature).toBe(SIGNATURE);
    expect(trailers[0]?.signedText).toBe('x-amz-checksum-crc32:AAAAAA==\n');
  });

  it('understands an empty payload and unknown extensions', () => {
    expect(decode('0\r\n\r\n', 0).payload).toEqual([]);
    expect(decode('03;x=y\r\nabc\r\n0000;z\r\n\r\n', 3).payload.length).toBe(3);
  });

  const signed = { signed: true };
  const trailing = { hasTrailer: true };
  const both = { signed: true, hasTrailer: true };
  const last = `${signedHeader(0)}\r\n`;
  const long = 'x'.repeat(LIMITS.chunkHeaderBytes);
  const manyLines = 'a:b\r\n'.repeat(LIMITS.trailerBytes / 4);
  it.each<[string, string, number, Options, string]>([
    ['nothing at all', '', 3, {}, 'IncompleteBody'],
    ['data cut short', '3\r\nab', 3, {}, 'IncompleteBody'],
    ['no last chunk', '3\r\nabc\r\n', 3, {}, 'IncompleteBody'],
    ['no final CRLF', '3\r\nabc\r\n0\r\n', 3, {}, 'IncompleteBody'],
    ['a header cut short', '3\r\nabc\r\n0', 3, {}, 'IncompleteBody'],
    ['a trailer cut short', '3\r\nabc\r\n0\r\na:b', 3, trailing, 'IncompleteBody'],
    ['less than declared', '3\r\nabc\r\n0\r\n\r\n', 4, {}, 'IncompleteBody'],
    ['more than declared', '3\r\nabc\r\n0\r\n\r\n', 2, {}, 'IncompleteBody'],
    ['a size that is no number', 'g\r\nabc\r\n', 3, {}, 'InvalidRequest'],
    ['a negative size', '-3\r\nabc\r\n', 3, {}, 'InvalidRequest'],
    ['a size with a blank', ' 3\r\nabc\r\n', 3, {}, 'InvalidRequest'],
    ['a size of 17 digits', '00000000000000003\r\nabc\r\n', 3, {}, 'InvalidRequest'],
    ['an enormous size', 'ffffffffffffffff\r\n', 3, {}, 'EntityTooLarge'],
    ['a header ended by LF', '3\nabc\r\n', 3, {}, 'InvalidRequest'],
    ['a header too long', `3;${long}\r\n`, 3, {}, 'InvalidRequest'],
    ['a header without end', long.padEnd(5000, 'x'), 3, {}, 'InvalidRequest'],
    ['data not followed by CR', '3\r\nabcd\n', 3, {}, 'InvalidRequest'],
    ['data not followed by LF', '3\r\nabc\rx', 3, {}, 'InvalidRequest'],
    ['bytes after the end', '3\r\nabc\r\n0\r\n\r\nx', 3, {}, 'InvalidRequest'],
    ['an unsigned chunk among signed', '3\r\nabc\r\n', 3, signed, 'SignatureDoesNotMatch'],
    ['a short signature', '3;chunk-signature=ab\r\n', 3, signed, 'SignatureDoesNotMatch'],
    [
      'two signatures',
      `${signedHeader(3)};chunk-signature=${SIGNATURE}\r\n`,
      3,
      signed,
      'SignatureDoesNotMatch',
    ],
    [
      'a short signed chunk that is not the last',
      `${signedHeader(3)}\r\nabc\r\n${signedHeader(2)}\r\n`,
      5,
      signed,
      'InvalidChunkSizeError',
    ],
    ['a trailer line without colon', '0\r\nabc\r\n\r\n', 0, trailing, 'MalformedTrailerError'],
    ['a trailer name with a blank', '0\r\na b:c\r\n\r\n', 0, trailing, 'MalformedTrailerError'],
    ['a trailer line twice', '0\r\na:b\r\nA:b\r\n\r\n', 0, trailing, 'MalformedTrailerError'],
    ['a trailer too long', `0\r\n${manyLines}`, 0, trailing, 'MalformedTrailerError'],
    ['too many trailer lines', `0\r\n${'a:b\n'.repeat(99)}`, 0, trailing, 'MalformedTrailerError'],
    ['no trailer signature', `${last}a:b\r\n\r\n`, 0, both, 'MalformedTrailerError'],
    [
      'a line after the trailer signature',
      `${last}x-amz-trailer-signature:${SIGNATURE}\r\na:b\r\n\r\n`,
      0,
      both,
      'MalformedTrailerError',
    ],
  ])('refuses %s', (_, wire, payloadLength, options, code) => {
    expect(() => decode(wire, payloadLength, options)).toThrowError(
      expect.objectContaining({ name: 'S3Error', code }),
    );
  });
});
