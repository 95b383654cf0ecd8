/**
 * The lifecycle document of a bucket and AWS's rules between its values. Both forms are read: a
 * rule with its own Prefix, and a rule with a Filter. Transitions are kept and returned, never
 * acted on: there is one place where objects lie. What rules mean stands in `objects/lifecycle`.
 */
import { randomBytes } from 'node:crypto';
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { LifecycleConfiguration, LifecycleRule } from '../../objects/lifecycle-rules.ts';
import {
  date,
  flag,
  many,
  optional,
  one,
  schema,
  struct,
  text,
  trimmed,
  whole,
  word,
} from './schema.ts';
import { checkTagList, tag } from './tags.ts';

const DAY_MS = 86_400_000;
const TRANSITION_DAYS_MIN: ReadonlyMap<string, number> = new Map([
  ['STANDARD_IA', 30],
  ['ONEZONE_IA', 30],
]);

const storageClass = word(
  'GLACIER',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
);

const size = { ObjectSizeGreaterThan: optional(whole), ObjectSizeLessThan: optional(whole) };

const rule = struct({
  ID: optional(trimmed),
  Prefix: optional(text),
  Filter: optional(
    struct({
      Prefix: optional(text),
      Tag: optional(tag),
      ...size,
      And: optional(struct({ Prefix: optional(text), Tag: many(tag), ...size })),
    }),
  ),
  Status: one(word('Enabled', 'Disabled')),
  Transition: many(
    struct({
      Days: optional(whole),
      Date: optional(date),
      StorageClass: one(storageClass),
    }),
  ),
  Expiration: optional(
    struct({
      Days: optional(whole),
      Date: optional(date),
      ExpiredObjectDeleteMarker: optional(flag),
    }),
  ),
  NoncurrentVersionTransition: many(
    struct({
      NoncurrentDays: optional(whole),
      NewerNoncurrentVersions: optional(whole),
      StorageClass: one(storageClass),
    }),
  ),
  NoncurrentVersionExpiration: optional(
    struct({ NoncurrentDays: optional(whole), NewerNoncurrentVersions: optional(whole) }),
  ),
  AbortIncompleteMultipartUpload: optional(struct({ DaysAfterInitiation: one(whole) })),
});

function argument(message: string): S3Error {
  return new S3Error('InvalidArgument', { message });
}

function request(message: string): S3Error {
  return new S3Error('InvalidRequest', { message });
}

function checkPositive(value: number | undefined, name: string, action: string): void {
  if (value === undefined || (value > 0 && value <= LIMITS.lifecycleDays)) return;
  throw argument(`'${name}' for ${action} action must be a positive integer`);
}

function checkMidnight(value: string | undefined): void {
  if (value === undefined || Date.parse(value) % DAY_MS === 0) return;
  throw argument("'Date' must be at midnight GMT");
}

/** Exactly one of them is said. */
function checkOneOf(...values: readonly unknown[]): void {
  if (values.filter((value) => value !== undefined).length !== 1) throw new S3Error('MalformedXML');
}

function checkFilter({ Prefix, Filter }: LifecycleRule): void {
  checkOneOf(Prefix, Filter);
  if (Prefix !== undefined) checkPrefix(Prefix);
  if (Filter === undefined) return;
  const { And, ...single } = Filter;
  const said = Object.values(single).filter((value) => value !== undefined).length;
  if (said > 1 || (And !== undefined && said > 0)) throw new S3Error('MalformedXML');
  const { Tag: tags, ...rest } = And ?? { Tag: [] };
  if (And !== undefined) {
    const parts = Object.values(rest).filter((value) => value !== undefined).length + tags.length;
    if (parts < 2) throw new S3Error('MalformedXML');
  }
  if (new Set(tags.map(({ Key }) => Key)).size !== tags.length) {
    throw request('Duplicate Tag Keys are not allowed.');
  }
  checkTagList(Filter.Tag === undefined ? tags : [Filter.Tag]);
  checkPrefix(Filter.Prefix ?? And?.Prefix ?? '');
  checkSizes(And ?? Filter);
}

function checkPrefix(prefix: string): void {
  if (Buffer.byteLength(prefix) <= LIMITS.keyBytes) return;
  throw request(`The maximum size of a prefix is ${LIMITS.keyBytes}.`);
}

function checkSizes(sizes: {
  readonly ObjectSizeGreaterThan?: number | undefined;
  readonly ObjectSizeLessThan?: number | undefined;
}): void {
  const { ObjectSizeGreaterThan: greater, ObjectSizeLessThan: less } = sizes;
  if ((greater ?? 0) < 0) throw request("'ObjectSizeGreaterThan' must be a non-negative integer.");
  if ((less ?? 1) <= 0) throw request("'ObjectSizeLessThan' must be a positive integer.");
  if (less !== undefined && greater !== undefined && less <= greater + 1) {
    throw request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
  }
}

function checkExpiration({ Expiration }: LifecycleRule): void {
  if (Expiration === undefined) return;
  checkOneOf(Expiration.Days, Expiration.Date, Expiration.ExpiredObjectDeleteMarker);
  checkPositive(Expiration.Days, 'Days', 'Expiration');
  checkMidnight(Expiration.Date);
}

function checkTransitions({ Transition, NoncurrentVersionTransition }: LifecycleRule): void {
  for (const { Days, Date: at, StorageClass } of Transition) {
    checkOneOf(Days, at);
    checkMidnight(at);
    if ((Days ?? 0) < 0) throw argument("'Days' in Transition action must be nonnegative");
    const min = TRANSITION_DAYS_MIN.get(StorageClass) ?? 0;
    if (Days === undefined || Days >= min) continue;
    throw argument(
      `'Days' in Transition action must be greater than or equal to ${min} ` +
        `for storageClass '${StorageClass}'`,
    );
  }
  for (const { NoncurrentDays } of NoncurrentVersionTransition) {
    if (NoncurrentDays === undefined) throw new S3Error('MalformedXML');
    if (NoncurrentDays < 0) {
      throw argument("'NoncurrentDays' in NoncurrentVersionTransition action must be nonnegative");
    }
  }
}

function checkNoncurrent({ NoncurrentVersionExpiration: noncurrent }: LifecycleRule): void {
  if (noncurrent === undefined) return;
  const { NoncurrentDays, NewerNoncurrentVersions: newer } = noncurrent;
  if (NoncurrentDays === undefined && newer === undefined) throw new S3Error('MalformedXML');
  checkPositive(NoncurrentDays, 'NoncurrentDays', 'NoncurrentVersionExpiration');
  if (newer === undefined || (newer > 0 && newer <= LIMITS.newerNoncurrentVersions)) return;
  throw argument("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be 1-100");
}

function checkAbort({ AbortIncompleteMultipartUpload: abort, Filter }: LifecycleRule): void {
  if (abort === undefined) return;
  checkPositive(abort.DaysAfterInitiation, 'DaysAfterInitiation', 'AbortIncompleteMultipartUpload');
  const tags = Filter?.Tag !== undefined || (Filter?.And?.Tag.length ?? 0) > 0;
  if (tags) throw request('AbortIncompleteMultipartUpload cannot be specified with Tags.');
  const sizes = Filter?.And ?? Filter;
  if ((sizes?.ObjectSizeGreaterThan ?? sizes?.ObjectSizeLessThan) !== undefined) {
    throw request('AbortIncompleteMultipartUpload cannot be specified with Object Size.');
  }
}

function checkRule(one: LifecycleRule): void {
  checkFilter(one);
  if ((one.ID?.length ?? 0) > LIMITS.ruleIdChars) {
    throw argument(`ID length should not exceed allowed limit of ${LIMITS.ruleIdChars}`);
  }
  checkExpiration(one);
  checkTransitions(one);
  checkNoncurrent(one);
  checkAbort(one);
  const actions =
    one.Transition.length +
    one.NoncurrentVersionTransition.length +
    [one.Expiration, one.NoncurrentVersionExpiration, one.AbortIncompleteMultipartUpload].filter(
      (action) => action !== undefined,
    ).length;
  if (actions === 0) throw request('At least one action needs to be specified in a rule');
  const marker = one.Expiration?.ExpiredObjectDeleteMarker;
  if (marker === undefined) return;
  const tags = one.Filter?.Tag !== undefined || (one.Filter?.And?.Tag.length ?? 0) > 0;
  if (tags) throw request('ExpiredObjectDeleteMarker cannot be specified with Tags.');
}

export const LIFECYCLE = schema<LifecycleConfiguration>(
  'LifecycleConfiguration',
  struct({ Rule: many(rule, 1) }),
  ({ Rule }) => {
    if (Rule.length > LIMITS.lifecycleRuleCount) {
      throw request(
        'The number of lifecycle rules must not exceed the allowed limit of ' +
          `${LIMITS.lifecycleRuleCount} rules`,
      );
    }
    for (const one of Rule) checkRule(one);
    const named = Rule.flatMap(({ ID }) => (ID === undefined || ID === '' ? [] : [ID]));
    if (new Set(named).size === named.length) return;
    throw argument('Rule ID must be unique. Found same ID for more than one rule');
  },
);

/** Rules without a name are given one, as AWS does: answers and `x-amz-expiration` name it. */
export function withIds(configuration: LifecycleConfiguration): LifecycleConfiguration {
  return {
    ...configuration,
    Rule: configuration.Rule.map((one) =>
      one.ID === undefined || one.ID === ''
        ? { ...one, ID: randomBytes(24).toString('base64url') }
        : one,
    ),
  };
}
