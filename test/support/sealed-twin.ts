/**
 * Sealed leaves in their readable form: what `crypto/segment-cipher.ts`, and whoever cuts bytes
 * into segments, must agree with.
 */
import { createCipheriv, createHmac } from 'node:crypto';

/** HKDF-Expand of RFC 5869 for at most one block. */
export function expand(key: Uint8Array, info: string): Buffer {
  return createHmac('sha256', key)
    .update(Buffer.concat([Buffer.from(info), Buffer.from([1])]))
    .digest();
}

/** The format in its readable form: one leaf sealed from one piece, nothing shared, nothing kept. */
export function sealedTwin(dataKey: Uint8Array, leafId: string, plain: Uint8Array): Buffer[] {
  const key = expand(dataKey, `sluice leaf 1${leafId}`);
  const count = Math.max(1, Math.ceil(plain.length / 65_520));
  return Array.from({ length: count }, (_, index) => {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(index, 8);
    const place = Buffer.alloc(5);
    place.writeUInt32BE(index);
    place[4] = index === count - 1 ? 1 : 0;
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.concat([place, Buffer.from(leafId)]));
    const piece = plain.subarray(index * 65_520, (index + 1) * 65_520);
    return Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]);
  });
}
