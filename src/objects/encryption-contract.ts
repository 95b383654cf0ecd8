/** How callers say what is to be encrypted, and what they are told. A part of contract.ts. */

/** What the customer sent for this request alone: kept nowhere, logged nowhere. */
export interface CustomerKey {
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export type EncryptionRequest =
  | { readonly mode: 'AES256' }
  | {
      readonly mode: 'aws:kms';
      /** Name, id, alias or ARN; undefined: the default key. */
      readonly keyId: string | undefined;
      /** Base64 of a JSON object of texts. */
      readonly context: string | undefined;
      readonly bucketKey: boolean;
    }
  | { readonly mode: 'customer'; readonly customerKey: CustomerKey };

export interface Encryption {
  readonly mode: EncryptionRequest['mode'];
  /** KMS: as the client named it, else the ARN. */
  readonly keyId?: string | undefined;
  readonly context?: string | undefined;
  readonly bucketKey?: true | undefined;
}
