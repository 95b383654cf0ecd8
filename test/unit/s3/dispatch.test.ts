/** The pipeline over real bodies and a real object store on memory twins; only HTTP is left out. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LogFields } from '../../../src/base/log.ts';
import { S3Error } from '../../../src/base/s3-error.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import type { Bodies } from '../../../src/body/body.ts';
import { openBodies } from '../../../src/body/stream-body.ts';
import { Arena } from '../../../src/memory/arena.ts';
import type { CredentialStore } from '../../../src/s3/authn.ts';
import { AccessRules } from '../../../src/s3/access-rules.ts';
import { AccessAuthorizer } from '../../../src/s3/authz.ts';
import { openGateway, type S3Gateway } from '../../../src/s3/dispatch.ts';
import type { GatewayOptions } from '../../../src/s3/gateway-options.ts';
import type { Exchange, RequestHead, S3Response } from '../../../src/s3/request.ts';
import { chunkedWire, signingKey } from '../../support/chunked-wire.ts';
import { ObjectRoom } from '../../support/object-room.ts';
import {
  ACCESS_KEY,
  CREDENTIALS,
  NOW_MS,
  OWNER,
  plainHead,
  SECRET_KEY,
  signedHead,
  type Wanted,
} from '../../support/signed-head.ts';

const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';

interface Answer extends S3Response {
  readonly map: ReadonlyMap<string, string>;
  readonly text: string;
  /** Code of the error document. */
  readonly code: string | undefined;
}

let room: ObjectRoom;
let bodies: Bodies;
let arena: Arena;
let lines: { level: string; fields: LogFields; message: string }[];

function log(): GatewayOptions['log'] {
  const at = (level: string) => (fields: LogFields, message: string) =>
    void lines.push({ level, fields, message });
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: log,
  };
}

function gateway(options: Partial<GatewayOptions> = {}): S3Gateway {
  const accounts = { byId: () => undefined, byEmail: () => undefined };
  const rules = new AccessRules('BucketOwnerEnforced');
  const clock = { now: () => NOW_MS };
  return openGateway({
    bodies,
    objects: room.store,
    credentials: CREDENTIALS,
    authorizer: new AccessAuthorizer({ objects: room.store, accounts, rules, clock }),
    accounts,
    rules,
    region: undefined,
    domains: [],
    insecure: false,
    rootOwner: { accessKeyId: undefined, ...OWNER },
    clock,
    log: log(),
    ...options,
  });
}

async function textOf(body: S3Response['body']): Promise<string> {
  if (body === undefined || typeof body === 'string') return body ?? '';
  if (body instanceof Uint8Array) return Buffer.from(body).toString();
  let text = '';
  for await (const block of body.blocks) {
    text += Buffer.from(block.bytes).toString();
    block.release();
  }
  return text;
}

async function answerOf(exchange: Exchange): Promise<Answer> {
  const response = await exchange.response;
  const text = await textOf(response.body);
  exchange.finished({ bytesSent: text.length, aborted: false });
  const code = /<Code>(.*)<\/Code>/.exec(text)?.[1];
  return { ...response, map: new Map(response.headers), text, code };
}

const idle = { resume: (): void => {} };

async function send(head: RequestHead, body = '', to = gateway()): Promise<Answer> {
  const exchange = to.begin(head, idle);
  if (body !== '') exchange.feed?.push(new Uint8Array(Buffer.from(body)));
  exchange.feed?.end();
  return await answerOf(exchange);
}

async function ask(wanted: Wanted, body = '', to = gateway()): Promise<Answer> {
  const headers = {
    'content-length': String(Buffer.byteLength(body)),
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    ...wanted.headers,
  };
  return await send(await signedHead({ ...wanted, headers }), body, to);
}

beforeAll(async () => {
  arena = new Arena(32 * 1024 * 1024);
  bodies = await openBodies({ arena, threads: 1 });
});

afterAll(() => bodies.close());

beforeEach(async () => {
  lines = [];
  room = await ObjectRoom.open();
  await ask({ method: 'PUT', target: '/bucket' });
});

afterEach(async () => {
  await room.store.close();
  for (const one of [arena, room.arena]) expect(one.freeCount).toBe(one.blockCount);
});

describe('a request that is good', () => {
  it('is answered, counted and logged', async () => {
    const to = gateway();
    const put = await ask({ method: 'PUT', target: '/bucket/a%20key' }, 'hello', to);
    expect(put.status).toBe(200);
    expect(put.map.get('ETag')).toBe('"5d41402abc4b2a76b9719d911017c592"');
    const get = await ask({ target: '/bucket/a%20key' }, '', to);
    expect(get).toMatchObject({ status: 200, text: 'hello' });
    for (const name of ['x-amz-request-id', 'x-amz-id-2', 'Server']) {
      expect(get.map.get(name)).toBeTruthy();
    }
    expect(get.map.get('x-amz-request-id')).not.toBe(put.map.get('x-amz-request-id'));
    expect(to.stats()).toEqual({
      operations: new Map([
        ['PutObject', 1],
        ['GetObject', 1],
      ]),
      errors: new Map(),
    });
    expect(lines.at(-1)).toEqual({
      level: 'info',
      message: 'request',
      fields: {
        requestId: get.map.get('x-amz-request-id'),
        remote: '127.0.0.1',
        method: 'GET',
        operation: 'GetObject',
        bucket: 'bucket',
        key: 'a key',
        accessKey: ACCESS_KEY,
        status: 200,
        code: undefined,
        bytesIn: 0,
        bytesOut: 5,
        aborted: undefined,
        ms: 0,
      },
    });
  });

  it('may come in chunks, each one signed', async () => {
    const payload = Buffer.alloc(70_000, 'x');
    const head = await signedHead({
      method: 'PUT',
      target: '/bucket/k',
      headers: {
        'x-amz-content-sha256': SIGNED,
        'x-amz-decoded-content-length': String(payload.length),
        'content-length': '1',
      },
    });
    const authorization = new Map(head.headers).get('authorization') ?? '';
    const signer = {
      seed: authorization.slice(-64),
      signingKey: signingKey(SECRET_KEY, '20130524', 'us-east-1'),
      scope: '20130524/us-east-1/s3/aws4_request',
      date: '20130524T000000Z',
    };
    const wire = chunkedWire(payload, { chunkBytes: 65_536, signer }).toString('latin1');
    expect((await send(head, wire)).status).toBe(200);
    expect((await ask({ target: '/bucket/k' })).text).toBe(payload.toString());
    const forged = wire.replace(/xx\r\n/, 'xy\r\n');
    expect(await send(head, forged)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
    expect((await ask({ target: '/bucket/k' })).text).toBe(payload.toString());
    // Without security the same wire is read, and nothing of it is verified.
    const insecure = gateway({ insecure: true });
    expect((await send(head, forged, insecure)).status).toBe(200);
  });

  it('for the head only has no body, and says how long it would be', async () => {
    await ask({ method: 'PUT', target: '/bucket/k' }, 'hello');
    const found = await ask({ method: 'HEAD', target: '/bucket/k' });
    expect(found).toMatchObject({ status: 200, body: undefined, contentLength: 5 });
    const missing = await ask({ method: 'HEAD', target: '/bucket/none' });
    expect(missing).toMatchObject({ status: 404, body: undefined });
    expect(lines.at(-1)?.fields).toMatchObject({ code: 'NoSuchKey', operation: 'HeadObject' });
  });
});

describe('who may not ask', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/bucket'],
    ['GET', '/bucket/absent'],
    ['DELETE', '/bucket?policy'],
    ['PUT', '/bucket/k'],
    ['PUT', '/new-bucket'],
  ])('learns nothing, and no byte of the body is taken: %s %s', async (method, target) => {
    const head = plainHead({ method, target, headers: { 'content-length': '5' } });
    const exchange = gateway().begin(head, idle);
    expect(exchange.feed).toBeUndefined();
    expect(await answerOf(exchange)).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(lines.at(-1)?.fields).toMatchObject({ accessKey: undefined, code: 'AccessDenied' });
  });

  it('is every account but the owner', async () => {
    const other: CredentialStore = {
      lookup: () => ({ secret: SECRET_KEY, ownerId: 'other', displayName: 'other' }),
    };
    const answer = await ask({ target: '/bucket' }, '', gateway({ credentials: other }));
    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
    const missing = await ask({ target: '/none' }, '', gateway({ credentials: other }));
    expect(missing).toMatchObject({ status: 404, code: 'NoSuchBucket' });
  });

  it('is whoever expects another owner, of either bucket', async () => {
    const headers = { 'x-amz-expected-bucket-owner': 'other' };
    expect(await ask({ target: '/bucket', headers })).toMatchObject({ code: 'AccessDenied' });
    const right = { 'x-amz-expected-bucket-owner': OWNER.ownerId };
    expect(await ask({ target: '/bucket', headers: right })).toMatchObject({ status: 200 });
    await ask({ method: 'PUT', target: '/bucket/k' }, 'hello');
    const copy = await ask({
      method: 'PUT',
      target: '/bucket/copy',
      headers: {
        'x-amz-copy-source': '/bucket/k',
        'x-amz-source-expected-bucket-owner': 'other',
      },
    });
    expect(copy).toMatchObject({ code: 'AccessDenied' });
  });
});

describe('a request that is wrong', () => {
  it('in its head, is refused before its body and ends the connection', async () => {
    const head = plainHead({ method: 'PUT', target: '/bucket/%ff' });
    const exchange = gateway().begin(head, idle);
    expect(exchange.feed).toBeUndefined();
    expect(await answerOf(exchange)).toMatchObject({
      status: 400,
      code: 'InvalidURI',
      close: true,
    });
  });

  it('in a header, is refused and its body dropped, whatever of it still comes', async () => {
    const length = 1024 * 1024;
    const head = await signedHead({
      method: 'PUT',
      target: '/bucket/k',
      headers: {
        'content-length': String(length),
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
        'x-amz-storage-class': 'PAPER',
      },
    });
    const exchange = gateway().begin(head, idle);
    const answer = await answerOf(exchange);
    expect(answer).toMatchObject({ status: 400, code: 'InvalidStorageClass' });
    expect(answer.close).toBeUndefined();
    expect(exchange.feed?.push(new Uint8Array(length))).toBe(true);
    exchange.feed?.end();
  });

  it('in its payload hash, is refused also where no payload is wanted', async () => {
    const headers = { 'x-amz-content-sha256': 'nonsense' };
    expect(await ask({ target: '/bucket', headers })).toMatchObject({ code: 'InvalidArgument' });
  });

  it('names what is missing in an XML document', async () => {
    const answer = await ask({ target: '/none/k' });
    expect(answer).toMatchObject({ status: 404, code: 'NoSuchBucket' });
    expect(answer.map.get('Content-Type')).toBe('application/xml');
    expect(answer.text).toContain('<BucketName>none</BucketName><Resource>/none/k</Resource>');
    expect(answer.text).toContain(`<RequestId>${answer.map.get('x-amz-request-id')}</RequestId>`);
  });

  it('for a bucket of another region, is told which', async () => {
    const document =
      '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>' +
      '</CreateBucketConfiguration>';
    await ask({ method: 'PUT', target: '/european' }, document);
    const to = gateway({ region: 'us-east-1' });
    const answer = await ask({ target: '/european' }, '', to);
    expect(answer).toMatchObject({ status: 301, code: 'PermanentRedirect' });
    expect(answer.map.get('x-amz-bucket-region')).toBe('eu-west-1');
    // Never to somebody else's server.
    expect(answer.text).toContain('<Endpoint>localhost:9878</Endpoint>');
    expect((await ask({ target: '/european?location' }, '', to)).status).toBe(200);
  });
});

describe('a server that fails', () => {
  it.each([
    [new StoreError('unavailable', 'disk gone'), 503, 'ServiceUnavailable', '5'],
    [new StoreError('corrupt', 'bad row'), 500, 'InternalError', undefined],
    [new TypeError('a bug'), 500, 'InternalError', undefined],
    [new S3Error('SlowDown'), 503, 'SlowDown', '1'],
  ])('says so without saying why, and logs why: %s', async (fault, status, code, retryAfter) => {
    const objects = Object.create(room.store) as typeof room.store;
    objects.list = () => {
      throw fault;
    };
    const answer = await ask({ target: '/bucket' }, '', gateway({ objects }));
    expect(answer).toMatchObject({ status, code });
    expect(answer.map.get('Retry-After')).toBe(retryAfter);
    expect(answer.text).not.toContain(fault.message === 'a bug' ? 'a bug' : 'disk gone');
    const logged = lines.find((line) => line.level === 'error');
    expect(logged?.fields).toMatchObject({ err: fault });
  });
});

describe('a client that goes away', () => {
  it('stops what runs: nothing becomes visible, and it is no fault of the server', async () => {
    const head = await signedHead({
      method: 'PUT',
      target: '/bucket/k',
      headers: { 'content-length': '1000000', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    });
    const to = gateway();
    const exchange = to.begin(head, idle);
    exchange.feed?.push(new Uint8Array(1000));
    exchange.cancel(new Error('gone'));
    exchange.cancel(new Error('gone again'));
    await exchange.response;
    exchange.finished({ bytesSent: 0, aborted: true });
    expect(lines.at(-1)?.fields).toMatchObject({ aborted: true, code: 'ClientDisconnected' });
    expect(lines.filter((line) => line.level === 'error')).toEqual([]);
    expect(to.stats().errors).toEqual(new Map([['ClientDisconnected', 1]]));
    expect((await ask({ target: '/bucket/k' })).code).toBe('NoSuchKey');
  });

  it('is told why when it was too slow', async () => {
    const head = await signedHead({
      method: 'PUT',
      target: '/bucket/k',
      headers: { 'content-length': '100', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    });
    const exchange = gateway().begin(head, idle);
    exchange.cancel(new S3Error('RequestTimeout'));
    expect(await answerOf(exchange)).toMatchObject({ status: 400, code: 'RequestTimeout' });
  });
});
