/** Heads as anybody may send them: understood exactly, or refused as S3 does, and never a crash. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../src/base/s3-error.ts';
import { ANONYMOUS_ID } from '../../src/s3/accounts.ts';
import { Authenticator } from '../../src/s3/authn.ts';
import { boundsOf, planBody } from '../../src/s3/body-plan.ts';
import { OPERATIONS } from '../../src/s3/registry.ts';
import type { RequestHead } from '../../src/s3/request.ts';
import { resolveRequest } from '../../src/s3/resource.ts';
import { routeOf } from '../../src/s3/routes.ts';
import { canonicalRequest } from '../../src/s3/sigv4.ts';
import { CREDENTIALS, NOW_MS, OWNER, plainHead } from '../support/signed-head.ts';

const SECONDS = Number(process.env['SLUICE_FUZZ_SECONDS'] ?? '2');
const BUDGET = {
  numRuns: SECONDS > 2 ? 1_000_000_000 : 2000,
  interruptAfterTimeLimit: SECONDS * 1000,
} as const;

const wire = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'%/?&=+.:; abcXYZ019~'.split('')),
    fc.constantFrom('%2F', '%2f', '%00', '%C3%A4', '%ff', 'ä', '\u{1f600}', '\ud800', '\0'),
  ),
  maxLength: 40,
});
const name = fc.constantFrom(
  'content-length',
  'transfer-encoding',
  'content-md5',
  'range',
  'x-amz-copy-source',
  'x-amz-content-sha256',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
  'x-amz-checksum-crc32',
  'x-amz-checksum-type',
  'x-amz-date',
  'date',
  'authorization',
);
const value = fc.oneof(
  wire,
  fc.constantFrom('0', '5', 'UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'AAAAAA=='),
  fc.constant('AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request,SignedHeaders=host'),
);
const heads: fc.Arbitrary<RequestHead> = fc
  .record({
    method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'BREW'),
    target: fc.tuple(wire, wire).map(([path, query]) => `/${path}?${query}`),
    host: wire,
    headers: fc.array(fc.tuple(name, value), { maxLength: 6 }),
  })
  .map(({ method, target, host, headers }) => ({
    ...plainHead({ method, target }),
    headers: [['host', host], ...headers] as const,
  }));

describe('any head at all', () => {
  it.each([true, false])('is planned or refused (insecure: %s)', (insecure) => {
    const authenticator = new Authenticator({
      credentials: CREDENTIALS,
      region: undefined,
      insecure,
      insecureOwner: { accessKeyId: undefined, ...OWNER },
    });
    fc.assert(
      fc.property(heads, (head) => {
        try {
          const request = resolveRequest(head, 'id', ['a', 'b.c']);
          const verified = authenticator.authenticate(request, NOW_MS);
          // Nobody is let in as somebody.
          expect(verified.identity.ownerId).toBe(insecure ? OWNER.ownerId : ANONYMOUS_ID);
          const operation = OPERATIONS[routeOf(verified.request)];
          const plan = planBody(verified, boundsOf(operation));
          expect(Number.isSafeInteger(plan.payloadLength)).toBe(true);
        } catch (error) {
          if (!(error instanceof S3Error)) throw error;
          expect(error.status).toBeGreaterThanOrEqual(400);
        }
      }),
      BUDGET,
    );
  });
});

describe('any key at all', () => {
  const keys = fc.string({ unit: 'binary', minLength: 1, maxLength: 200 });

  it('comes back from its encoded form, the same in both styles', () => {
    fc.assert(
      fc.property(keys, (key) => {
        const encoded = encodeURIComponent(key);
        const byPath = resolveRequest(plainHead({ target: `/b/${encoded}` }), 'id', []);
        expect(byPath).toMatchObject({ bucket: 'b', key });
        const hosted = plainHead({ target: `/${encoded}`, headers: { host: 'b.s3' } });
        expect(resolveRequest(hosted, 'id', ['s3'])).toMatchObject({ bucket: 'b', key });
      }),
      BUDGET,
    );
  });

  it('is signed the same however a client spells it', () => {
    const canonical = (target: string): string =>
      canonicalRequest(resolveRequest(plainHead({ target }), 'id', []), ['host'], 'hash');
    fc.assert(
      fc.property(keys, (key) => {
        const spelt = encodeURIComponent(key);
        const small = spelt.replaceAll(/%../g, (escape) => escape.toLowerCase());
        // Other implementations leave these as they are.
        const bare = spelt.replaceAll(/%(24|26|2B|2C|3A|3D|40)/g, decodeURIComponent);
        expect(canonical(`/b/${small}?k=${small}`)).toBe(canonical(`/b/${spelt}?k=${spelt}`));
        expect(canonical(`/b/${bare}`)).toBe(canonical(`/b/${spelt}`));
      }),
      BUDGET,
    );
  });
});
