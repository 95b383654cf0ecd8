/**
 * The condition operators of policies: how one is read, and whether a request fulfils it. Pure.
 * Several values of a condition are alternatives; a negated operator wants none of them to match.
 * A key that the request lacks fails every operator except negated ones, `…IfExists`, `Null` and
 * `ForAllValues`.
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */
import { inRange, parseRange } from './addresses.ts';
import { compilePattern, matchesPattern, type Pattern, type Variables } from './glob.ts';

type Test = (value: string, pattern: Pattern, variables: Variables) => boolean;

interface Kind {
  readonly test: Test;
  readonly wildcards: boolean;
  /** Whether a value can stand in a policy at all. */
  readonly accepts: (value: string) => boolean;
}

const anything = (): boolean => true;

const equals: Test = (value, pattern, variables) => matchesPattern(pattern, value, variables);
const equalsIgnoreCase: Test = (value, pattern, variables) =>
  matchesPattern(
    compilePattern(pattern.text.toLowerCase(), {
      variables: pattern.hasVariables,
      wildcards: false,
    }),
    value.toLowerCase(),
    (name) => variables(name)?.toLowerCase(),
  );

function compared(read: (text: string) => number, holds: (a: number, b: number) => boolean): Test {
  return (value, pattern) => {
    const [a, b] = [read(value), read(pattern.text)];
    return !Number.isNaN(a) && !Number.isNaN(b) && holds(a, b);
  };
}

function readNumber(text: string): number {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN;
}

/** ISO 8601, or seconds since 1970. */
function readDate(text: string): number {
  if (/^\d{9,13}$/.test(text)) return Number(text) * 1000;
  return /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
}

/** Part by part, so that a wildcard takes no colon; what follows the fifth is one part. */
const arnLike: Test = (value, pattern, variables) => {
  const cut = (text: string): string[] => {
    const parts = text.split(':');
    return [...parts.slice(0, 5), parts.slice(5).join(':')];
  };
  const wanted = cut(pattern.text);
  const options = { variables: pattern.hasVariables, wildcards: true };
  return cut(value).every((part, index) =>
    matchesPattern(compilePattern(wanted[index] ?? '', options), part, variables),
  );
};

const ipAddress: Test = (value, pattern) => {
  const range = parseRange(pattern.text);
  return range !== undefined && inRange(value, range);
};

const binaryEquals: Test = (value, pattern) =>
  Buffer.from(value, 'base64').equals(Buffer.from(pattern.text, 'base64'));

const isNumber = (value: string): boolean => !Number.isNaN(readNumber(value));
const isDate = (value: string): boolean => !Number.isNaN(readDate(value));
const isBoolean = (value: string): boolean => /^(true|false)$/i.test(value);
const isArn = (value: string): boolean => /^(arn:|\*|\$\{)/.test(value);

function kind(test: Test, accepts: Kind['accepts'] = anything, wildcards = false): Kind {
  return { test, accepts, wildcards };
}

const numeric = (holds: (a: number, b: number) => boolean): Kind =>
  kind(compared(readNumber, holds), isNumber);
const dated = (holds: (a: number, b: number) => boolean): Kind =>
  kind(compared(readDate, holds), isDate);
const same = (a: number, b: number): boolean => a === b;

/** Operators by lower-case name; `negated` ones are true where their `kind` finds no match. */
const OPERATORS = new Map<string, { readonly kind: Kind; readonly negated: boolean }>(
  (
    [
      ['StringEquals', kind(equals), 'StringNotEquals'],
      ['StringEqualsIgnoreCase', kind(equalsIgnoreCase), 'StringNotEqualsIgnoreCase'],
      ['StringLike', kind(equals, anything, true), 'StringNotLike'],
      ['NumericEquals', numeric(same), 'NumericNotEquals'],
      ['NumericLessThan', numeric((a, b) => a < b)],
      ['NumericLessThanEquals', numeric((a, b) => a <= b)],
      ['NumericGreaterThan', numeric((a, b) => a > b)],
      ['NumericGreaterThanEquals', numeric((a, b) => a >= b)],
      ['DateEquals', dated(same), 'DateNotEquals'],
      ['DateLessThan', dated((a, b) => a < b)],
      ['DateLessThanEquals', dated((a, b) => a <= b)],
      ['DateGreaterThan', dated((a, b) => a > b)],
      ['DateGreaterThanEquals', dated((a, b) => a >= b)],
      ['Bool', kind(equalsIgnoreCase, isBoolean)],
      ['BinaryEquals', kind(binaryEquals)],
      ['IpAddress', kind(ipAddress, (value) => parseRange(value) !== undefined), 'NotIpAddress'],
      ['ArnEquals', kind(arnLike, isArn, true), 'ArnNotEquals'],
      ['ArnLike', kind(arnLike, isArn, true), 'ArnNotLike'],
    ] as readonly (readonly [string, Kind, string?])[]
  ).flatMap(([name, one, opposite]) => [
    [name.toLowerCase(), { kind: one, negated: false }] as const,
    ...(opposite === undefined
      ? []
      : [[opposite.toLowerCase(), { kind: one, negated: true }] as const]),
  ]),
);

export interface Condition {
  /** Lower case. */
  readonly key: string;
  readonly values: readonly Pattern[];
  /** Undefined: Null, which only asks whether the key is there. */
  readonly kind: Kind | undefined;
  readonly negated: boolean;
  readonly ifExists: boolean;
  readonly over: 'all' | 'any' | undefined;
}

const FORM = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/i;

/** Undefined: no such operator, or a value that it cannot compare with. */
export function compileCondition(
  operator: string,
  key: string,
  values: readonly string[],
  variables: boolean,
): Condition | 'operator' | 'value' {
  const [, over, name = '', ifExists] = FORM.exec(operator) ?? [];
  const isNull = name.toLowerCase() === 'null';
  const found = OPERATORS.get(name.toLowerCase());
  if ((found === undefined && !isNull) || (isNull && ifExists !== undefined)) return 'operator';
  const accepts = found?.kind.accepts ?? isBoolean;
  if (!values.every((value) => accepts(value) || value.includes('${'))) return 'value';
  const wildcards = found?.kind.wildcards ?? false;
  return {
    key: key.toLowerCase(),
    values: values.map((value) => compilePattern(value, { variables, wildcards })),
    kind: found?.kind,
    negated: found?.negated ?? false,
    ifExists: ifExists !== undefined,
    over: over === undefined ? undefined : over.toLowerCase() === 'forallvalues' ? 'all' : 'any',
  };
}

/** `found`: the request's values of the condition's key; undefined or none: it has no such key. */
export function fulfils(
  condition: Condition,
  found: readonly string[] | undefined,
  variables: Variables,
): boolean {
  const { kind: how, negated, over } = condition;
  const absent = found === undefined || found.length === 0;
  if (how === undefined) {
    return condition.values.some(({ text }) => (text.toLowerCase() === 'true') === absent);
  }
  if (absent) {
    if (condition.ifExists || over === 'all') return true;
    return negated && over === undefined;
  }
  const holds = (value: string): boolean =>
    condition.values.some((pattern) => how.test(value, pattern, variables)) !== negated;
  // Without a quantifier a negated operator must hold for all values, another for one of them.
  const every = over === undefined ? negated : over === 'all';
  return every ? found.every(holds) : found.some(holds);
}
