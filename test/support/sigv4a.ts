/**
 * A signer of SigV4A made from the documentation, for tests: its key derivation works on bytes
 * where the server's works on one big number, and it signs with the private half.
 */
import { createHash, createHmac, createPrivateKey, createECDH, sign } from 'node:crypto';

const ALGORITHM = 'AWS4-ECDSA-P256-SHA256';
const ORDER_LESS_TWO = Buffer.from(
  'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f',
  'hex',
);

export function derivePrivate(accessKey: string, secretKey: string): Buffer {
  for (let counter = 1; counter < 255; counter += 1) {
    const key = createHmac('sha256', `AWS4A${secretKey}`)
      .update(Buffer.from('00000001', 'hex'))
      .update(`${ALGORITHM}\0${accessKey}`)
      .update(Buffer.from([counter, 0, 0, 1, 0]))
      .digest();
    if (Buffer.compare(key, ORDER_LESS_TWO) > 0) continue;
    for (let at = key.length - 1; at >= 0; at -= 1) {
      const byte = (key[at] ?? 0) + 1;
      key[at] = byte;
      if (byte < 256) break;
    }
    return key;
  }
  throw new Error('no key');
}

export function ecdsa(accessKey: string, secretKey: string, text: string): string {
  const d = derivePrivate(accessKey, secretKey);
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(d);
  const point = pair.getPublicKey();
  const text64 = (bytes: Buffer): string => bytes.toString('base64url');
  const key = createPrivateKey({
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: text64(point.subarray(1, 33)),
      y: text64(point.subarray(33)),
      d: text64(d),
    },
    format: 'jwk',
  });
  return sign('sha256', Buffer.from(text), key).toString('hex');
}

export interface V4aRequest {
  readonly method: string;
  /** Percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Lower-case names; `host` among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly regionSet?: string;
  readonly payloadHash?: string;
  readonly atMs?: number;
  readonly service?: string;
}

const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );

export function canonical(
  wanted: Pick<V4aRequest, 'method' | 'path' | 'payloadHash'>,
  headers: Readonly<Record<string, string>>,
  query: Readonly<Record<string, string>>,
): [string, string] {
  const names = Object.keys(headers).toSorted();
  const pairs = Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted();
  const text = [
    wanted.method,
    wanted.path,
    pairs.join('&'),
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    wanted.payloadHash ?? 'UNSIGNED-PAYLOAD',
  ].join('\n');
  return [text, names.join(';')];
}

function signed(wanted: V4aRequest, date: string, text: string): string {
  const { service = 's3', accessKey, secretKey } = wanted;
  const hash = createHash('sha256').update(text).digest('hex');
  const scope = `${date.slice(0, 8)}/${service}/aws4_request`;
  return ecdsa(accessKey, secretKey, `${ALGORITHM}\n${date}\n${scope}\n${hash}`);
}

function dateOf({ atMs = Date.now() }: V4aRequest): string {
  return new Date(atMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}

/** All headers, signed. */
export function signV4aHeaders(wanted: V4aRequest): Record<string, string> {
  const { service = 's3', accessKey, regionSet = '*', payloadHash = 'UNSIGNED-PAYLOAD' } = wanted;
  const date = dateOf(wanted);
  const headers = {
    ...wanted.headers,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': date,
    'x-amz-region-set': regionSet,
  };
  const [text, names] = canonical(wanted, headers, wanted.query ?? {});
  const credential = `${accessKey}/${date.slice(0, 8)}/${service}/aws4_request`;
  const signature = signed(wanted, date, text);
  const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...headers, authorization };
}

/** The query of a presigned request. */
export function signV4aQuery(wanted: V4aRequest, expires = 60): string {
  const { service = 's3', accessKey, regionSet = '*' } = wanted;
  const date = dateOf(wanted);
  const query = {
    ...wanted.query,
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${accessKey}/${date.slice(0, 8)}/${service}/aws4_request`,
    'X-Amz-Date': date,
    'X-Amz-Expires': String(expires),
    'X-Amz-Region-Set': regionSet,
    'X-Amz-SignedHeaders': Object.keys(wanted.headers).toSorted().join(';'),
  };
  const [text] = canonical(wanted, wanted.headers, query);
  const all = { ...query, 'X-Amz-Signature': signed(wanted, date, text) };
  return Object.entries(all)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
}
