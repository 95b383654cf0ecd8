/**
 * Tags of objects: the document that PutObjectTagging and posted forms carry. Unlike the documents
 * of buckets it is read without a schema: it is small, hot, and its rules are those of a header.
 */
import { S3Error } from '../../base/s3-error.ts';
import { checkTags } from '../operations/object-headers.ts';
import { type XmlNode, readXml } from '../xml-reader.ts';

function parseTag(node: XmlNode): [string, string] {
  const name = node.children.find((child) => child.name === 'Key');
  const value = node.children.find((child) => child.name === 'Value');
  if (node.name !== 'Tag' || node.children.length !== 2 || !name || !value) {
    throw new S3Error('MalformedXML');
  }
  return [name.text, value.text];
}

/** Throws MalformedXML, InvalidTag. */
export function parseTagging(text: string): Record<string, string> {
  const [set, ...more] = readXml(text, 'Tagging').children;
  if (set === undefined || set.name !== 'TagSet' || more.length > 0) {
    throw new S3Error('MalformedXML');
  }
  return checkTags(set.children.map(parseTag));
}
