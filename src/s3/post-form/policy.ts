/**
 * The policy document of a posted form: until when, and under which conditions on the form's
 * fields, its signer lets anybody post. Strict: what is not understood is refused, and a field
 * that no condition speaks of is refused too. Pure.
 * Source: AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 */
import { LIMITS } from '../../base/limits.ts';
import { utf8Decode } from '../../base/bytes.ts';
import { S3Error } from '../../base/s3-error.ts';

interface Match {
  readonly kind: 'eq' | 'starts-with';
  /** Lower case, without the dollar sign. */
  readonly field: string;
  readonly value: string;
}

interface Size {
  readonly kind: 'content-length-range';
  readonly min: number;
  readonly max: number;
}

export type Condition = Match | Size;

export interface Policy {
  readonly expirationMs: number;
  readonly conditions: readonly Condition[];
}

export interface SizeRange {
  readonly sizeMin: number;
  readonly sizeMax: number;
}

/** Fields that no condition needs to speak of. The signature covers the policy itself. */
const EXEMPT: ReadonlySet<string> = new Set([
  'policy',
  'file',
  'x-amz-signature',
  'signature',
  'awsaccesskeyid',
]);

function invalid(reason: string): S3Error {
  return new S3Error('InvalidPolicyDocument', { message: `Invalid Policy: ${reason}` });
}

function denied(reason: string): S3Error {
  return new S3Error('AccessDenied', { message: `Invalid according to Policy: ${reason}` });
}

/** AWS documents two escapes that JSON does not have: `\$` and `\v`. */
function asJson(text: string): string {
  return text.replaceAll(/\\(.)/gs, (escape, char: string) =>
    char === '$' ? '$' : char === 'v' ? '\\u000b' : escape,
  );
}

function parseDocument(base64: string): Record<string, unknown> {
  const bare = base64.replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(bare) || bare === '') throw invalid('Invalid Base64.');
  let document: unknown;
  try {
    document = JSON.parse(asJson(utf8Decode(Buffer.from(bare, 'base64'))));
  } catch {
    throw invalid('Invalid JSON.');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw invalid('Invalid JSON.');
  }
  return document as Record<string, unknown>;
}

const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

function parseExpiration(value: unknown): number {
  if (value === undefined) throw invalid('Policy missing expiration.');
  const ms = typeof value === 'string' && ISO_8601.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid(`Invalid 'expiration' value: ${JSON.stringify(value)}`);
  return ms;
}

/** A whole number, as JSON or as text. */
function parseSize(value: unknown): number {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid("Invalid 'content-length-range' value: not a non-negative whole number.");
}

function scalar(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw invalid('Invalid Condition: values are strings.');
}

function parseList(list: readonly unknown[]): Condition {
  const [operator, ...operands] = list;
  const kind = typeof operator === 'string' ? operator.toLowerCase() : '';
  if (operands.length !== 2) {
    throw invalid(`Invalid Condition: '${kind}' takes exactly two arguments.`);
  }
  if (kind === 'content-length-range') {
    const [min, max] = [parseSize(operands[0]), parseSize(operands[1])];
    return { kind, min, max };
  }
  if (kind !== 'eq' && kind !== 'starts-with') {
    throw invalid(`Invalid Condition: unknown operation '${kind}'.`);
  }
  const field = scalar(operands[0]);
  if (!field.startsWith('$') || field.length === 1) {
    throw invalid("Invalid Condition: a field's name begins with '$'.");
  }
  return { kind, field: field.slice(1).toLowerCase(), value: scalar(operands[1]) };
}

function parseSimple(condition: object): Condition {
  const [pair, ...more] = Object.entries(condition);
  if (pair === undefined || more.length > 0) {
    throw invalid(
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    );
  }
  return { kind: 'eq', field: pair[0].toLowerCase(), value: scalar(pair[1]) };
}

function parseCondition(condition: unknown): Condition {
  if (Array.isArray(condition)) return parseList(condition);
  if (typeof condition === 'object' && condition !== null) return parseSimple(condition);
  throw invalid('Invalid Condition: neither a list nor an object.');
}

/** Throws InvalidPolicyDocument. Names of the document's own members are case-sensitive. */
export function parsePolicy(base64: string): Policy {
  const document = parseDocument(base64);
  for (const name of Object.keys(document)) {
    if (name !== 'expiration' && name !== 'conditions') throw invalid(`Unexpected: '${name}'`);
  }
  const expirationMs = parseExpiration(document['expiration']);
  const { conditions } = document as { conditions?: unknown };
  if (!Array.isArray(conditions)) throw invalid('Policy missing conditions.');
  if (conditions.length > LIMITS.policyConditions) throw invalid('Too many conditions.');
  return { expirationMs, conditions: conditions.map(parseCondition) };
}

/** A list of content types is one where each of them is. */
function holds({ kind, field, value }: Match, actual: string): boolean {
  if (kind === 'eq') return actual === value;
  const values = field === 'content-type' ? actual.split(',').map((one) => one.trim()) : [actual];
  return values.every((one) => one.startsWith(value));
}

function shown({ kind, field, value }: Match): string {
  return JSON.stringify([kind, `$${field}`, value]).replaceAll(',"', ', "');
}

/**
 * Checks every condition against the fields (lower-case names, after substitution; `bucket` is
 * one of them) and every field against the conditions. Throws AccessDenied; answers how long the
 * file may be, which only its end can tell.
 */
export function checkPolicy(
  policy: Policy,
  fields: ReadonlyMap<string, string>,
  nowMs: number,
): SizeRange {
  if (policy.expirationMs <= nowMs) throw denied('Policy expired.');
  const covered = new Set<string>();
  let sizeMin = 0;
  let sizeMax: number = LIMITS.putBytes;
  for (const condition of policy.conditions) {
    if (condition.kind === 'content-length-range') {
      sizeMin = Math.max(sizeMin, condition.min);
      sizeMax = Math.min(sizeMax, condition.max);
      continue;
    }
    covered.add(condition.field);
    const actual = fields.get(condition.field);
    // An absent field is like an empty one only for a condition that anything meets.
    const met = holds(condition, actual ?? '') && (actual !== undefined || condition.value === '');
    if (!met) throw denied(`Policy Condition failed: ${shown(condition)}`);
  }
  const extra = [...fields.keys()].filter(
    (name) => !covered.has(name) && !EXEMPT.has(name) && !name.startsWith('x-ignore-'),
  );
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`);
  return { sizeMin, sizeMax };
}
