/**
 * Everything at once for a while: parts of multipart uploads, large and small GETs, small PUTs,
 * HEADs, deletes and listing pages, each kind by clients of its own. Latencies are kept per kind,
 * because one percentile over all of them would say nothing. Space used stays bounded: what was
 * written is overwritten or deleted again.
 */
import { randomBytes } from 'node:crypto';
import { completeUpload, createUpload, type Read, reads, singlePuts } from './bulk-load.ts';
import { Connection } from './connection.ts';
import { ask, expectOk, hostOf, type Place } from './load.ts';
import { prepare } from './payload.ts';
import { sign } from './sign.ts';
import { seed } from './small-load.ts';
import { percentile } from './spread.ts';

const MIB = 1024 * 1024;
const KEYS = 500;
const LARGE = 4;
const LARGE_BYTES = 32 * MIB;
const PART_BYTES = 8 * MIB;
const PARTS = 4;

export interface MixedOptions extends Place {
  readonly bucket: string;
  readonly seconds: number;
  /** Called every now and then. */
  readonly onTick?: (elapsedMs: number) => void;
}

export interface KindResult {
  readonly kind: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

type One = (connection: Connection, client: number, turn: number) => Promise<void>;

interface Kind {
  readonly name: string;
  readonly clients: number;
  readonly one: One;
}

const SAMPLES_MAX = 200_000;
/** A pause at the end of a run would miss its end; this often is often enough to look. */
const TICK_MS = 1000;

/** Fills the bucket with what the reading kinds ask for. */
export async function prepareMixed(options: MixedOptions): Promise<void> {
  const { bucket, port, keys } = options;
  const where = { port, keys, bucket };
  const small = { keyPrefix: 'mixed-', keyCount: KEYS, bodyBytes: 4096, connections: 16 };
  await seed({ ...where, ...small });
  const large = { streams: LARGE, bytes: LARGE_BYTES, count: LARGE, prefix: 'large-' };
  await singlePuts({ ...where, ...large });
}

function small(options: MixedOptions, method: 'GET' | 'HEAD' | 'PUT', prefix: string): One {
  const body = randomBytes(4096);
  const pieces = method === 'PUT' ? [body] : [];
  return async (connection, client, turn) => {
    const path = `/${options.bucket}/${prefix}${(client * 61 + turn * 7) % KEYS}`;
    const payloadHash = 'UNSIGNED-PAYLOAD';
    const request = { method, host: hostOf(options), path, query: '', payloadHash };
    const { headers } = sign(options.keys, request);
    expectOk(await connection.request(method, path, headers, pieces), `${method} ${path}`);
  };
}

/** An upload of four parts into a key that the same client overwrites the next time. */
function upload(options: MixedOptions): One {
  const part = prepare(randomBytes(PART_BYTES), 'signed-chunks');
  return async (connection, client) => {
    const path = `/${options.bucket}/upload-${client}`;
    const uploadId = await createUpload(connection, options, path);
    const etags: string[] = [];
    for (let number = 1; number <= PARTS; number += 1) {
      const query = `partNumber=${number}&uploadId=${uploadId}`;
      const { payloadHash, headers } = part;
      const host = hostOf(options);
      const request = { method: 'PUT', host, path, query, payloadHash, headers };
      const signed = sign(options.keys, request);
      const body = part.body(signed);
      const sent = await connection.request('PUT', `${path}?${query}`, signed.headers, body);
      etags.push(/\r\netag: *"?([0-9a-f]+)/i.exec(expectOk(sent, 'part').head)?.[1] ?? '');
    }
    await completeUpload(connection, options, path, uploadId, etags);
  };
}

function kindsOf(options: MixedOptions): readonly Kind[] {
  const { bucket } = options;
  const large = (at: number): Read => ({ path: `/${bucket}/large-${at}`, bytes: LARGE_BYTES });
  const churn = small(options, 'PUT', 'churn-');
  return [
    { name: 'upload of 4 × 8 MiB', clients: 2, one: upload(options) },
    {
      name: 'GET 32 MiB',
      clients: 2,
      one: async (_, client, turn) => {
        await reads({ ...options, streams: 1 }, [large((client + turn) % LARGE)]);
      },
    },
    { name: 'GET 4 KiB', clients: 8, one: small(options, 'GET', 'mixed-') },
    { name: 'HEAD', clients: 4, one: small(options, 'HEAD', 'mixed-') },
    { name: 'PUT 4 KiB', clients: 4, one: small(options, 'PUT', 'mixed-') },
    {
      name: 'PUT and DELETE 4 KiB',
      clients: 2,
      one: async (connection, client, turn) => {
        await churn(connection, client, turn);
        const path = `/${bucket}/churn-${(client * 61 + turn * 7) % KEYS}`;
        await ask(connection, options, { method: 'DELETE', path });
      },
    },
    {
      name: 'page of 100 keys',
      clients: 1,
      one: async (connection) => {
        const query = 'list-type=2&max-keys=100';
        await ask(connection, options, { method: 'GET', path: `/${bucket}`, query });
      },
    },
  ];
}

function resultOf(kind: string, count: number, latencies: readonly number[]): KindResult {
  const sorted = latencies.toSorted((left, right) => left - right);
  const [p50Ms, p99Ms, p999Ms] = [0.5, 0.99, 0.999].map((share) => percentile(sorted, share));
  const [a = Number.NaN, b = Number.NaN, c = Number.NaN] = [p50Ms, p99Ms, p999Ms];
  return { kind, count, p50Ms: a, p99Ms: b, p999Ms: c, maxMs: sorted.at(-1) ?? Number.NaN };
}

/** Runs all kinds for the time given. Throws at the first answer that is not as it must be. */
export async function mixedLoad(options: MixedOptions): Promise<readonly KindResult[]> {
  const startedMs = performance.now();
  const endMs = startedMs + options.seconds * 1000;
  const timer = setInterval(() => options.onTick?.(performance.now() - startedMs), TICK_MS);
  const runKind = async ({ name, clients, one }: Kind): Promise<KindResult> => {
    // A ring, so that an hour of samples costs no more memory than a minute.
    const latencies: number[] = [];
    let count = 0;
    const client = async (number: number): Promise<void> => {
      const connection = await Connection.open(options.port);
      for (let turn = 0; performance.now() < endMs; turn += 1) {
        const sentMs = performance.now();
        await one(connection, number, turn);
        latencies[count % SAMPLES_MAX] = performance.now() - sentMs;
        count += 1;
      }
      connection.close();
    };
    await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
    return resultOf(name, count, latencies);
  };
  try {
    return await Promise.all(kindsOf(options).map(runKind));
  } finally {
    clearInterval(timer);
  }
}
