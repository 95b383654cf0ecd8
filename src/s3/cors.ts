/**
 * CORS at run time: preflight requests and the headers of actual answers. A bucket without rules
 * and a request without Origin cost one lookup each; rules are parsed once for each text.
 *
 * A preflight carries no signature and tells nothing but whether a rule allows what it asks: it
 * answers the same 403 whether the bucket has no rule, no fitting one, or does not exist.
 */
import { S3Error } from '../base/s3-error.ts';
import type { ObjectStore } from '../objects/contract.ts';
import type { CorsConfiguration } from './documents/cors.ts';
import type { S3Request, S3Response } from './request.ts';

type Headers = S3Response['headers'];
type Buckets = Pick<ObjectStore, 'bucket'>;
type Rule = CorsConfiguration['CORSRule'][number];

const PARSED_MAX = 64;
const parsed = new Map<string, CorsConfiguration>();

function parse(text: string): CorsConfiguration {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  if (parsed.size >= PARSED_MAX) parsed.clear();
  const configuration = JSON.parse(text) as CorsConfiguration;
  parsed.set(text, configuration);
  return configuration;
}

/** At most one wildcard, which stands for any run of characters, none included. */
export function matchesPattern(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const head = pattern.slice(0, star);
  const tail = pattern.slice(star + 1);
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}

interface CorsRequest {
  readonly origin: string;
  readonly method: string;
  /** Lower case. */
  readonly headers: readonly string[];
}

interface Match {
  readonly rule: Rule;
  /** The rule's pattern that the origin fits. */
  readonly pattern: string;
}

/** The first rule that allows all of it. */
export function matchRule(
  { CORSRule }: CorsConfiguration,
  { origin, method, headers }: CorsRequest,
): Match | undefined {
  for (const rule of CORSRule) {
    if (!rule.AllowedMethod.includes(method)) continue;
    const pattern = rule.AllowedOrigin.find((one) => matchesPattern(one, origin));
    if (pattern === undefined) continue;
    const allowed = rule.AllowedHeader.map((one) => one.toLowerCase());
    const fits = (header: string): boolean => allowed.some((one) => matchesPattern(one, header));
    if (headers.every(fits)) return { rule, pattern };
  }
  return undefined;
}

const VARY = [
  'Vary',
  'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
] as const;

function headersOf({ rule, pattern }: Match, { origin, headers }: CorsRequest): Headers {
  const list: (readonly [string, string])[] = [
    // Whoever may be anybody gets no credentials; whoever is named may send them.
    ['Access-Control-Allow-Origin', pattern === '*' ? '*' : origin],
    ['Access-Control-Allow-Methods', rule.AllowedMethod.join(', ')],
  ];
  if (pattern !== '*') list.push(['Access-Control-Allow-Credentials', 'true']);
  if (headers.length > 0) list.push(['Access-Control-Allow-Headers', headers.join(', ')]);
  if (rule.ExposeHeader.length > 0) {
    list.push(['Access-Control-Expose-Headers', rule.ExposeHeader.join(', ')]);
  }
  if (rule.MaxAgeSeconds !== undefined) {
    list.push(['Access-Control-Max-Age', String(rule.MaxAgeSeconds)]);
  }
  list.push(VARY);
  return list;
}

function rulesOf(buckets: Buckets, bucket: string): CorsConfiguration | undefined {
  const text = buckets.bucket(bucket).configs.get('cors');
  return text === undefined ? undefined : parse(text);
}

function requestedHeaders(request: S3Request): string[] {
  return (request.headers.get('access-control-request-headers') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD']);

/** Answers OPTIONS. Throws BadRequest for what is no preflight, AccessForbidden for the rest. */
export function preflight(request: S3Request, buckets: Buckets): S3Response {
  const origin = request.headers.get('origin');
  if (origin === undefined || origin === '') {
    throw new S3Error('BadRequest', {
      message: 'Insufficient information. Origin request header needed.',
    });
  }
  const method = request.headers.get('access-control-request-method');
  if (method === undefined || !METHODS.has(method)) {
    throw new S3Error('BadRequest', {
      message: `Invalid Access-Control-Request-Method: ${method ?? 'null'}`,
    });
  }
  const asked = { origin, method, headers: requestedHeaders(request) };
  const rules = request.bucket === undefined ? undefined : knownRules(buckets, request.bucket);
  const match = rules && matchRule(rules, asked);
  if (match === undefined) throw forbidden(request, method, rules !== undefined);
  return { status: 200, headers: headersOf(match, asked), body: undefined };
}

/** A preflight must not tell which buckets there are. */
function knownRules(buckets: Buckets, bucket: string): CorsConfiguration | undefined {
  try {
    return rulesOf(buckets, bucket);
  } catch (error) {
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}

function forbidden(request: S3Request, method: string, enabled: boolean): S3Error {
  const level = request.key === undefined ? 'BUCKET' : 'OBJECT';
  return new S3Error('AccessForbidden', {
    message: enabled
      ? 'CORSResponse: This CORS request is not allowed. This is usually because the evalution ' +
        'of Origin, request method / Access-Control-Request-Method or ' +
        "Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
      : 'CORSResponse: CORS is not enabled for this bucket.',
    fields: { Method: method, ResourceType: request.bucket === undefined ? 'SERVICE' : level },
  });
}

/** What an actual answer carries besides; an error as well as a success. */
export function corsHeaders(request: S3Request, buckets: Buckets): Headers {
  const origin = request.headers.get('origin');
  if (origin === undefined || origin === '' || request.bucket === undefined) return [];
  if (request.method === 'OPTIONS') return [];
  const rules = knownRules(buckets, request.bucket);
  if (rules === undefined) return [];
  // S3 lets the header speak for the method even outside of a preflight.
  const method = request.headers.get('access-control-request-method') ?? request.method;
  const asked = { origin, method, headers: requestedHeaders(request) };
  const match = matchRule(rules, asked);
  // The same address may answer another origin otherwise: caches have to know.
  return match === undefined ? [VARY] : headersOf(match, asked);
}
