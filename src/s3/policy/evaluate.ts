/**
 * What a policy says to one request: a deny, an allow, or nothing. Pure, and for one document:
 * how policies, ACLs and ownership decide together stands in `authz.ts`.
 */
import { conditionValues, isOfDocument, type RequestFacts } from './condition-keys.ts';
import { fulfils } from './conditions.ts';
import { matchesPattern, type Variables } from './glob.ts';
import type { Policy, Statement } from './policy.ts';
import { isMeant } from './principals.ts';

export type Verdict = 'deny' | 'allow' | 'none';

export interface PolicyAsk {
  readonly facts: RequestFacts;
  /** As operations name it: `s3:GetObject`. */
  readonly action: string;
  /** ARN of the bucket or object. */
  readonly resource: string;
}

function applies(statement: Statement, ask: PolicyAsk, variables: Variables): boolean {
  const { facts, resource } = ask;
  const { principals, actions, exceptActions, resources, exceptResources } = statement;
  if (principals !== undefined && !isMeant(principals, facts.principal)) return false;
  const action = ask.action.toLowerCase();
  const named = actions.some((pattern) => matchesPattern(pattern, action, variables));
  if (named === exceptActions) return false;
  const reached = resources.some((pattern) => matchesPattern(pattern, resource, variables));
  if (reached === exceptResources) return false;
  return statement.conditions.every((condition) =>
    fulfils(condition, conditionValues(facts, condition.key), variables),
  );
}

/** A variable stands for a key that has exactly one value. */
function variablesOf(facts: RequestFacts): Variables {
  return (name) => {
    const values = conditionValues(facts, name);
    return values?.length === 1 ? values[0] : undefined;
  };
}

/** One deny outweighs every allow. */
export function evaluate(policy: Policy, ask: PolicyAsk): Verdict {
  const variables = variablesOf(ask.facts);
  let verdict: Verdict = 'none';
  for (const statement of policy.statements) {
    if (verdict === 'allow' && statement.effect === 'Allow') continue;
    if (!applies(statement, ask, variables)) continue;
    if (statement.effect === 'Deny') return 'deny';
    verdict = 'allow';
  }
  return verdict;
}

/** Whether a condition looks at what only a request's document may say. */
export function speaksOfDocuments({ statements }: Policy): boolean {
  return statements.some(({ conditions }) => conditions.some(({ key }) => isOfDocument(key)));
}

/**
 * Whether something allows it on conditions that name one of `keys` (beginnings of key names).
 * One that only says what a value must not be, or that there must be one, names nothing.
 */
export function allowsOnTerms(policy: Policy, ask: PolicyAsk, keys: readonly string[]): boolean {
  const variables = variablesOf(ask.facts);
  return policy.statements.some(
    (statement) =>
      statement.effect === 'Allow' &&
      statement.conditions.some(
        ({ key, kind, negated }) =>
          kind !== undefined && !negated && keys.some((start) => key.startsWith(start)),
      ) &&
      applies(statement, ask, variables),
  );
}
