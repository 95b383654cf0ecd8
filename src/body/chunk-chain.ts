/**
 * The chain of chunk signatures of a SigV4 streaming upload: each link signs the one before, so
 * chunks can neither be changed, nor left out, nor reordered.
 *
 * Invariant: links are compared in constant time, and the first mismatch ends the chain's use:
 * whoever sees one drops the payload and everything after it.
 * Source: AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
 */
import { createHash, createHmac, type Hash } from 'node:crypto';
import { equalConstantTime, utf8 } from '../base/bytes.ts';
import type { ChunkSigner } from './body.ts';

const EMPTY_SHA256 = createHash('sha256').digest('hex');

export class ChunkChain {
  readonly #signer: ChunkSigner;
  #previous: string;
  #hash: Hash | undefined;

  constructor(signer: ChunkSigner) {
    this.#signer = signer;
    this.#previous = signer.seed;
  }

  /** The next bytes of the chunk under way. */
  update(bytes: Uint8Array): void {
    this.#hash ??= createHash('sha256');
    this.#hash.update(bytes);
  }

  /** The chunk ended: does `signature`, as hex, sign it in its place? */
  verifyChunk(signature: string): boolean {
    const hash = this.#hash?.digest('hex') ?? EMPTY_SHA256;
    this.#hash = undefined;
    return this.#link('AWS4-HMAC-SHA256-PAYLOAD', `${EMPTY_SHA256}\n${hash}`, signature);
  }

  /** After the last chunk: does `signature` sign these trailer lines? */
  verifyTrailer(signedText: string, signature: string): boolean {
    const hash = createHash('sha256').update(signedText).digest('hex');
    return this.#link('AWS4-HMAC-SHA256-TRAILER', hash, signature);
  }

  #link(algorithm: string, hashes: string, signature: string): boolean {
    const { date, scope, signingKey } = this.#signer;
    const text = `${algorithm}\n${date}\n${scope}\n${this.#previous}\n${hashes}`;
    const expected = createHmac('sha256', signingKey).update(text).digest('hex');
    this.#previous = expected;
    return equalConstantTime(utf8(expected), utf8(signature));
  }
}
