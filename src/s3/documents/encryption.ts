/**
 * The document of a bucket's default encryption: one rule, which names a method, for KMS perhaps a
 * key, and what is blocked. Whether the key exists is found out by the first object, as on AWS.
 */
import { S3Error } from '../../base/s3-error.ts';
import {
  type DocumentValue,
  flag,
  malformed,
  many,
  one,
  optional,
  schema,
  struct,
  trimmed,
  word,
} from './schema.ts';

/** Its key beside the bucket. */
export const ENCRYPTION_CONFIG = 'encryption';

export const ENCRYPTION = schema(
  'ServerSideEncryptionConfiguration',
  struct({
    Rule: many(
      struct({
        ApplyServerSideEncryptionByDefault: optional(
          struct({
            SSEAlgorithm: one(word('AES256', 'aws:kms', 'aws:kms:dsse')),
            KMSMasterKeyID: optional(trimmed),
          }),
        ),
        BucketKeyEnabled: optional(flag),
        BlockedEncryptionTypes: optional(
          struct({ EncryptionType: many(word('NONE', 'SSE-C'), 1) }),
        ),
      }),
      1,
    ),
  }),
  ({ Rule }) => {
    const [rule, second] = Rule;
    if (rule === undefined || second !== undefined) throw malformed();
    const { ApplyServerSideEncryptionByDefault: apply } = rule;
    if (apply === undefined) {
      if (rule.BlockedEncryptionTypes === undefined) throw malformed();
      return;
    }
    if (apply.SSEAlgorithm === 'aws:kms:dsse') {
      throw new S3Error('NotImplemented', { fields: { SSEAlgorithm: apply.SSEAlgorithm } });
    }
    if (apply.KMSMasterKeyID === '') throw malformed();
    if (apply.SSEAlgorithm === 'AES256' && apply.KMSMasterKeyID !== undefined) {
      throw new S3Error('InvalidArgument', {
        message:
          'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or ' +
          'aws:kms:dsse',
        fields: { ArgumentName: 'ApplyServerSideEncryptionByDefault' },
      });
    }
  },
);

export type EncryptionConfiguration = DocumentValue<typeof ENCRYPTION>;
