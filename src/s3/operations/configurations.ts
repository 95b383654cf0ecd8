/**
 * The configurations of buckets, one description each: where AWS's defaults, refusals and headers
 * differ from "store it and give it back". The documents themselves stand in `s3/documents`.
 */
import { S3Error } from '../../base/s3-error.ts';
import { LIFECYCLE_CONFIG } from '../../objects/lifecycle-rules.ts';
import { CORS } from '../documents/cors.ts';
import { LIFECYCLE, withIds } from '../documents/lifecycle.ts';
import { LOGGING } from '../documents/logging.ts';
import { NOTIFICATION, subscriptionsOf } from '../documents/notification.ts';
import { ACCELERATE, REQUEST_PAYMENT } from '../documents/settings.ts';
import { TAGGING } from '../documents/tags.ts';
import { WEBSITE } from '../documents/website.ts';
import { configuration } from './configuration.ts';

export const bucketCors = configuration({
  name: 'cors',
  schema: CORS,
  actions: { get: 's3:GetBucketCORS', put: 's3:PutBucketCORS' },
  missing: 'NoSuchCORSConfiguration',
});

export const bucketTagging = configuration({
  name: 'tagging',
  schema: TAGGING,
  actions: { get: 's3:GetBucketTagging', put: 's3:PutBucketTagging' },
  missing: 'NoSuchTagSet',
  putStatus: 204,
});

const MINIMUM_SIZE_HEADER = 'x-amz-transition-default-minimum-object-size';
const MINIMUM_SIZES = ['all_storage_classes_128K', 'varies_by_storage_class'] as const;

export const bucketLifecycle = configuration({
  name: LIFECYCLE_CONFIG,
  schema: LIFECYCLE,
  actions: { get: 's3:GetLifecycleConfiguration', put: 's3:PutLifecycleConfiguration' },
  missing: 'NoSuchLifecycleConfiguration',
  admit: (value, context) => {
    const said = context.request.request.headers.get(MINIMUM_SIZE_HEADER) ?? MINIMUM_SIZES[0];
    const defaultMinimumObjectSize = MINIMUM_SIZES.find((one) => one === said);
    if (defaultMinimumObjectSize === undefined) {
      throw new S3Error('InvalidRequest', {
        message: `Invalid value for ${MINIMUM_SIZE_HEADER}`,
      });
    }
    return { ...withIds(value), defaultMinimumObjectSize };
  },
  headers: ({ defaultMinimumObjectSize }) => [
    [MINIMUM_SIZE_HEADER, defaultMinimumObjectSize ?? MINIMUM_SIZES[0]],
  ],
});

export const bucketRequestPayment = configuration({
  name: 'requestPayment',
  schema: REQUEST_PAYMENT,
  actions: { get: 's3:GetBucketRequestPayment', put: 's3:PutBucketRequestPayment' },
  missing: { value: { Payer: 'BucketOwner' } },
});

export const bucketAccelerate = configuration({
  name: 'accelerate',
  schema: ACCELERATE,
  actions: { get: 's3:GetAccelerateConfiguration', put: 's3:PutAccelerateConfiguration' },
  missing: { value: {} },
  admit: (value, _, bucket) => {
    if (value.Status === undefined) throw new S3Error('MalformedXML');
    if (bucket.includes('.')) {
      throw new S3Error('InvalidRequest', {
        message:
          'S3 Transfer Acceleration is not supported for buckets with periods (.) in their names',
      });
    }
    return value;
  },
});

export const bucketLogging = configuration({
  name: 'logging',
  schema: LOGGING,
  actions: { get: 's3:GetBucketLogging', put: 's3:PutBucketLogging' },
  missing: { value: {} },
  admit: (value, { objects }, bucket) => {
    const { LoggingEnabled: enabled } = value;
    if (enabled === undefined) return undefined;
    const { TargetBucket: target, TargetObjectKeyFormat: format } = enabled;
    if (format?.SimplePrefix !== undefined && format.PartitionedPrefix !== undefined) {
      throw new S3Error('MalformedXML');
    }
    const wrong = (message: string): S3Error =>
      new S3Error('InvalidTargetBucketForLogging', { message, fields: { TargetBucket: target } });
    let owner: string;
    try {
      owner = objects.bucket(target).ownerId;
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      throw wrong('The target bucket for logging does not exist');
    }
    if (owner !== objects.bucket(bucket).ownerId) {
      throw wrong('The owner for the bucket to be logged and the target bucket must be the same.');
    }
    return value;
  },
});

export const bucketNotification = configuration({
  name: 'notification',
  schema: NOTIFICATION,
  actions: { get: 's3:GetBucketNotification', put: 's3:PutBucketNotification' },
  missing: {
    value: { TopicConfiguration: [], QueueConfiguration: [], CloudFunctionConfiguration: [] },
  },
  admit: (value, context) => {
    const subscriptions = subscriptionsOf(value);
    for (const { arn } of subscriptions) {
      if (context.events?.targets.has(arn) === true) continue;
      throw new S3Error('InvalidArgument', {
        message: 'Unable to validate the following destination configurations',
        fields: { ArgumentName: arn, ArgumentValue: 'The destination does not exist.' },
      });
    }
    return subscriptions.length === 0 ? undefined : value;
  },
  changed: async (value, { events }, bucket) => {
    const arns = new Set(subscriptionsOf(value).map(({ arn }) => arn));
    for (const arn of arns) await events?.test(bucket, arn);
  },
});

export const bucketWebsite = configuration({
  name: 'website',
  schema: WEBSITE,
  actions: {
    get: 's3:GetBucketWebsite',
    put: 's3:PutBucketWebsite',
    delete: 's3:DeleteBucketWebsite',
  },
  missing: 'NoSuchWebsiteConfiguration',
});
