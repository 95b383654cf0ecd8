/**
 * The JSON of event notifications, as S3 writes it. Pure.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
import type { Bucket } from '../objects/contract.ts';
import type { EventOrigin, ObjectEvent } from '../s3/events.ts';

export interface RecordFields {
  readonly bucket: Bucket;
  readonly event: ObjectEvent;
  readonly origin: EventOrigin;
  /** Id of the bucket's configuration that asked for it. */
  readonly configurationId: string;
  readonly region: string;
  readonly timeMs: number;
  /** Grows with time: tells in which order events of one key happened. */
  readonly sequencer: string;
}

/** As in a form: that is how S3 spells keys here. */
function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');
}

/** One record of a document. */
export function eventRecord(fields: RecordFields): string {
  const { bucket, event, origin, configurationId, region, timeMs, sequencer } = fields;
  return JSON.stringify({
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: region,
    eventTime: new Date(timeMs).toISOString(),
    eventName: event.name,
    userIdentity: { principalId: origin.ownerId },
    requestParameters: { sourceIPAddress: origin.remoteAddress },
    responseElements: { 'x-amz-request-id': origin.requestId, 'x-amz-id-2': origin.hostId },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket: {
        name: bucket.name,
        ownerIdentity: { principalId: bucket.ownerId },
        arn: `arn:aws:s3:::${bucket.name}`,
      },
      object: {
        key: encodeKey(event.key),
        size: event.size,
        eTag: event.etag,
        versionId: event.versionId,
        sequencer: sequencer.slice(0, 18).toUpperCase(),
      },
    },
  });
}

/** The document around records. */
export function eventDocument(records: readonly string[]): string {
  return `{"Records":[${records.join(',')}]}`;
}

/** What a new subscription is greeted with. */
export function testDocument(bucket: string, id: string, timeMs: number): string {
  return JSON.stringify({
    Service: 'Amazon S3',
    Event: 's3:TestEvent',
    Time: new Date(timeMs).toISOString(),
    Bucket: bucket,
    RequestId: id.slice(0, 16).toUpperCase(),
    HostId: id,
  });
}
