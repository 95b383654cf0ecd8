/** Get/Put/DeleteObjectTagging: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { operation } from '../operation.ts';
import { objectOf } from '../resource.ts';
import { element } from '../xml.ts';
import { type XmlNode, readXml } from '../xml-reader.ts';
import { readDocument, xmlResponse } from './document.ts';
import { refuseVersion } from './get-object.ts';
import { checkTags } from './object-headers.ts';

interface Target {
  readonly bucket: string;
  readonly key: string;
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

export const getObjectTagging = operation<Target, Readonly<Record<string, string>>>({
  action: 's3:GetObjectTagging',
  body: 'none',
  parse: (request) => {
    refuseVersion(request);
    return objectOf(request);
  },
  run: (context, { bucket, key }) => context.objects.tags(bucket, key),
  render: (tags) => {
    const set = Object.entries(tags)
      .map(([name, value]) => `<Tag>${element('Key', name)}${element('Value', value)}</Tag>`)
      .join('');
    return xmlResponse('Tagging', `<TagSet>${set}</TagSet>`);
  },
});

export const putObjectTagging = operation<Target, void>({
  action: 's3:PutObjectTagging',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: (request) => {
    refuseVersion(request);
    return objectOf(request);
  },
  run: async (context, { bucket, key }, body) => {
    const tags = parseTagging(await readDocument(body, LIMITS.configXmlBytes));
    await context.objects.setTags(bucket, key, tags);
    await context.note(bucket, { name: 'ObjectTagging:Put', key });
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});

export const deleteObjectTagging = operation<Target, void>({
  action: 's3:DeleteObjectTagging',
  body: 'none',
  parse: (request) => {
    refuseVersion(request);
    return objectOf(request);
  },
  run: async (context, { bucket, key }) => {
    await context.objects.setTags(bucket, key, {});
    await context.note(bucket, { name: 'ObjectTagging:Delete', key });
  },
  render: () => ({ status: 204, headers: [], body: undefined }),
});
