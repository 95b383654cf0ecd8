/** GetBucketAcl, PutBucketAcl, GetObjectAcl and PutObjectAcl: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Body } from '../../body/body.ts';
import type { Bucket } from '../../objects/contract.ts';
import { CONFIGS } from '../access-rules.ts';
import { decodeAcl, type Grant, ownerGrants } from '../acl/acl.ts';
import { aclXml, parseAcl } from '../acl/acl-document.ts';
import { type AclRequest, parseAclHeaders } from '../acl/acl-request.ts';
import { grantsOf, refusePublicAcl, saysNothing, storedAcl } from '../acl/placement.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { bucketOf, objectOf } from '../resource.ts';
import { readOptionalDocument, xmlResponse } from './document.ts';
import { refuseVersion } from './get-object.ts';

interface Target {
  readonly bucket: string;
  readonly key: string;
}

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

function noSuchKey(key: string): S3Error {
  return new S3Error('NoSuchKey', { fields: { Key: key } });
}

function parseTarget(request: S3Request): Target {
  refuseVersion(request);
  return objectOf(request);
}

export const getObjectAcl = operation<Target, AclOutput>({
  action: 's3:GetObjectAcl',
  body: 'none',
  parse: parseTarget,
  run: (context, { bucket: name, key }) => {
    const { accounts, objects } = context;
    const bucket = objects.bucket(name);
    const found = objects.access(name, key);
    if (found === undefined) throw noSuchKey(key);
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

export const putObjectAcl = operation<Target, void>({
  action: 's3:PutObjectAcl',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: parseTarget,
  run: async (context, { bucket: name, key }, body) => {
    const { accounts, objects, rules } = context;
    const asked = await readAsked(context, body);
    // Somebody else may have written it anew while the document came in.
    context.authorize('s3:PutObjectAcl', name, key);
    const bucket = objects.bucket(name);
    const found = objects.access(name, key);
    if (found === undefined) throw noSuchKey(key);
    if (areDisabled(context, bucket)) {
      checkOwner(asked, bucket.ownerId);
      return refuseDisabled(context, bucket, asked);
    }
    checkOwner(asked, found.ownerId);
    const grants = grantsOf(asked, found.ownerId, bucket.ownerId, accounts);
    refusePublicAcl(rules, bucket, grants);
    const { ownerId } = found;
    await objects.setAcl(name, key, ownerId, storedAcl(grants, ownerId));
  },
  render: () => DONE,
});
