/**
 * The chain of chunk signatures of a SigV4 streaming upload: each link signs the one before, so
 * chunks can neither be changed, nor left out, nor reordered.
 *
 * The chain is bytes that a caller keeps: the text to sign with only the last link and the
 * chunk's hash to be filled in, and both padded keys of HMAC (RFC 2104) before what they cover,
 * so a link is two one-shot hashes and no object.
 * Invariant: links are compared in constant time, and the first mismatch ends the chain's use:
 * whoever sees one drops the payload and everything after it.
 * Source: AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
 */
import { createHash, hash, timingSafeEqual } from 'node:crypto';
import { assert } from '../base/assert.ts';
import type { ChunkSigner } from './body.ts';

/** Of a chunk without data: the last one of every chain. */
export const EMPTY_SHA256: string = createHash('sha256').digest('hex');
const PAYLOAD = 'AWS4-HMAC-SHA256-PAYLOAD';
const TRAILER = 'AWS4-HMAC-SHA256-TRAILER';

const KEY_BYTES = 64;
const HASH_BYTES = 32;
const HEX_BYTES = 64;

/** Where things stand: the outer key and hash, two lengths, then the inner key and the text. */
const INNER_HASH = KEY_BYTES;
const PREFIX_END = INNER_HASH + HASH_BYTES;
const INNER_KEY = PREFIX_END + 8;
const TEXT = INNER_KEY + KEY_BYTES;

/** Which chain these bytes are: 0 is this one. */
export const CHAIN_KIND: number = PREFIX_END + 4;

/** Room for the longest scope: a region name is bounded before anybody signs with it. */
export const CHAIN_BYTES = 640;

export class ChunkChain {
  readonly #bytes: Buffer;
  /** Where the last link stands in the text. */
  readonly #previous: number;

  /** On bytes that `begin` once filled. */
  constructor(bytes: Buffer) {
    assert(bytes.length === CHAIN_BYTES, 'a chain has its size');
    this.#bytes = bytes;
    this.#previous = bytes.readUInt32LE(PREFIX_END);
  }

  /** A chain in memory of its own. */
  static of(signer: ChunkSigner): ChunkChain {
    const bytes = Buffer.alloc(CHAIN_BYTES);
    ChunkChain.begin(bytes, signer);
    return new ChunkChain(bytes);
  }

  static begin(bytes: Buffer, signer: ChunkSigner): void {
    const { date, scope, seed, signingKey } = signer;
    assert(signingKey.length <= KEY_BYTES, 'keys of HMAC are no longer than a block');
    assert(seed.length === HEX_BYTES, 'every link is a SHA-256 as hex');
    const prefix = `${PAYLOAD}\n${date}\n${scope}\n`;
    const text = `${prefix}${seed}\n${EMPTY_SHA256}\n`;
    assert(TEXT + text.length + HEX_BYTES <= CHAIN_BYTES, 'the scope is bounded');
    for (let index = 0; index < KEY_BYTES; index += 1) {
      bytes[index] = (signingKey[index] ?? 0) ^ 0x5c;
      bytes[INNER_KEY + index] = (signingKey[index] ?? 0) ^ 0x36;
    }
    bytes.write(text, TEXT, 'latin1');
    bytes.writeUInt32LE(0, CHAIN_KIND);
    bytes.writeUInt32LE(TEXT + prefix.length, PREFIX_END);
  }

  /** A chunk with data of this SHA-256 ended: does `signature` sign it? Both are hex. */
  verifyChunk(dataHash: string, signature: string): boolean {
    const at = this.#previous + HEX_BYTES + 1 + HEX_BYTES + 1;
    this.#bytes.write(dataHash, at, 'latin1');
    const inner = hash('sha256', this.#bytes.subarray(INNER_KEY, at + HEX_BYTES), 'buffer');
    return this.#link(inner, signature);
  }

  /** After the last chunk: does `signature` sign these trailer lines? */
  verifyTrailer(signedText: string, signature: string): boolean {
    const lines = hash('sha256', signedText, 'hex');
    const head = this.#bytes.subarray(INNER_KEY, this.#previous + HEX_BYTES);
    const text = Buffer.concat([head, Buffer.from(`\n${lines}`, 'latin1')]);
    text.write(TRAILER, KEY_BYTES, 'latin1');
    return this.#link(hash('sha256', text, 'buffer'), signature);
  }

  #link(inner: Buffer, signature: string): boolean {
    this.#bytes.set(inner, INNER_HASH);
    const outer = this.#bytes.subarray(0, INNER_HASH + HASH_BYTES);
    this.#bytes.write(hash('sha256', outer, 'hex'), this.#previous, 'latin1');
    if (signature.length !== HEX_BYTES) return false;
    const expected = this.#bytes.subarray(this.#previous, this.#previous + HEX_BYTES);
    return timingSafeEqual(expected, Buffer.from(signature, 'latin1'));
  }
}
