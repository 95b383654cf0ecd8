/** Get/Put/DeleteObjectTagging: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { TagsResult } from '../../objects/contract.ts';
import { operation } from '../operation.ts';
import type { S3Request } from '../request.ts';
import { objectOf } from '../resource.ts';
import { element } from '../xml.ts';
import { type XmlNode, readXml } from '../xml-reader.ts';
import { readDocument, xmlResponse } from './document.ts';
import { checkTags } from './object-headers.ts';
import { parseVersionId, versionHeaders } from './version-id.ts';

interface Target {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

function parseTarget(request: S3Request): Target {
  return { ...objectOf(request), versionId: parseVersionId(request) };
}

function parseTag(node: XmlNode): [string, string] {
  const name = node.children.find((child) => child.name === 'Key');
  const value = node.children.find((child) => child.name === 'Value');
  if (node.name !== 'Tag' || node.children.length !== 2 || !name || !value) {
    throw new S3Error('MalformedXML');
  }
  return [name.text, value.text];
}

export function parseTagging(text: string): Record<string, string> {
  const [set, ...more] = readXml(text, 'Tagging').children;
  if (set === undefined || set.name !== 'TagSet' || more.length > 0) {
    throw new S3Error('MalformedXML');
  }
  return checkTags(set.children.map(parseTag));
}

export const getObjectTagging = operation<Target, TagsResult>({
  action: 's3:GetObjectTagging',
  body: 'none',
  parse: parseTarget,
  run: (context, { bucket, key, versionId }) => context.objects.tags(bucket, key, versionId),
  render: ({ tags, versionId }) => {
    const set = Object.entries(tags)
      .map(([name, value]) => `<Tag>${element('Key', name)}${element('Value', value)}</Tag>`)
      .join('');
    return xmlResponse('Tagging', `<TagSet>${set}</TagSet>`, versionHeaders(versionId));
  },
});

export const putObjectTagging = operation<Target, TagsResult>({
  action: 's3:PutObjectTagging',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: parseTarget,
  run: async (context, { bucket, key, versionId }, body) => {
    const tags = parseTagging(await readDocument(body, LIMITS.configXmlBytes));
    const result = await context.objects.setTags(bucket, key, tags, versionId);
    await context.note(bucket, { name: 'ObjectTagging:Put', key, versionId: result.versionId });
    return result;
  },
  render: ({ versionId }) => ({
    status: 200,
    headers: versionHeaders(versionId),
    body: undefined,
  }),
});

export const deleteObjectTagging = operation<Target, TagsResult>({
  action: 's3:DeleteObjectTagging',
  body: 'none',
  parse: parseTarget,
  run: async (context, { bucket, key, versionId }) => {
    const result = await context.objects.setTags(bucket, key, {}, versionId);
    await context.note(bucket, { name: 'ObjectTagging:Delete', key, versionId: result.versionId });
    return result;
  },
  render: ({ versionId }) => ({
    status: 204,
    headers: versionHeaders(versionId),
    body: undefined,
  }),
});
