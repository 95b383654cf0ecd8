/**
 * Request heads as the front end hands them over, signed by the reference implementation (or by
 * nobody). What the reference signs, the server must verify.
 */
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { CredentialStore } from '../../src/s3/authn.ts';
import type { RequestHead } from '../../src/s3/request.ts';

export const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
export const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const OWNER = { ownerId: 'owner-id', displayName: 'root' };
/** The moment of AWS's published examples. */
export const NOW_MS = Date.UTC(2013, 4, 24);

export const CREDENTIALS: CredentialStore = {
  lookup: (id) => (id === ACCESS_KEY ? { secret: SECRET_KEY, ...OWNER } : undefined),
};

export interface Wanted {
  readonly method?: string;
  /** Path and query as on the wire, already encoded. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly region?: string;
  readonly atMs?: number;
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Presigned for this many seconds. */
  readonly expiresIn?: number;
  /** Presigned: headers that stay headers. */
  readonly unhoistable?: readonly string[];
}

const HOST = 'localhost:9878';

export function plainHead({ method = 'GET', target = '/', headers = {} }: Wanted): RequestHead {
  const mark = target.indexOf('?');
  return {
    method,
    rawPath: mark < 0 ? target : target.slice(0, mark),
    rawQuery: mark < 0 ? '' : target.slice(mark + 1),
    headers: Object.entries({ host: HOST, ...headers }),
    remoteAddress: '127.0.0.1',
    secure: false,
  };
}

type Query = Record<string, string | string[]>;

function parseQuery(rawQuery: string): Query {
  const query: Query = {};
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    const earlier = query[name];
    query[name] = earlier === undefined ? value : [earlier, value].flat();
  }
  return query;
}

function renderQuery(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, values]) =>
    [values].flat().map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
  return pairs.join('&');
}

export async function signedHead(wanted: Wanted): Promise<RequestHead> {
  const { rawPath, rawQuery, method, headers } = plainHead(wanted);
  const signer = new SignatureV4({
    service: 's3',
    region: wanted.region ?? 'us-east-1',
    credentials: {
      accessKeyId: wanted.accessKey ?? ACCESS_KEY,
      secretAccessKey: wanted.secretKey ?? SECRET_KEY,
    },
    sha256: Sha256,
    uriEscapePath: false,
  });
  const request = {
    method,
    protocol: 'http:',
    hostname: 'localhost',
    port: 9878,
    path: rawPath,
    query: parseQuery(rawQuery),
    // As the SDK's S3 presigner does: whoever signs does not know the body.
    headers: Object.fromEntries(
      wanted.expiresIn === undefined || 'x-amz-content-sha256' in (wanted.headers ?? {})
        ? headers
        : [...headers, ['X-Amz-Content-Sha256', 'UNSIGNED-PAYLOAD']],
    ),
  };
  const signingDate = new Date(wanted.atMs ?? NOW_MS);
  const signed =
    wanted.expiresIn === undefined
      ? await signer.sign(request, { signingDate })
      : await signer.presign(request, {
          signingDate,
          expiresIn: wanted.expiresIn,
          unhoistableHeaders: new Set(wanted.unhoistable),
        });
  const target = `${rawPath}?${renderQuery(signed.query as Query)}`;
  const lower = Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), value]);
  return plainHead({
    method,
    target,
    headers: Object.fromEntries(lower) as Record<string, string>,
  });
}
