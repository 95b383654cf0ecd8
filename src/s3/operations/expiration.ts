/**
 * The `x-amz-expiration` header: when and by which lifecycle rule an object will end. A bucket
 * without rules costs one lookup in a map.
 */
import { S3Error } from '../../base/s3-error.ts';
import {
  expiryOf,
  LIFECYCLE_CONFIG,
  lifecycleOf,
  type LifecycleSubject,
} from '../../objects/lifecycle-rules.ts';
import type { OperationContext } from '../operation.ts';
import type { S3Response } from '../request.ts';

type Headers = S3Response['headers'];

const NONE: Headers = [];

function header(text: string, subject: LifecycleSubject, dayMs: number): Headers {
  const expiry = expiryOf(lifecycleOf(text), subject, dayMs);
  if (expiry === undefined) return NONE;
  const date = new Date(expiry.dueMs).toUTCString();
  const rule = encodeURIComponent(expiry.ruleId);
  return [['x-amz-expiration', `expiry-date="${date}", rule-id="${rule}"`]];
}

/** For an object that is at hand. */
export function expirationHeader(
  { objects, lifecycleDayMs }: OperationContext,
  bucket: string,
  subject: LifecycleSubject,
): Headers {
  const text = objects.bucket(bucket).configs.get(LIFECYCLE_CONFIG);
  return text === undefined ? NONE : header(text, subject, lifecycleDayMs);
}

/** For an object that was written just now; looked up only where there are rules. */
export function writtenExpiration(
  { objects, lifecycleDayMs }: OperationContext,
  bucket: string,
  key: string,
): Headers {
  try {
    const text = objects.bucket(bucket).configs.get(LIFECYCLE_CONFIG);
    if (text === undefined) return NONE;
    const { head } = objects.read(bucket, key, { conditions: {} });
    return header(text, head, lifecycleDayMs);
  } catch (error) {
    // Deleted meanwhile: the write that is to be answered happened all the same.
    if (error instanceof S3Error) return NONE;
    throw error;
  }
}
