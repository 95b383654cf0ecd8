/** Small-object scenarios by autocannon: 4 KiB PUT, GET, HEAD and a 404, each request signed. */
import { createHash, randomBytes } from 'node:crypto';
import autocannon from 'autocannon';
import { Connection } from './connection.ts';
import { percentile } from './report.ts';
import { type Keys, sign } from './sign.ts';

export interface SmallOptions {
  readonly port: number;
  readonly keys: Keys;
  readonly bucket: string;
  readonly method: 'PUT' | 'GET' | 'HEAD';
  readonly keyPrefix: string;
  readonly keyCount: number;
  readonly bodyBytes: number;
  readonly connections: number;
  readonly seconds: number;
  readonly expectStatus: number;
}

export interface SmallResult {
  readonly requests: number;
  readonly wallMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly unexpected: number;
}

/** Puts the keys that the reading scenarios ask for. Throws unless all are stored. */
export async function seed(
  options: Pick<SmallOptions, 'port' | 'keys' | 'bucket' | 'keyPrefix' | 'keyCount' | 'bodyBytes'>,
): Promise<void> {
  const body = randomBytes(options.bodyBytes);
  let next = 0;
  const writers = Array.from({ length: 16 }, async () => {
    const connection = await Connection.open(options.port);
    for (let number = next; number < options.keyCount; number = next) {
      next += 1;
      const path = `/${options.bucket}/${options.keyPrefix}${number}`;
      const signed = sign(options.keys, {
        method: 'PUT',
        host: `127.0.0.1:${options.port}`,
        path,
        query: '',
        payloadHash: 'UNSIGNED-PAYLOAD',
      });
      const answer = await connection.request('PUT', path, signed.headers, [body]);
      if (answer.status !== 200) throw new Error(`seed: ${answer.status}`);
    }
    connection.close();
  });
  await Promise.all(writers);
}

export function smallLoad(options: SmallOptions): Promise<SmallResult> {
  // autocannon waits for the body that the Content-Length of an answer to HEAD promises.
  return options.method === 'HEAD' ? headLoad(options) : cannonLoad(options);
}

async function headLoad(options: SmallOptions): Promise<SmallResult> {
  const host = `127.0.0.1:${options.port}`;
  const latencies: number[] = [];
  let unexpected = 0;
  let counter = 0;
  const startedMs = performance.now();
  const endMs = startedMs + options.seconds * 1000;
  const readers = Array.from({ length: options.connections }, async () => {
    const connection = await Connection.open(options.port);
    while (performance.now() < endMs) {
      const path = `/${options.bucket}/${options.keyPrefix}${counter % options.keyCount}`;
      counter += 1;
      const payloadHash = 'UNSIGNED-PAYLOAD';
      const signed = sign(options.keys, { method: 'HEAD', host, path, query: '', payloadHash });
      const sentMs = performance.now();
      const answer = await connection.request('HEAD', path, signed.headers);
      latencies.push(performance.now() - sentMs);
      if (answer.status !== options.expectStatus) unexpected += 1;
    }
    connection.close();
  });
  await Promise.all(readers);
  return {
    requests: latencies.length,
    wallMs: performance.now() - startedMs,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    unexpected,
  };
}

async function cannonLoad(options: SmallOptions): Promise<SmallResult> {
  const body = randomBytes(options.bodyBytes);
  const withBody = options.method === 'PUT';
  const payloadHash = createHash('sha256')
    .update(withBody ? body : '')
    .digest('hex');
  const host = `127.0.0.1:${options.port}`;
  let counter = 0;
  const startedMs = performance.now();
  const result = await autocannon({
    url: `http://${host}`,
    connections: options.connections,
    duration: options.seconds,
    requests: [
      {
        setupRequest: (request) => {
          const path = `/${options.bucket}/${options.keyPrefix}${counter % options.keyCount}`;
          counter += 1;
          const signed = sign(options.keys, {
            method: options.method,
            host,
            path,
            query: '',
            payloadHash,
          });
          return {
            ...request,
            method: options.method,
            path,
            headers: { ...signed.headers },
            ...(withBody ? { body } : {}),
          };
        },
      },
    ],
  });
  const statuses = result.statusCodeStats as Record<string, { count: number }>;
  const expected = statuses[String(options.expectStatus)]?.count ?? 0;
  return {
    requests: result.requests.total,
    wallMs: performance.now() - startedMs,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    unexpected: result.requests.total - expected + result.errors,
  };
}
