/** Object Lock: the bucket's configuration, retention and legal hold of objects. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { LockTarget, ObjectLock, Retention } from '../../objects/contract.ts';
import { operation } from '../operation.ts';
import type { S3Request } from '../request.ts';
import { bucketOf, objectOf } from '../resource.ts';
import { element } from '../xml.ts';
import { readXml, type XmlNode } from '../xml-reader.ts';
import { readAuthorized, readDocument, xmlResponse } from './document.ts';
import { parseVersionId } from './version-id.ts';

/** As the object store reads it. */
const OBJECT_LOCK = 'object-lock';
const MODES: ReadonlySet<string> = new Set(['GOVERNANCE', 'COMPLIANCE']);
/** A hundred years, as AWS has it. */
const DAYS_MAX = 36_500;
const YEARS_MAX = 100;

interface LockConfig {
  readonly mode?: Retention['mode'];
  readonly days?: number;
  readonly years?: number;
}

export function parseMode(value: string): Retention['mode'] {
  if (!MODES.has(value)) throw new S3Error('MalformedXML');
  return value as Retention['mode'];
}

/** The only child of each name that is known. Throws MalformedXML for others and for doubles. */
function fieldsOf(node: XmlNode, known: readonly string[]): Map<string, XmlNode> {
  const fields = new Map<string, XmlNode>();
  for (const child of node.children) {
    if (!known.includes(child.name) || fields.has(child.name)) throw new S3Error('MalformedXML');
    fields.set(child.name, child);
  }
  return fields;
}

export function parseLockConfig(text: string): LockConfig {
  const root = fieldsOf(readXml(text, 'ObjectLockConfiguration'), ['ObjectLockEnabled', 'Rule']);
  if (root.get('ObjectLockEnabled')?.text.trim() !== 'Enabled') throw new S3Error('MalformedXML');
  const rule = root.get('Rule');
  if (rule === undefined) return {};
  const retention = fieldsOf(rule, ['DefaultRetention']).get('DefaultRetention');
  if (retention === undefined) throw new S3Error('MalformedXML');
  const fields = fieldsOf(retention, ['Mode', 'Days', 'Years']);
  const mode = parseMode(fields.get('Mode')?.text.trim() ?? '');
  const days = fields.get('Days')?.text.trim();
  const years = fields.get('Years')?.text.trim();
  if ((days === undefined) === (years === undefined)) throw new S3Error('MalformedXML');
  return days === undefined
    ? { mode, years: period(years ?? '', YEARS_MAX) }
    : { mode, days: period(days, DAYS_MAX) };
}

function period(text: string, max: number): number {
  if (!/^-?\d{1,9}$/.test(text)) throw new S3Error('MalformedXML');
  const count = Number(text);
  if (count < 1 || count > max) {
    throw new S3Error('InvalidRetentionPeriod', {
      message: 'Default retention period must be a positive integer value.',
    });
  }
  return count;
}

export const putObjectLockConfiguration = operation<string, void>({
  action: 's3:PutBucketObjectLockConfiguration',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: bucketOf,
  run: async (context, bucket, body) => {
    const config = parseLockConfig(await readDocument(body, LIMITS.configXmlBytes));
    const versioning = context.objects.bucket(bucket).configs.get('versioning');
    if (versioning !== 'Enabled') {
      throw new S3Error('InvalidBucketState', {
        message: "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
      });
    }
    await context.objects.configureBucket(bucket, OBJECT_LOCK, () => JSON.stringify(config));
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});

export const getObjectLockConfiguration = operation<string, LockConfig>({
  action: 's3:GetBucketObjectLockConfiguration',
  body: 'none',
  parse: bucketOf,
  run: (context, name) => {
    const bucket = context.objects.bucket(name);
    const text = bucket.configs.get(OBJECT_LOCK);
    if (text !== undefined) return JSON.parse(text) as LockConfig;
    throw new S3Error('ObjectLockConfigurationNotFoundError', { fields: { BucketName: name } });
  },
  render: ({ mode, days, years }) => {
    const period = days === undefined ? element('Years', years ?? 0) : element('Days', days);
    const rule =
      mode === undefined
        ? ''
        : `<Rule><DefaultRetention>${element('Mode', mode)}${period}</DefaultRetention></Rule>`;
    return xmlResponse('ObjectLockConfiguration', element('ObjectLockEnabled', 'Enabled') + rule);
  },
});

function targetOf(request: S3Request): LockTarget {
  return { ...objectOf(request), versionId: parseVersionId(request) };
}

/** Undefined: an empty document, which removes the retention. */
export function parseRetention(text: string, nowMs: number): Retention | undefined {
  const fields = fieldsOf(readXml(text, 'Retention'), ['Mode', 'RetainUntilDate']);
  if (fields.size === 0) return undefined;
  const mode = parseMode(fields.get('Mode')?.text.trim() ?? '');
  const untilMs = parseDate(fields.get('RetainUntilDate')?.text.trim() ?? '');
  if (untilMs === undefined) throw new S3Error('MalformedXML');
  checkFuture(untilMs, nowMs);
  return { mode, untilMs };
}

/** ISO 8601, as the XML schema has it. */
export function parseDate(text: string): number | undefined {
  const shape = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/;
  const ms = shape.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

export function checkFuture(untilMs: number, nowMs: number): void {
  if (untilMs > nowMs) return;
  throw new S3Error('InvalidArgument', {
    message: 'The retain until date must be in the future!',
    fields: { ArgumentName: 'RetainUntilDate', ArgumentValue: new Date(untilMs).toISOString() },
  });
}

export function bypasses(request: S3Request): boolean {
  const value = request.headers.get('x-amz-bypass-governance-retention');
  return value?.toLowerCase() === 'true';
}

interface RetentionInput {
  readonly target: LockTarget;
  readonly bypass: boolean;
}

export const putObjectRetention = operation<RetentionInput, void>({
  action: 's3:PutObjectRetention',
  authorizes: 'document',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: (request) => ({ target: targetOf(request), bypass: bypasses(request) }),
  run: async (context, { target, bypass }, body) => {
    const { bucket, key, versionId } = target;
    const parse = (text: string): Retention | undefined =>
      parseRetention(text, context.clock.now());
    const text = readDocument(body, LIMITS.configXmlBytes);
    const retention = await readAuthorized(text, parse, (said) => {
      context.authorize('s3:PutObjectRetention', bucket, key, versionId, { retention: said });
      // In this order: a bucket without Object Lock is told so, whatever the document says.
      context.objects.lock(target);
    });
    if (bypass) {
      context.authorize('s3:BypassGovernanceRetention', target.bucket, target.key);
    }
    await context.objects.setRetention(target, retention, bypass);
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});

export const getObjectRetention = operation<LockTarget, Retention>({
  action: 's3:GetObjectRetention',
  body: 'none',
  parse: targetOf,
  run: (context, target) => {
    const { retention } = context.objects.lock(target);
    if (retention === undefined) throw noLock();
    return retention;
  },
  render: ({ mode, untilMs }) =>
    xmlResponse(
      'Retention',
      element('Mode', mode) + element('RetainUntilDate', new Date(untilMs).toISOString()),
    ),
});

function parseLegalHold(text: string): boolean {
  const status = fieldsOf(readXml(text, 'LegalHold'), ['Status']).get('Status')?.text.trim();
  if (status !== 'ON' && status !== 'OFF') throw new S3Error('MalformedXML');
  return status === 'ON';
}

export const putObjectLegalHold = operation<LockTarget, void>({
  action: 's3:PutObjectLegalHold',
  authorizes: 'document',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: targetOf,
  run: async (context, target, body) => {
    const { bucket, key, versionId } = target;
    const text = readDocument(body, LIMITS.configXmlBytes);
    const legalHold = await readAuthorized(text, parseLegalHold, (said) => {
      context.authorize('s3:PutObjectLegalHold', bucket, key, versionId, { legalHold: said });
      context.objects.lock(target);
    });
    await context.objects.setLegalHold(target, legalHold);
  },
  render: () => ({ status: 200, headers: [], body: undefined }),
});

export const getObjectLegalHold = operation<LockTarget, boolean>({
  action: 's3:GetObjectLegalHold',
  body: 'none',
  parse: targetOf,
  run: (context, target) => {
    const { legalHold } = context.objects.lock(target);
    if (legalHold === undefined) throw noLock();
    return legalHold;
  },
  render: (legalHold) => xmlResponse('LegalHold', element('Status', legalHold ? 'ON' : 'OFF')),
});

function noLock(): S3Error {
  return new S3Error('NoSuchObjectLockConfiguration');
}

/** The lock that the headers of a write ask for. */
export function lockHeaders(headers: S3Request['headers'], nowMs: number): ObjectLock | undefined {
  const mode = headers.get('x-amz-object-lock-mode');
  const until = headers.get('x-amz-object-lock-retain-until-date');
  const hold = headers.get('x-amz-object-lock-legal-hold');
  if (mode === undefined && until === undefined && hold === undefined) return undefined;
  if ((mode === undefined) !== (until === undefined)) {
    throw new S3Error('InvalidArgument', {
      message:
        'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    });
  }
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') {
    throw wrong("Legal Hold must be either of 'ON' or 'OFF'", hold);
  }
  const legalHold = hold === undefined ? undefined : hold === 'ON';
  if (mode === undefined || until === undefined) return { legalHold };
  if (!MODES.has(mode)) throw wrong('Unknown wormMode directive.', mode);
  const untilMs = parseDate(until);
  if (untilMs === undefined) {
    throw wrong('The retain until date must be provided in ISO 8601 format', until);
  }
  checkFuture(untilMs, nowMs);
  return { retention: { mode: mode as Retention['mode'], untilMs }, legalHold };
}

function wrong(message: string, value: string): S3Error {
  return new S3Error('InvalidArgument', { message, fields: { ArgumentValue: value } });
}
