/**
 * What lies between the wire and the payload of a body: the events a decoder raises, and the
 * decoder of bodies that are their own payload. `aws-chunked.ts` is the other decoder.
 *
 * Invariant: any split of the same wire bytes into pieces raises the same payload, chunk and
 * trailer events. A decoder keeps no reference to a piece, and copies no payload.
 */
import { S3Error } from '../base/s3-error.ts';

/** The shape of a chunk's or trailer's signature: of SigV4, or of SigV4A with its padding. */
export const SIGNATURE_SHAPE: RegExp = /^(?:[0-9a-f]{64}|(?=.{100,144}$)[0-9a-f]{100,144}\**)$/;

/** The trailer section, read and normalised. */
export interface Trailer {
  /** Lower-case names and trimmed values of all lines but the signature. */
  readonly values: ReadonlyMap<string, string>;
  /** `name:value\n` of the same lines in wire order: what the trailer signature covers. */
  readonly signedText: string;
  /** Value of `x-amz-trailer-signature`: 64 hex digits. Present exactly when chunks are signed. */
  readonly signature: string | undefined;
}

export interface FrameSink {
  /**
   * How many of the bytes were taken. Fewer than offered stops the decoder right there. `last`:
   * a chunk ends with these bytes; once all are taken, its `chunkEnd` follows in the same turn.
   */
  payload(bytes: Uint8Array, last: boolean): number;
  /** All payload of a chunk was taken; also for the last, empty one. Signature: 64 hex digits. */
  chunkEnd(signature: string | undefined): void;
  trailer(trailer: Trailer): void;
}

export interface Decoder {
  /**
   * Decodes `bytes` from index `from` on. Answers the index of the first byte not consumed, below
   * `bytes.length` only when the sink stopped it: the rest is to be pushed again. Throws S3Error.
   */
  push(bytes: Uint8Array, from?: number): number;
  /** How many bytes of payload are next on the wire, with nothing in between. */
  readonly run: number;
  /** So many bytes of that run got to the sink without passing through here. */
  skip(length: number): void;
  /** The wire ended; everything was pushed. Throws S3Error when something is missing. */
  end(): void;
}

export class IdentityDecoder implements Decoder {
  readonly #sink: FrameSink;
  #left: number;
  /** Bytes that may be missing at the end: only a body of unsaid length has any. */
  readonly #spare: number;

  constructor(payloadLength: number, sink: FrameSink, lengthMin: number = payloadLength) {
    this.#left = payloadLength;
    this.#spare = payloadLength - lengthMin;
    this.#sink = sink;
  }

  push(bytes: Uint8Array, from: number = 0): number {
    const offered = bytes.length - from;
    if (offered > this.#left) throw new S3Error('IncompleteBody');
    if (offered === 0) return from;
    const taken = this.#sink.payload(from === 0 ? bytes : bytes.subarray(from), false);
    this.#left -= taken;
    return from + taken;
  }

  get run(): number {
    return this.#left;
  }

  skip(length: number): void {
    this.#left -= length;
  }

  end(): void {
    if (this.#left > this.#spare) throw new S3Error('IncompleteBody');
  }
}
