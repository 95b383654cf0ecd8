/**
 * Get, Put and DeleteBucketEncryption. A bucket without a configuration has no default encryption:
 * objects are encrypted where their request says so.
 * Source: AmazonS3/latest/API/API_PutBucketEncryption.html
 */
import { S3Error } from '../../base/s3-error.ts';
import { ENCRYPTION, ENCRYPTION_CONFIG } from '../documents/encryption.ts';
import { isKeyId } from '../encryption/headers.ts';
import { configuration } from './configuration.ts';

export const bucketEncryption = configuration({
  name: ENCRYPTION_CONFIG,
  schema: ENCRYPTION,
  actions: { get: 's3:GetEncryptionConfiguration', put: 's3:PutEncryptionConfiguration' },
  missing: 'ServerSideEncryptionConfigurationNotFoundError',
  // AWS always says whether bucket keys are used.
  admit: ({ Rule }) => ({
    Rule: Rule.map((rule) => {
      const keyId = rule.ApplyServerSideEncryptionByDefault?.KMSMasterKeyID;
      // Answers about objects carry it in a header.
      if (keyId !== undefined && !isKeyId(keyId)) {
        throw new S3Error('InvalidArgument', {
          message: 'Invalid KMSMasterKeyID',
          fields: { ArgumentName: 'KMSMasterKeyID' },
        });
      }
      return { ...rule, BucketKeyEnabled: rule.BucketKeyEnabled ?? false };
    }),
  }),
});
