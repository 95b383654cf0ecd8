/**
 * The small documents: who pays for requests, transfer acceleration, default encryption. Default
 * encryption by a key service is refused by name until there is one: a bucket must never promise
 * what nobody does.
 */
import { S3Error } from '../../base/s3-error.ts';
import {
  type DocumentValue,
  flag,
  many,
  one,
  optional,
  schema,
  struct,
  trimmed,
  word,
} from './schema.ts';

export const REQUEST_PAYMENT = schema(
  'RequestPaymentConfiguration',
  struct({ Payer: one(word('BucketOwner', 'Requester')) }),
);

export const ACCELERATE = schema(
  'AccelerateConfiguration',
  struct({ Status: optional(word('Enabled', 'Suspended')) }),
);

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
        BlockedEncryptionTypes: optional(struct({ EncryptionType: many(word('NONE', 'SSE-C')) })),
      }),
      1,
    ),
  }),
  ({ Rule }) => {
    const [rule, second] = Rule;
    if (rule === undefined || second !== undefined) throw new S3Error('MalformedXML');
    if (rule.BlockedEncryptionTypes !== undefined) {
      throw new S3Error('NotImplemented', {
        message: 'BlockedEncryptionTypes is not implemented.',
      });
    }
    const byDefault = rule.ApplyServerSideEncryptionByDefault;
    if (byDefault === undefined) return;
    if (byDefault.SSEAlgorithm !== 'AES256') {
      throw new S3Error('NotImplemented', {
        message: `Default encryption by ${byDefault.SSEAlgorithm} is not implemented.`,
      });
    }
    if (byDefault.KMSMasterKeyID !== undefined) {
      throw new S3Error('InvalidArgument', {
        message:
          'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms ' +
          'or aws:kms:dsse',
      });
    }
  },
);

/** What AWS says of every bucket that was told nothing else, since January 2023. */
export const ENCRYPTION_DEFAULT: DocumentValue<typeof ENCRYPTION> = {
  Rule: [
    { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: false },
  ],
};
