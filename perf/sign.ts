/**
 * SigV4 for the load generator: small and fast, so that the generator's own cost stays out of the
 * figures. The server's verifier is tested against the AWS SDK's signer, not against this one.
 */
import { createHash, createHmac } from 'node:crypto';

export interface Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface Signed {
  readonly headers: Readonly<Record<string, string>>;
  readonly signature: string;
  readonly signingKey: Buffer;
  readonly scope: string;
  readonly date: string;
}

export const REGION = 'us-east-1';
const EMPTY_SHA256 = createHash('sha256').update('').digest('hex');

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();
const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');

const signingKeys = new Map<string, Buffer>();

function signingKey(keys: Keys, day: string): Buffer {
  const name = `${keys.secretKey}/${day}`;
  let key = signingKeys.get(name);
  if (key === undefined) {
    const dated = hmac(`AWS4${keys.secretKey}`, day);
    key = hmac(hmac(hmac(dated, REGION), 's3'), 'aws4_request');
    signingKeys.set(name, key);
  }
  return key;
}

/** Signs all of `headers` plus host, date and payload hash. `query` must be sorted and encoded. */
export function sign(
  keys: Keys,
  request: {
    readonly method: string;
    readonly host: string;
    readonly path: string;
    readonly query: string;
    readonly payloadHash: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Signed {
  const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = date.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    'x-amz-content-sha256': request.payloadHash,
    'x-amz-date': date,
  };
  const names = Object.keys(headers).toSorted();
  const lines = names.map((name) => `${name}:${headers[name] ?? ''}\n`).join('');
  const canonical = [
    request.method,
    request.path,
    request.query,
    lines,
    names.join(';'),
    request.payloadHash,
  ].join('\n');
  const scope = `${day}/${REGION}/s3/aws4_request`;
  const key = signingKey(keys, day);
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`).toString(
    'hex',
  );
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${keys.accessKey}/${scope},` +
    `SignedHeaders=${names.join(';')},Signature=${signature}`;
  return { headers, signature, signingKey: key, scope, date };
}

/** Hex SHA-256 of each chunk of `data`, once per payload. */
export function chunkHashes(data: Uint8Array, chunkBytes: number): readonly string[] {
  const hashes: string[] = [];
  for (let at = 0; at < data.length; at += chunkBytes) {
    hashes.push(sha256(data.subarray(at, at + chunkBytes)));
  }
  return hashes;
}

/** The body of a STREAMING-AWS4-HMAC-SHA256-PAYLOAD request, without copying the payload. */
export function signedChunks(
  data: Uint8Array,
  chunkBytes: number,
  hashes: readonly string[],
  signed: Signed,
): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let previous = signed.signature;
  const prefix = `AWS4-HMAC-SHA256-PAYLOAD\n${signed.date}\n${signed.scope}\n`;
  for (let index = 0; index <= hashes.length; index += 1) {
    const chunk = data.subarray(index * chunkBytes, (index + 1) * chunkBytes);
    const text = `${prefix}${previous}\n${EMPTY_SHA256}\n${hashes[index] ?? EMPTY_SHA256}`;
    previous = hmac(signed.signingKey, text).toString('hex');
    pieces.push(Buffer.from(`${chunk.length.toString(16)};chunk-signature=${previous}\r\n`));
    if (chunk.length > 0) pieces.push(chunk);
    pieces.push(CRLF);
  }
  return pieces;
}

const CRLF = Buffer.from('\r\n');

/** The body of a STREAMING-UNSIGNED-PAYLOAD-TRAILER request with one checksum trailer. */
export function unsignedTrailer(
  data: Uint8Array,
  chunkBytes: number,
  trailer: string,
): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += chunkBytes) {
    const chunk = data.subarray(at, at + chunkBytes);
    pieces.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, CRLF);
  }
  pieces.push(Buffer.from(`0\r\n${trailer}\r\n\r\n`));
  return pieces;
}
