/**
 * What every load has in common: where it goes, what a window of it measured, single requests in
 * passing, and doing the same thing on several connections at once.
 */
import { createHash } from 'node:crypto';
import { type Answer, Connection } from './connection.ts';
import { type Keys, sign } from './sign.ts';
import { percentile } from './spread.ts';

export interface Place {
  readonly port: number;
  readonly keys: Keys;
}

/** What one window of load did. */
export interface Window {
  /** Bytes, requests or keys: what the cost is divided by. */
  readonly units: number;
  readonly wallMs: number;
  /** Of one part, request or page, ms, in no order. */
  readonly latencies: readonly number[];
}

export interface Request {
  readonly method: string;
  readonly path: string;
  /** Sorted and encoded. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
}

export const hostOf = ({ port }: Place): string => `127.0.0.1:${port}`;

export function expectOk(answer: Answer, what: string): Answer {
  // CompleteMultipartUpload and copies may fail after they said 200.
  const failed = answer.status >= 300 || answer.bytes.includes('<Error>');
  if (failed) throw new Error(`${what}: ${answer.status} ${answer.bytes.toString()}`);
  return answer;
}

/** One signed request whose body, if any, is small text. Throws on an unexpected status. */
export async function ask(
  connection: Connection,
  place: Place,
  { method, path, query = '', headers = {}, text = '' }: Request,
): Promise<Answer> {
  const payloadHash = createHash('sha256').update(text).digest('hex');
  const unsigned = { method, host: hostOf(place), path, query, payloadHash, headers };
  const target = query === '' ? path : `${path}?${query}`;
  const body = text === '' ? [] : [Buffer.from(text)];
  const signed = sign(place.keys, unsigned);
  const answer = await connection.request(method, target, signed.headers, body, true);
  return expectOk(answer, `${method} ${target}`);
}

/** The same on a connection of its own. */
export async function askOnce(place: Place, request: Request): Promise<Answer> {
  const connection = await Connection.open(place.port);
  try {
    return await ask(connection, place, request);
  } finally {
    connection.close();
  }
}

/**
 * `count` calls of `one` over `connections` connections; each takes the next index as soon as it
 * is free. Connections are open before the clock starts.
 */
export async function inParallel(
  place: Place,
  connections: number,
  count: number,
  one: (connection: Connection, index: number) => Promise<number>,
): Promise<Window> {
  const opened: Connection[] = [];
  for (let at = 0; at < Math.min(connections, count); at += 1) {
    opened.push(await Connection.open(place.port));
  }
  const latencies: number[] = [];
  let [next, units] = [0, 0];
  const startedMs = performance.now();
  const worker = async (connection: Connection): Promise<void> => {
    for (let index = next; index < count; index = next) {
      next += 1;
      const sentMs = performance.now();
      const done = await one(connection, index);
      latencies.push(performance.now() - sentMs);
      units += done;
    }
  };
  try {
    await Promise.all(opened.map(worker));
    return { units, wallMs: performance.now() - startedMs, latencies };
  } finally {
    for (const connection of opened) connection.close();
  }
}

/** Percentiles of a window, ms. */
export function latencyOf({ latencies }: Window): { p50Ms: number; p99Ms: number } {
  const sorted = latencies.toSorted((left, right) => left - right);
  return { p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
}
