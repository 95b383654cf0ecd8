/** The key of SigV4A against published vectors and a second derivation; region sets. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ecdsaKey, ecdsaProves } from '../../../src/body/ecdsa-chain.ts';
import { resolveRequest } from '../../../src/s3/resource.ts';
import { checkRegionSet, privateKeyOf, publicPointOf } from '../../../src/s3/sigv4a.ts';
import { derivePrivate, ecdsa } from '../../support/sigv4a.ts';
import { failureCode } from '../../support/s3-failure.ts';
import { plainHead } from '../../support/signed-head.ts';

describe('the key that follows from a secret', () => {
  it('is the one of the published suites', () => {
    const point = publicPointOf('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY');
    expect(point.toString('hex')).toBe(
      'b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1' +
        '865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518',
    );
    const secret = privateKeyOf(
      'AKISORANDOMAASORANDOM',
      'q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom',
    );
    expect(secret.toString('hex')).toBe(
      '7fd3bd010c0d9c292141c2b77bfbde1042c92e6836fff749d1269ec890fca1bd',
    );
  });

  it('is the one that a derivation on bytes gives', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (accessKey, secretKey) => {
        const key = privateKeyOf(accessKey, secretKey);
        expect(key.equals(derivePrivate(accessKey, secretKey))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('proves what its other half signed, and nothing else', () => {
    const key = ecdsaKey(publicPointOf('id', 'secret'));
    const signature = ecdsa('id', 'secret', 'text');
    expect(ecdsaProves(key, 'text', signature)).toBe(true);
    expect(ecdsaProves(key, 'texT', signature)).toBe(false);
    expect(ecdsaProves(ecdsaKey(publicPointOf('id', 'other')), 'text', signature)).toBe(false);
    fc.assert(
      fc.property(
        fc.nat(signature.length - 1),
        fc.constantFrom(...'0123456789abcdefABCDEF*'),
        (at, digit) => {
          const other = signature.slice(0, at) + digit + signature.slice(at + 1);
          expect(ecdsaProves(key, 'text', other)).toBe(other === signature);
        },
      ),
    );
    for (const text of ['', '00', signature.toUpperCase(), `${signature}00`, signature.slice(2)]) {
      expect(ecdsaProves(key, 'text', text)).toBe(false);
    }
  });
});

describe('a region set', () => {
  const check = (set: string | undefined, region: string | undefined): void => {
    const headers = set === undefined ? {} : { 'x-amz-region-set': set };
    checkRegionSet(resolveRequest(plainHead({ headers }), 'id', []), 'header', region);
  };
  it.each([
    ['*', 'us-east-1'],
    ['us-east-1', 'us-east-1'],
    ['eu-west-1, us-east-1', 'us-east-1'],
    ['us-*', 'us-east-1'],
    ['us-east-1', undefined],
  ])('%s covers %s', (set, region) => {
    expect(check(set, region)).toBeUndefined();
  });
  it.each([
    ['eu-west-1', 'us-east-1'],
    ['eu-*', 'us-east-1'],
    ['us-east', 'us-east-1'],
    ['', undefined],
    ['us-east-1,', undefined],
    ['*-east-1', 'us-east-1'],
    [undefined, undefined],
  ])('%s does not cover %s', async (set, region) => {
    expect(await failureCode(() => check(set, region))).toBe('AuthorizationHeaderMalformed');
  });
});
