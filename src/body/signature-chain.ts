/**
 * Chooses the chain of chunk signatures that a signer asks for: HMACs of SigV4 or ECDSA of SigV4A.
 * Either lives in `CHAIN_BYTES` that a caller keeps, and says in them which it is.
 */
import type { ChunkSigner } from './body.ts';
import { CHAIN_BYTES, CHAIN_KIND, ChunkChain } from './chunk-chain.ts';
import { EcdsaChain } from './ecdsa-chain.ts';

export interface SignatureChain {
  /** A chunk with data of this SHA-256 (hex) ended: does `signature` sign it in its place? */
  verifyChunk(dataHash: string, signature: string): boolean;
  /** After the last chunk: does `signature` sign these trailer lines? */
  verifyTrailer(signedText: string, signature: string): boolean;
}

export function beginChain(bytes: Buffer, signer: ChunkSigner): void {
  if (signer.publicPoint === undefined) ChunkChain.begin(bytes, signer);
  else EcdsaChain.begin(bytes, signer);
}

/** On bytes that `beginChain` once filled. */
export function openChain(bytes: Buffer): SignatureChain {
  return bytes.readUInt32LE(CHAIN_KIND) === 0 ? new ChunkChain(bytes) : new EcdsaChain(bytes);
}

/** A chain in memory of its own. */
export function chainOf(signer: ChunkSigner): SignatureChain {
  const bytes = Buffer.alloc(CHAIN_BYTES);
  beginChain(bytes, signer);
  return openChain(bytes);
}
