/** A verified body over bytes in memory, for tests of what happens behind the front end. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Error } from '../../src/base/s3-error.ts';
import type { Body, DigestName, Payload } from '../../src/body/body.ts';
import type { Arena, Block } from '../../src/memory/arena.ts';

export interface MemoryBodyOptions {
  /** Digest named as the client's checksum header, besides MD5. */
  readonly checksum?: DigestName;
  /** The verdict: the body is delivered whole, then refused. */
  readonly refusal?: S3Error;
  /** Cut off after so many bytes. */
  readonly cutAfter?: number;
  /** The verdict comes no sooner. */
  readonly after?: Promise<unknown>;
}

export function memoryBody(arena: Arena, bytes: Uint8Array, options: MemoryBodyOptions = {}): Body {
  const { after, checksum, cutAfter, refusal } = options;
  const digests = new Map<DigestName, Uint8Array>();
  digests.set('md5', createHash('md5').update(bytes).digest());
  if (checksum !== undefined) digests.set(checksum, digestOf(checksum, bytes));
  const cut = cutAfter !== undefined && cutAfter < bytes.length;
  const error = refusal ?? (cut ? new S3Error('IncompleteBody') : undefined);
  const settled = Promise.resolve(after).then((): Payload => {
    if (error !== undefined) throw error;
    return { size: bytes.length, digests };
  });
  settled.catch(() => {});
  return {
    plan: {
      framing: 'identity',
      payloadLength: bytes.length,
      digests: new Set(digests.keys()),
      expected: new Map(checksum ? [[checksum, digestOf(checksum, bytes)]] : []),
      sha256From: checksum === 'sha256' ? 'x-amz-checksum-sha256' : undefined,
      trailer: undefined,
      hasTrailer: false,
      signer: undefined,
    },
    async *blocks(): AsyncGenerator<Block> {
      for (let at = 0; at < bytes.length; at += arena.blockBytes) {
        if (cut && at >= cutAfter) throw error;
        const piece = bytes.subarray(at, at + arena.blockBytes);
        const block = await arena.acquire('ingest');
        block.capacity.set(piece);
        block.setWindow(0, piece.length);
        yield block;
      }
      if (cut) throw error;
    },
    bytes: async () => {
      await settled;
      return bytes.slice();
    },
    settled,
    cancel: () => {},
  };
}

function digestOf(name: DigestName, bytes: Uint8Array): Uint8Array {
  if (name === 'md5' || name === 'sha1' || name === 'sha256') {
    return createHash(name).update(bytes).digest();
  }
  if (name !== 'crc32') throw new Error(`${name} is not used by tests of this room`);
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32(bytes));
  return digest;
}
