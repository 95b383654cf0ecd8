/**
 * The slow, clear twin of the policy evaluator: works on the document itself, one sentence of
 * AWS's rules after the other. Knows the operators and keys that the property test makes.
 */

export interface PlainStatement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?: '*' | { readonly AWS: readonly string[] };
  readonly NotPrincipal?: { readonly AWS: readonly string[] };
  readonly Action?: readonly string[];
  readonly NotAction?: readonly string[];
  readonly Resource?: readonly string[];
  readonly NotResource?: readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export interface PlainAsk {
  /** Undefined: nobody. */
  readonly user: string | undefined;
  readonly action: string;
  readonly resource: string;
  /** Values of condition keys, by lower-case name. */
  readonly values: Readonly<Record<string, readonly string[]>>;
}

/** By the definition: a star is any run of characters, a question mark any one. */
export function plainGlob(pattern: string, text: string): boolean {
  const [head, ...rest] = pattern;
  const tail = rest.join('');
  if (head === undefined) return text === '';
  if (head === '*') {
    return Array.from({ length: text.length + 1 }, (_, cut) => text.slice(cut)).some((left) =>
      plainGlob(tail, left),
    );
  }
  return text !== '' && (head === '?' || head === text[0]) && plainGlob(tail, text.slice(1));
}

const COMPARE: Readonly<Record<string, (value: string, wanted: string) => boolean>> = {
  StringEquals: (value, wanted) => value === wanted,
  StringEqualsIgnoreCase: (value, wanted) => value.toLowerCase() === wanted.toLowerCase(),
  StringLike: (value, wanted) => plainGlob(wanted, value),
  NumericEquals: (value, wanted) => Number(value) === Number(wanted),
  NumericLessThan: (value, wanted) => Number(value) < Number(wanted),
};

const NEGATED: Readonly<Record<string, string>> = {
  StringNotEquals: 'StringEquals',
  StringNotEqualsIgnoreCase: 'StringEqualsIgnoreCase',
  StringNotLike: 'StringLike',
  NumericNotEquals: 'NumericEquals',
};

function holds(operator: string, found: readonly string[], wanted: readonly string[]): boolean {
  const [, quantifier, full = ''] = /^(?:(ForAllValues|ForAnyValue):)?(.*)$/.exec(operator) ?? [];
  const ifExists = full.endsWith('IfExists');
  const name = full.replace(/IfExists$/, '');
  if (name === 'Null') return wanted.includes(found.length === 0 ? 'true' : 'false');
  const opposite = NEGATED[name];
  const compare = COMPARE[opposite ?? name];
  if (compare === undefined) throw new Error(`no operator ${operator}`);
  const matches = (value: string): boolean => wanted.some((one) => compare(value, one));
  if (found.length === 0) {
    if (ifExists || quantifier === 'ForAllValues') return true;
    return quantifier === undefined && opposite !== undefined;
  }
  const good = (value: string): boolean => (opposite === undefined) === matches(value);
  if (quantifier === 'ForAllValues') return found.every(good);
  if (quantifier === 'ForAnyValue') return found.some(good);
  return opposite === undefined ? found.some(good) : found.every(good);
}

function names(list: readonly string[], user: string | undefined): boolean {
  return list.includes('*') || (user !== undefined && list.includes(user));
}

function applies(statement: PlainStatement, ask: PlainAsk): boolean {
  const { Principal, NotPrincipal, Action, NotAction, Resource, NotResource } = statement;
  if (Principal !== undefined && Principal !== '*' && !names(Principal.AWS, ask.user)) return false;
  if (NotPrincipal !== undefined && names(NotPrincipal.AWS, ask.user)) return false;
  const acts = (list: readonly string[]): boolean =>
    list.some((one) => plainGlob(one.toLowerCase(), ask.action.toLowerCase()));
  if (Action !== undefined && !acts(Action)) return false;
  if (NotAction !== undefined && acts(NotAction)) return false;
  const reaches = (list: readonly string[]): boolean =>
    list.some((one) => plainGlob(one, ask.resource));
  if (Resource !== undefined && !reaches(Resource)) return false;
  if (NotResource !== undefined && reaches(NotResource)) return false;
  return Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
    Object.entries(keys).every(([key, wanted]) =>
      holds(operator, ask.values[key.toLowerCase()] ?? [], wanted),
    ),
  );
}

export function plainVerdict(
  statements: readonly PlainStatement[],
  ask: PlainAsk,
): 'deny' | 'allow' | 'none' {
  const applying = statements.filter((one) => applies(one, ask));
  if (applying.some(({ Effect }) => Effect === 'Deny')) return 'deny';
  return applying.length > 0 ? 'allow' : 'none';
}
