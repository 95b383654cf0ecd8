/**
 * Data keys and the seals that carry them: a seal says which kind of key wraps the data key, which
 * one, and the wrapped data key itself. It is all that is stored; the key that opens it stands in
 * the keyring, or comes with each request (customer keys, which are kept nowhere).
 */
import { randomBytes } from 'node:crypto';
import { StoreError } from '../base/store-error.ts';
import type { KeyProvider, ProviderKey } from './key-provider.ts';
import { type KeyContext, unwrapKey, wrapKey } from './key-wrap.ts';
import { KEY_BYTES } from './segment-cipher.ts';

export type SealMode = 'AES256' | 'aws:kms' | 'customer';

export interface Seal {
  readonly mode: SealMode;
  /** Of the data key: bound into its wrapping. */
  readonly id: string;
  /** The key that wraps it; a customer's key has no name. */
  readonly keyId?: string | undefined;
  /** Pairs of the client, bound into the wrapping: base64 of JSON, as it was sent. */
  readonly context?: string | undefined;
  readonly wrapped: string;
}

export interface DataKey {
  readonly seal: Seal;
  /** 32 bytes; never stored, never logged. */
  readonly key: Uint8Array;
}

export interface DataKeysOptions {
  readonly master: KeyProvider;
  readonly kms: KeyProvider;
  /** Ids of data keys. */
  newId(): string;
}

export class DataKeys {
  readonly #providers: Readonly<Record<'AES256' | 'aws:kms', KeyProvider>>;
  readonly #newId: () => string;

  constructor({ master, kms, newId }: DataKeysOptions) {
    this.#providers = { AES256: master, 'aws:kms': kms };
    this.#newId = newId;
  }

  /** A new data key under a key of the keyring; `name` undefined: the default one. */
  async make(
    mode: 'AES256' | 'aws:kms',
    name: string | undefined,
    context: string | undefined,
  ): Promise<DataKey & { readonly arn: string }> {
    const provider = this.#providers[mode];
    const { id: keyId, arn } = await provider.find(name);
    const base = { mode, id: this.#newId(), keyId, ...(context === undefined ? {} : { context }) };
    const { key, wrapped } = await provider.generateDataKey(keyId, boundTo(base));
    return { seal: { ...base, wrapped }, key, arn };
  }

  /** The key of the keyring that a name stands for. */
  async find(mode: 'AES256' | 'aws:kms', name: string | undefined): Promise<ProviderKey> {
    return await this.#providers[mode].find(name);
  }

  /** A new data key under the key that the customer sent. */
  makeForCustomer(customerKey: Uint8Array): DataKey {
    const base = { mode: 'customer', id: this.#newId() } as const;
    const key = new Uint8Array(randomBytes(KEY_BYTES));
    return { seal: { ...base, wrapped: wrapKey(customerKey, key, boundTo(base)) }, key };
  }

  /** Of a seal that a key of the keyring opens. */
  async open(seal: Seal): Promise<Uint8Array> {
    if (seal.mode === 'customer' || seal.keyId === undefined) {
      throw new StoreError('corrupt', `seal ${seal.id} names no key`);
    }
    return await this.#providers[seal.mode].decrypt(seal.keyId, seal.wrapped, boundTo(seal));
  }
}

/** Undefined when it is not the key that sealed it. */
export function openForCustomer(seal: Seal, customerKey: Uint8Array): Uint8Array | undefined {
  return unwrapKey(customerKey, seal.wrapped, boundTo(seal));
}

function boundTo({ mode, id, context }: Pick<Seal, 'mode' | 'id' | 'context'>): KeyContext {
  return { mode, seal: id, ...(context === undefined ? {} : { context }) };
}
