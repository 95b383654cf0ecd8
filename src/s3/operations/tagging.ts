/** Get/Put/DeleteObjectTagging: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import type { TagsResult } from '../../objects/contract.ts';
import { parseTagging } from '../documents/object-tags.ts';
import { operation } from '../operation.ts';
import type { S3Request } from '../request.ts';
import { objectOf } from '../resource.ts';
import { element } from '../xml.ts';
import { readAuthorized, readDocument, xmlResponse } from './document.ts';
import { parseVersionId, versionHeaders } from './version-id.ts';

interface Target {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

function parseTarget(request: S3Request): Target {
  return { ...objectOf(request), versionId: parseVersionId(request) };
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
  authorizes: 'document',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: parseTarget,
  run: async (context, { bucket, key, versionId }, body) => {
    const text = readDocument(body, LIMITS.configXmlBytes);
    const tags = await readAuthorized(text, parseTagging, (said) => {
      context.authorize('s3:PutObjectTagging', bucket, key, versionId, { tags: said });
    });
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
