/**
 * The ACL that a request's headers ask for: a canned one or grants. Reading is pure; resolving
 * turns e-mail addresses into canonical ids and refuses grantees that nobody knows.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Accounts } from '../accounts.ts';
import type { S3Request } from '../request.ts';
import {
  CANNED_ACLS,
  type CannedAcl,
  type Grant,
  type Grantee,
  GROUP_URIS,
  type Permission,
} from './acl.ts';

/** A grantee as named; e-mail addresses are looked up when it is resolved. */
export type NamedGrantee = Grantee | { readonly kind: 'email'; readonly email: string };

export interface NamedGrant {
  readonly grantee: NamedGrantee;
  readonly permission: Permission;
}

export type AclRequest =
  | { readonly kind: 'canned'; readonly canned: CannedAcl }
  | { readonly kind: 'grants'; readonly grants: readonly NamedGrant[] };

const GRANT_HEADERS: readonly (readonly [string, Permission])[] = [
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
];

function invalid(name: string, value: string, message = 'Argument format not recognized'): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    fields: { ArgumentName: name, ArgumentValue: value },
  });
}

const GRANTEE = /^\s*(id|uri|emailaddress)\s*=\s*(?:"([^"]*)"|([^",]*?))\s*(?:,|$)/i;

/** `id="…", uri="…"`, with the quotes or without. */
export function parseGrantees(header: string, value: string): NamedGrantee[] {
  const grantees: NamedGrantee[] = [];
  for (let rest = value; rest.trim() !== '';) {
    const match = GRANTEE.exec(rest);
    const name = match?.[2] ?? match?.[3] ?? '';
    if (match === null || name === '') throw invalid(header, value);
    const kind = match[1]?.toLowerCase();
    if (kind === 'id') grantees.push({ kind: 'user', id: name });
    else if (kind === 'uri') grantees.push({ kind: 'group', uri: name });
    else grantees.push({ kind: 'email', email: name });
    rest = rest.slice(match[0].length);
  }
  if (grantees.length === 0) throw invalid(header, value);
  return grantees;
}

/** Undefined when the headers say nothing of ACLs, which is the usual case. */
export function parseAclHeaders(headers: S3Request['headers']): AclRequest | undefined {
  const canned = headers.get('x-amz-acl');
  let grants: NamedGrant[] | undefined;
  for (const [name, permission] of GRANT_HEADERS) {
    const value = headers.get(name);
    if (value === undefined) continue;
    grants ??= [];
    for (const grantee of parseGrantees(name, value)) grants.push({ grantee, permission });
  }
  if (canned === undefined) return grants && { kind: 'grants', grants };
  if (grants !== undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Specifying both Canned ACLs and Header Grants is not allowed',
    });
  }
  const known = CANNED_ACLS.find((one) => one === canned);
  if (known === undefined) throw invalid('x-amz-acl', canned, '');
  return { kind: 'canned', canned: known };
}

function resolveGrantee(grantee: NamedGrantee, accounts: Accounts): Grantee {
  if (grantee.kind === 'email') {
    const account = accounts.byEmail(grantee.email);
    if (account === undefined) throw new S3Error('UnresolvableGrantByEmailAddress');
    return { kind: 'user', id: account.id };
  }
  if (grantee.kind === 'user') {
    if (accounts.byId(grantee.id) !== undefined) return grantee;
    throw invalid('CanonicalUser/ID', grantee.id, 'Invalid id');
  }
  if (GROUP_URIS.includes(grantee.uri)) return grantee;
  throw invalid('Group/URI', grantee.uri, 'Invalid group uri');
}

/** Throws InvalidArgument, UnresolvableGrantByEmailAddress. */
export function resolveGrants(grants: readonly NamedGrant[], accounts: Accounts): readonly Grant[] {
  if (grants.length > LIMITS.grantCount) {
    throw new S3Error('InvalidRequest', {
      message: `An access control list holds at most ${LIMITS.grantCount} grants`,
    });
  }
  return grants.map(({ grantee, permission }) => ({
    grantee: resolveGrantee(grantee, accounts),
    permission,
  }));
}
