/**
 * Data keys of objects: made for a write, taken up again for the parts of an upload, and opened for
 * a read. Decides who may read: an object under a customer's key is nobody's without that key, and
 * a key that an object has no use for is refused, as AWS does.
 *
 * Invariant: a data key in the clear lives in the memory of the request that uses it, and no
 * longer; the customer's key is held by nothing here.
 */
import { createHmac } from 'node:crypto';
import { equalConstantTime } from '../base/bytes.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Payload } from '../body/body.ts';
import { openForCustomer } from '../crypto/data-keys.ts';
import type { StoredEncryption, StoredSeal } from '../meta/records.ts';
import { etagDigest } from './attributes.ts';
import type { Context } from './context.ts';
import type { CustomerKey, EncryptionRequest } from './encryption-contract.ts';
import type { Opener } from './reads.ts';

/** What a write needs: the record of it, and the data key in the clear. */
export interface Sealing {
  readonly stored: StoredEncryption;
  readonly key: Uint8Array;
}

/** A data key of its own for what is about to be written. */
export async function beginSealing(
  { keys }: Context,
  request: EncryptionRequest,
): Promise<Sealing> {
  const { mode } = request;
  if (mode === 'customer') {
    const { seal, key } = keys.makeForCustomer(request.customerKey.key);
    return { stored: { mode, seal }, key };
  }
  if (mode === 'AES256') {
    const { seal, key } = await keys.make(mode, undefined, undefined);
    return { stored: { mode, seal }, key };
  }
  const { keyId: name, context } = request;
  const { seal, key, arn } = await keys.make(mode, name, context);
  return { stored: { ...told(request, arn), seal }, key };
}

function told(
  { keyId, context, bucketKey }: EncryptionRequest & { readonly mode: 'aws:kms' },
  arn: string,
): Omit<StoredEncryption, 'seal'> {
  return {
    mode: 'aws:kms',
    keyId: keyId ?? arn,
    ...(context === undefined ? {} : { context }),
    ...(bucketKey ? { bucketKey } : {}),
  };
}

/** The data key of an upload, for one of its parts. Throws InvalidRequest for another key. */
export async function resumeSealing(
  { keys }: Context,
  stored: StoredEncryption | undefined,
  customerKey: CustomerKey | undefined,
): Promise<Sealing | undefined> {
  if (stored === undefined || stored.mode !== 'customer') {
    if (customerKey !== undefined) throw notBegunWithKey();
    return stored && { stored, key: await keys.open(stored.seal) };
  }
  if (customerKey === undefined) throw begunWithKey();
  const key = openForCustomer(stored.seal, customerKey.key);
  if (key === undefined) throw begunWithOtherKey();
  return { stored, key };
}

/** Throws unless whoever has this key, or none, may know of the object. */
export function checkReadable(
  stored: StoredEncryption | undefined,
  customerKey: CustomerKey | undefined,
): void {
  if (stored?.mode !== 'customer') {
    if (customerKey === undefined) return;
    throw new S3Error('InvalidRequest', {
      message: 'The encryption parameters are not applicable to this object.',
    });
  }
  if (customerKey === undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'The object was stored using a form of Server Side Encryption. The correct parameters ' +
        'must be provided to retrieve the object.',
    });
  }
  if (openForCustomer(stored.seal, customerKey.key) === undefined) {
    throw new S3Error('AccessDenied');
  }
}

/** Opens the seals of one object; each data key is unwrapped once. */
export function openerFor({ keys }: Context, customerKey: CustomerKey | undefined): Opener {
  const opened = new Map<string, Uint8Array>();
  return {
    keyOf: async (seal: StoredSeal): Promise<Uint8Array> => {
      const known = opened.get(seal.wrapped);
      if (known !== undefined) return known;
      const key =
        seal.mode === 'customer'
          ? customerKey && openForCustomer(seal, customerKey.key)
          : await keys.open(seal);
      if (key === undefined) throw new S3Error('AccessDenied');
      opened.set(seal.wrapped, key);
      return key;
    },
  };
}

/** Undefined: bytes of one cannot stand for bytes of the other, they are to be sealed anew. */
export async function sharedSealing(
  context: Context,
  source: { readonly stored: StoredEncryption | undefined; readonly key: CustomerKey | undefined },
  request: EncryptionRequest | undefined,
): Promise<{ readonly stored: StoredEncryption | undefined } | undefined> {
  const { stored } = source;
  if (stored === undefined || request === undefined) {
    return stored === request ? { stored: undefined } : undefined;
  }
  if (stored.mode !== request.mode) return undefined;
  switch (request.mode) {
    case 'AES256':
      return { stored };
    case 'customer': {
      const same = source.key && equalConstantTime(source.key.key, request.customerKey.key);
      return same === true ? { stored } : undefined;
    }
    case 'aws:kms': {
      const { id, arn } = await context.keys.find('aws:kms', request.keyId);
      const { seal } = stored;
      if (id !== seal.keyId || request.context !== seal.context) return undefined;
      return { stored: { ...told(request, arn), seal } };
    }
  }
}

/** As a request for the same encryption that an upload was begun with. */
export function requestOf(
  stored: StoredEncryption | undefined,
  customerKey: CustomerKey | undefined,
): EncryptionRequest | undefined {
  if (stored === undefined) return undefined;
  const { mode, seal, context, bucketKey } = stored;
  if (mode === 'AES256') return { mode };
  if (mode === 'aws:kms')
    return { mode, keyId: seal.keyId, context, bucketKey: bucketKey === true };
  return customerKey && { mode, customerKey };
}

/** MD5 of the body, but opaque where AWS's is: bound to the content by the data key. */
export function etagOfBody(payload: Payload, sealing: Sealing | undefined): string {
  const md5 = etagDigest(payload);
  if (sealing === undefined || sealing.stored.mode === 'AES256') return md5;
  return createHmac('sha256', sealing.key).update(`etag ${md5}`).digest('hex').slice(0, md5.length);
}

function notBegunWithKey(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'The multipart upload initiate requested no customer provided encryption key. Subsequent ' +
      'part requests must not include one.',
  });
}

function begunWithKey(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'The multipart upload initiate requested encryption. Subsequent part requests must include ' +
      'the appropriate encryption parameters.',
  });
}

function begunWithOtherKey(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'The provided encryption parameters did not match the ones used originally.',
  });
}
