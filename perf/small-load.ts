/**
 * Small requests: PUT, GET and HEAD by many connections. Requests are signed before the clock
 * starts (a signature is good for fifteen minutes), so that the generator's work per request is one
 * write and one read. `cannonLoad` does the same by autocannon, as a check from outside.
 */
import { createHash, randomBytes } from 'node:crypto';
import autocannon from 'autocannon';
import { headOf } from './connection.ts';
import { hostOf, type Place, inParallel, type Window } from './load.ts';
import { sign } from './sign.ts';

export interface SmallOptions extends Place {
  readonly bucket: string;
  readonly method: 'PUT' | 'GET' | 'HEAD';
  readonly keyPrefix: string;
  /** Keys are taken round and round. */
  readonly keyCount: number;
  /** The number of the first key; 0 by default. */
  readonly keyFirst?: number;
  readonly bodyBytes: number;
  readonly connections: number;
  readonly expectStatus: number;
}

const UNSIGNED = 'UNSIGNED-PAYLOAD';

/** The head of a request, signed; signing by a key that was used today costs some 20 µs. */
function signedHead(options: SmallOptions, index: number, hash: string, bytes: number): string {
  const { method, bucket, keyPrefix, keyCount, keyFirst = 0 } = options;
  const path = `/${bucket}/${keyPrefix}${keyFirst + (index % keyCount)}`;
  const request = { method, host: hostOf(options), path, query: '', payloadHash: hash };
  return headOf(method, path, sign(options.keys, request).headers, bytes);
}

/** What was asked for, ready to be sent. A PUT's body is signed as a whole, as the SDKs do. */
export function smallRequests(options: SmallOptions, count: number): () => Promise<Window> {
  const withBody = options.method === 'PUT';
  const body = withBody ? randomBytes(options.bodyBytes) : Buffer.alloc(0);
  const hash = withBody ? createHash('sha256').update(body).digest('hex') : UNSIGNED;
  const distinct = Math.min(count, options.keyCount);
  const heads = Array.from({ length: distinct }, (_, index) =>
    Buffer.from(signedHead(options, index, hash, body.length), 'latin1'),
  );
  const pieces = withBody ? [body] : [];
  const bodiless = options.method === 'HEAD';
  return () =>
    inParallel(options, options.connections, count, async (connection, index) => {
      const head = heads[index % distinct] as Buffer;
      const { status } = await connection.exchange(head, pieces, { bodiless });
      if (status !== options.expectStatus) throw new Error(`${options.method}: ${status}`);
      return 1;
    });
}

/** Puts the keys that the reading loads ask for, signing while it goes. */
export function seed(options: Omit<SmallOptions, 'method' | 'expectStatus'>): Promise<Window> {
  const body = randomBytes(options.bodyBytes);
  const all: SmallOptions = { ...options, method: 'PUT', expectStatus: 200 };
  return inParallel(options, options.connections, options.keyCount, async (connection, index) => {
    const head = signedHead(all, index, UNSIGNED, body.length);
    const answer = await connection.exchange(head, body.length === 0 ? [] : [body]);
    if (answer.status !== 200) throw new Error(`seed: ${answer.status} ${answer.bytes.toString()}`);
    return 1;
  });
}

/** The same by autocannon, signing while it goes. Not HEAD: it waits for the promised body. */
export async function cannonLoad(options: SmallOptions, count: number): Promise<Window> {
  const body = randomBytes(options.bodyBytes);
  const withBody = options.method === 'PUT';
  const host = hostOf(options);
  let counter = 0;
  const setupRequest = (request: autocannon.Request): autocannon.Request => {
    const path = `/${options.bucket}/${options.keyPrefix}${counter % options.keyCount}`;
    counter += 1;
    const { method } = options;
    const unsigned = { method, host, path, query: '', payloadHash: UNSIGNED };
    const { headers } = sign(options.keys, unsigned);
    return { ...request, method, path, headers: { ...headers }, ...(withBody ? { body } : {}) };
  };
  const latencies: number[] = [];
  const startedMs = performance.now();
  const { connections } = options;
  const load = { url: `http://${host}`, connections, amount: count, requests: [{ setupRequest }] };
  await new Promise<void>((resolve, reject) => {
    const running = autocannon(load, (error: unknown) => {
      if (error instanceof Error) reject(error);
      else resolve();
    });
    running.on('response', (_, status, __, ms) => {
      if (status === options.expectStatus) latencies.push(ms);
    });
  });
  const wallMs = performance.now() - startedMs;
  if (latencies.length !== count) throw new Error(`autocannon: ${count - latencies.length} failed`);
  return { units: count, wallMs, latencies };
}
