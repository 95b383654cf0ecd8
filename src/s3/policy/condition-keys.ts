/**
 * What policies may ask of a request: the values of condition keys, found only when a condition
 * asks for them. Keys of S3 that do not exist are refused when a policy is put; keys that exist
 * but mean nothing here are absent from every request.
 * Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
 */
import { S3Error } from '../../base/s3-error.ts';
import type { Retention } from '../../objects/contract.ts';
import { parseTagging } from '../documents/object-tags.ts';
import type { S3Request } from '../request.ts';
import { parseAmzDate } from '../sigv4.ts';
import { arnOf, type Principal } from './principals.ts';

/** What a request's document says, where conditions speak of it as they do of headers. */
export interface Said {
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly retention?: Retention | undefined;
  readonly legalHold?: boolean | undefined;
  readonly location?: string | undefined;
}

export interface RequestFacts {
  readonly request: S3Request;
  readonly principal: Principal;
  readonly nowMs: number;
  readonly said?: Said | undefined;
  /** Owner of the bucket; undefined for requests about no bucket. */
  readonly resourceAccount: string | undefined;
  /** Tags of the object that is there already; called at most when a condition asks. */
  existingTags(): Readonly<Record<string, string>>;
}

type Values = readonly string[] | undefined;
type Finder = (facts: RequestFacts) => Values;

const one = (value: string | undefined): Values => (value === undefined ? undefined : [value]);
const header =
  (name: string): Finder =>
  ({ request }) =>
    one(request.headers.get(name));
const parameter =
  (name: string): Finder =>
  ({ request }) =>
    one(request.query.get(name));
const never: Finder = () => undefined;

const isQuerySigned = ({ request }: RequestFacts): boolean =>
  request.query.has('X-Amz-Signature') || request.query.has('Signature');

function authType(facts: RequestFacts): Values {
  if (facts.request.form?.has('policy') === true) return ['POST'];
  if (isQuerySigned(facts)) return ['REST-QUERY-STRING'];
  return facts.request.headers.has('authorization') ? ['REST-HEADER'] : undefined;
}

function signatureVersion(facts: RequestFacts): Values {
  const { form, headers, query } = facts.request;
  if (form !== undefined) {
    return form.has('awsaccesskeyid') ? ['AWS'] : one(form.get('x-amz-algorithm'));
  }
  const named = query.get('X-Amz-Algorithm') ?? headers.get('authorization')?.split(' ')[0];
  if (named === 'AWS' || (named === undefined && query.has('AWSAccessKeyId'))) return ['AWS'];
  return one(named);
}

/** A presigned request that says nothing of its payload leaves it unsigned. */
function payloadHash({ request: { headers, query } }: RequestFacts): Values {
  const said = headers.get('x-amz-content-sha256') ?? query.get('X-Amz-Content-Sha256');
  return one(said ?? (query.has('X-Amz-Signature') ? 'UNSIGNED-PAYLOAD' : undefined));
}

/** Milliseconds since a presigned request was signed. */
function signatureAge({ request, nowMs }: RequestFacts): Values {
  const signedMs = parseAmzDate(request.query.get('X-Amz-Date') ?? '');
  return signedMs === undefined ? undefined : [String(nowMs - signedMs)];
}

function requestTags({ request, said }: RequestFacts): readonly (readonly [string, string])[] {
  if (said?.tags !== undefined) return Object.entries(said.tags);
  const posted = request.form?.get('tagging');
  if (posted !== undefined && posted !== '') return postedTags(posted);
  const tags = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(request.headers.get('x-amz-tagging') ?? '')) {
    if (!tags.has(name)) tags.set(name, value);
  }
  return [...tags];
}

/** A form whose tags can't be read is refused for that later: it has none. */
function postedTags(text: string): readonly (readonly [string, string])[] {
  try {
    return Object.entries(parseTagging(text));
  } catch (error) {
    if (error instanceof S3Error) return [];
    throw error;
  }
}

/**
 * The bucket and key that are copied, whichever way they were encoded: as policies write them,
 * with a slash before them and without.
 */
function copySource({ request }: RequestFacts): Values {
  const value = request.headers.get('x-amz-copy-source');
  if (value === undefined) return undefined;
  let source = value;
  try {
    source = decodeURIComponent((value.split('?', 1)[0] ?? '').replaceAll('+', ' '));
  } catch {
    // Refused by the operation: it names nothing.
  }
  const bare = source.startsWith('/') ? source.slice(1) : source;
  return [bare, `/${bare}`];
}

const DAY_MS = 86_400_000;

const retentionMode: Finder = ({ request, said }) =>
  one(said?.retention?.mode ?? request.headers.get('x-amz-object-lock-mode'));

function retainUntil({ request, said }: RequestFacts): string | undefined {
  if (said?.retention !== undefined) return new Date(said.retention.untilMs).toISOString();
  return request.headers.get('x-amz-object-lock-retain-until-date');
}

function retentionDays(facts: RequestFacts): Values {
  const untilMs = Date.parse(retainUntil(facts) ?? '');
  if (Number.isNaN(untilMs)) return undefined;
  return [String(Math.ceil((untilMs - facts.nowMs) / DAY_MS))];
}

const legalHold: Finder = ({ request, said }) => {
  if (said?.legalHold !== undefined) return [said.legalHold ? 'ON' : 'OFF'];
  return one(request.headers.get('x-amz-object-lock-legal-hold'));
};

/** A proxy speaks of others at its own risk: only the peer of the connection counts. */
function sourceIp({ request }: RequestFacts): Values {
  const address = request.head.remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '');
  return address === '' ? undefined : [address];
}

const ofUser =
  (value: (principal: Principal) => string): Finder =>
  ({ principal }) =>
    principal.anonymous ? undefined : [value(principal)];

function queryAndHeaderKeys(): [string, Finder][] {
  const headers = `x-amz-acl x-amz-grant-full-control
  x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp
  x-amz-metadata-directive x-amz-object-ownership x-amz-server-side-encryption
  x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-customer-algorithm
  x-amz-storage-class x-amz-website-redirect-location if-match if-none-match`.split(/\s+/);
  const parameters = ['prefix', 'delimiter', 'max-keys'];
  return [
    ...headers.map((name): [string, Finder] => [`s3:${name}`, header(name)]),
    ...parameters.map((name): [string, Finder] => [`s3:${name}`, parameter(name)]),
  ];
}

/** Of S3, known, and true of no request here. */
const FOREIGN = `accessgrantsinstancearn accesspointnetworkorigin dataaccesspointaccount
dataaccesspointarn destinationregion existingjoboperation existingjobpriority
inventoryaccessibleoptionalfields isreplicationpauserequest jobsuspendedcause
objectcreationoperation requestjoboperation requestjobpriority tlsversion`.split(/\s+/);

const KEYS: ReadonlyMap<string, Finder> = new Map<string, Finder>([
  ...FOREIGN.map((name): [string, Finder] => [`s3:${name}`, never]),
  ...queryAndHeaderKeys(),
  ['s3:versionid', parameter('versionId')],
  ['s3:authtype', authType],
  ['s3:signatureversion', signatureVersion],
  ['s3:signatureage', signatureAge],
  ['s3:requestobjecttagkeys', (facts) => requestTags(facts).map(([name]) => name)],
  ['s3:x-amz-copy-source', copySource],
  ['s3:x-amz-content-sha256', payloadHash],
  ['s3:object-lock-mode', retentionMode],
  ['s3:object-lock-retain-until-date', (facts) => one(retainUntil(facts))],
  ['s3:object-lock-remaining-retention-days', retentionDays],
  ['s3:object-lock-legal-hold', legalHold],
  ['s3:locationconstraint', ({ said }) => one(said?.location)],
  ['s3:resourceaccount', ({ resourceAccount }) => one(resourceAccount)],
  ['aws:resourceaccount', ({ resourceAccount }) => one(resourceAccount)],
  ['aws:sourceip', sourceIp],
  ['aws:securetransport', ({ request }) => [String(request.head.secure)]],
  ['aws:useragent', header('user-agent')],
  ['aws:referer', header('referer')],
  ['aws:currenttime', ({ nowMs }) => [new Date(nowMs).toISOString()]],
  ['aws:epochtime', ({ nowMs }) => [String(Math.floor(nowMs / 1000))]],
  ['aws:username', ofUser(({ name }) => name)],
  ['aws:userid', ({ principal }) => [principal.anonymous ? 'anonymous' : principal.id]],
  ['aws:principalarn', ofUser(({ id, name }) => arnOf(id, name))],
  ['aws:principalaccount', ofUser(({ id }) => id)],
  ['aws:principaltype', ({ principal }) => [principal.anonymous ? 'Anonymous' : 'User']],
  // Nobody but users asks here: policies that except AWS's services mean everybody.
  ['aws:principalisawsservice', () => ['false']],
  ['aws:viaawsservice', () => ['false']],
]);

const OF_DOCUMENTS = /^s3:(requestobjecttag|object-lock-|locationconstraint)/;

/** Keys whose values stand in the documents of some requests. */
export function isOfDocument(key: string): boolean {
  return OF_DOCUMENTS.test(key);
}

const TAGGED = /^(s3:(?:existingobjecttag|requestobjecttag|buckettag|accesspointtag))\/(.+)$/;

/** False for keys of S3 that do not exist: a condition on one would never do what it says. */
export function isConditionKey(name: string): boolean {
  const key = name.toLowerCase();
  if (!key.startsWith('s3:')) return /^[a-z0-9-]+:.+$/.test(key);
  return KEYS.has(key) || TAGGED.test(key);
}

function tagValue(facts: RequestFacts, kind: string, name: string): Values {
  const same = ([key]: readonly [string, string]): boolean => key.toLowerCase() === name;
  if (kind === 's3:existingobjecttag') {
    return one(Object.entries(facts.existingTags()).find(same)?.[1]);
  }
  if (kind === 's3:requestobjecttag') return one(requestTags(facts).find(same)?.[1]);
  return undefined;
}

/** `key` in lower case; undefined: the request has no such key. */
export function conditionValues(facts: RequestFacts, key: string): Values {
  const finder = KEYS.get(key);
  if (finder !== undefined) return finder(facts);
  const [, kind, name] = TAGGED.exec(key) ?? [];
  return kind === undefined || name === undefined ? undefined : tagValue(facts, kind, name);
}
