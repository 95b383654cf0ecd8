/**
 * The seam to whoever keeps wrapping keys: the keyring file beside the data, or a service such as
 * HashiCorp Vault (transit/datakey, transit/decrypt) or a KMIP server. Wrapping keys never leave
 * a provider; data keys come in two forms, and only the wrapped one is ever stored.
 *
 * A provider must bind `context` into what it wraps (Vault: `context` or `associated_data`; AWS KMS:
 * EncryptionContext), answer `decrypt` for every key that it ever wrapped with, rotated or not, and
 * fail rather than guess: S3Error 'KMS.NotFoundException' for a key that it has not, StoreError
 * 'unavailable' when it cannot be asked, 'corrupt' for what it did not wrap. It must not log keys.
 */
import type { KeyContext } from './key-wrap.ts';

export interface ProviderKey {
  /** What is stored with what it wraps: stays the same for as long as the key can be asked for. */
  readonly id: string;
  /** How clients are told of it when they did not name it. */
  readonly arn: string;
}

export interface GeneratedKey {
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly wrapped: string;
}

export interface KeyProvider {
  /** The key that a client means by an id, a name, an alias or an ARN; undefined: the default. */
  find(name: string | undefined): Promise<ProviderKey>;
  generateDataKey(id: string, context: KeyContext): Promise<GeneratedKey>;
  decrypt(id: string, wrapped: string, context: KeyContext): Promise<Uint8Array>;
}
