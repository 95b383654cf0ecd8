/**
 * Who there is, as authorisation and ACLs ask: accounts by canonical id and by e-mail. Each user
 * is an account of its own. The store behind it is in `admin/`; lookups are synchronous and hot.
 */
import type { Policy } from './policy/policy.ts';

export interface Account {
  /** Canonical id: what owns buckets and objects, and stands in ACLs. */
  readonly id: string;
  readonly displayName: string;
  readonly email: string | undefined;
  /** May do everything that is not denied explicitly, on everybody's buckets. */
  readonly admin: boolean;
  /** Inline identity policy: with one, only what it allows is allowed. */
  readonly policy: Policy | undefined;
}

export interface Accounts {
  byId(canonicalId: string): Account | undefined;
  /** Letters match in either case. */
  byEmail(email: string): Account | undefined;
}

/** What AWS calls the owner of objects that nobody signed for. */
export const ANONYMOUS_ID = '65a011a29cdf8ec533ec3d1ccaae921c';

export const ANONYMOUS = {
  accessKeyId: undefined,
  ownerId: ANONYMOUS_ID,
  displayName: 'anonymous',
} as const;

export function isAnonymous(identity: { readonly ownerId: string }): boolean {
  return identity.ownerId === ANONYMOUS_ID;
}

/** The name to show for an owner: one that is no longer on record is shown by its id alone. */
export function displayNameOf(accounts: Accounts, id: string): string {
  if (id === ANONYMOUS_ID) return ANONYMOUS.displayName;
  return accounts.byId(id)?.displayName ?? '';
}
