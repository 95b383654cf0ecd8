/**
 * Put-, Get- and DeleteBucketOwnershipControls: parse and render; and the access configurations
 * that CreateBucket's headers give a bucket from its first moment on.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { type AccessRules, CONFIGS, type Ownership, OWNERSHIPS } from '../access-rules.ts';
import type { Accounts } from '../accounts.ts';
import { isPlain } from '../acl/acl.ts';
import { parseAclHeaders } from '../acl/acl-request.ts';
import { grantsOf, saysNothing, storedAcl } from '../acl/placement.ts';
import { operation } from '../operation.ts';
import type { S3Request } from '../request.ts';
import { bucketOf } from '../resource.ts';
import { element } from '../xml.ts';
import { readXml } from '../xml-reader.ts';
import { readDocument, xmlResponse } from './document.ts';

/** Throws MalformedXML. */
export function parseOwnership(text: string): Ownership {
  const [rule, ...rules] = readXml(text, 'OwnershipControls').children;
  const [said, ...more] = rule?.children ?? [];
  const known = OWNERSHIPS.find((one) => one === said?.text.trim());
  const shaped = rule?.name === 'Rule' && said?.name === 'ObjectOwnership';
  if (known === undefined || !shaped || rules.length + more.length > 0) {
    throw new S3Error('MalformedXML');
  }
  return known;
}

export const putBucketOwnershipControls = operation<string, void>({
  action: 's3:PutBucketOwnershipControls',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: bucketOf,
  run: async ({ objects, rules }, name, body) => {
    const ownership = parseOwnership(await readDocument(body, LIMITS.configXmlBytes));
    await objects.configureBucket(name, CONFIGS.ownership, () => {
      const bucket = objects.bucket(name);
      // What others were given must be taken back in so many words.
      if (ownership === 'BucketOwnerEnforced' && !isPlain(rules.acl(bucket), bucket.ownerId)) {
        throw new S3Error('InvalidBucketAclWithObjectOwnership');
      }
      return JSON.stringify(ownership);
    });
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});

export const getBucketOwnershipControls = operation<string, Ownership>({
  action: 's3:GetBucketOwnershipControls',
  body: 'none',
  parse: bucketOf,
  run: ({ objects, rules }, name) => {
    const stated = rules.statedOwnership(objects.bucket(name));
    if (stated !== undefined) return stated;
    throw new S3Error('OwnershipControlsNotFoundError', { fields: { BucketName: name } });
  },
  render: (ownership) =>
    xmlResponse('OwnershipControls', `<Rule>${element('ObjectOwnership', ownership)}</Rule>`),
});

export const deleteBucketOwnershipControls = operation<string, void>({
  action: 's3:PutBucketOwnershipControls',
  body: 'none',
  parse: bucketOf,
  run: ({ objects }, name) =>
    objects.configureBucket(name, CONFIGS.ownership, () => JSON.stringify('removed')),
  render: () => ({ status: 204, headers: [], body: undefined }),
});

/** What CreateBucket's headers say of access, for a bucket of `ownerId`. */
export function accessConfigs(
  { headers }: S3Request,
  ownerId: string,
  rules: AccessRules,
  accounts: Accounts,
): ReadonlyMap<string, string> {
  const configs = new Map<string, string>();
  const said = headers.get('x-amz-object-ownership');
  const ownership = OWNERSHIPS.find((one) => one === said);
  if (said !== undefined) {
    if (ownership === undefined) {
      throw new S3Error('InvalidArgument', {
        message: `Invalid x-amz-object-ownership header: ${said}`,
        fields: { ArgumentName: 'x-amz-object-ownership', ArgumentValue: said },
      });
    }
    configs.set(CONFIGS.ownership, JSON.stringify(ownership));
  }
  const asked = parseAclHeaders(headers);
  if (asked === undefined || saysNothing(asked, ownerId, accounts)) return configs;
  if ((ownership ?? rules.defaultOwnership) === 'BucketOwnerEnforced') {
    throw new S3Error('InvalidBucketAclWithObjectOwnership');
  }
  const acl = storedAcl(grantsOf(asked, ownerId, undefined, accounts), ownerId);
  return acl === undefined ? configs : configs.set(CONFIGS.acl, acl);
}
