/**
 * The root key: taken from the settings, or generated on the first start and kept in one file
 * that only its owner may read. Settings win over the file and never write it.
 *
 * Invariant: a key that was shown to somebody is on stable storage already.
 */
import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

export interface RootKey {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface Credential {
  readonly secret: string;
  readonly ownerId: string;
  readonly displayName: string;
}

export interface Credentials {
  /** A hot, synchronous answer. */
  lookup(accessKeyId: string): Credential | undefined;
  readonly rootKey: RootKey;
  readonly rootOwner: { readonly ownerId: string; readonly displayName: string };
  /** True when this start made the key up: the only time it is shown. */
  readonly generated: boolean;
  /** Where the key is kept; undefined when the settings gave it. */
  readonly file: string | undefined;
}

/**
 * Canonical id of the root user, the same on every server: buckets stay with their owner when
 * the key is changed or the file is lost. SHA-256 of "sluice root".
 */
const ROOT_OWNER_ID = '1a896f4ab47a5c46a45172aa5ab220be46cc6bc52e52bbfbdb9f88e061505dc2';

const ACCESS_KEY_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const SECRET_KEY_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ACCESS_KEY_LENGTH = 20;
const SECRET_KEY_LENGTH = 40;

const fileSchema = z.object({
  version: z.literal(1),
  accessKey: z.string().min(3),
  secretKey: z.string().min(8),
});

/** The folder of `file` must exist. Throws with one clear line when the file is damaged. */
export function openCredentials(file: string, given: RootKey | undefined): Credentials {
  if (given !== undefined) return credentials(given, false, undefined);
  const kept = readKey(file);
  if (kept !== undefined) return credentials(kept, false, file);
  const fresh: RootKey = {
    accessKey: randomText(ACCESS_KEY_LENGTH, ACCESS_KEY_CHARS),
    secretKey: randomSecret(),
  };
  writeKey(file, fresh);
  return credentials(fresh, true, file);
}

function credentials(key: RootKey, generated: boolean, file: string | undefined): Credentials {
  const rootOwner = { ownerId: ROOT_OWNER_ID, displayName: 'root' };
  const root: Credential = { secret: key.secretKey, ...rootOwner };
  return {
    lookup: (accessKeyId) => (accessKeyId === key.accessKey ? root : undefined),
    rootKey: key,
    rootOwner,
    generated,
    file,
  };
}

/** The secret half of a key. */
export function randomSecret(): string {
  return randomText(SECRET_KEY_LENGTH, SECRET_KEY_CHARS);
}

function randomText(length: number, characters: string): string {
  return Array.from({ length }, () => characters[randomInt(characters.length)]).join('');
}

function readKey(file: string): RootKey | undefined {
  const text = readPrivateFile(file);
  if (text === undefined) return undefined;
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    throw new Error(
      `${file} is damaged: restore it, or move it away to have a new root key generated`,
    );
  }
}

function writeKey(file: string, key: RootKey): void {
  writePrivateFile(file, `${JSON.stringify({ version: 1, ...key }, undefined, 2)}\n`);
}
