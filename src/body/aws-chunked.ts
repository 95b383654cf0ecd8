/**
 * The decoder of `Content-Encoding: aws-chunked`, signed or not, with or without a trailer. It
 * finds chunks, payload and trailer in pieces of any size; it verifies lengths, not signatures.
 *
 * Invariant: memory is bounded by one chunk header plus one trailer section. Everything but
 * payload passes through the small carry, so a line may be split over any number of pieces.
 * Source: AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import { type Decoder, type FrameSink, SIGNATURE_SHAPE } from './framing.ts';
import { parseTrailer } from './trailer.ts';

const HEADER = 0;
const DATA = 1;
/** Between the data of a chunk, also the last and empty one, and the next thing: CR, then LF. */
const DATA_CR = 2;
const DATA_LF = 3;
const TRAILER = 4;
const DONE = 5;

const CR = 0x0d;
const LF = 0x0a;

export interface AwsChunkedOptions {
  /** x-amz-decoded-content-length. */
  readonly payloadLength: number;
  /** Every chunk carries a signature, and the trailer too. */
  readonly signed: boolean;
  /** A trailer section follows the last chunk. */
  readonly hasTrailer: boolean;
}

interface ChunkHeader {
  readonly size: number;
  readonly signature: string | undefined;
}

export class AwsChunkedDecoder implements Decoder {
  readonly #options: AwsChunkedOptions;
  readonly #sink: FrameSink;
  /** The line or trailer section under way; allocated when first split over two pieces. */
  #carry: Buffer | undefined;
  #carried = 0;
  #state: number = HEADER;
  /** Payload not yet announced by a chunk header, and data of this chunk not yet taken. */
  #payloadLeft: number;
  #chunkLeft = 0;
  #previousSize: number | undefined;
  #signature: string | undefined;

  constructor(options: AwsChunkedOptions, sink: FrameSink) {
    this.#options = options;
    this.#payloadLeft = options.payloadLength;
    this.#sink = sink;
  }

  push(bytes: Uint8Array, from: number = 0): number {
    let at = from;
    while (at < bytes.length) {
      switch (this.#state) {
        case HEADER:
          at = this.#readHeader(bytes, at);
          break;
        case DATA: {
          const offered = Math.min(this.#chunkLeft, bytes.length - at);
          const taken = this.#sink.payload(
            bytes.subarray(at, at + offered),
            offered === this.#chunkLeft,
          );
          at += taken;
          this.skip(taken);
          if (taken < offered) return at;
          break;
        }
        case DATA_CR:
          if (bytes[at] !== CR) throw malformed('chunk data is not followed by CRLF');
          this.#state = DATA_LF;
          at += 1;
          break;
        case DATA_LF:
          if (bytes[at] !== LF) throw malformed('chunk data is not followed by CRLF');
          this.#state = this.#previousSize === 0 ? DONE : HEADER;
          at += 1;
          break;
        case TRAILER:
          this.#keep(bytes, at, bytes.length, LIMITS.trailerBytes, trailerTooLong);
          return bytes.length;
        default:
          throw malformed('bytes follow the last chunk');
      }
    }
    return at;
  }

  get run(): number {
    return this.#state === DATA ? this.#chunkLeft : 0;
  }

  skip(length: number): void {
    this.#chunkLeft -= length;
    if (this.#chunkLeft === 0) this.#endData();
  }

  end(): void {
    if (this.#state === TRAILER) {
      const section = this.#carry?.toString('latin1', 0, this.#carried) ?? '';
      this.#sink.trailer(parseTrailer(section, this.#options.signed));
      this.#carry = undefined;
      this.#state = DONE;
    }
    if (this.#state !== DONE) throw new S3Error('IncompleteBody');
  }

  /** Reads up to and with the LF of a chunk header; answers where to go on. */
  #readHeader(bytes: Uint8Array, at: number): number {
    const feed = bytes.indexOf(LF, at);
    const end = feed < 0 ? bytes.length : feed + 1;
    if (feed >= 0 && this.#carried === 0) {
      if (end - at > LIMITS.chunkHeaderBytes) throw headerTooLong();
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#beginChunk(view.toString('latin1', at, end));
      return end;
    }
    this.#keep(bytes, at, end, LIMITS.chunkHeaderBytes, headerTooLong);
    if (feed >= 0) {
      assert(this.#carry !== undefined, 'a split header was kept');
      const line = this.#carry.toString('latin1', 0, this.#carried);
      this.#carried = 0;
      this.#beginChunk(line);
    }
    return end;
  }

  #keep(bytes: Uint8Array, from: number, to: number, max: number, tooLong: () => S3Error): void {
    const length = this.#carried + to - from;
    if (length > max) throw tooLong();
    if (this.#carry === undefined || this.#carry.length < length) {
      const grown = Buffer.alloc(Math.min(max, Math.max(256, 2 * length)));
      this.#carry?.copy(grown, 0, 0, this.#carried);
      this.#carry = grown;
    }
    this.#carry.set(bytes.subarray(from, to), this.#carried);
    this.#carried = length;
  }

  #beginChunk(line: string): void {
    const { signed } = this.#options;
    const { size, signature } = parseChunkHeader(line, signed);
    const previous = this.#previousSize ?? LIMITS.signedChunkBytesMin;
    if (signed && size > 0 && previous < LIMITS.signedChunkBytesMin) {
      throw new S3Error('InvalidChunkSizeError');
    }
    if (size > this.#payloadLeft) throw new S3Error('IncompleteBody');
    if (size === 0 && this.#payloadLeft > 0) throw new S3Error('IncompleteBody');
    this.#payloadLeft -= size;
    this.#chunkLeft = size;
    this.#previousSize = size;
    this.#signature = signature;
    if (size > 0) this.#state = DATA;
    else this.#endData();
  }

  #endData(): void {
    const last = this.#previousSize === 0;
    this.#state = last && this.#options.hasTrailer ? TRAILER : DATA_CR;
    this.#sink.chunkEnd(this.#signature);
  }
}

/** `<hex size>[;name=value]*` and CRLF. Unknown extensions are for others to understand. */
function parseChunkHeader(line: string, signed: boolean): ChunkHeader {
  if (!line.endsWith('\r\n')) throw malformed('a chunk header does not end in CRLF');
  const [sizeText = '', ...extensions] = line.slice(0, -2).split(';');
  if (!/^[0-9a-fA-F]{1,16}$/.test(sizeText)) throw malformed('a chunk size is not hexadecimal');
  const size = Number.parseInt(sizeText, 16);
  if (size > LIMITS.chunkBytesMax) throw new S3Error('EntityTooLarge');
  if (!signed) return { size, signature: undefined };
  const signatures = extensions.filter((extension) => extension.startsWith('chunk-signature='));
  const signature = signatures[0]?.slice('chunk-signature='.length) ?? '';
  if (signatures.length !== 1 || !SIGNATURE_SHAPE.test(signature)) {
    // Missing, doubled or not a signature at all: the chunk is not proved to be the signer's.
    throw new S3Error('SignatureDoesNotMatch');
  }
  return { size, signature };
}

function malformed(reason: string): S3Error {
  return new S3Error('InvalidRequest', {
    message: `The aws-chunked body is malformed: ${reason}.`,
  });
}

function headerTooLong(): S3Error {
  return malformed(`a chunk header is longer than ${LIMITS.chunkHeaderBytes} bytes`);
}

function trailerTooLong(): S3Error {
  return new S3Error('MalformedTrailerError');
}
