/** The policy evaluator against its slow twin, and against AWS's documented examples. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RequestFacts, Said } from '../../../../src/s3/policy/condition-keys.ts';
import { allowsOnTerms, evaluate } from '../../../../src/s3/policy/evaluate.ts';
import { compilePattern, matchesPattern } from '../../../../src/s3/policy/glob.ts';
import { parsePolicy } from '../../../../src/s3/policy/policy.ts';
import { resolveRequest } from '../../../../src/s3/resource.ts';
import { plainGlob, type PlainStatement, plainVerdict } from '../../../support/plain-policy.ts';
import { plainHead } from '../../../support/signed-head.ts';

const NOW_MS = Date.UTC(2026, 10, 23, 12);
const home = { bucket: 'b', knows: () => true };

interface Asked {
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly user?: string | undefined;
  readonly remote?: string;
  readonly secure?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
  readonly said?: Said;
  readonly form?: Readonly<Record<string, string>>;
}

function facts(asked: Asked): RequestFacts {
  const { target = '/b/k', headers = {}, user, remote, secure, tags, said, form } = asked;
  const head = {
    ...plainHead({ target, headers }),
    remoteAddress: remote ?? '10.1.2.3',
    secure: secure ?? false,
  };
  return {
    request: {
      ...resolveRequest(head, 'id', []),
      form: form && new Map(Object.entries(form)),
    },
    said,
    principal: { id: user ?? 'nobody', name: user ?? 'nobody', anonymous: user === undefined },
    nowMs: NOW_MS,
    resourceAccount: 'owner',
    existingTags: () => tags ?? {},
  };
}

describe('a pattern', () => {
  it('matches what its twin matches', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), maxLength: 7 });
    fc.assert(
      fc.property(pattern, text, (one, other) => {
        const compiled = compilePattern(one, { variables: true, wildcards: true });
        expect(matchesPattern(compiled, other, () => undefined)).toBe(plainGlob(one, other));
      }),
      { numRuns: 2000 },
    );
  });

  it('takes its time from its length, not from its stars', () => {
    const evil = compilePattern('*a'.repeat(200), { variables: false, wildcards: true });
    const started = process.cpuUsage();
    expect(matchesPattern(evil, `${'a'.repeat(2000)}b`, () => undefined)).toBe(false);
    expect(process.cpuUsage(started).user).toBeLessThan(1_000_000);
  });

  it.each([
    ['home/${aws:username}/*', 'home/a*/x', true],
    ['home/${aws:username}/*', 'home/ab/x', false],
    ['${AWS:UserName}', 'a*', true],
    ['${aws:none}', '', false],
    ["${aws:none, 'default'}/x", 'default/x', true],
    ['${*}${?}${$}', '*?$', true],
    ['${*}', 'anything', false],
    ['cost$', 'cost$', true],
    ['${', '${', true],
  ])('%s and %s: %s', (pattern, text, expected) => {
    const compiled = compilePattern(pattern, { variables: true, wildcards: true });
    const value = (name: string) => (name === 'aws:username' ? 'a*' : undefined);
    expect(matchesPattern(compiled, text, value)).toBe(expected);
  });
});

const users = ['ann', 'bob'];
const list = (...values: readonly string[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
const actions = list('s3:GetObject', 's3:PutObject', 's3:Get*', 's3:*Object', '*', 's3:?etObject');
const resources = list(
  'arn:aws:s3:::b/*',
  'arn:aws:s3:::b/a*',
  'arn:aws:s3:::b/ab',
  'arn:aws:s3:::b/?b',
);
const strings = ['a', 'A', 'ab', 'b', 'a*', '?b', '1', '2'];
const stringOperator = fc
  .tuple(
    fc.constantFrom('', 'ForAllValues:', 'ForAnyValue:'),
    fc.constantFrom(
      'StringEquals',
      'StringNotEquals',
      'StringLike',
      'StringNotLike',
      'StringEqualsIgnoreCase',
      'StringNotEqualsIgnoreCase',
    ),
    fc.constantFrom('', 'IfExists'),
  )
  .map((parts) => parts.join(''));
const keys = ['s3:prefix', 's3:RequestObjectTagKeys', 's3:x-amz-acl'];
const condition = fc.oneof(
  fc.tuple(stringOperator, fc.constantFrom(...keys), list(...strings)),
  fc.tuple(
    fc.constantFrom('NumericEquals', 'NumericNotEquals', 'NumericLessThan'),
    fc.constant('s3:max-keys'),
    list('1', '2', '10'),
  ),
  fc.tuple(fc.constant('Null'), fc.constantFrom(...keys), list('true', 'false')),
);
const conditions = fc
  .array(condition, { maxLength: 2 })
  .map((all) =>
    Object.fromEntries(all.map(([operator, key, values]) => [operator, { [key]: values }])),
  );
const either = <Value>(one: string, other: string, values: fc.Arbitrary<Value>) =>
  fc.tuple(fc.constantFrom(one, other), values).map(([name, value]) => ({ [name]: value }));
const principal = fc.oneof(
  fc.constant({ Principal: '*' as const }),
  either(
    'Principal',
    'NotPrincipal',
    list(...users, '*').map((AWS) => ({ AWS })),
  ),
);
const statement = fc
  .tuple(
    fc.constantFrom('Allow', 'Deny'),
    principal,
    either('Action', 'NotAction', actions),
    either('Resource', 'NotResource', resources),
    conditions,
  )
  .map(
    ([Effect, who, what, where, Condition]) =>
      ({ Effect, ...who, ...what, ...where, Condition }) as PlainStatement,
  );
const request = fc.record({
  user: fc.option(fc.constantFrom(...users), { nil: undefined }),
  action: fc.constantFrom('s3:GetObject', 's3:PutObject', 's3:GetObjectAcl'),
  key: fc.constantFrom('a', 'ab', 'b', 'cb'),
  prefix: fc.option(fc.constantFrom('a', 'A', 'ab', 'b'), { nil: undefined }),
  maxKeys: fc.option(fc.constantFrom('1', '2', '7'), { nil: undefined }),
  acl: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
  tags: fc.uniqueArray(fc.constantFrom('a', 'b', 'ab'), { maxLength: 3 }),
});

describe('a policy', () => {
  it('says what its twin says', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(statement, { minLength: 1, maxLength: 3 }), request, (all, asked) => {
        const { user, action, key, prefix, maxKeys, acl, tags } = asked;
        const query = new URLSearchParams();
        if (prefix !== undefined) query.set('prefix', prefix);
        if (maxKeys !== undefined) query.set('max-keys', maxKeys);
        const headers = {
          ...(acl === undefined ? {} : { 'x-amz-acl': acl }),
          ...(tags.length === 0 ? {} : { 'x-amz-tagging': tags.join('&') }),
        };
        const resource = `arn:aws:s3:::b/${key}`;
        const values = {
          's3:prefix': prefix === undefined ? [] : [prefix],
          's3:max-keys': maxKeys === undefined ? [] : [maxKeys],
          's3:x-amz-acl': acl === undefined ? [] : [acl],
          's3:requestobjecttagkeys': tags,
        };
        const policy = parsePolicy(JSON.stringify({ Statement: all }), home);
        const target = `/b/${key}?${query.toString()}`;
        const ask = { facts: facts({ target, headers, user }), action, resource };
        const expected = plainVerdict(all, { user, action, resource, values });
        seen.add(expected);
        expect(evaluate(policy, ask)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
    expect([...seen].toSorted()).toEqual(['allow', 'deny', 'none']);
  });
});

type Case = readonly [condition: Readonly<Record<string, object>>, asked: Asked, holds: boolean];

const ADDRESS = { IpAddress: { 'aws:SourceIp': ['203.0.113.0/24', '2001:DB8::/32'] } };
const OUTSIDE = { NotIpAddress: { 'aws:SourceIp': '203.0.113.0/24' } };
const TAGGING = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
const retention = { mode: 'COMPLIANCE' as const, untilMs: NOW_MS + 2.5 * 86_400_000 };
const CASES: readonly Case[] = [
  [ADDRESS, { remote: '203.0.113.9' }, true],
  [ADDRESS, { remote: '::ffff:203.0.113.9' }, true],
  [ADDRESS, { remote: '203.0.114.9' }, false],
  [ADDRESS, { remote: '2001:db8:1::7' }, true],
  [ADDRESS, { remote: '2001:db9::7' }, false],
  [OUTSIDE, { remote: '203.0.113.9' }, false],
  [OUTSIDE, { remote: '198.51.100.1' }, true],
  // What a client says of itself in a header is no address.
  [ADDRESS, { headers: { 'x-forwarded-for': '203.0.113.9' } }, false],
  [{ Bool: { 'aws:SecureTransport': true } }, { secure: true }, true],
  [{ Bool: { 'aws:SecureTransport': 'true' } }, {}, false],
  [{ StringLike: { 'aws:Referer': ['http://www.example.com/*'] } }, {}, false],
  [
    { StringLike: { 'aws:Referer': ['http://www.example.com/*'] } },
    { headers: { referer: 'http://www.example.com/x' } },
    true,
  ],
  [{ StringNotEquals: { 's3:x-amz-acl': 'private' } }, {}, true],
  [{ StringNotEqualsIfExists: { 's3:x-amz-acl': 'private' } }, {}, true],
  [{ StringEqualsIfExists: { 's3:x-amz-acl': 'private' } }, {}, true],
  [{ StringEquals: { 's3:x-amz-acl': 'private' } }, {}, false],
  [{ DateGreaterThan: { 'aws:CurrentTime': '2026-11-23T11:00:00Z' } }, {}, true],
  [{ DateGreaterThan: { 'aws:CurrentTime': '2026-11-23T13:00:00Z' } }, {}, false],
  [{ DateLessThan: { 'aws:EpochTime': '4102444800' } }, {}, true],
  [{ NumericLessThanEquals: { 's3:max-keys': 10 } }, { target: '/b?max-keys=10' }, true],
  [{ NumericLessThanEquals: { 's3:max-keys': 10 } }, { target: '/b?max-keys=11' }, false],
  [{ NumericLessThanEquals: { 's3:max-keys': 10 } }, { target: '/b?max-keys=ten' }, false],
  [{ StringEquals: { 's3:ExistingObjectTag/a': 'b' } }, { tags: { a: 'b' } }, true],
  [{ StringEquals: { 's3:ExistingObjectTag/a': 'b' } }, { tags: { a: 'c' } }, false],
  [
    { StringEquals: { 's3:RequestObjectTag/a': 'b c' } },
    { headers: { 'x-amz-tagging': 'a=b%20c' } },
    true,
  ],
  [
    { 'ForAllValues:StringLike': { 's3:RequestObjectTagKeys': ['a', 'b'] } },
    { headers: { 'x-amz-tagging': 'a=1&c=2' } },
    false,
  ],
  [{ ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/ann' } }, { user: 'ann' }, true],
  [{ ArnEquals: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/bob' } }, { user: 'ann' }, false],
  [{ ArnNotLike: { 'aws:PrincipalArn': 'arn:aws:iam::*' } }, { user: 'ann' }, true],
  [{ StringEquals: { 'aws:username': 'ann', 'aws:userid': 'ann' } }, { user: 'ann' }, true],
  [{ StringEquals: { 'aws:username': 'nobody' } }, {}, false],
  [{ StringEquals: { 's3:authType': 'REST-HEADER' } }, { headers: { authorization: 'x' } }, true],
  [
    { StringEquals: { 's3:authType': 'REST-QUERY-STRING' } },
    { target: '/b?X-Amz-Signature=x' },
    true,
  ],
  [
    { NumericGreaterThan: { 's3:signatureAge': '600000' } },
    { target: '/b?X-Amz-Signature=x&X-Amz-Date=20261123T110000Z' },
    true,
  ],
  [{ StringEquals: { 's3:ResourceAccount': 'owner' } }, {}, true],
  [{ BinaryEquals: { 's3:x-amz-acl': 'QUI=' } }, { headers: { 'x-amz-acl': 'QUI' } }, true],
  // Unknown keys are in no request.
  [{ StringEquals: { 'aws:MultiFactorAuthAge': '1' } }, {}, false],
  [{ StringNotEquals: { 'aws:SourceVpc': 'vpc-1' } }, {}, true],
  [{ StringEquals: { 's3:TlsVersion': '1.2' } }, {}, false],
  [{ Bool: { 'aws:PrincipalIsAWSService': 'false' } }, { user: 'ann' }, true],
  [{ StringEquals: { 'aws:userid': 'anonymous' } }, {}, true],
  // One source, however it is written.
  ...['b/x%20y', '/b/x y', 'b/x+y?versionId=1', '%62/x y'].flatMap((source): Case[] => {
    const headers = { 'x-amz-copy-source': source };
    return [
      [{ StringLike: { 's3:x-amz-copy-source': 'b/x *' } }, { headers }, true],
      [{ StringEquals: { 's3:x-amz-copy-source': '/b/x y' } }, { headers }, true],
      [{ StringNotLike: { 's3:x-amz-copy-source': 'b/*' } }, { headers }, false],
      [{ StringNotLike: { 's3:x-amz-copy-source': 'c/*' } }, { headers }, true],
    ];
  }),
  [
    { StringEquals: { 's3:x-amz-copy-source': '/%' } },
    { headers: { 'x-amz-copy-source': '%' } },
    true,
  ],
  // What stands in documents and forms.
  [{ StringEquals: { 's3:RequestObjectTag/a': 'b' } }, { said: { tags: { a: 'b' } } }, true],
  [{ StringEquals: { 's3:RequestObjectTag/a': 'b' } }, { said: { tags: {} } }, false],
  [{ StringEquals: { 's3:RequestObjectTag/a': 'b' } }, { form: { tagging: TAGGING } }, true],
  [{ StringEquals: { 's3:RequestObjectTag/a': 'b' } }, { form: { tagging: 'a=b' } }, false],
  [{ StringEquals: { 's3:object-lock-legal-hold': 'ON' } }, { said: { legalHold: true } }, true],
  [{ StringEquals: { 's3:object-lock-mode': 'COMPLIANCE' } }, { said: { retention } }, true],
  [
    { NumericEquals: { 's3:object-lock-remaining-retention-days': '3' } },
    { said: { retention } },
    true,
  ],
  [
    { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '10' } },
    { headers: { 'x-amz-object-lock-retain-until-date': '2026-12-03T12:00:01Z' } },
    true,
  ],
  [
    { DateLessThan: { 's3:object-lock-retain-until-date': '2026-11-27T00:00:00Z' } },
    { said: { retention } },
    true,
  ],
  [{ StringEquals: { 's3:LocationConstraint': 'eu' } }, { said: { location: 'eu' } }, true],
  [{ StringEquals: { 's3:authType': 'POST' } }, { form: { policy: 'x' } }, true],
  [{ StringEquals: { 's3:signatureversion': 'AWS' } }, { form: { awsaccesskeyid: 'x' } }, true],
  [
    { StringEquals: { 's3:x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
    { target: '/b/k?X-Amz-Signature=x' },
    true,
  ],
];

describe('a condition', () => {
  it.each(CASES)('%j of %j: %s', (Condition, asked, expected) => {
    const statement = {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::b/*',
      Condition,
    };
    const text = JSON.stringify({ Version: '2012-10-17', Statement: statement });
    const policy = parsePolicy(text, home);
    const ask = { facts: facts(asked), action: 's3:GetObject', resource: 'arn:aws:s3:::b/k' };
    expect(evaluate(policy, ask)).toBe(expected ? 'allow' : 'none');
  });
});

it('a deny outweighs an allow, before it and after it', () => {
  const allow = { Effect: 'Allow', Principal: '*', Action: '*', Resource: 'arn:aws:s3:::b/*' };
  const deny = { ...allow, Effect: 'Deny', Action: 's3:Get*' };
  for (const Statement of [
    [allow, deny],
    [deny, allow],
  ]) {
    const policy = parsePolicy(JSON.stringify({ Statement }), home);
    const ask = { facts: facts({}), resource: 'arn:aws:s3:::b/k' };
    expect(evaluate(policy, { ...ask, action: 's3:GetObject' })).toBe('deny');
    expect(evaluate(policy, { ...ask, action: 's3:PutObject' })).toBe('allow');
  }
});

it('an allow on terms is one whose conditions speak of them', () => {
  const allow = { Effect: 'Allow', Principal: '*', Action: 's3:PutObject' };
  const Resource = 'arn:aws:s3:::b/*';
  const Condition = { StringEquals: { 's3:x-amz-acl': 'public-read' } };
  const Statement = [{ ...allow, Resource, Condition }];
  const policy = parsePolicy(JSON.stringify({ Statement }), home);
  const ask = (acl: string) => ({
    facts: facts({ headers: { 'x-amz-acl': acl } }),
    action: 's3:PutObject',
    resource: 'arn:aws:s3:::b/k',
  });
  expect(allowsOnTerms(policy, ask('public-read'), ['s3:x-amz-acl'])).toBe(true);
  expect(allowsOnTerms(policy, ask('private'), ['s3:x-amz-acl'])).toBe(false);
  expect(allowsOnTerms(policy, ask('public-read'), ['s3:requestobjecttag'])).toBe(false);
  // What only says what it must not be lets nobody have the rest.
  for (const vague of [
    { StringNotEquals: { 's3:x-amz-acl': 'private' } },
    { Null: { 's3:x-amz-acl': 'false' } },
  ]) {
    const Vague = [{ ...allow, Resource, Condition: vague }];
    const other = parsePolicy(JSON.stringify({ Statement: Vague }), home);
    expect(evaluate(other, ask('public-read'))).toBe('allow');
    expect(allowsOnTerms(other, ask('public-read'), ['s3:x-amz-acl'])).toBe(false);
  }
});
