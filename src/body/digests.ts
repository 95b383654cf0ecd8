/**
 * What a digest is, and the digests of a payload that is there as a whole: inline bodies and
 * documents. Payloads that arrive block by block are the work of digest-run.ts.
 *
 * Invariant: results are the raw bytes that S3 base64-encodes, CRCs most significant byte first.
 */
import { createHash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { unreachable } from '../base/assert.ts';
import { crc32c, crc64nvme } from '../wasm/crc.ts';
import { XxHash, type XxHashName } from '../wasm/xx-hash.ts';
import type { DigestName } from './body.ts';

export const DIGEST_BYTES: Readonly<Record<DigestName, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha512: 64,
  xxhash64: 8,
  xxhash3: 8,
  xxhash128: 16,
};

/** Digests whose state a thread keeps to itself while a payload comes in. */
export type HeldDigest = 'sha1' | 'sha256' | 'sha512' | XxHashName;

const HELD: ReadonlySet<DigestName> = new Set<HeldDigest>([
  'sha1',
  'sha256',
  'sha512',
  'xxhash64',
  'xxhash3',
  'xxhash128',
]);

export function isHeld(name: DigestName): name is HeldDigest {
  return HELD.has(name);
}

/** One of them, under way. */
export interface RunningDigest {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

export function startDigest(name: HeldDigest): RunningDigest {
  if (name === 'sha1' || name === 'sha256' || name === 'sha512') return createHash(name);
  return new XxHash(name);
}

export type Digests = ReadonlyMap<DigestName, Uint8Array>;

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
    case 'sha512':
      return plain(hash(name, bytes, 'buffer'));
    case 'crc32':
      return bigEndian32(crc32(bytes));
    case 'crc32c':
      return bigEndian32(crc32c(bytes));
    case 'crc64nvme':
      return bigEndian64(crc64nvme(bytes));
    case 'xxhash64':
    case 'xxhash3':
    case 'xxhash128':
      return new XxHash(name).update(bytes).digest();
    default:
      return unreachable(name);
  }
}

/** A copy: small Buffers share the pool of Node, which must not cross threads as a clone. */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}

export function bigEndian32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function bigEndian64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
