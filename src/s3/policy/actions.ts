/**
 * The actions of S3 as policies name them: what each applies to, which ACL permission is the same
 * thing, and what a request needs besides its operation's own action.
 * Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
 */
import type { Permission } from '../acl/acl.ts';
import type { Action } from '../operation.ts';
import type { S3Request } from '../request.ts';
import type { Said } from './condition-keys.ts';

const OBJECT_ACTIONS = `AbortMultipartUpload BypassGovernanceRetention DeleteObject
DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl
GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent
GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionForReplication
GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts
ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectLegalHold PutObjectRetention
PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete ReplicateObject
ReplicateTags RestoreObject UpdateObjectEncryption`.split(/\s+/);

const BUCKET_ACTIONS = `CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket
DeleteBucketMetadataTableConfiguration DeleteBucketOwnershipControls DeleteBucketPolicy
DeleteBucketPublicAccessBlock DeleteBucketWebsite GetAccelerateConfiguration
GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS GetBucketLocation
GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning
GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration
GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions
ListTagsForResource TagResource UntagResource PauseReplication PutAccelerateConfiguration
PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging
PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning
PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration
PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration
PutReplicationConfiguration UpdateBucketMetadataInventoryTableConfiguration
UpdateBucketMetadataJournalTableConfiguration`.split(/\s+/);

const prefixed = (names: readonly string[]): readonly string[] => names.map((one) => `s3:${one}`);

export const OBJECT_LEVEL: readonly string[] = prefixed(OBJECT_ACTIONS);
export const BUCKET_LEVEL: readonly string[] = prefixed(BUCKET_ACTIONS);

/** Known, but about no bucket. */
export const SERVICE_LEVEL: readonly string[] = ['s3:ListAllMyBuckets'];

/** What READ, WRITE … on a bucket's ACL allow. Source: AWS's table of ACL permissions. */
export const BUCKET_PERMISSIONS: ReadonlyMap<string, Permission> = new Map([
  ['s3:ListBucket', 'READ'],
  ['s3:ListBucketVersions', 'READ'],
  ['s3:ListBucketMultipartUploads', 'READ'],
  ['s3:PutObject', 'WRITE'],
  ['s3:GetBucketAcl', 'READ_ACP'],
  ['s3:PutBucketAcl', 'WRITE_ACP'],
]);

export const OBJECT_PERMISSIONS: ReadonlyMap<string, Permission> = new Map([
  ['s3:GetObject', 'READ'],
  ['s3:GetObjectVersion', 'READ'],
  ['s3:GetObjectAcl', 'READ_ACP'],
  ['s3:GetObjectVersionAcl', 'READ_ACP'],
  ['s3:PutObjectAcl', 'WRITE_ACP'],
  ['s3:PutObjectVersionAcl', 'WRITE_ACP'],
]);

const NOT_OF_AN_OBJECT: ReadonlySet<string> = new Set([
  's3:PutObject',
  's3:DeleteObject',
  's3:DeleteObjectVersion',
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
  's3:BypassGovernanceRetention',
]);

const OBJECT_LEVEL_SET: ReadonlySet<string> = new Set(OBJECT_LEVEL);

/** True for what belongs to the owner of an existing object, not to the owner of the bucket. */
export function isOfObject(action: string): boolean {
  return OBJECT_LEVEL_SET.has(action) && !NOT_OF_AN_OBJECT.has(action);
}

const OF_VERSIONS: ReadonlyMap<string, string> = new Map([
  ['s3:GetObject', 's3:GetObjectVersion'],
  ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
  ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
  ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'],
  ['s3:PutObjectTagging', 's3:PutObjectVersionTagging'],
  ['s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'],
  ['s3:DeleteObject', 's3:DeleteObjectVersion'],
  ['s3:GetObjectAttributes', 's3:GetObjectVersionAttributes'],
]);

/** A request that names a version asks for another action. */
export function actionOfVersion(action: string, versionId: string | undefined): string {
  return versionId === undefined ? action : (OF_VERSIONS.get(action) ?? action);
}

export interface Demand {
  readonly action: Action;
  /** Condition keys that speak of the same thing: who allows on their terms has allowed it. */
  readonly keys: readonly string[];
  /** Of the object that is there, as a request of its own would. */
  readonly existing?: boolean;
}

const ACL_DEMAND: Demand = {
  action: 's3:PutObjectAcl',
  keys: ['s3:x-amz-acl', 's3:x-amz-grant-'],
};
const TAGGING_DEMAND: Demand = { action: 's3:PutObjectTagging', keys: ['s3:requestobjecttag'] };
const READ_DEMAND: Demand = { action: 's3:GetObject', keys: [], existing: true };
/** Those whose `If-Match` speaks of what is written or removed. */
const OF_ETAGS: ReadonlySet<string> = new Set([
  's3:PutObject',
  's3:DeleteObject',
  's3:DeleteObjectVersion',
]);
const PLAIN_ACLS: ReadonlySet<string> = new Set(['private', 'bucket-owner-full-control']);

/** True when the headers give others than the owners something. */
export function setsAcl(headers: S3Request['headers']): boolean {
  const canned = headers.get('x-amz-acl');
  if (canned !== undefined && !PLAIN_ACLS.has(canned)) return true;
  for (const name of headers.keys()) if (name.startsWith('x-amz-grant-')) return true;
  return false;
}

function guesses(headers: S3Request['headers']): boolean {
  const matched = headers.get('if-match') ?? '*';
  if (matched.trim() !== '*' || headers.has('x-amz-if-match-size')) return true;
  return headers.has('x-amz-if-match-last-modified-time');
}

/** What a request needs beyond the action of its operation. */
export function demandsOf(
  action: string,
  { form, headers }: S3Request,
  said: Said | undefined,
): readonly Demand[] {
  const demands: Demand[] = [];
  // Whether an ETag is the right one is for those who may read it.
  if (OF_ETAGS.has(action) && guesses(headers)) demands.push(READ_DEMAND);
  if (action === 's3:PutObject') {
    if (headers.get('x-amz-tagging') || form?.get('tagging')) demands.push(TAGGING_DEMAND);
    if (setsAcl(headers)) demands.push(ACL_DEMAND);
    if (headers.has('x-amz-object-lock-legal-hold')) {
      const keys = ['s3:object-lock-legal-hold'];
      demands.push({ action: 's3:PutObjectLegalHold', keys });
    }
    if (headers.has('x-amz-object-lock-mode')) {
      demands.push({ action: 's3:PutObjectRetention', keys: ['s3:object-lock-'] });
    }
  } else if (action === 's3:CreateBucket') {
    if (said?.tags !== undefined) demands.push({ action: 's3:TagResource', keys: [] });
    if (setsAcl(headers)) demands.push({ action: 's3:PutBucketAcl', keys: [] });
    if (headers.has('x-amz-object-ownership')) {
      demands.push({ action: 's3:PutBucketOwnershipControls', keys: [] });
    }
    if (headers.has('x-amz-bucket-object-lock-enabled')) {
      demands.push({ action: 's3:PutBucketObjectLockConfiguration', keys: [] });
      demands.push({ action: 's3:PutBucketVersioning', keys: [] });
    }
  }
  return demands;
}
