/**
 * The chain of chunk signatures of a SigV4A streaming upload. As the chain of HMACs, but a link
 * can only be verified, not computed: so the next text is signed over the link that was sent.
 *
 * It lives in bytes that a caller keeps, as the other: the point of the public key, two lengths,
 * then the start of the text to sign and the last link, as it was sent without its padding.
 */
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { assert } from '../base/assert.ts';
import type { ChunkSigner } from './body.ts';
import { CHAIN_BYTES, CHAIN_KIND, EMPTY_SHA256 } from './chunk-chain.ts';

const PAYLOAD = 'AWS4-ECDSA-P256-SHA256-PAYLOAD';
const TRAILER = 'AWS4-ECDSA-P256-SHA256-TRAILER';

const POINT_BYTES = 64;
const PREFIX_LENGTH = 96;
const LINK_LENGTH = 104;
const TEXT = 108;
/** A DER signature over P-256 at its longest, as hex. Shorter ones are padded with stars. */
const LINK_CHARS = 144;

/** `point`: x and y, 64 bytes. */
export function ecdsaKey(point: Uint8Array): KeyObject {
  const text = (from: number): string =>
    Buffer.from(point.subarray(from, from + 32)).toString('base64url');
  return createPublicKey({
    key: { kty: 'EC', crv: 'P-256', x: text(0), y: text(32) },
    format: 'jwk',
  });
}

/** `signature`: DER as hex. Anything else proves nothing. */
export function ecdsaProves(key: KeyObject, text: string, signature: string): boolean {
  if (!/^(?:[0-9a-f]{2}){8,72}$/.test(signature)) return false;
  try {
    return verify('sha256', Buffer.from(text), key, Buffer.from(signature, 'hex'));
  } catch {
    return false;
  }
}

export class EcdsaChain {
  readonly #bytes: Buffer;
  readonly #key: KeyObject;

  /** On bytes that `begin` once filled. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#key = ecdsaKey(bytes.subarray(0, POINT_BYTES));
  }

  static begin(bytes: Buffer, { date, scope, seed, publicPoint }: ChunkSigner): void {
    assert(publicPoint?.length === POINT_BYTES, 'a point of P-256');
    const prefix = `${PAYLOAD}\n${date}\n${scope}\n`;
    assert(TEXT + prefix.length + LINK_CHARS <= CHAIN_BYTES, 'the scope is bounded');
    assert(seed.length <= LINK_CHARS, 'a seed is a signature');
    bytes.set(publicPoint);
    bytes.writeUInt32LE(1, CHAIN_KIND);
    bytes.writeUInt32LE(prefix.length, PREFIX_LENGTH);
    bytes.writeUInt32LE(seed.length, LINK_LENGTH);
    bytes.write(prefix + seed, TEXT, 'latin1');
  }

  verifyChunk(dataHash: string, signature: string): boolean {
    return this.#link(this.#start(), `${EMPTY_SHA256}\n${dataHash}`, signature);
  }

  verifyTrailer(signedText: string, signature: string): boolean {
    const start = TRAILER + this.#start().slice(PAYLOAD.length);
    return this.#link(start, hash('sha256', signedText, 'hex'), signature);
  }

  /** The text to sign up to and with the last link. */
  #start(): string {
    const prefix = this.#bytes.readUInt32LE(PREFIX_LENGTH);
    const link = this.#bytes.readUInt32LE(LINK_LENGTH);
    return this.#bytes.toString('latin1', TEXT, TEXT + prefix + link);
  }

  #link(start: string, hashes: string, padded: string): boolean {
    const signature = padded.replace(/\*+$/, '');
    if (!ecdsaProves(this.#key, `${start}\n${hashes}`, signature)) return false;
    const prefix = this.#bytes.readUInt32LE(PREFIX_LENGTH);
    this.#bytes.writeUInt32LE(signature.length, LINK_LENGTH);
    this.#bytes.write(signature, TEXT + prefix, 'latin1');
    return true;
  }
}
