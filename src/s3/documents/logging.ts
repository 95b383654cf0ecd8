/**
 * Where a bucket's access log goes: the document. The target bucket is looked at when the document
 * is put and again whenever lines are delivered. Grants for the log objects are kept and returned;
 * they have a meaning only where the target bucket takes access control lists.
 */
import { type DocumentValue, many, one, optional, schema, struct } from './schema.ts';
import { text, trimmed, typed, word } from './schema.ts';

const grantee = typed(['CanonicalUser', 'AmazonCustomerByEmail', 'Group'], {
  ID: optional(trimmed),
  DisplayName: optional(text),
  EmailAddress: optional(trimmed),
  URI: optional(trimmed),
});

export const LOGGING = schema(
  'BucketLoggingStatus',
  struct({
    LoggingEnabled: optional(
      struct({
        TargetBucket: one(trimmed),
        TargetGrants: optional(
          struct({
            Grant: many(
              struct({
                Grantee: one(grantee),
                Permission: one(word('FULL_CONTROL', 'READ', 'WRITE')),
              }),
            ),
          }),
        ),
        TargetPrefix: one(text),
        TargetObjectKeyFormat: optional(
          struct({
            SimplePrefix: optional(struct({})),
            PartitionedPrefix: optional(
              struct({ PartitionDateSource: optional(word('EventTime', 'DeliveryTime')) }),
            ),
          }),
        ),
      }),
    ),
  }),
);

export type LoggingStatus = DocumentValue<typeof LOGGING>;
