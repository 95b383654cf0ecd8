/**
 * Reads policy documents, strictly: every field known, every action, resource, principal and
 * condition of a shape that AWS accepts. What it refuses it names as AWS does (MalformedPolicy).
 * Documents become compiled statements; nothing of them is looked at twice.
 */
import { BUCKET_LEVEL, OBJECT_LEVEL, SERVICE_LEVEL } from './actions.ts';
import { type Condition, compileCondition } from './conditions.ts';
import { isConditionKey } from './condition-keys.ts';
import { compilePattern, matchesPattern, type Pattern } from './glob.ts';
import { malformed, type PolicyHome } from './malformed.ts';
import { type Principals, readPrincipals } from './principals.ts';

export interface Statement {
  readonly sid: string | undefined;
  readonly effect: 'Allow' | 'Deny';
  /** Undefined: the identity that the policy belongs to. */
  readonly principals: Principals | undefined;
  readonly actions: readonly Pattern[];
  /** NotAction: all but those. */
  readonly exceptActions: boolean;
  readonly resources: readonly Pattern[];
  readonly exceptResources: boolean;
  readonly conditions: readonly Condition[];
}

export interface Policy {
  readonly statements: readonly Statement[];
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One string or several. */
function texts(value: unknown, message: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!list.every((one) => typeof one === 'string' && one !== '')) throw malformed(message);
  return list as readonly string[];
}

function checkNames(fields: Fields, known: ReadonlySet<string>): void {
  for (const name of Object.keys(fields)) {
    if (!known.has(name)) throw malformed(`Unknown field ${name}`);
  }
}

const NO_VARIABLES = (): undefined => undefined;

function applies(pattern: Pattern, names: readonly string[]): boolean {
  return names.some((name) => matchesPattern(pattern, name.toLowerCase(), NO_VARIABLES));
}

const ALL_ACTIONS = [...OBJECT_LEVEL, ...BUCKET_LEVEL, ...SERVICE_LEVEL];

function readActions(
  statement: Fields,
  home: PolicyHome,
): Pick<Statement, 'actions' | 'exceptActions'> {
  const except = statement['NotAction'] !== undefined;
  if (except && statement['Action'] !== undefined) throw malformed('Invalid policy syntax.');
  const value = statement[except ? 'NotAction' : 'Action'];
  if (value === undefined) throw malformed('Missing required field Action');
  const actions = texts(value, 'Policy has invalid action').map((text) => {
    const pattern = compilePattern(text.toLowerCase(), { variables: false, wildcards: true });
    const ours = applies(pattern, ALL_ACTIONS);
    // The policy of an identity may speak of other services.
    const foreign = home.bucket === undefined && /^(?!s3:)[a-z0-9-]+:/i.test(text);
    if (!ours && !foreign) throw malformed('Policy has invalid action', text);
    return pattern;
  });
  if (actions.length === 0) throw malformed('Policy has invalid action');
  return { actions, exceptActions: except };
}

const ARN_START = /^arn:aws(?:-cn|-us-gov)?:s3:::/;

/** Without its partition: requests name none. */
export const RESOURCE_START = 'arn:aws:s3:::';

function readResource(text: string, home: PolicyHome, variables: boolean): Pattern {
  const invalid = malformed('Policy has invalid resource', text);
  if (home.bucket === undefined && (text === '*' || !ARN_START.test(text))) {
    if (text !== '*' && !/^arn:[a-z0-9-]+:[a-z0-9-]+:/.test(text)) throw invalid;
    return compilePattern(text, { variables, wildcards: true });
  }
  const name = text.replace(ARN_START, '');
  if (name === text || name === '') throw invalid;
  if (home.bucket !== undefined) {
    const slash = name.indexOf('/');
    const bucket = slash < 0 ? name : name.slice(0, slash);
    const pattern = compilePattern(bucket, { variables: false, wildcards: true });
    if (!matchesPattern(pattern, home.bucket, NO_VARIABLES)) throw invalid;
  }
  return compilePattern(RESOURCE_START + name, { variables, wildcards: true });
}

function readResources(
  statement: Fields,
  home: PolicyHome,
  variables: boolean,
): Pick<Statement, 'resources' | 'exceptResources'> {
  const except = statement['NotResource'] !== undefined;
  if (except && statement['Resource'] !== undefined) throw malformed('Invalid policy syntax.');
  const value = statement[except ? 'NotResource' : 'Resource'];
  if (value === undefined) throw malformed('Missing required field Resource');
  const resources = texts(value, 'Policy has invalid resource').map((text) =>
    readResource(text, home, variables),
  );
  if (resources.length === 0) throw malformed('Policy has invalid resource');
  return { resources, exceptResources: except };
}

/** Strings, and what JSON writes for numbers and booleans. */
function conditionValues(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw malformed('Policy has an invalid condition value');
  return list.map((one) => {
    if (typeof one === 'string') return one;
    if (typeof one === 'number' || typeof one === 'boolean') return String(one);
    throw malformed('Policy has an invalid condition value');
  });
}

function readConditions(value: unknown, variables: boolean): readonly Condition[] {
  if (value === undefined) return [];
  if (!isFields(value)) throw malformed('Invalid policy syntax.');
  return Object.entries(value).flatMap(([operator, keys]) => {
    if (!isFields(keys)) throw malformed('Invalid policy syntax.');
    return Object.entries(keys).map(([key, wanted]) => {
      if (!isConditionKey(key)) throw malformed('Policy has an invalid condition key', key);
      const condition = compileCondition(operator, key, conditionValues(wanted), variables);
      if (condition === 'operator') throw malformed(`Invalid Condition type : ${operator}`);
      if (condition === 'value') throw malformed(`Invalid value for condition ${operator}`);
      return condition;
    });
  });
}

const STATEMENT_FIELDS: ReadonlySet<string> = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]);

/** A bucket's objects and the bucket itself take different actions. */
function checkApplies(statement: Statement): void {
  const { actions, resources, exceptActions, exceptResources } = statement;
  if (exceptActions || exceptResources) return;
  const reached = new Set<string>();
  for (const { text } of resources) {
    const name = text.slice(RESOURCE_START.length);
    if (name.includes('/')) reached.add('object');
    else reached.add('bucket');
    // `bucket*` reaches both.
    if (/[*?]/.test(name)) reached.add('object');
  }
  const names = [
    ...(reached.has('object') ? OBJECT_LEVEL : []),
    ...(reached.has('bucket') ? BUCKET_LEVEL : []),
  ];
  if (!actions.every((action) => applies(action, names))) {
    throw malformed('Action does not apply to any resource(s) in statement');
  }
}

function readStatement(value: unknown, home: PolicyHome, variables: boolean): Statement {
  if (!isFields(value)) throw malformed('Invalid policy syntax.');
  checkNames(value, STATEMENT_FIELDS);
  const { Sid: sid, Effect: effect } = value;
  if (sid !== undefined && typeof sid !== 'string') throw malformed('Invalid policy syntax.');
  if (effect === undefined) throw malformed('Missing required field Effect');
  if (effect !== 'Allow' && effect !== 'Deny') {
    throw malformed(`Invalid effect: ${typeof effect === 'string' ? effect : ''}`);
  }
  const named = value['Principal'] !== undefined || value['NotPrincipal'] !== undefined;
  if (home.bucket === undefined && named) throw malformed('Invalid policy syntax.');
  const statement: Statement = {
    sid,
    effect,
    principals: home.bucket === undefined ? undefined : readPrincipals(value, home),
    ...readActions(value, home),
    ...readResources(value, home, variables),
    conditions: readConditions(value['Condition'], variables),
  };
  if (home.bucket !== undefined) checkApplies(statement);
  return statement;
}

const POLICY_FIELDS: ReadonlySet<string> = new Set(['Version', 'Id', 'Statement']);
const VERSIONS: readonly unknown[] = ['2012-10-17', '2008-10-17', undefined];

function readDocument(document: Fields, home: PolicyHome): Policy {
  checkNames(document, POLICY_FIELDS);
  const { Version: version, Id: id, Statement: list } = document;
  if (!VERSIONS.includes(version))
    throw malformed('The policy must contain a valid version string');
  if (id !== undefined && typeof id !== 'string') throw malformed('Invalid policy syntax.');
  if (list === undefined) throw malformed('Missing required field Statement');
  const statements: readonly unknown[] = Array.isArray(list) ? list : [list];
  if (statements.length === 0) throw malformed('Could not parse the policy: Statement is empty!');
  // Variables came with the newer version: in the older one they are text.
  const variables = version === '2012-10-17';
  const read = statements.map((one) => readStatement(one, home, variables));
  const ids = read.flatMap(({ sid }) => (sid === undefined || sid === '' ? [] : [sid]));
  if (new Set(ids).size !== ids.length) {
    throw malformed('Statement IDs (SID) in a single policy must be unique.');
  }
  return { statements: read };
}

/** Throws MalformedPolicy with AWS's words for what is wrong. */
export function parsePolicy(text: string, home: PolicyHome): Policy {
  let document: unknown;
  try {
    document = text.trimStart().startsWith('{') ? JSON.parse(text) : undefined;
  } catch {
    document = undefined;
  }
  if (!isFields(document)) {
    throw malformed("Policies must be valid JSON and the first byte must be '{'");
  }
  return readDocument(document, home);
}
