/**
 * The contract of a request body: a push side for the HTTP front end and a pull side for the
 * operation, born together with the verdict on every digest, length and signature.
 *
 * A body exists only for an authenticated request (the plan carries the signer). Nothing read
 * from it may become visible before `settled` resolved.
 */
import type { Block } from '../memory/arena.ts';

export const DIGESTS = [
  'md5',
  'sha1',
  'sha256',
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha512',
  'xxhash64',
  'xxhash3',
  'xxhash128',
] as const;
export type DigestName = (typeof DIGESTS)[number];

/** What SigV4 chunk verification needs; keys are raw bytes. */
export interface ChunkSigner {
  /** Hex signature of the request: the first link of the chain. */
  readonly seed: string;
  readonly signingKey: Uint8Array;
  /**
   * SigV4A: x and y of the public key, 64 bytes; then `signingKey` is not used, links are ECDSA
   * signatures, and the scope names no region.
   */
  readonly publicPoint?: Uint8Array | undefined;
  /** `<yyyymmdd>/<region>/<service>/aws4_request`. */
  readonly scope: string;
  /** `x-amz-date` of the request, e.g. `20261123T040000Z`. */
  readonly date: string;
}

/** Everything the headers say about the body, decided before the first byte. */
export interface BodyPlan {
  readonly framing: 'identity' | 'aws-chunked';
  /** Bytes of payload: Content-Length, or x-amz-decoded-content-length when aws-chunked. */
  readonly payloadLength: number;
  /**
   * Set when only the end of the wire tells the length (a form's file): it has at least so many
   * bytes, and `payloadLength` at most. The difference is bounded (`LIMITS.formBytes`).
   */
  readonly lengthMin?: number | undefined;
  /** Digests to compute over the payload. */
  readonly digests: ReadonlySet<DigestName>;
  /** Values the headers declared (Content-MD5, x-amz-content-sha256, x-amz-checksum-*), raw. */
  readonly expected: ReadonlyMap<DigestName, Uint8Array>;
  /** Header value that `expected.sha256` came from: decides the error code of a mismatch. */
  readonly sha256From: 'x-amz-content-sha256' | 'x-amz-checksum-sha256' | undefined;
  /** The digest that an `x-amz-checksum-*` header declared. */
  readonly declared?: DigestName | undefined;
  /** aws-chunked with a trailer: the checksum that the trailer must carry, if `x-amz-trailer` names one. */
  readonly trailer: DigestName | undefined;
  /** True for `…-TRAILER` payload modes: a trailer section follows the last chunk. */
  readonly hasTrailer: boolean;
  /** Present exactly when chunks (and the trailer) are signed. */
  readonly signer: ChunkSigner | undefined;
}

export interface Payload {
  readonly size: number;
  /** All of `plan.digests`, raw bytes, big-endian for CRCs: as S3 base64-encodes them. */
  readonly digests: ReadonlyMap<DigestName, Uint8Array>;
}

/** A stretch of arena where the next bytes of a body are wanted. */
export interface Landing {
  /** Whoever lets the kernel write there retains it meanwhile: the body may end first. */
  readonly block: Block;
  /** Never empty, nothing but payload. */
  readonly bytes: Uint8Array;
}

/** Push side, held by the front end. */
export interface BodyFeed {
  /**
   * Copies the bytes out before returning. False: pause the socket; `resume` follows, also when
   * the body fails meanwhile. After the verdict fell, bytes are swallowed.
   */
  push(bytes: Uint8Array): boolean;
  /**
   * Instead of `push`: where to receive the next bytes of the wire, so that nobody copies them.
   * Undefined: push them. Valid until the next call of `push`, `landed` or `end`.
   */
  landing?(): Landing | undefined;
  /** The first `length` bytes of the last landing are there; as `push`. */
  landed?(length: number): boolean;
  /** The request is complete on the wire. */
  end(): void;
  /** The client went away or was too slow. Idempotent. */
  abort(reason: Error): void;
}

/** Pull side, held by the operation. One consumer. */
export interface Body {
  readonly plan: BodyPlan;
  /**
   * Blocks in order; every block but the last is full and starts at the block's base. The
   * consumer releases each. Throws the S3Error of the first violation; what only the whole body
   * tells (BadDigest) is reported by `settled` alone, after the last block, unless the body was
   * inline. Leaving the loop early cancels the body.
   *
   * No block is taken from the arena before the first pull: a consumer that needs blocks of its
   * own (parity) gets them first, or bodies and writers could wait for each other.
   */
  blocks(): AsyncIterable<Block>;
  /** The whole payload in ordinary memory, verified; for documents and inline objects. */
  bytes(bytesMax: number): Promise<Uint8Array>;
  /**
   * Resolves when every digest, length, chunk and trailer is verified; rejects with S3Error, or
   * with the reason of an abort. Falls only after everything was pulled, if it is good; may be
   * left unawaited.
   */
  readonly settled: Promise<Payload>;
  /** Releases everything and makes pending reads reject. Idempotent. */
  cancel(reason: Error): void;
}

/** How a body asks its transport to stop and go on. */
export interface Transport {
  resume(): void;
}

/** Opens both faces of one body. Implemented by `body/stream-body.ts`. */
export interface Bodies {
  open(plan: BodyPlan, transport: Transport): { readonly body: Body; readonly feed: BodyFeed };
  close(): Promise<void>;
}
