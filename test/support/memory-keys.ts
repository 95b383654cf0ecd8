/** Keys of a provider in memory, for tests of rooms that encrypt. */
import { randomBytes } from 'node:crypto';
import { S3Error } from '../../src/base/s3-error.ts';
import { StoreError } from '../../src/base/store-error.ts';
import { DataKeys } from '../../src/crypto/data-keys.ts';
import type { KeyProvider } from '../../src/crypto/key-provider.ts';
import { unwrapKey, wrapKey } from '../../src/crypto/key-wrap.ts';

/** Named keys in memory, made when they are first asked for unless they are called `missing`. */
export class MemoryKeys implements KeyProvider {
  readonly #keys = new Map<string, Uint8Array>();

  find(name = 'default'): Promise<{ id: string; arn: string }> {
    if (name === 'missing') return Promise.reject(new S3Error('KMS.NotFoundException'));
    if (!this.#keys.has(name)) this.#keys.set(name, randomBytes(32));
    return Promise.resolve({ id: name, arn: `arn:${name}` });
  }

  async generateDataKey(id: string, context: Record<string, string>) {
    const key = new Uint8Array(randomBytes(32));
    return await Promise.resolve({ key, wrapped: wrapKey(this.#keyOf(id), key, context) });
  }

  async decrypt(id: string, wrapped: string, context: Record<string, string>) {
    const key = unwrapKey(this.#keyOf(id), wrapped, context);
    if (key === undefined) throw new StoreError('corrupt', 'a data key cannot be unwrapped');
    return await Promise.resolve(key);
  }

  #keyOf(id: string): Uint8Array {
    const key = this.#keys.get(id);
    if (key === undefined) throw new S3Error('KMS.NotFoundException');
    return key;
  }
}

export function memoryKeys(): DataKeys {
  let count = 0;
  const newId = (): string => `data-key-${(count += 1)}`;
  return new DataKeys({ master: new MemoryKeys(), kms: new MemoryKeys(), newId });
}
