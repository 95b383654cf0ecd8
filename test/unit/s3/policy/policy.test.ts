/** What the policy reader accepts and how it names what it refuses; which policies are public. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../../src/base/s3-error.ts';
import { inRange, parseRange } from '../../../../src/s3/policy/addresses.ts';
import { isPublicPolicy } from '../../../../src/s3/policy/exposure.ts';
import { parsePolicy } from '../../../../src/s3/policy/policy.ts';
import { failure } from '../../../support/s3-failure.ts';

const ID = 'a'.repeat(64);
const home = { bucket: 'bucket', knows: (id: string) => id === 'ann' };
const GOOD = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::bucket/*',
};
const read = (statement: object) => parsePolicy(JSON.stringify({ Statement: statement }), home);

const ACCEPTED: readonly object[] = [
  GOOD,
  [GOOD],
  { ...GOOD, Sid: 'one' },
  { ...GOOD, Principal: { AWS: '*' } },
  { ...GOOD, Principal: { AWS: ['arn:aws:iam::123456789012:root', '123456789012', ID, 'ann'] } },
  { ...GOOD, Principal: { AWS: 'arn:aws:iam:::user/path/ann' } },
  { ...GOOD, Principal: { AWS: 'arn:aws:iam::123456789012:role/r' } },
  { ...GOOD, Principal: { CanonicalUser: ID, Service: 'logging.s3.amazonaws.com' } },
  { ...GOOD, Principal: { Federated: 'cognito-identity.amazonaws.com' } },
  { ...GOOD, Action: ['s3:Get*', 'S3:PUTOBJECT', '*'] },
  { ...GOOD, Action: 's3:ListBucket', Resource: 'arn:aws:s3:::bucket' },
  { ...GOOD, Action: ['s3:*'], Resource: ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/*'] },
  { ...GOOD, Resource: 'arn:aws:s3:::*' },
  { ...GOOD, Resource: 'arn:aws:s3:::buck?t/x' },
  { ...GOOD, Resource: 'arn:aws-cn:s3:::bucket/x' },
  {
    ...GOOD,
    Condition: { StringEquals: { 's3:prefix': ['a', 'b'] }, Null: { 's3:delimiter': true } },
  },
  { ...GOOD, Condition: { 'ForAnyValue:StringLikeIfExists': { 'aws:TagKeys': 'x' } } },
];

const INVALID_PRINCIPAL = 'Invalid principal in policy';
const REFUSED: readonly (readonly [unknown, string])[] = [
  [{ ...GOOD, Effect: undefined }, 'Missing required field Effect'],
  [{ ...GOOD, Effect: 'Maybe' }, 'Invalid effect: Maybe'],
  [{ ...GOOD, Effect: 'allow' }, 'Invalid effect: allow'],
  [{ ...GOOD, Principal: undefined }, 'Missing required field Principal'],
  [{ ...GOOD, NotPrincipal: '*' }, 'Invalid policy syntax.'],
  [{ ...GOOD, Principal: 'ann' }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: {} }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: ['*'] }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { AWS: [] } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { AWS: 'bob' } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { AWS: 'arn:aws:iam::1:user/a*' } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { AWS: 'arn:aws:iam:::root' } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { AWS: 'arn:aws:s3:::bucket' } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { AWS: 7 } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { CanonicalUser: '*' } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { Service: '*' } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Principal: { Everyone: '*' } }, INVALID_PRINCIPAL],
  [{ ...GOOD, Action: undefined }, 'Missing required field Action'],
  [{ ...GOOD, Action: [] }, 'Policy has invalid action'],
  [{ ...GOOD, Action: 's3:Fly' }, 'Policy has invalid action'],
  [{ ...GOOD, Action: 'ec2:*' }, 'Policy has invalid action'],
  [{ ...GOOD, Action: 'GetObject' }, 'Policy has invalid action'],
  [{ ...GOOD, NotAction: 's3:GetObject' }, 'Invalid policy syntax.'],
  [{ ...GOOD, Resource: undefined }, 'Missing required field Resource'],
  [{ ...GOOD, Resource: '*' }, 'Policy has invalid resource'],
  [{ ...GOOD, Resource: [] }, 'Policy has invalid resource'],
  [{ ...GOOD, Resource: 'arn:aws:s3:::other/*' }, 'Policy has invalid resource'],
  [{ ...GOOD, Resource: 'arn:aws:s3:::bucket-2' }, 'Policy has invalid resource'],
  [{ ...GOOD, Resource: 'bucket/*' }, 'Policy has invalid resource'],
  [
    { ...GOOD, Resource: 'arn:aws:s3:::bucket' },
    'Action does not apply to any resource(s) in statement',
  ],
  [
    { ...GOOD, Action: ['s3:GetObject', 's3:ListBucket'] },
    'Action does not apply to any resource(s) in statement',
  ],
  [{ ...GOOD, Condition: [] }, 'Invalid policy syntax.'],
  [{ ...GOOD, Condition: { StringEquals: 'x' } }, 'Invalid policy syntax.'],
  [{ ...GOOD, Condition: { StringIs: { 's3:prefix': 'x' } } }, 'Invalid Condition type : StringIs'],
  [
    { ...GOOD, Condition: { NullIfExists: { 's3:prefix': 'true' } } },
    'Invalid Condition type : NullIfExists',
  ],
  [
    { ...GOOD, Condition: { StringEquals: { 's3:prefiks': 'x' } } },
    'Policy has an invalid condition key',
  ],
  [
    { ...GOOD, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } } },
    'Invalid value for condition IpAddress',
  ],
  [
    { ...GOOD, Condition: { NumericEquals: { 's3:max-keys': 'ten' } } },
    'Invalid value for condition NumericEquals',
  ],
  [
    { ...GOOD, Condition: { Bool: { 'aws:SecureTransport': 'perhaps' } } },
    'Invalid value for condition Bool',
  ],
  [
    { ...GOOD, Condition: { StringEquals: { 's3:prefix': {} } } },
    'Policy has an invalid condition value',
  ],
  [{ ...GOOD, Sid: 1 }, 'Invalid policy syntax.'],
  [{ ...GOOD, Extra: 1 }, 'Unknown field Extra'],
  ['x', 'Invalid policy syntax.'],
  [
    [
      { ...GOOD, Sid: 'same' },
      { ...GOOD, Sid: 'same' },
    ],
    'Statement IDs (SID) in a single policy must be unique.',
  ],
];

describe('the policy of a bucket', () => {
  it.each(ACCEPTED.map((one) => [one]))('may be %j', (statement) => {
    expect(read(statement).statements.length).toBeGreaterThan(0);
  });

  it.each(REFUSED)('%j: %s', async (statement, message) => {
    const error = await failure(() => read(statement as object));
    expect([error.status, error.code, error.message]).toEqual([400, 'MalformedPolicy', message]);
  });

  it.each([
    ['', "Policies must be valid JSON and the first byte must be '{'"],
    ['{', "Policies must be valid JSON and the first byte must be '{'"],
    ['"x"', "Policies must be valid JSON and the first byte must be '{'"],
    ['{"Version":"2020-01-01","Statement":[]}', 'The policy must contain a valid version string'],
    ['{"Id":1,"Statement":[]}', 'Invalid policy syntax.'],
    ['{"Rules":[]}', 'Unknown field Rules'],
  ])('%s: %s', async (text, message) => {
    const error = await failure(() => parsePolicy(text, home));
    expect([error.code, error.message]).toEqual(['MalformedPolicy', message]);
  });

  it('is read or refused, whatever is written', () => {
    const words = fc.constantFrom(
      'Effect',
      'Allow',
      'Principal',
      'NotPrincipal',
      '*',
      'AWS',
      'Action',
      's3:*',
      'Resource',
      'arn:aws:s3:::bucket/${aws:x',
      'Condition',
      'StringLike',
      'Null',
      's3:prefix',
      '__proto__',
      'constructor',
      'Statement',
      'Version',
      '2012-10-17',
      'IpAddress',
      '::/0',
      'aws:SourceIp',
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        words,
        fc.jsonValue({ maxDepth: 2 }),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(words, tie('value'), { maxKeys: 5 }),
      ),
    }));
    const statement = fc.record(
      {
        Effect: fc.constantFrom('Allow', 'Deny'),
        Principal: value,
        Action: fc.oneof(fc.constant('s3:GetObject'), value),
        Resource: fc.oneof(fc.constant('arn:aws:s3:::bucket/*'), value),
        Condition: value,
      },
      { requiredKeys: ['Effect'] },
    );
    const texts = fc.oneof(
      fc.string(),
      value.map((one) => JSON.stringify(one) ?? ''),
      fc.array(statement).map((Statement) => JSON.stringify({ Statement })),
    );
    fc.assert(
      fc.property(texts, fc.boolean(), (text, ofBucket) => {
        try {
          const read = parsePolicy(text, ofBucket ? home : { ...home, bucket: undefined });
          expect(read.statements.length).toBeGreaterThan(0);
          isPublicPolicy(read);
        } catch (error) {
          if (!(error instanceof S3Error)) throw error;
          expect(error.code).toBe('MalformedPolicy');
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the policy of an identity', () => {
  const own = { bucket: undefined, knows: () => true };
  const one = { Effect: 'Allow', Action: 's3:*', Resource: '*' };
  it.each([one, { ...one, Resource: 'arn:aws:s3:::x/*' }, { ...one, Action: 'kms:Decrypt' }])(
    'may be %j',
    (statement) => {
      const read = parsePolicy(JSON.stringify({ Statement: [statement] }), own);
      expect(read.statements[0]?.principals).toBeUndefined();
    },
  );

  it.each([
    { ...one, Principal: '*' },
    { ...one, Resource: 'everything' },
    { ...one, Action: 's3:Fly' },
  ])('may not be %j', async (statement) => {
    const text = JSON.stringify({ Statement: [statement] });
    expect((await failure(() => parsePolicy(text, own))).code).toBe('MalformedPolicy');
  });
});

describe('a policy is public', () => {
  it.each([
    [GOOD, true],
    [{ ...GOOD, Principal: { AWS: '*' } }, true],
    [{ ...GOOD, Principal: { AWS: 'ann' } }, false],
    [{ ...GOOD, Principal: undefined, NotPrincipal: { AWS: 'ann' } }, true],
    [{ ...GOOD, Effect: 'Deny' }, false],
    [{ ...GOOD, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, false],
    [{ ...GOOD, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/7' } } }, true],
    [{ ...GOOD, Condition: { IpAddress: { 'aws:SourceIp': ['1.1.1.1', '0.0.0.0/0'] } } }, true],
    [{ ...GOOD, Condition: { IpAddress: { 'aws:SourceIp': '2001:db8::/32' } } }, false],
    [{ ...GOOD, Condition: { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, true],
    [{ ...GOOD, Condition: { IpAddressIfExists: { 'aws:SourceIp': '10.0.0.0/8' } } }, true],
    [{ ...GOOD, Condition: { StringEquals: { 'aws:SourceVpc': 'vpc-91237329' } } }, false],
    [{ ...GOOD, Condition: { StringLike: { 'aws:SourceVpc': 'vpc-*' } } }, true],
    [{ ...GOOD, Condition: { StringEquals: { 'aws:Referer': 'http://x' } } }, true],
  ] as const)('%j: %s', (statement, expected) => {
    expect(isPublicPolicy(read(statement))).toBe(expected);
  });
});

describe('an address', () => {
  it.each([
    ['10.1.2.3', '10.0.0.0/8', true],
    ['11.1.2.3', '10.0.0.0/8', false],
    ['1.2.3.4', '0.0.0.0/0', true],
    ['::1', '0.0.0.0/0', false],
    ['::1', '::/0', true],
    ['fe80::1%eth0', 'fe80::/10', true],
    ['::ffff:1.2.3.4', '1.2.3.0/24', true],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8', true],
    ['nonsense', '::/0', false],
  ])('%s in %s: %s', (address, range, expected) => {
    const parsed = parseRange(range);
    expect(parsed && inRange(address, parsed)).toBe(expected);
  });

  it.each([
    '',
    '1.2.3',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4/33',
    '::/129',
    '1::2::3',
    ':::',
    '1.2.3.4/8/8',
    'g::',
  ])('%s is none', (text) => {
    expect(parseRange(text)).toBeUndefined();
  });
});
