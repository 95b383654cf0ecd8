/** Put-, Get- and DeletePublicAccessBlock: parse and render. What they mean is in `authz.ts`. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import {
  CONFIGS,
  NOTHING_BLOCKED,
  PUBLIC_ACCESS_FLAGS,
  type PublicAccessBlock,
} from '../access-rules.ts';
import { operation } from '../operation.ts';
import { bucketOf } from '../resource.ts';
import { element } from '../xml.ts';
import { readXml } from '../xml-reader.ts';
import { readDocument, xmlResponse } from './document.ts';

/** What is not said is not blocked. Throws MalformedXML. */
export function parsePublicAccessBlock(text: string): PublicAccessBlock {
  const said = new Map<string, boolean>();
  for (const { name, text: value, children } of readXml(text, 'PublicAccessBlockConfiguration')
    .children) {
    const flag = PUBLIC_ACCESS_FLAGS.find((one) => one === name);
    const word = value.trim().toLowerCase();
    const boolean = word === 'true' || word === 'false';
    if (flag === undefined || said.has(flag) || children.length > 0 || !boolean) {
      throw new S3Error('MalformedXML');
    }
    said.set(flag, word === 'true');
  }
  return { ...NOTHING_BLOCKED, ...(Object.fromEntries(said) as Partial<PublicAccessBlock>) };
}

export const putPublicAccessBlock = operation<string, void>({
  action: 's3:PutBucketPublicAccessBlock',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: bucketOf,
  run: async ({ objects }, name, body) => {
    const block = parsePublicAccessBlock(await readDocument(body, LIMITS.configXmlBytes));
    await objects.configureBucket(name, CONFIGS.publicAccess, () => JSON.stringify(block));
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});

export const getPublicAccessBlock = operation<string, PublicAccessBlock>({
  action: 's3:GetBucketPublicAccessBlock',
  body: 'none',
  parse: bucketOf,
  run: ({ objects, rules }, name) => {
    const bucket = objects.bucket(name);
    if (bucket.configs.has(CONFIGS.publicAccess)) return rules.publicAccess(bucket);
    throw new S3Error('NoSuchPublicAccessBlockConfiguration', { fields: { BucketName: name } });
  },
  render: (block) =>
    xmlResponse(
      'PublicAccessBlockConfiguration',
      PUBLIC_ACCESS_FLAGS.map((flag) => element(flag, block[flag])).join(''),
    ),
});

export const deletePublicAccessBlock = operation<string, void>({
  action: 's3:PutBucketPublicAccessBlock',
  body: 'none',
  parse: bucketOf,
  run: ({ objects }, name) => objects.configureBucket(name, CONFIGS.publicAccess, () => undefined),
  render: () => ({ status: 204, headers: [], body: undefined }),
});
