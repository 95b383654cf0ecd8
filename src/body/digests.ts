/**
 * The digests of one payload: hashes by OpenSSL, CRC-32 by zlib, the other CRCs by the WASM
 * kernels, all in place. Streams are digested span by span; inline bodies at once.
 *
 * Invariant: results are the raw bytes that S3 base64-encodes, CRCs most significant byte first.
 */
import { createHash, hash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { unreachable } from '../base/assert.ts';
import type { Span } from '../memory/arena.ts';
import { crc32c, crc64nvme } from '../wasm/crc.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { DigestName } from './body.ts';

export const DIGEST_BYTES: Readonly<Record<DigestName, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
};

export type Digests = ReadonlyMap<DigestName, Uint8Array>;

/** One digest under way. */
interface Running {
  update(bytes: Uint8Array): void;
  finish(): Uint8Array;
}

/** Digests of a payload that arrives as spans of the kernels' memory, in order. */
export class DigestSet {
  readonly #memory: WebAssembly.Memory;
  readonly #running = new Map<DigestName, Running>();

  constructor(names: Iterable<DigestName>, kernels: Kernels) {
    this.#memory = kernels.memory;
    for (const name of names) this.#running.set(name, start(name, kernels));
  }

  update(span: Span): void {
    const bytes = new Uint8Array(this.#memory.buffer, span.offset, span.length);
    for (const running of this.#running.values()) running.update(bytes);
  }

  /** Once. */
  finish(): Digests {
    return new Map([...this.#running].map(([name, running]) => [name, running.finish()]));
  }
}

function start(name: DigestName, kernels: Kernels): Running {
  switch (name) {
    case 'md5':
    case 'sha1':
    case 'sha256':
      return hashing(createHash(name));
    case 'crc32': {
      let state = 0;
      return {
        update: (bytes) => void (state = crc32(bytes, state)),
        finish: () => bigEndian32(state),
      };
    }
    case 'crc32c': {
      let state = 0;
      return {
        update: (at) => void (state = kernels.crc32c(state, at.byteOffset, at.byteLength)),
        finish: () => bigEndian32(state),
      };
    }
    case 'crc64nvme': {
      let state = 0n;
      return {
        update: (at) => void (state = kernels.crc64nvme(state, at.byteOffset, at.byteLength)),
        finish: () => bigEndian64(state),
      };
    }
    default:
      return unreachable(name);
  }
}

function hashing(state: Hash): Running {
  return { update: (bytes) => void state.update(bytes), finish: () => plain(state.digest()) };
}

/** Digests of a whole payload in any memory, on the calling thread: meant for small ones. */
export function digestOnce(names: Iterable<DigestName>, bytes: Uint8Array): Digests {
  const digests = new Map<DigestName, Uint8Array>();
  for (const name of names) digests.set(name, once(name, bytes));
  return digests;
}

function once(name: DigestName, bytes: Uint8Array): Uint8Array {
  switch (name) {
    case 'md5':
    case 'sha1':
    case 'sha256':
      return plain(hash(name, bytes, 'buffer'));
    case 'crc32':
      return bigEndian32(crc32(bytes));
    case 'crc32c':
      return bigEndian32(crc32c(bytes));
    case 'crc64nvme':
      return bigEndian64(crc64nvme(bytes));
    default:
      return unreachable(name);
  }
}

/** A copy: small Buffers share the pool of Node, which must not cross threads as a clone. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}

function bigEndian32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function bigEndian64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
