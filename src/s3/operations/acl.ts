/** GetBucketAcl, PutBucketAcl, GetObjectAcl and PutObjectAcl: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Body } from '../../body/body.ts';
import type { Bucket, LockTarget, ObjectAccess } from '../../objects/contract.ts';
import { CONFIGS } from '../access-rules.ts';
import { decodeAcl, type Grant, ownerGrants } from '../acl/acl.ts';
import { aclXml, parseAcl } from '../acl/acl-document.ts';
import { type AclRequest, parseAclHeaders } from '../acl/acl-request.ts';
import { grantsOf, refusePublicAcl, saysNothing, storedAcl } from '../acl/placement.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { bucketOf, objectOf } from '../resource.ts';
import { readOptionalDocument, xmlResponse } from './document.ts';

interface AclOutput {
  readonly ownerId: string;
  readonly grants: readonly Grant[];
  readonly accounts: OperationContext['accounts'];
}

function render({ ownerId, grants, accounts }: AclOutput): S3Response {
  return xmlResponse('AccessControlPolicy', aclXml(ownerId, grants, accounts));
}

const DONE: S3Response = { status: 200, headers: [], body: undefined };

/** Where ACLs do not count, everything is the bucket owner's. */
function areDisabled({ rules }: OperationContext, bucket: Bucket): boolean {
  return rules.ownership(bucket) === 'BucketOwnerEnforced';
}

export const getBucketAcl = operation<string, AclOutput>({
  action: 's3:GetBucketAcl',
  body: 'none',
  parse: bucketOf,
  run: (context, name) => {
    const { accounts, objects, rules } = context;
    const bucket = objects.bucket(name);
    const { ownerId } = bucket;
    const grants = areDisabled(context, bucket) ? ownerGrants(ownerId) : rules.acl(bucket);
    return { ownerId, grants, accounts };
  },
  render,
});

function parseTarget(request: S3Request): LockTarget {
  return { ...objectOf(request), versionId: request.query.get('versionId') };
}

/** Throws NoSuchKey and what AWS says of versions that are not there, and of delete markers. */
function existing({ objects }: OperationContext, target: LockTarget): ObjectAccess {
  const { bucket, key, versionId } = target;
  const found = objects.access(bucket, key, versionId);
  if (found !== undefined) return found;
  objects.tags(bucket, key, versionId);
  throw new S3Error('NoSuchKey', { fields: { Key: key } });
}

export const getObjectAcl = operation<LockTarget, AclOutput>({
  action: 's3:GetObjectAcl',
  body: 'none',
  parse: parseTarget,
  run: (context, target) => {
    const { accounts, objects } = context;
    const bucket = objects.bucket(target.bucket);
    const found = existing(context, target);
    if (areDisabled(context, bucket)) {
      return { ownerId: bucket.ownerId, grants: ownerGrants(bucket.ownerId), accounts };
    }
    return { ownerId: found.ownerId, grants: decodeAcl(found.acl, found.ownerId), accounts };
  },
  render,
});

/** By headers or by a document: one of the two. */
type Asked = AclRequest & { readonly ownerId?: string };

async function readAsked({ request }: OperationContext, body: Body): Promise<Asked> {
  const asked = parseAclHeaders(request.request.headers);
  const text = await readOptionalDocument(body, LIMITS.configXmlBytes);
  if (text.trim() === '') {
    if (asked !== undefined) return asked;
    throw new S3Error('MissingSecurityHeader', { fields: { MissingHeaderName: 'x-amz-acl' } });
  }
  if (asked !== undefined) throw new S3Error('UnexpectedContent');
  const { ownerId, grants } = parseAcl(text);
  return { kind: 'grants', grants, ownerId };
}

/** An ACL can't give away what it is about. */
function checkOwner(asked: Asked, ownerId: string): void {
  if (asked.ownerId !== undefined && asked.ownerId !== ownerId) throw new S3Error('AccessDenied');
}

/** Throws unless it says what is true anyway. */
function refuseDisabled(context: OperationContext, bucket: Bucket, asked: Asked): void {
  const { accounts } = context;
  if (!saysNothing(asked, bucket.ownerId, accounts))
    throw new S3Error('AccessControlListNotSupported');
}

export const putBucketAcl = operation<string, void>({
  action: 's3:PutBucketAcl',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: bucketOf,
  run: async (context, name, body) => {
    const { accounts, objects, rules } = context;
    const asked = await readAsked(context, body);
    const bucket = objects.bucket(name);
    checkOwner(asked, bucket.ownerId);
    if (areDisabled(context, bucket)) return refuseDisabled(context, bucket, asked);
    const grants = grantsOf(asked, bucket.ownerId, undefined, accounts);
    refusePublicAcl(rules, bucket, grants);
    const text = storedAcl(grants, bucket.ownerId);
    await objects.configureBucket(name, CONFIGS.acl, () => text);
  },
  render: () => DONE,
});

export const putObjectAcl = operation<LockTarget, void>({
  action: 's3:PutObjectAcl',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: parseTarget,
  run: async (context, target, body) => {
    const { accounts, objects, rules } = context;
    const asked = await readAsked(context, body);
    const bucket = objects.bucket(target.bucket);
    const found = existing(context, target);
    if (areDisabled(context, bucket)) {
      checkOwner(asked, bucket.ownerId);
      return refuseDisabled(context, bucket, asked);
    }
    checkOwner(asked, found.ownerId);
    const grants = grantsOf(asked, found.ownerId, bucket.ownerId, accounts);
    refusePublicAcl(rules, bucket, grants);
    const { ownerId } = found;
    await objects.setAcl(target, ownerId, storedAcl(grants, ownerId));
    const { key, versionId } = target;
    await context.note(target.bucket, { name: 'ObjectAcl:Put', key, versionId });
  },
  render: () => DONE,
});
