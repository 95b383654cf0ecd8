/** DeleteObjects: up to 1,000 keys, each with its own outcome. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { StoreError } from '../../base/store-error.ts';
import type { Conditions, DeleteResult } from '../../objects/contract.ts';
import { removalOf } from '../events.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { bucketOf } from '../resource.ts';
import { element } from '../xml.ts';
import { type XmlNode, readXml } from '../xml-reader.ts';
import { bypasses } from './object-lock.ts';
import { readDocument, xmlResponse } from './document.ts';
import { conditionSize, conditionTime } from './object-headers.ts';

interface Target {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly conditions: Conditions;
}

interface DeleteList {
  readonly quiet: boolean;
  readonly targets: readonly Target[];
}

const TARGET_ELEMENTS: ReadonlySet<string> = new Set([
  'Key',
  'VersionId',
  'ETag',
  'LastModifiedTime',
  'Size',
]);

const LONE_SURROGATE = /\p{Surrogate}/u;

function number(
  text: string | undefined,
  parse: (text: string) => number | undefined,
): number | undefined {
  const parsed = text === undefined ? undefined : parse(text);
  if (text !== undefined && parsed === undefined) throw new S3Error('MalformedXML');
  return parsed;
}

function parseTarget(node: XmlNode): Target {
  const values = new Map<string, string>();
  for (const child of node.children) {
    if (!TARGET_ELEMENTS.has(child.name)) throw new S3Error('MalformedXML');
    values.set(child.name, child.text);
  }
  const key = values.get('Key');
  // Half a surrogate pair has no UTF-8 and would delete the key that replaces it.
  if (key === undefined || key === '' || LONE_SURROGATE.test(key)) {
    throw new S3Error('MalformedXML');
  }
  return {
    key,
    versionId: values.get('VersionId'),
    conditions: {
      ifMatch: values.get('ETag'),
      ifMatchSize: number(values.get('Size'), conditionSize),
      ifMatchMtimeMs: number(values.get('LastModifiedTime'), conditionTime),
    },
  };
}

export function parseDeleteList(text: string): DeleteList {
  const root = readXml(text, 'Delete');
  let quiet = false;
  const targets: Target[] = [];
  for (const child of root.children) {
    if (child.name === 'Object') targets.push(parseTarget(child));
    else if (child.name === 'Quiet') quiet = child.text.trim().toLowerCase() === 'true';
    else throw new S3Error('MalformedXML');
  }
  if (targets.length === 0 || targets.length > LIMITS.deleteKeyCount) {
    throw new S3Error('MalformedXML');
  }
  return { quiet, targets };
}

interface Outcome {
  readonly target: Target;
  readonly result?: DeleteResult;
  readonly error: S3Error | undefined;
}

interface DeleteOutput {
  readonly quiet: boolean;
  readonly outcomes: readonly Outcome[];
}

/** AWS demands Content-MD5 or any x-amz-checksum-* for this body: it deletes. */
function requireDigest(request: S3Request): void {
  const { headers } = request;
  if (headers.has('content-md5')) return;
  for (const name of headers.keys()) {
    if (/^x-amz-checksum-(crc|sha)/.test(name)) return;
  }
  if (headers.get('x-amz-trailer')?.trim().toLowerCase().startsWith('x-amz-checksum-')) return;
  throw new S3Error('InvalidRequest', {
    message: 'Missing required header for this request: Content-MD5',
  });
}

function renderOutcome({ target, result, error }: Outcome, quiet: boolean): string {
  const version = target.versionId === undefined ? '' : element('VersionId', target.versionId);
  if (error !== undefined) {
    return (
      `<Error>${element('Key', target.key)}${version}` +
      `${element('Code', error.code)}${element('Message', error.message)}</Error>`
    );
  }
  if (quiet) return '';
  const marker = result?.deleteMarker
    ? element('DeleteMarker', true) + element('DeleteMarkerVersionId', result.versionId ?? 'null')
    : '';
  return `<Deleted>${element('Key', target.key)}${version}${marker}</Deleted>`;
}

function render({ quiet, outcomes }: DeleteOutput): S3Response {
  return xmlResponse(
    'DeleteResult',
    outcomes.map((outcome) => renderOutcome(outcome, quiet)).join(''),
  );
}

function guesses({ ifMatch = '*', ifMatchSize, ifMatchMtimeMs }: Conditions): boolean {
  return ifMatch.trim() !== '*' || ifMatchSize !== undefined || ifMatchMtimeMs !== undefined;
}

/** Each key fails for itself: what the others did must still be told. */
async function remove(
  context: OperationContext,
  bucket: string,
  target: Target,
  bypassGovernance: boolean,
): Promise<Outcome> {
  try {
    const { key, versionId, conditions } = target;
    if (Buffer.byteLength(key) > LIMITS.keyBytes) throw new S3Error('KeyTooLongError');
    context.authorize('s3:DeleteObject', bucket, key, versionId);
    // Whether these are right is for those who may read the object.
    if (guesses(conditions)) context.authorize('s3:GetObject', bucket, key, versionId);
    if (bypassGovernance) context.authorize('s3:BypassGovernanceRetention', bucket, key);
    const options = { conditions, versionId, bypassGovernance };
    const result = await context.objects.delete(bucket, key, options);
    return { target, result, error: undefined };
  } catch (error) {
    // In a list, an id that no version could have is a version that is not there.
    if (error instanceof S3Error && error.fields['ArgumentName'] === 'versionId') {
      return { target, error: new S3Error('NoSuchVersion') };
    }
    if (error instanceof S3Error) return { target, error };
    if (error instanceof StoreError) {
      return { target, error: new S3Error('InternalError', { cause: error }) };
    }
    throw error;
  }
}

export const deleteObjects = operation<string, DeleteOutput>({
  action: 's3:DeleteObject',
  authorizes: 'each',
  body: 'document',
  documentBytesMax: LIMITS.deleteXmlBytes,
  parse: (request) => {
    requireDigest(request);
    return bucketOf(request);
  },
  run: async (context, bucket, body) => {
    const { quiet, targets } = parseDeleteList(await readDocument(body, LIMITS.deleteXmlBytes));
    context.objects.bucket(bucket);
    // All at once: the store groups the commits, so a thousand keys cost a few flushes.
    const bypass = bypasses(context.request.request);
    const removals = targets.map((target) => remove(context, bucket, target, bypass));
    const outcomes = await Promise.all(removals);
    const gone = outcomes.filter(({ error }) => error === undefined);
    await context.note(
      bucket,
      ...gone.map(({ target, result }) => removalOf(target.key, target.versionId, result)),
    );
    return { quiet, outcomes };
  },
  render,
});
