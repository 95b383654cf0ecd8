/**
 * Whether a bucket policy makes the bucket public, by AWS's definition: it is, unless everything
 * it allows is for fixed principals, or on a condition that fixes who or where from.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
 */
import { parseRange } from './addresses.ts';
import type { Condition } from './conditions.ts';
import type { Policy, Statement } from './policy.ts';

/** Conditions on these fix who asks, when they name values without wildcards and variables. */
const FIXING: ReadonlySet<string> = new Set([
  'aws:principalorgid',
  'aws:principalarn',
  'aws:principalaccount',
  'aws:sourcearn',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:sourceowner',
  'aws:sourceaccount',
  'aws:userid',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
  's3:dataaccesspointarn',
  's3:dataaccesspointaccount',
]);

/** Ranges wider than these are as good as everywhere. */
const WIDEST = { 32: 8, 128: 32 } as const;

function fixesAddress({ text }: { readonly text: string }): boolean {
  const range = parseRange(text);
  return range !== undefined && range.prefix >= WIDEST[range.bits];
}

function fixes({ key, kind, negated, ifExists, over, values }: Condition): boolean {
  if (kind === undefined || negated || ifExists || over === 'all') return false;
  if (key === 'aws:sourceip') return values.every(fixesAddress);
  if (!FIXING.has(key)) return false;
  return values.every(({ text, hasVariables }) => !hasVariables && !/[*?]/.test(text));
}

function exposes({ effect, principals, conditions }: Statement): boolean {
  if (effect === 'Deny' || principals === undefined) return false;
  if (principals.everybody ? principals.except : !principals.except) return false;
  return !conditions.some(fixes);
}

export function isPublicPolicy(policy: Policy): boolean {
  return policy.statements.some(exposes);
}
