/** Put-, Get-, DeleteBucketPolicy and GetBucketPolicyStatus: parse and render. */
import { utf8Decode } from '../../base/bytes.ts';
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Body } from '../../body/body.ts';
import { CONFIGS } from '../access-rules.ts';
import { isPublicAcl } from '../acl/acl.ts';
import { operation } from '../operation.ts';
import { isPublicPolicy } from '../policy/exposure.ts';
import { malformed } from '../policy/malformed.ts';
import { parsePolicy } from '../policy/policy.ts';
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

export const putBucketPolicy = operation<string, void>({
  action: 's3:PutBucketPolicy',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: bucketOf,
  run: async ({ accounts, objects, rules }, name, body) => {
    const text = await readPolicy(body);
    const knows = (id: string): boolean => accounts.byId(id) !== undefined;
    const isPublic = isPublicPolicy(parsePolicy(text, { bucket: name, knows }));
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
  run: ({ objects }, name) => {
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
  run: ({ objects }, name) => objects.configureBucket(name, CONFIGS.policy, () => undefined),
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
