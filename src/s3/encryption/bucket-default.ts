/**
 * The default encryption of a bucket, as writes meet it: what a request does not say the bucket
 * says, and what the bucket blocks is refused. A bucket without one costs a lookup.
 */
import { S3Error } from '../../base/s3-error.ts';
import type { EncryptionRequest } from '../../objects/encryption-contract.ts';
import type { ObjectStore } from '../../objects/contract.ts';
import { ENCRYPTION_CONFIG, type EncryptionConfiguration } from '../documents/encryption.ts';
import type { AskedEncryption } from './headers.ts';

type Rule = EncryptionConfiguration['Rule'][number];

const PARSED_MAX = 64;
const parsed = new Map<string, Rule | undefined>();

function ruleOf(text: string): Rule | undefined {
  if (parsed.has(text)) return parsed.get(text);
  if (parsed.size >= PARSED_MAX) parsed.clear();
  const [rule] = (JSON.parse(text) as EncryptionConfiguration).Rule;
  parsed.set(text, rule);
  return rule;
}

/** How an object is to be written. Throws AccessDenied for what the bucket blocks. */
export function encryptionFor(
  objects: Pick<ObjectStore, 'bucket'>,
  bucket: string,
  { request, bucketKey }: AskedEncryption,
): EncryptionRequest | undefined {
  const text = objects.bucket(bucket).configs.get(ENCRYPTION_CONFIG);
  const rule = text === undefined ? undefined : ruleOf(text);
  if (rule === undefined) return request;
  if (request?.mode === 'customer') {
    const blocked = rule.BlockedEncryptionTypes?.EncryptionType.includes('SSE-C') === true;
    if (!blocked) return request;
    throw new S3Error('AccessDenied', {
      message: 'Server side encryption with customer-provided keys is blocked for this bucket.',
    });
  }
  const { ApplyServerSideEncryptionByDefault: apply, BucketKeyEnabled = false } = rule;
  if (request?.mode === 'aws:kms') {
    return { ...request, bucketKey: bucketKey ?? BucketKeyEnabled };
  }
  if (request !== undefined || apply === undefined) return request;
  if (apply.SSEAlgorithm === 'AES256') return { mode: 'AES256' };
  return {
    mode: 'aws:kms',
    keyId: apply.KMSMasterKeyID,
    context: undefined,
    bucketKey: bucketKey ?? BucketKeyEnabled,
  };
}
