/**
 * What the lifecycle rules of a bucket mean: which objects and uploads they end, and when. Pure.
 * The shape is the stored one; `s3/documents` reads and writes it as XML.
 *
 * Times as AWS has them: an age in days counts from the object's last modification and is rounded
 * up to the next beginning of a day. How long a day is can be set, so that tests need not wait.
 * Rules about noncurrent versions and delete markers are kept here for whoever walks versions.
 */

export interface LifecycleSizes {
  readonly ObjectSizeGreaterThan?: number | undefined;
  readonly ObjectSizeLessThan?: number | undefined;
}

interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export interface LifecycleFilter extends LifecycleSizes {
  readonly Prefix?: string | undefined;
  readonly Tag?: Tag | undefined;
  readonly And?:
    | (LifecycleSizes & { readonly Prefix?: string | undefined; readonly Tag: readonly Tag[] })
    | undefined;
}

export type TransitionClass =
  | 'GLACIER'
  | 'STANDARD_IA'
  | 'ONEZONE_IA'
  | 'INTELLIGENT_TIERING'
  | 'DEEP_ARCHIVE'
  | 'GLACIER_IR';

export interface LifecycleRule {
  readonly ID?: string | undefined;
  readonly Status: 'Enabled' | 'Disabled';
  readonly Prefix?: string | undefined;
  readonly Filter?: LifecycleFilter | undefined;
  readonly Expiration?:
    | {
        readonly Days?: number | undefined;
        readonly Date?: string | undefined;
        readonly ExpiredObjectDeleteMarker?: boolean | undefined;
      }
    | undefined;
  readonly Transition: readonly {
    readonly Days?: number | undefined;
    readonly Date?: string | undefined;
    readonly StorageClass: TransitionClass;
  }[];
  readonly NoncurrentVersionTransition: readonly {
    readonly NoncurrentDays?: number | undefined;
    readonly NewerNoncurrentVersions?: number | undefined;
    readonly StorageClass: TransitionClass;
  }[];
  readonly NoncurrentVersionExpiration?:
    | {
        readonly NoncurrentDays?: number | undefined;
        readonly NewerNoncurrentVersions?: number | undefined;
      }
    | undefined;
  readonly AbortIncompleteMultipartUpload?: { readonly DaysAfterInitiation: number } | undefined;
}

export interface LifecycleConfiguration {
  readonly Rule: readonly LifecycleRule[];
  /** Said with the request, not in its document; it concerns transitions only. */
  readonly defaultMinimumObjectSize?: string | undefined;
}

/** The name of the configuration beside its bucket. */
export const LIFECYCLE_CONFIG = 'lifecycle';

const parsed = new Map<string, LifecycleConfiguration>();
const PARSED_MAX = 64;

/** Parsed once for each text: texts change rarely and are asked for at every request. */
export function lifecycleOf(text: string): LifecycleConfiguration {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  if (parsed.size >= PARSED_MAX) parsed.clear();
  const configuration = JSON.parse(text) as LifecycleConfiguration;
  parsed.set(text, configuration);
  return configuration;
}

/** What a rule looks at. */
export interface LifecycleSubject {
  readonly key: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly tags: Readonly<Record<string, string>>;
}

export function prefixOf({ Prefix, Filter }: LifecycleRule): string {
  return Prefix ?? Filter?.Prefix ?? Filter?.And?.Prefix ?? '';
}

/** True when the rule asks for tags, which listings do not carry. */
export function tagsOf({ Filter }: LifecycleRule): readonly Tag[] {
  return Filter?.Tag === undefined ? (Filter?.And?.Tag ?? []) : [Filter.Tag];
}

export function matches(rule: LifecycleRule, subject: Omit<LifecycleSubject, 'mtimeMs'>): boolean {
  if (rule.Status !== 'Enabled' || !subject.key.startsWith(prefixOf(rule))) return false;
  const { ObjectSizeGreaterThan: greater, ObjectSizeLessThan: less } =
    rule.Filter?.And ?? rule.Filter ?? {};
  if (greater !== undefined && subject.size <= greater) return false;
  if (less !== undefined && subject.size >= less) return false;
  return tagsOf(rule).every(
    ({ Key, Value }) => Object.hasOwn(subject.tags, Key) && subject.tags[Key] === Value,
  );
}

/** The last moment that a date can name: rules may speak of millions of years. */
const LAST_MS = 8_640_000_000_000_000;

/** The beginning of the day after `days` days. */
export function dueMs(fromMs: number, days: number, dayMs: number): number {
  return Math.min(Math.ceil((fromMs + days * dayMs) / dayMs) * dayMs, LAST_MS);
}

export interface Expiry {
  readonly ruleId: string;
  readonly dueMs: number;
}

/** When and by which rule the object ends: the earliest wins. Undefined: never. */
export function expiryOf(
  { Rule }: LifecycleConfiguration,
  subject: LifecycleSubject,
  dayMs: number,
): Expiry | undefined {
  let first: Expiry | undefined;
  for (const rule of Rule) {
    const { Days, Date: date } = rule.Expiration ?? {};
    if (Days === undefined && date === undefined) continue;
    if (!matches(rule, subject)) continue;
    const due = Days === undefined ? Date.parse(date ?? '') : dueMs(subject.mtimeMs, Days, dayMs);
    if (first === undefined || due < first.dueMs) first = { ruleId: rule.ID ?? '', dueMs: due };
  }
  return first;
}

/** When and by which rule an upload that nobody completed is aborted. */
export function uploadExpiryOf(
  { Rule }: LifecycleConfiguration,
  upload: { readonly key: string; readonly initiatedMs: number },
  dayMs: number,
): Expiry | undefined {
  let first: Expiry | undefined;
  for (const rule of Rule) {
    const days = rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation;
    if (days === undefined) continue;
    if (rule.Status !== 'Enabled' || !upload.key.startsWith(prefixOf(rule))) continue;
    const due = dueMs(upload.initiatedMs, days, dayMs);
    if (first === undefined || due < first.dueMs) first = { ruleId: rule.ID ?? '', dueMs: due };
  }
  return first;
}
