/**
 * What a reader of an object gets to see of its head. The number of its tags, its retention and
 * its legal hold are shown to those who could also ask for them; who may not is told nothing.
 *
 * Invariant: an object without tags and lock costs a look at each and nothing else.
 */
import { S3Error } from '../../base/s3-error.ts';
import type { LockTarget, ObjectHead } from '../../objects/contract.ts';
import type { Action, OperationContext } from '../operation.ts';

function may(context: OperationContext, action: Action, target: LockTarget): boolean {
  try {
    context.authorize(action, target.bucket, target.key, target.versionId);
    return true;
  } catch (error) {
    if (error instanceof S3Error && error.code === 'AccessDenied') return false;
    throw error;
  }
}

export function visibleHead(
  context: OperationContext,
  target: LockTarget,
  head: ObjectHead,
): ObjectHead {
  const tagged = Object.keys(head.tags).length > 0;
  if (!tagged && head.lock === undefined) return head;
  const { retention, legalHold } = head.lock ?? {};
  const sees = (said: unknown, action: Action): boolean =>
    said !== undefined && may(context, action, target);
  return {
    ...head,
    tags: tagged && may(context, 's3:GetObjectTagging', target) ? head.tags : {},
    lock: {
      retention: sees(retention, 's3:GetObjectRetention') ? retention : undefined,
      legalHold: sees(legalHold, 's3:GetObjectLegalHold') ? legalHold : undefined,
    },
  };
}
