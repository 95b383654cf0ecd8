/** PutBucketVersioning and GetBucketVersioning: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { operation } from '../operation.ts';
import { bucketOf } from '../resource.ts';
import { element } from '../xml.ts';
import { readXml } from '../xml-reader.ts';
import { readDocument, xmlResponse } from './document.ts';

/** As the object store reads it. */
const VERSIONING = 'versioning';
const STATUSES: ReadonlySet<string> = new Set(['Enabled', 'Suspended']);

/** Enabled or Suspended. Deleting by a second factor is refused by name. */
export function parseVersioning(text: string): string {
  const root = readXml(text, 'VersioningConfiguration');
  let status: string | undefined;
  for (const child of root.children) {
    const value = child.text.trim();
    if (child.name === 'Status' && status === undefined) status = value;
    else if (child.name === 'MfaDelete' && value === 'Enabled') throw mfaDelete();
    else if (child.name !== 'MfaDelete' || value !== 'Disabled') throw new S3Error('MalformedXML');
  }
  if (status === undefined) throw illegal();
  if (!STATUSES.has(status)) throw new S3Error('MalformedXML');
  return status;
}

function mfaDelete(): S3Error {
  return new S3Error('NotImplemented', {
    message: 'VersioningConfiguration/MfaDelete is not implemented.',
  });
}

function illegal(): S3Error {
  return new S3Error('IllegalVersioningConfigurationException');
}

export const putBucketVersioning = operation<string, void>({
  action: 's3:PutBucketVersioning',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: bucketOf,
  run: async (context, bucket, body) => {
    const status = parseVersioning(await readDocument(body, LIMITS.configXmlBytes));
    const locked = context.objects.bucket(bucket).configs.has('object-lock');
    if (locked && status !== 'Enabled') {
      throw new S3Error('InvalidBucketState', {
        message:
          'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
      });
    }
    await context.objects.configureBucket(bucket, VERSIONING, () => status);
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});

export const getBucketVersioning = operation<string, string | undefined>({
  action: 's3:GetBucketVersioning',
  body: 'none',
  parse: bucketOf,
  run: (context, bucket) => context.objects.bucket(bucket).configs.get(VERSIONING),
  render: (status) =>
    xmlResponse('VersioningConfiguration', status === undefined ? '' : element('Status', status)),
});
