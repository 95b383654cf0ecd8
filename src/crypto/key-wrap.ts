/**
 * One key sealed under another: AES-256-GCM with a random nonce, bound to a context that must be
 * given again. Text in base64: nonce, sealed key, tag. Keys leave this file only to their callers;
 * no error says more than that unwrapping failed.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { utf8 } from '../base/bytes.ts';
import { KEY_BYTES, TAG_BYTES } from './segment-cipher.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;

/** What a wrapped key is bound to: names and values that are no secret. */
export type KeyContext = Readonly<Record<string, string>>;

/** The same bytes for the same pairs, in whatever order they were said. */
export function contextBytes(context: KeyContext): Uint8Array {
  const pairs = Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return utf8(JSON.stringify(pairs));
}

export function wrapKey(wrapping: Uint8Array, key: Uint8Array, context: KeyContext): string {
  assert(key.length === KEY_BYTES, 'a key of 32 bytes');
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, wrapping, nonce);
  cipher.setAAD(contextBytes(context));
  const sealed = cipher.update(key);
  cipher.final();
  return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64');
}

/** Undefined when the wrapping key, the context or the text is not what it was. */
export function unwrapKey(
  wrapping: Uint8Array,
  wrapped: string,
  context: KeyContext,
): Uint8Array | undefined {
  const bytes = Buffer.from(wrapped, 'base64');
  if (bytes.length !== NONCE_BYTES + KEY_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(ALGORITHM, wrapping, bytes.subarray(0, NONCE_BYTES));
  decipher.setAAD(contextBytes(context));
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES + KEY_BYTES));
  const key = decipher.update(bytes.subarray(NONCE_BYTES, NONCE_BYTES + KEY_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return new Uint8Array(key);
}
