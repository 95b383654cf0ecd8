/**
 * Whose a new object is and which ACL it gets: the request's headers under the bucket's ownership
 * controls and public access block. Also the same questions for ACLs that are put later.
 */
import { S3Error } from '../../base/s3-error.ts';
import type { Bucket } from '../../objects/contract.ts';
import type { AccessRules } from '../access-rules.ts';
import type { Accounts } from '../accounts.ts';
import type { OperationContext } from '../operation.ts';
import { cannedGrants, encodeAcl, type Grant, isPlain, isPublicAcl } from './acl.ts';
import { type AclRequest, parseAclHeaders, resolveGrants } from './acl-request.ts';

export interface Placement {
  readonly ownerId: string;
  /** Undefined: the owner alone. */
  readonly acl: string | undefined;
}

/** `bucketOwnerId` undefined: the ACL of a bucket. */
export function grantsOf(
  asked: AclRequest,
  ownerId: string,
  bucketOwnerId: string | undefined,
  accounts: Accounts,
): readonly Grant[] {
  return asked.kind === 'canned'
    ? cannedGrants(asked.canned, ownerId, bucketOwnerId)
    : resolveGrants(asked.grants, accounts);
}

/** Throws AccessDenied where the bucket wants no ACLs for everybody. */
export function refusePublicAcl(
  rules: AccessRules,
  bucket: Bucket,
  grants: readonly Grant[],
): void {
  if (!isPublicAcl(grants) || !rules.publicAccess(bucket).BlockPublicAcls) return;
  throw new S3Error('AccessDenied');
}

/** What is true without any ACL may be said where there are none. */
export function saysNothing(asked: AclRequest, ownerId: string, accounts: Accounts): boolean {
  if (asked.kind === 'canned') {
    return asked.canned === 'private' || asked.canned === 'bucket-owner-full-control';
  }
  const [grant, ...more] = asked.grants;
  if (grant?.permission !== 'FULL_CONTROL' || more.length > 0) return false;
  const { grantee } = grant;
  if (grantee.kind === 'email') return accounts.byEmail(grantee.email)?.id === ownerId;
  return grantee.kind === 'user' && grantee.id === ownerId;
}

export function storedAcl(grants: readonly Grant[], ownerId: string): string | undefined {
  return isPlain(grants, ownerId) ? undefined : encodeAcl(grants);
}

/** Throws AccessControlListNotSupported, AccessDenied, and what is wrong with the headers. */
export function placeObject(context: OperationContext, bucketName: string): Placement {
  const { accounts, identity, objects, request, rules } = context;
  const bucket = objects.bucket(bucketName);
  const asked = parseAclHeaders(request.request.headers);
  const ownership = rules.ownership(bucket);
  if (ownership === 'BucketOwnerEnforced') {
    if (asked !== undefined && !saysNothing(asked, bucket.ownerId, accounts)) {
      throw new S3Error('AccessControlListNotSupported');
    }
    return { ownerId: bucket.ownerId, acl: undefined };
  }
  if (asked === undefined) return { ownerId: identity.ownerId, acl: undefined };
  const given = asked.kind === 'canned' && asked.canned === 'bucket-owner-full-control';
  const preferred = ownership === 'BucketOwnerPreferred' && given;
  const ownerId = preferred ? bucket.ownerId : identity.ownerId;
  const grants = grantsOf(asked, ownerId, bucket.ownerId, accounts);
  refusePublicAcl(rules, bucket, grants);
  return { ownerId, acl: storedAcl(grants, ownerId) };
}
