/** Bytes in which every place differs from every other: a wrong offset cannot go unnoticed. */
import { createHash } from 'node:crypto';

const POOL_BYTES = 16 * 1024 * 1024;
let pool: Buffer | undefined;

/** The same for the same arguments, on every machine. */
export function content(length: number, from: number = 0): Buffer {
  pool ??= fill();
  const start = (from * 7919) % (POOL_BYTES - length);
  return pool.subarray(start, start + length);
}

function fill(): Buffer {
  const bytes = Buffer.alloc(POOL_BYTES);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, POOL_BYTES / 4);
  let state = 0x9e3779b9;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return bytes;
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
