/**
 * Which events of a bucket are told to whom: the document and AWS's rules, above all that two
 * configurations must not claim the same event of the same keys. Who the targets are is a setting
 * of the server; an ARN that it does not have is refused when the document is put.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { type NodeValue, many, one, optional, schema, struct } from './schema.ts';
import { text, trimmed } from './schema.ts';

/** Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html */
const EVENTS: ReadonlySet<string> = new Set([
  's3:TestEvent',
  's3:ReducedRedundancyLostObject',
  's3:ObjectCreated:*',
  's3:ObjectCreated:Put',
  's3:ObjectCreated:Post',
  's3:ObjectCreated:Copy',
  's3:ObjectCreated:CompleteMultipartUpload',
  's3:ObjectRemoved:*',
  's3:ObjectRemoved:Delete',
  's3:ObjectRemoved:DeleteMarkerCreated',
  's3:ObjectRestore:*',
  's3:ObjectRestore:Post',
  's3:ObjectRestore:Completed',
  's3:ObjectRestore:Delete',
  's3:Replication:*',
  's3:Replication:OperationFailedReplication',
  's3:Replication:OperationNotTracked',
  's3:Replication:OperationMissedThreshold',
  's3:Replication:OperationReplicatedAfterThreshold',
  's3:LifecycleTransition',
  's3:IntelligentTiering',
  's3:ObjectAcl:Put',
  's3:LifecycleExpiration:*',
  's3:LifecycleExpiration:Delete',
  's3:LifecycleExpiration:DeleteMarkerCreated',
  's3:ObjectTagging:*',
  's3:ObjectTagging:Put',
  's3:ObjectTagging:Delete',
]);

const rest = {
  Event: many(trimmed, 1),
  Filter: optional(
    struct({
      S3Key: optional(
        struct({ FilterRule: many(struct({ Name: one(trimmed), Value: one(text) })) }),
      ),
    }),
  ),
};

const shape = struct({
  TopicConfiguration: many(struct({ Id: optional(trimmed), Topic: one(trimmed), ...rest })),
  QueueConfiguration: many(struct({ Id: optional(trimmed), Queue: one(trimmed), ...rest })),
  CloudFunctionConfiguration: many(
    struct({ Id: optional(trimmed), CloudFunction: one(trimmed), ...rest }),
  ),
  EventBridgeConfiguration: optional(struct({})),
});

export const NOTIFICATION = schema('NotificationConfiguration', shape, checkRules);

export type NotificationConfiguration = NodeValue<typeof shape>;

/** One configuration whatever its kind: the kinds differ in the element that holds the ARN. */
export interface Subscription {
  readonly id: string;
  readonly arn: string;
  readonly events: readonly string[];
  readonly prefix: string;
  readonly suffix: string;
}

type Rules = readonly { readonly Name: string; readonly Value: string }[];

function subscription(
  arn: string,
  one: {
    readonly Id?: string | undefined;
    readonly Event: readonly string[];
    readonly Filter?: { readonly S3Key?: { readonly FilterRule: Rules } | undefined } | undefined;
  },
): Subscription {
  const rules = one.Filter?.S3Key?.FilterRule ?? [];
  const named = (name: string): string =>
    rules.find(({ Name }) => Name.toLowerCase() === name)?.Value ?? '';
  return {
    id: one.Id ?? '',
    arn,
    events: one.Event,
    prefix: named('prefix'),
    suffix: named('suffix'),
  };
}

export function subscriptionsOf(value: NotificationConfiguration): readonly Subscription[] {
  return [
    ...value.TopicConfiguration.map((each) => subscription(each.Topic, each)),
    ...value.QueueConfiguration.map((each) => subscription(each.Queue, each)),
    ...value.CloudFunctionConfiguration.map((each) => subscription(each.CloudFunction, each)),
  ];
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidArgument', { message });
}

function checkFilters(rules: Rules): void {
  const seen = new Set<string>();
  for (const { Name, Value } of rules) {
    const name = Name.toLowerCase();
    if (name !== 'prefix' && name !== 'suffix') {
      throw invalid('filter rule name must be either prefix or suffix');
    }
    if (seen.has(name)) {
      throw invalid(`Cannot specify more than one ${name} rule in a filter.`);
    }
    if (Buffer.byteLength(Value) > LIMITS.keyBytes) {
      throw invalid('Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation');
    }
    seen.add(name);
  }
}

export function eventMatches(pattern: string, event: string): boolean {
  return pattern === event || (pattern.endsWith('*') && event.startsWith(pattern.slice(0, -1)));
}

function overlap(a: Subscription, b: Subscription): boolean {
  const events = a.events.some((one) =>
    b.events.some((other) => eventMatches(one, other) || eventMatches(other, one)),
  );
  const prefixes = a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix);
  const suffixes = a.suffix.endsWith(b.suffix) || b.suffix.endsWith(a.suffix);
  return events && prefixes && suffixes;
}

function checkRules(value: NotificationConfiguration): void {
  if (value.EventBridgeConfiguration !== undefined) {
    throw new S3Error('NotImplemented', {
      message: 'EventBridgeConfiguration is not implemented.',
    });
  }
  const all = [
    ...value.TopicConfiguration,
    ...value.QueueConfiguration,
    ...value.CloudFunctionConfiguration,
  ];
  if (all.length > LIMITS.notificationCount) {
    throw invalid(`The number of configurations cannot exceed ${LIMITS.notificationCount}`);
  }
  for (const { Event, Filter } of all) {
    for (const event of Event) {
      if (!EVENTS.has(event)) throw invalid('The event is not supported for notifications');
    }
    checkFilters(Filter?.S3Key?.FilterRule ?? []);
  }
  const subscriptions = subscriptionsOf(value);
  const ids = subscriptions.flatMap(({ id }) => (id === '' ? [] : [id]));
  if (new Set(ids).size !== ids.length) {
    throw invalid('Same ID used for multiple configurations. IDs must be unique');
  }
  subscriptions.forEach((one, index) => {
    if (!subscriptions.slice(index + 1).some((other) => overlap(one, other))) return;
    throw invalid(
      'Configurations overlap. Configurations on the same bucket cannot share a common event type.',
    );
  });
}
