/**
 * One request in every form that credentials come in: as bytes for the wire, good or with a wrong
 * signature. The signers are readings of the documentation of their own.
 */
import { createHash, createHmac } from 'node:crypto';
import { chunkedWire, signingKey } from './chunked-wire.ts';
import type { Keys } from './raw-client.ts';
import { canonical, signV4aHeaders, signV4aQuery } from './sigv4a.ts';

export const AUTH_FORMS = [
  'header',
  'query',
  'chunked',
  'v2-header',
  'v2-query',
  'v4a-header',
  'v4a-query',
  'anonymous',
] as const;
export type AuthForm = (typeof AUTH_FORMS)[number];

export interface PlainRequest {
  readonly method: string;
  /** Percent-encoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

type Strings = Readonly<Record<string, string>>;

const HOST = 'localhost';
const encode = (text: string): string => encodeURIComponent(text).replaceAll("'", '%27');
const queryText = (query: Strings): string =>
  Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const now = (): string => new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '');

function wire({ method, path }: PlainRequest, query: string, headers: Strings, body: Uint8Array) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const target = query === '' ? path : `${path}?${query}`;
  const head = `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** The signature of version 4 over a canonical request. */
function v4(keys: Keys, date: string, text: string): string {
  const day = date.slice(0, 8);
  const scope = `${day}/us-east-1/s3/aws4_request`;
  const key = signingKey(keys.secretKey, day, 'us-east-1');
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(text)}`;
  return createHmac('sha256', key).update(toSign).digest('hex');
}

const credentialOf = (keys: Keys, date: string): string =>
  `${keys.accessKey}/${date.slice(0, 8)}/us-east-1/s3/aws4_request`;

function v4Headers(keys: Keys, request: PlainRequest, payloadHash: string, more: Strings) {
  const date = now();
  const headers = {
    ...request.headers,
    ...more,
    host: HOST,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': date,
  };
  const [text, names] = canonical({ ...request, payloadHash }, headers, request.query);
  const seed = v4(keys, date, text);
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentialOf(keys, date)}, SignedHeaders=${names}, Signature=${seed}`;
  return { headers: { ...headers, authorization }, seed, date };
}

function v4Query(keys: Keys, request: PlainRequest): Strings {
  const date = now();
  const signed = { ...request.headers, host: HOST };
  const query = {
    ...request.query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': credentialOf(keys, date),
    'X-Amz-Date': date,
    'X-Amz-Expires': '60',
    'X-Amz-SignedHeaders': Object.keys(signed).toSorted().join(';'),
  };
  const [text] = canonical(request, signed, query);
  return { ...query, 'X-Amz-Signature': v4(keys, date, text) };
}

/** `signed`: the parameters that version 2 signs. */
function v2(keys: Keys, request: PlainRequest, date: string): string {
  const { method, path, query, headers } = request;
  const unsigned = new Set(['list-type', 'id']);
  const names = Object.keys(query).filter((name) => !unsigned.has(name));
  const pairs = names.toSorted().map((name) => `${name}=${query[name]}`);
  const resource = pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
  const amz = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-amz-'))
    .toSorted()
    .map(([name, value]) => `${name}:${value}\n`)
    .join('');
  const md5 = headers['content-md5'] ?? '';
  const type = headers['content-type'] ?? '';
  const text = `${method}\n${md5}\n${type}\n${date}\n${amz}${resource}`;
  return createHmac('sha1', keys.secretKey).update(text).digest('base64');
}

export function requestIn(form: AuthForm, keys: Keys, request: PlainRequest): Buffer {
  const body = Buffer.from(request.body);
  const length: Strings = body.length === 0 ? {} : { 'content-length': String(body.length) };
  const plain: Strings = { ...request.headers, ...length, host: HOST };
  const asked = { ...request, headers: { ...request.headers, ...length } };
  const { accessKey } = keys;
  switch (form) {
    case 'anonymous':
      return wire(request, queryText(request.query), plain, body);
    case 'header': {
      const { headers } = v4Headers(keys, asked, sha256(request.body), {});
      return wire(request, queryText(request.query), headers, body);
    }
    case 'query':
      return wire(request, queryText(v4Query(keys, asked)), plain, body);
    case 'chunked':
      return chunked(keys, request);
    case 'v2-header': {
      const date = new Date().toUTCString();
      const authorization = `AWS ${accessKey}:${v2(keys, request, date)}`;
      return wire(request, queryText(request.query), { ...plain, date, authorization }, body);
    }
    case 'v2-query': {
      const Expires = String(Math.floor(Date.now() / 1000) + 60);
      const Signature = v2(keys, request, Expires);
      const query = { ...request.query, AWSAccessKeyId: accessKey, Expires, Signature };
      return wire(request, queryText(query), plain, body);
    }
    case 'v4a-header': {
      const payloadHash = sha256(request.body);
      const headers = signV4aHeaders({ ...asked, ...keys, headers: plain, payloadHash });
      return wire(request, queryText(request.query), headers, body);
    }
    case 'v4a-query':
      return wire(request, signV4aQuery({ ...asked, ...keys, headers: plain }), plain, body);
  }
}

const MODE = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';

function chunked(keys: Keys, request: PlainRequest): Buffer {
  const payload = Buffer.from(request.body);
  const sign = (seed: string, date: string): Buffer => {
    const day = date.slice(0, 8);
    const key = signingKey(keys.secretKey, day, 'us-east-1');
    const scope = `${day}/us-east-1/s3/aws4_request`;
    const signer = { seed, signingKey: key, scope, date };
    return chunkedWire(payload, { chunkBytes: 65_536, signer });
  };
  // Signatures have one length: the wire's does not depend on what they are.
  const length = String(sign('0'.repeat(64), '20000101T000000Z').length);
  const { headers, seed, date } = v4Headers(keys, request, MODE, {
    'content-length': length,
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(payload.length),
  });
  return wire(request, queryText(request.query), headers, sign(seed, date));
}
