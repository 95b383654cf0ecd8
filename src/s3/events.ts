/**
 * What operations tell of themselves to whoever subscribed: the seam between the protocol and the
 * delivery of event notifications. A bucket that nobody subscribed to costs one lookup in a map.
 *
 * Invariant: an event is durably queued before the request that caused it is acknowledged.
 */
import type { DeleteResult } from '../objects/contract.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Bucket, ObjectStore } from '../objects/contract.ts';

export interface ObjectEvent {
  /** Without `s3:`, for instance `ObjectCreated:Put`. */
  readonly name: string;
  readonly key: string;
  readonly size?: number | undefined;
  /** Without quotes. */
  readonly etag?: string | undefined;
  readonly versionId?: string | undefined;
}

/** What a delete was, as events name it. */
export function removalOf(
  key: string,
  asked: string | undefined,
  result: DeleteResult | undefined,
): ObjectEvent {
  const marked = asked === undefined && result?.deleteMarker === true;
  const name = marked ? 'ObjectRemoved:DeleteMarkerCreated' : 'ObjectRemoved:Delete';
  return { name, key, versionId: result?.versionId };
}

/** Where the event came from. */
export interface EventOrigin {
  readonly requestId: string;
  readonly hostId: string;
  readonly remoteAddress: string;
  readonly accessKeyId: string | undefined;
  readonly ownerId: string;
}

export interface EventSink {
  /** ARNs that a notification configuration may name. */
  readonly targets: ReadonlySet<string>;
  /** Resolves when every event that somebody subscribed to is durably queued. */
  note(bucket: Bucket, events: readonly ObjectEvent[], origin: EventOrigin): Promise<void>;
  /** The `s3:TestEvent` that a new subscription is greeted with. */
  test(bucket: string, arn: string): Promise<void>;
}

/** The name of the configuration beside its bucket. */
export const NOTIFICATION_CONFIG = 'notification';

/** Undefined when nobody subscribed to anything in the bucket. */
export function noteEvents(
  place: { readonly events?: EventSink | undefined; readonly objects: Pick<ObjectStore, 'bucket'> },
  origin: EventOrigin,
  name: string,
  events: readonly ObjectEvent[],
): Promise<void> | undefined {
  let bucket: Bucket;
  try {
    bucket = place.objects.bucket(name);
  } catch (error) {
    // Deleted meanwhile, and its subscriptions with it.
    if (error instanceof S3Error) return undefined;
    throw error;
  }
  if (!bucket.configs.has(NOTIFICATION_CONFIG)) return undefined;
  return place.events?.note(bucket, events, origin);
}
