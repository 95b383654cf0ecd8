/**
 * Bulk load: multipart PUT, single PUT of any size, GET of whole objects and of ranges, over raw
 * sockets. The payload and its hashes are made once; the generator's own work per byte is one
 * socket write.
 */
import { randomBytes } from 'node:crypto';
import { Connection } from './connection.ts';
import { ask, expectOk, hostOf, inParallel, type Window } from './load.ts';
import { type Payload, type PayloadMode, prepare } from './payload.ts';
import { type Keys, sign } from './sign.ts';

export type { PayloadMode } from './payload.ts';

export interface BulkOptions {
  readonly port: number;
  readonly keys: Keys;
  readonly bucket: string;
  readonly streams: number;
  readonly mode: PayloadMode;
  readonly partBytes: number;
  readonly partsPerStream: number;
}

export interface BulkResult extends Window {
  readonly bytes: number;
}

type Where = Pick<BulkOptions, 'port' | 'keys' | 'bucket'>;

/** One signed request whose body, if any, is small text. Throws on an unexpected status. */
export async function call(
  connection: Connection,
  options: Pick<BulkOptions, 'port' | 'keys'>,
  method: string,
  path: string,
  query = '',
  text = '',
): Promise<string> {
  return (await ask(connection, options, { method, path, query, text })).bytes.toString();
}

const etagOf = (head: string): string => /\r\netag: *"?([0-9a-f-]+)/i.exec(head)?.[1] ?? '';

/** PUT of one payload; the ETag. */
async function send(
  connection: Connection,
  where: Where,
  path: string,
  query: string,
  { payloadHash, headers, body }: Payload,
): Promise<string> {
  const host = hostOf(where);
  const signed = sign(where.keys, { method: 'PUT', host, path, query, payloadHash, headers });
  const target = query === '' ? path : `${path}?${query}`;
  const answer = await connection.request('PUT', target, signed.headers, body(signed));
  return etagOf(expectOk(answer, `PUT ${target}`).head);
}

/** The upload id. */
export async function createUpload(
  connection: Connection,
  where: Where,
  path: string,
): Promise<string> {
  const created = await call(connection, where, 'POST', path, 'uploads=');
  const id = /<UploadId>([^<]+)</.exec(created)?.[1];
  if (id === undefined) throw new Error(`no upload id: ${created}`);
  return encodeURIComponent(id);
}

export async function completeUpload(
  connection: Connection,
  where: Where,
  path: string,
  uploadId: string,
  etags: readonly string[],
): Promise<void> {
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`,
  );
  const xml = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  const done = await call(connection, where, 'POST', path, `uploadId=${uploadId}`, xml);
  if (!done.includes('<ETag>')) throw new Error(`complete: ${done}`);
}

async function uploadStream(
  options: BulkOptions,
  stream: number,
  part: Payload,
  latencies: number[],
): Promise<void> {
  const connection = await Connection.open(options.port);
  const path = `/${options.bucket}/object-${stream}`;
  const uploadId = await createUpload(connection, options, path);
  const etags: string[] = [];
  for (let number = 1; number <= options.partsPerStream; number += 1) {
    const query = `partNumber=${number}&uploadId=${uploadId}`;
    const startedMs = performance.now();
    etags.push(await send(connection, options, path, query, part));
    latencies.push(performance.now() - startedMs);
  }
  await completeUpload(connection, options, path, uploadId, etags);
  connection.close();
}

/** One object a stream, `object-0` and so on, each uploaded part by part. */
export async function multipartPut(options: BulkOptions): Promise<BulkResult> {
  const part = prepare(randomBytes(options.partBytes), options.mode);
  const latencies: number[] = [];
  const startedMs = performance.now();
  const streams = Array.from({ length: options.streams }, (_, stream) =>
    uploadStream(options, stream, part, latencies),
  );
  await Promise.all(streams);
  const bytes = options.streams * options.partsPerStream * options.partBytes;
  return { bytes, units: bytes, wallMs: performance.now() - startedMs, latencies };
}

const PIECE_BYTES = 16 * 1024 * 1024;

/** Objects of `bytes` by one PUT each, over `streams` connections. Keys: prefix and number. */
export async function singlePuts(
  options: Where & {
    readonly streams: number;
    readonly bytes: number;
    readonly count: number;
    readonly prefix: string;
    readonly mode?: PayloadMode;
  },
): Promise<Window> {
  const { bytes, mode = 'unsigned' } = options;
  const piece = randomBytes(Math.min(bytes, PIECE_BYTES));
  // Longer than one piece: the same memory again and again, which only an unsigned body can be.
  if (bytes > piece.length && mode !== 'unsigned') throw new Error(`${bytes} bytes: unsigned only`);
  const whole = Array.from({ length: Math.floor(bytes / piece.length) }, () => piece);
  const tail = piece.subarray(0, bytes % piece.length);
  const body = tail.length === 0 ? whole : [...whole, tail];
  const payload = mode === 'unsigned' ? { ...prepare(piece, mode), body: () => body } : undefined;
  const prepared = payload ?? prepare(piece, mode);
  return inParallel(options, options.streams, options.count, async (connection, index) => {
    await send(connection, options, `/${options.bucket}/${options.prefix}${index}`, '', prepared);
    return bytes;
  });
}

export interface Read {
  readonly path: string;
  /** First and last byte. */
  readonly range?: readonly [number, number];
  /** How many bytes must come. */
  readonly bytes: number;
}

/** GETs over `streams` connections. Throws when an answer is not what was asked for. */
export async function reads(
  options: Where & { readonly streams: number },
  list: readonly Read[],
): Promise<Window> {
  const host = hostOf(options);
  return inParallel(options, options.streams, list.length, async (connection, index) => {
    const { path, range, bytes } = list[index] as Read;
    const headers = range === undefined ? {} : { range: `bytes=${range[0]}-${range[1]}` };
    const payloadHash = 'UNSIGNED-PAYLOAD';
    const unsigned = { method: 'GET', host, path, query: '', payloadHash, headers };
    const signed = sign(options.keys, unsigned);
    const answer = expectOk(await connection.request('GET', path, signed.headers), `GET ${path}`);
    if (answer.bodyBytes !== bytes) throw new Error(`GET ${path}: ${answer.bodyBytes} bytes`);
    if (answer.status !== (range === undefined ? 200 : 206)) throw new Error(`GET ${path}: status`);
    return answer.bodyBytes;
  });
}

/** Whole-object reads of what `multipartPut` stored. */
export function bulkGetPaths(bucket: string, streams: number, bytes: number): readonly Read[] {
  return Array.from({ length: streams }, (_, at) => ({ path: `/${bucket}/object-${at}`, bytes }));
}
