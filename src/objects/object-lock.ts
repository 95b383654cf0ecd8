/**
 * Object Lock: what may not be removed, until when, and who may change that. Pure: the caller
 * decides at the moment of its commit. A lock is a field of one version's record.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
 */
import { S3Error } from '../base/s3-error.ts';
import type { ObjectRecord } from '../meta/records.ts';
import type { OpenBucket } from './buckets.ts';
import type { ObjectLock, Retention } from './contract.ts';

/** Name of the bucket configuration; its text is a `LockConfig` as JSON. */
export const OBJECT_LOCK = 'object-lock';

const DAY_MS = 86_400_000;
const DAYS_PER_YEAR = 365;

export interface LockConfig {
  /** Default retention of what is written from now on. */
  readonly mode?: Retention['mode'];
  readonly days?: number;
  readonly years?: number;
}

/** Undefined: the bucket has no Object Lock. */
export function lockConfigOf({ configs }: OpenBucket): LockConfig | undefined {
  const text = configs.get(OBJECT_LOCK);
  return text === undefined ? undefined : (JSON.parse(text) as LockConfig);
}

/** Throws InvalidRequest for a lock in a bucket that knows none. */
export function checkLockable(bucket: OpenBucket, lock: ObjectLock | undefined): void {
  if (lock === undefined || bucket.configs.has(OBJECT_LOCK)) return;
  throw new S3Error('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' });
}

/** The lock of a new version: what its request said, else the bucket's default. */
export function lockOf(
  bucket: OpenBucket,
  asked: ObjectLock | undefined,
  nowMs: number,
): ObjectLock | undefined {
  const config = lockConfigOf(bucket);
  if (config?.mode === undefined || asked?.retention !== undefined) return asked;
  const days = config.days ?? (config.years ?? 0) * DAYS_PER_YEAR;
  const retention = { mode: config.mode, untilMs: nowMs + days * DAY_MS };
  return { ...asked, retention };
}

/** Throws AccessDenied while the version must stay. */
export function checkRemoval(record: ObjectRecord, nowMs: number, bypass: boolean): void {
  const { retention, legalHold } = record.lock ?? {};
  if (legalHold === true) throw locked();
  if (retention === undefined || retention.untilMs <= nowMs) return;
  if (retention.mode === 'COMPLIANCE' || !bypass) throw locked();
}

/** Throws AccessDenied when the present retention does not allow to be changed so. */
export function checkRetention(
  present: Retention | undefined,
  next: Retention | undefined,
  nowMs: number,
  bypass: boolean,
): void {
  if (present === undefined || present.untilMs <= nowMs) return;
  const tightens = next?.mode === present.mode && next.untilMs >= present.untilMs;
  if (tightens || (present.mode === 'GOVERNANCE' && bypass)) return;
  throw locked();
}

function locked(): S3Error {
  return new S3Error('AccessDenied', {
    message: 'Access Denied because object protected by object lock.',
  });
}
