/**
 * Whatever the reference signs, in the header or in the query, is verified; and after a change
 * of any one character that means something it is refused, without any other kind of failure.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../src/base/s3-error.ts';
import { Authenticator } from '../../src/s3/authn.ts';
import type { RequestHead } from '../../src/s3/request.ts';
import { resolveRequest } from '../../src/s3/resource.ts';
import {
  ACCESS_KEY,
  CREDENTIALS,
  NOW_MS,
  OWNER,
  signedHead,
  type Wanted,
} from '../support/signed-head.ts';

const SECONDS = Number(process.env['SLUICE_FUZZ_SECONDS'] ?? '2');
const BUDGET = {
  numRuns: SECONDS > 2 ? 1_000_000_000 : 300,
  interruptAfterTimeLimit: SECONDS * 1000,
} as const;

const authenticator = new Authenticator({
  credentials: CREDENTIALS,
  region: undefined,
  insecure: false,
  insecureOwner: { accessKeyId: undefined, ...OWNER },
});

/** The access key it was verified for, or the code it was refused with. */
function verdict(head: RequestHead): string {
  try {
    const request = resolveRequest(head, 'id', []);
    return authenticator.authenticate(request, NOW_MS).identity.accessKeyId ?? 'nobody';
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return error.code;
  }
}

// Any text that is text; the reference can't encode halves of surrogate pairs either.
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const headerText = fc
  .stringMatching(/^[!-~]([ -~\t]{0,20}[!-~])?$/)
  .map((value) => value.replaceAll('\t', '  '));

function encode(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const requests: fc.Arbitrary<Wanted> = fc
  .record({
    method: fc.constantFrom('GET', 'PUT', 'HEAD', 'DELETE', 'POST'),
    segments: fc.array(text, { maxLength: 4 }),
    query: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), text, { maxKeys: 4 }),
    metadata: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), headerText, { maxKeys: 3 }),
    region: fc.constantFrom('us-east-1', 'auto', ''),
    expiresIn: fc.option(fc.integer({ min: 1, max: 604_800 }), { nil: undefined }),
  })
  .map(({ method, segments, query, metadata, region, expiresIn }) => {
    const path = ['bucket', ...segments].map(encode).join('/');
    const pairs = Object.entries(query).map(([name, value]) => `${name}=${encode(value)}`);
    const headers = Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
    return {
      method,
      target: `/${path}?${pairs.join('&')}`,
      headers: Object.fromEntries(headers) as Record<string, string>,
      region,
      ...(expiresIn === undefined ? {} : { expiresIn }),
    };
  });

/** The places of a head that are covered by the signature, as [text, head with another text]. */
function places(head: RequestHead): [string, (changed: string) => RequestHead][] {
  return [
    [head.rawPath, (rawPath) => ({ ...head, rawPath })],
    [head.rawQuery, (rawQuery) => ({ ...head, rawQuery })],
    ...head.headers.map(([, value], index): [string, (changed: string) => RequestHead] => [
      value,
      (changed) => ({
        ...head,
        headers: head.headers.map((pair, at) =>
          at === index ? ([pair[0], changed] as const) : pair,
        ),
      }),
    ]),
  ];
}

/** What a text says when nothing but spelling is taken away: `%c3` is `%C3`, `  ` is ` `. */
function meaning(written: string): string {
  const bare = written.trim().replaceAll(/\s+/g, ' ');
  try {
    return bare
      .split(/([&=/])/)
      .map(decodeURIComponent)
      .join('\0');
  } catch {
    return bare;
  }
}

describe('a signature of the reference', () => {
  it('is verified', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (wanted) => {
        expect(verdict(await signedHead(wanted))).toBe(ACCESS_KEY);
      }),
      BUDGET,
    );
  });

  it('is refused after a change of any one character', async () => {
    await fc.assert(
      fc.asyncProperty(
        requests,
        fc.nat(),
        fc.nat(),
        fc.constantFrom(...'aZ09%&=/;,-. '.split('')),
        async (wanted, place, position, char) => {
          const head = await signedHead(wanted);
          const all = places(head).filter(([written]) => written !== '');
          const [written, changed] = all[place % all.length] ?? ['', () => head];
          const at = position % written.length;
          const mutated = written.slice(0, at) + char + written.slice(at + 1);
          fc.pre(meaning(mutated) !== meaning(written));
          expect(verdict(changed(mutated)), mutated).not.toBe(ACCESS_KEY);
        },
      ),
      BUDGET,
    );
  });

  it('is refused for another method', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (wanted) => {
        const head = await signedHead(wanted);
        const method = head.method === 'GET' ? 'PUT' : 'GET';
        expect(verdict({ ...head, method })).toBe('SignatureDoesNotMatch');
      }),
      { ...BUDGET, numRuns: Math.min(BUDGET.numRuns, 100) },
    );
  });
});
