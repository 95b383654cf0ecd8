/** Put-, Get-, DeleteBucketPolicy and GetBucketPolicyStatus: parse and render. */
import { utf8Decode } from '../../base/bytes.ts';
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Body } from '../../body/body.ts';
import { CONFIGS } from '../access-rules.ts';
import { isPublicAcl } from '../acl/acl.ts';
import { type OperationContext, operation } from '../operation.ts';
import { isPublicPolicy } from '../policy/exposure.ts';
import { malformed } from '../policy/malformed.ts';
import { parsePolicy, type Statement } from '../policy/policy.ts';
import type { S3Response } from '../request.ts';
import { bucketOf } from '../resource.ts';
import { element } from '../xml.ts';
import { xmlResponse } from './document.ts';

const NO_CONTENT: S3Response = { status: 204, headers: [], body: undefined };

async function readPolicy(body: Body): Promise<string> {
  const bytes = await body.bytes(LIMITS.configXmlBytes);
  if (bytes.length > LIMITS.policyBytes) {
    throw malformed('Policy exceeds the maximum allowed document size.');
  }
  try {
    return utf8Decode(bytes);
  } catch {
    throw malformed("Policies must be valid JSON and the first byte must be '{'");
  }
}

/** S3 takes no statement that lets in everybody it does not name. */
function allowsAllOthers({ effect, principals }: Statement): boolean {
  return effect === 'Allow' && principals?.except === true;
}

/** A policy may let others in, but never let them at itself: it stays with the owner's account. */
function refuseStrangers(context: OperationContext, name: string): void {
  const { accounts, identity, objects, request } = context;
  const { ownerId } = objects.bucket(name);
  if (identity.ownerId === ownerId || accounts.byId(identity.ownerId)?.admin === true) return;
  throw new S3Error('MethodNotAllowed', {
    fields: { Method: request.request.method, ResourceType: 'BUCKETPOLICY' },
  });
}

export const putBucketPolicy = operation<string, void>({
  action: 's3:PutBucketPolicy',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: bucketOf,
  run: async (context, name, body) => {
    const { accounts, objects, rules } = context;
    const text = await readPolicy(body);
    refuseStrangers(context, name);
    const knows = (id: string): boolean => accounts.byId(id) !== undefined;
    const policy = parsePolicy(text, { bucket: name, knows });
    if (policy.statements.some(allowsAllOthers)) {
      throw malformed('Allow with NotPrincipal is not allowed.');
    }
    const isPublic = isPublicPolicy(policy);
    await objects.configureBucket(name, CONFIGS.policy, () => {
      const { BlockPublicPolicy } = rules.publicAccess(objects.bucket(name));
      if (isPublic && BlockPublicPolicy) throw new S3Error('AccessDenied');
      return text;
    });
  },
  render: () => NO_CONTENT,
});

export const getBucketPolicy = operation<string, string>({
  action: 's3:GetBucketPolicy',
  body: 'none',
  parse: bucketOf,
  run: (context, name) => {
    refuseStrangers(context, name);
    const { objects } = context;
    const text = objects.bucket(name).configs.get(CONFIGS.policy);
    if (text === undefined) {
      throw new S3Error('NoSuchBucketPolicy', { fields: { BucketName: name } });
    }
    return text;
  },
  render: (text) => ({
    status: 200,
    headers: [['Content-Type', 'application/json']],
    body: text,
  }),
});

export const deleteBucketPolicy = operation<string, void>({
  action: 's3:DeleteBucketPolicy',
  body: 'none',
  parse: bucketOf,
  run: async (context, name) => {
    refuseStrangers(context, name);
    await context.objects.configureBucket(name, CONFIGS.policy, () => undefined);
  },
  render: () => NO_CONTENT,
});

export const getBucketPolicyStatus = operation<string, boolean>({
  action: 's3:GetBucketPolicyStatus',
  body: 'none',
  parse: bucketOf,
  run: ({ objects, rules }, name) => {
    const bucket = objects.bucket(name);
    const acls = rules.ownership(bucket) !== 'BucketOwnerEnforced';
    const byPolicy = rules.policy(bucket)?.isPublic === true;
    return byPolicy || (acls && isPublicAcl(rules.acl(bucket)));
  },
  render: (isPublic) => xmlResponse('PolicyStatus', element('IsPublic', isPublic)),
});
