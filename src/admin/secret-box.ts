/**
 * Seals users' secrets at rest: AES-256-GCM under a key in a file of its own (0600), which no row
 * and no backup of the metadata holds. Each seal is bound to what it belongs to: a row that was
 * moved to another user opens for nobody.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class SecretBox {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    if (key.length !== KEY_BYTES) throw new Error(`a key of ${KEY_BYTES} bytes`);
    this.#key = key;
  }

  /** Makes the file when there is none. Throws with one clear line when it is damaged. */
  static open(file: string): SecretBox {
    const text = readPrivateFile(file);
    if (text !== undefined) {
      const key = Buffer.from(text.trim(), 'base64');
      if (key.length !== KEY_BYTES) throw new Error(`${file} is damaged: restore it from a backup`);
      return new SecretBox(key);
    }
    const key = randomBytes(KEY_BYTES);
    writePrivateFile(file, `${key.toString('base64')}\n`);
    return new SecretBox(key);
  }

  /** `owner`: whose it is; the same is needed to open it. */
  seal(secret: string, owner: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(owner));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /** Throws when it was sealed under another key or for somebody else, or was changed. */
  open(sealed: string, owner: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, options);
    decipher.setAAD(Buffer.from(owner)).setAuthTag(tag);
    const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  }
}
