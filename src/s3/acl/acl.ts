/**
 * Access control lists as values: grants, what they allow, the canned ones, and the text in which
 * they are kept beside a bucket or in an object's record. No text: the owner alone has everything.
 */
import { z } from 'zod';
import { assert } from '../../base/assert.ts';

export const PERMISSIONS = ['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const;
export type Permission = (typeof PERMISSIONS)[number];

export type Grantee =
  | { readonly kind: 'user'; readonly id: string }
  | { readonly kind: 'group'; readonly uri: string };

export interface Grant {
  readonly grantee: Grantee;
  readonly permission: Permission;
}

export const GROUPS = {
  allUsers: 'http://acs.amazonaws.com/groups/global/AllUsers',
  authenticatedUsers: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  logDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
} as const;

export const GROUP_URIS: readonly string[] = Object.values(GROUPS);

/** Who `aws-exec-read` lets read: Amazon EC2, as every account's ACLs name it. */
const EXEC_ID = '6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c';

const storedSchema = z.array(z.tuple([z.enum(['user', 'group']), z.string(), z.enum(PERMISSIONS)]));

export function encodeAcl(grants: readonly Grant[]): string {
  return JSON.stringify(
    grants.map(({ grantee, permission }) => [
      grantee.kind,
      grantee.kind === 'user' ? grantee.id : grantee.uri,
      permission,
    ]),
  );
}

/** The grants of a stored text; without one the owner's. */
export function decodeAcl(text: string | undefined, ownerId: string): readonly Grant[] {
  if (text === undefined) return ownerGrants(ownerId);
  return storedSchema.parse(JSON.parse(text)).map(([kind, name, permission]) => ({
    grantee: kind === 'user' ? { kind, id: name } : { kind, uri: name },
    permission,
  }));
}

function toUser(id: string, permission: Permission): Grant {
  return { grantee: { kind: 'user', id }, permission };
}

function toGroup(uri: string, permission: Permission): Grant {
  return { grantee: { kind: 'group', uri }, permission };
}

export function ownerGrants(ownerId: string): readonly Grant[] {
  return [toUser(ownerId, 'FULL_CONTROL')];
}

export const CANNED_ACLS = [
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
  'log-delivery-write',
] as const;
export type CannedAcl = (typeof CANNED_ACLS)[number];

const CANNED_FOR_ALL: Readonly<Partial<Record<CannedAcl, readonly Grant[]>>> = {
  'public-read': [toGroup(GROUPS.allUsers, 'READ')],
  'public-read-write': [toGroup(GROUPS.allUsers, 'READ'), toGroup(GROUPS.allUsers, 'WRITE')],
  'authenticated-read': [toGroup(GROUPS.authenticatedUsers, 'READ')],
  'aws-exec-read': [toUser(EXEC_ID, 'READ')],
  'log-delivery-write': [
    toGroup(GROUPS.logDelivery, 'WRITE'),
    toGroup(GROUPS.logDelivery, 'READ_ACP'),
  ],
};

/** `bucketOwnerId` undefined: the ACL of a bucket, where the ones about its owner say nothing. */
export function cannedGrants(
  canned: CannedAcl,
  ownerId: string,
  bucketOwnerId: string | undefined,
): readonly Grant[] {
  const own = ownerGrants(ownerId);
  const more = CANNED_FOR_ALL[canned];
  if (more !== undefined) return [...own, ...more];
  if (bucketOwnerId === undefined || bucketOwnerId === ownerId || canned === 'private') return own;
  assert(canned.startsWith('bucket-owner-'), 'every other canned ACL is in the table');
  return [...own, toUser(bucketOwnerId, canned === 'bucket-owner-read' ? 'READ' : 'FULL_CONTROL')];
}

/** True when it says no more than that `ownerId` has everything. */
export function isPlain(grants: readonly Grant[], ownerId: string): boolean {
  const [first, ...more] = grants;
  return (
    first?.permission === 'FULL_CONTROL' &&
    more.length === 0 &&
    first.grantee.kind === 'user' &&
    first.grantee.id === ownerId
  );
}

function isPublicGroup(grantee: Grantee): boolean {
  if (grantee.kind !== 'group') return false;
  return grantee.uri === GROUPS.allUsers || grantee.uri === GROUPS.authenticatedUsers;
}

export function isPublicAcl(grants: readonly Grant[]): boolean {
  return grants.some(({ grantee }) => isPublicGroup(grantee));
}

export interface Asker {
  readonly id: string;
  readonly anonymous: boolean;
}

/** `ignorePublic`: grants to everybody do not count. */
export function aclAllows(
  grants: readonly Grant[],
  asker: Asker,
  permission: Permission,
  ignorePublic: boolean,
): boolean {
  return grants.some(({ grantee, permission: granted }) => {
    if (granted !== permission && granted !== 'FULL_CONTROL') return false;
    if (grantee.kind === 'user') return !asker.anonymous && grantee.id === asker.id;
    if (ignorePublic) return false;
    if (grantee.uri === GROUPS.allUsers) return true;
    return grantee.uri === GROUPS.authenticatedUsers && !asker.anonymous;
  });
}
