/**
 * Every route in every form of authentication, good and bad, generated from the routes table: what
 * one form may do every form may do, and what one proves wrong is refused whatever it asks for.
 */
import { createHash } from 'node:crypto';
import {
  CreateBucketCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Route, ROUTES } from '../../src/s3/routes.ts';
import { AUTH_FORMS, type AuthForm, type PlainRequest, requestIn } from '../support/auth-forms.ts';
import { s3Client } from '../support/client.ts';
import { BOUNDARY, formBody, signedV4 } from '../support/post-form.ts';
import { codeOf, type Keys, RawConnection } from '../support/raw-client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';

const Bucket = 'matrix';
/** Whose policy lets everybody do everything. */
const OPEN = 'matrix-open';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ sigv2: 'true' });
  client = s3Client(sluice);
  for (const name of [Bucket, OPEN]) {
    await client.send(new CreateBucketCommand({ Bucket: name }));
    for (const Key of ['source', 'kept']) {
      await client.send(new PutObjectCommand({ Bucket: name, Key, Body: 'source' }));
    }
  }
  const Resource = [`arn:aws:s3:::${OPEN}`, `arn:aws:s3:::${OPEN}/*`];
  const statement = { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource };
  const Policy = JSON.stringify({ Statement: [statement] });
  await client.send(new PutBucketPolicyCommand({ Bucket: OPEN, Policy }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const DELETE = '<Delete><Object><Key>none</Key></Object></Delete>';
const TAGS = '<Tagging><TagSet></TagSet></Tagging>';

/** What an operation needs to come as far as its own work. Without: it refuses what is missing. */
const NEEDS: Readonly<Record<string, Partial<PlainRequest>>> = {
  DeleteObjects: {
    body: DELETE,
    headers: { 'content-md5': createHash('md5').update(DELETE).digest('base64') },
  },
  PutObject: { body: 'hello' },
  UploadPart: { body: 'hello' },
  PutObjectTagging: { body: TAGS },
  CopyObject: { headers: { 'x-amz-copy-source': `/${Bucket}/source` } },
  UploadPartCopy: { headers: { 'x-amz-copy-source': `/${Bucket}/source` } },
  GetObjectAttributes: { headers: { 'x-amz-object-attributes': 'ETag' } },
};

const nameOf = ({ operation }: Route): string =>
  typeof operation === 'string' ? operation : operation.notImplemented;

/** The same in the bucket that is open to everybody. */
function opened({ path, headers, ...request }: PlainRequest): PlainRequest {
  const there = (text: string): string => text.replace(`/${Bucket}`, `/${OPEN}`);
  const renamed = Object.entries(headers).map(([name, value]) => [name, there(value)]);
  return { ...request, path: there(path), headers: Object.fromEntries(renamed) };
}

type Outcome = readonly [status: number, code: string | undefined];

const DENIED = [403, 'AccessDenied'] as const;
const NOT_THEIRS = [405, 'MethodNotAllowed'] as const;
/** What takes a name, or an owner, whatever a policy says. */
const NOT_FOR_NOBODY: Readonly<Record<string, Outcome>> = {
  ListBuckets: DENIED,
  CreateBucket: DENIED,
  CreateMultipartUpload: DENIED,
  GetBucketPolicy: NOT_THEIRS,
  PutBucketPolicy: NOT_THEIRS,
  DeleteBucketPolicy: NOT_THEIRS,
};

function requestOf(route: Route): PlainRequest {
  const { method, level, query, header } = route;
  const needs = NEEDS[nameOf(route)] ?? {};
  const [name, start = ''] = header?.split('^=') ?? [];
  const pairs = query?.split('&').map((pair) => {
    const [parameter = '', value = ''] = pair.split('=', 2);
    return [parameter, value] as const;
  });
  return {
    method,
    path: { service: '/', bucket: `/${Bucket}`, object: `/${Bucket}/source` }[level],
    query: Object.fromEntries(pairs ?? []),
    headers: { ...(name === undefined ? {} : { [name]: `${start}x` }), ...needs.headers },
    body: needs.body ?? '',
  };
}

/** Forms are the one route that is not signed like this; preflights are no route. */
const SIGNED = ROUTES.filter((route) => nameOf(route) !== 'PostObject');

async function send(method: string, bytes: Buffer): Promise<Outcome> {
  const connection = await RawConnection.open(sluice.port);
  try {
    const response = await connection.request(method, bytes);
    return [response.status, codeOf(response)];
  } finally {
    connection.destroy();
  }
}

const ask = (form: AuthForm, keys: Keys, request: PlainRequest): Promise<Outcome> =>
  send(request.method, requestIn(form, keys, request));

/** Bodies come in chunks only where there may be one. */
const fits = (form: AuthForm, { method }: PlainRequest): boolean =>
  form !== 'chunked' || method === 'PUT' || method === 'POST';

const REFUSALS: ReadonlySet<string | undefined> = new Set([
  'AccessDenied',
  'SignatureDoesNotMatch',
  'InvalidAccessKeyId',
  'AuthorizationHeaderMalformed',
  'AuthorizationQueryParametersError',
]);

describe.each(SIGNED.map((route) => [`${route.method} ${route.level} ${nameOf(route)}`, route]))(
  '%s',
  (_, route) => {
    const request = requestOf(route);

    it('comes as far by every form', async () => {
      const first = await ask('header', sluice, request);
      const built = typeof route.operation === 'string';
      if (!built) expect(first).toEqual([501, 'NotImplemented']);
      expect(built && (first[0] === 405 || first[0] >= 500)).toBe(false);
      expect(REFUSALS.has(first[1])).toBe(false);
      for (const form of AUTH_FORMS) {
        if (form === 'anonymous' || !fits(form, request)) continue;
        expect([form, ...(await ask(form, sluice, request))]).toEqual([form, ...first]);
      }
    });

    it('comes as far for nobody where everybody may do everything', async () => {
      const request = opened(requestOf(route));
      const nobody = await ask('anonymous', sluice, request);
      const built = typeof route.operation === 'string';
      const refused = built ? NOT_FOR_NOBODY[nameOf(route)] : DENIED;
      expect(nobody).toEqual(refused ?? (await ask('header', sluice, request)));
      const OwnershipControls = { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' as const }] };
      const restore = { Bucket: OPEN, OwnershipControls };
      await client.send(new PutBucketOwnershipControlsCommand(restore));
    });

    it('is refused to a wrong secret, to an unknown key and to nobody', async () => {
      const code = (name: string): string | undefined =>
        request.method === 'HEAD' ? undefined : name;
      const wrong = { ...sluice, secretKey: `${sluice.secretKey}x` };
      const unknown = { ...sluice, accessKey: 'NOBODYNOBODYNOBODY00' };
      for (const form of AUTH_FORMS) {
        if (!fits(form, request)) continue;
        const nobody = form === 'anonymous';
        const first = nobody ? 'AccessDenied' : 'SignatureDoesNotMatch';
        const second = nobody ? 'AccessDenied' : 'InvalidAccessKeyId';
        // Of a list of keys each is refused for itself.
        const status = nobody && nameOf(route) === 'DeleteObjects' ? 200 : 403;
        expect([form, ...(await ask(form, wrong, request))]).toEqual([form, status, code(first)]);
        const answer = await ask(form, unknown, request);
        expect([form, ...answer]).toEqual([form, status, code(second)]);
      }
    });
  },
);

describe('a form', () => {
  const POSTS = ROUTES.filter(({ method, level }) => method === 'POST' && level !== 'service');
  const signed = (keys: Keys): Buffer => {
    const conditions = [{ bucket: Bucket }, ['starts-with', '$key', '']];
    return formBody([['key', 'form'], ...signedV4(keys, { conditions })], { content: DELETE });
  };
  const post = (target: string, body: Buffer): Promise<Outcome> => {
    const type = `content-type: multipart/form-data; boundary=${BOUNDARY}`;
    const head = `POST ${target} HTTP/1.1\r\nhost: x\r\n${type}\r\ncontent-length: ${body.length}\r\n\r\n`;
    return send('POST', Buffer.concat([Buffer.from(head), body]));
  };

  it('posts an object, if its signature is good', async () => {
    expect(await post(`/${Bucket}`, signed(sluice))).toEqual([204, undefined]);
    const wrong = signed({ ...sluice, secretKey: 'x' });
    expect(await post(`/${Bucket}`, wrong)).toEqual([403, 'SignatureDoesNotMatch']);
    const unknown = signed({ ...sluice, accessKey: 'NOBODY' });
    expect(await post(`/${Bucket}`, unknown)).toEqual([403, 'InvalidAccessKeyId']);
    const nobody = formBody([['key', 'form']], { content: 'x' });
    expect(await post(`/${Bucket}`, nobody)).toEqual([403, 'AccessDenied']);
  });

  it.each(POSTS.filter(({ query }) => query !== undefined).map((route) => [nameOf(route), route]))(
    'is no way to %s',
    async (_, route) => {
      const { path, query } = requestOf(route);
      const target = `${path}?${new URLSearchParams(query).toString()}`;
      // Without its Content-MD5 a list of keys is not even read.
      const refused =
        nameOf(route) === 'DeleteObjects' ? [400, 'InvalidRequest'] : [403, 'AccessDenied'];
      expect(await post(target, signed(sluice))).toEqual(refused);
    },
  );
});

it('no route is left out but the form', () => {
  const rest = ROUTES.filter((route) => !SIGNED.includes(route)).map(nameOf);
  expect(new Set(rest)).toEqual(new Set(['PostObject']));
});
