/**
 * Bulk scenarios: multipart PUT and GET over raw sockets. The payload and its hashes are made
 * once; the generator's own work per byte is one socket write.
 */
import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Connection } from './connection.ts';
import { type Keys, chunkHashes, sign, signedChunks, unsignedTrailer } from './sign.ts';

export type PayloadMode = 'unsigned' | 'signed' | 'signed-chunks' | 'unsigned-trailer';

export interface BulkOptions {
  readonly port: number;
  readonly keys: Keys;
  readonly bucket: string;
  readonly streams: number;
  readonly mode: PayloadMode;
  readonly partBytes: number;
  readonly partsPerStream: number;
}

export interface BulkResult {
  readonly bytes: number;
  readonly wallMs: number;
  /** Of one part or one GET, ms, unsorted. */
  readonly latencies: readonly number[];
}

const CHUNK_BYTES = 64 * 1024;

interface PreparedPart {
  readonly payloadHash: string;
  readonly headers: Readonly<Record<string, string>>;
  body(signed: ReturnType<typeof sign>): readonly Uint8Array[];
}

function prepare(data: Uint8Array, mode: PayloadMode): PreparedPart {
  switch (mode) {
    case 'unsigned':
      return { payloadHash: 'UNSIGNED-PAYLOAD', headers: {}, body: () => [data] };
    case 'signed':
      return {
        payloadHash: createHash('sha256').update(data).digest('hex'),
        headers: {},
        body: () => [data],
      };
    case 'signed-chunks': {
      const hashes = chunkHashes(data, CHUNK_BYTES);
      return {
        payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        headers: {
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': String(data.length),
        },
        body: (signed) => signedChunks(data, CHUNK_BYTES, hashes, signed),
      };
    }
    case 'unsigned-trailer': {
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32BE(crc32(data));
      const pieces = unsignedTrailer(
        data,
        CHUNK_BYTES,
        `x-amz-checksum-crc32:${checksum.toString('base64')}`,
      );
      return {
        payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: {
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': String(data.length),
          'x-amz-trailer': 'x-amz-checksum-crc32',
        },
        body: () => pieces,
      };
    }
  }
}

/** One signed request whose body, if any, is small text. Throws on an unexpected status. */
export async function call(
  connection: Connection,
  options: Pick<BulkOptions, 'port' | 'keys'>,
  method: string,
  path: string,
  query = '',
  text = '',
): Promise<string> {
  const signed = sign(options.keys, {
    method,
    host: `127.0.0.1:${options.port}`,
    path,
    query,
    payloadHash: createHash('sha256').update(text).digest('hex'),
  });
  const target = query === '' ? path : `${path}?${query}`;
  const body = text === '' ? [] : [Buffer.from(text)];
  const answer = await connection.request(method, target, signed.headers, body, true);
  if (answer.status >= 300)
    throw new Error(`${method} ${target}: ${answer.status} ${answer.bytes.toString()}`);
  return answer.bytes.toString();
}

async function uploadStream(
  options: BulkOptions,
  stream: number,
  part: PreparedPart,
  latencies: number[],
): Promise<void> {
  const connection = await Connection.open(options.port);
  const path = `/${options.bucket}/object-${stream}`;
  const created = await call(connection, options, 'POST', path, 'uploads=');
  const uploadId = /<UploadId>([^<]+)</.exec(created)?.[1] ?? '';
  const etags: string[] = [];
  for (let number = 1; number <= options.partsPerStream; number += 1) {
    const query = `partNumber=${number}&uploadId=${encodeURIComponent(uploadId)}`;
    const startedMs = performance.now();
    const signed = sign(options.keys, {
      method: 'PUT',
      host: `127.0.0.1:${options.port}`,
      path,
      query,
      payloadHash: part.payloadHash,
      headers: part.headers,
    });
    const answer = await connection.request(
      'PUT',
      `${path}?${query}`,
      signed.headers,
      part.body(signed),
    );
    if (answer.status !== 200) throw new Error(`part: ${answer.status} ${answer.bytes.toString()}`);
    latencies.push(performance.now() - startedMs);
    etags.push(/\r\netag: *"?([0-9a-f]+)/i.exec(answer.head)?.[1] ?? '');
  }
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`,
  );
  const xml = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  const done = await call(
    connection,
    options,
    'POST',
    path,
    `uploadId=${encodeURIComponent(uploadId)}`,
    xml,
  );
  if (!done.includes('<ETag>')) throw new Error(`complete: ${done}`);
  connection.close();
}

export async function multipartPut(options: BulkOptions): Promise<BulkResult> {
  const part = prepare(randomBytes(options.partBytes), options.mode);
  const latencies: number[] = [];
  const startedMs = performance.now();
  const streams = Array.from({ length: options.streams }, (_, stream) =>
    uploadStream(options, stream, part, latencies),
  );
  await Promise.all(streams);
  return {
    bytes: options.streams * options.partsPerStream * options.partBytes,
    wallMs: performance.now() - startedMs,
    latencies,
  };
}

/** Whole-object GETs of what `multipartPut` stored, one connection a stream. */
export async function bulkGet(options: BulkOptions): Promise<BulkResult> {
  const latencies: number[] = [];
  let bytes = 0;
  const startedMs = performance.now();
  const readers = Array.from({ length: options.streams }, async (_, stream) => {
    const connection = await Connection.open(options.port);
    const path = `/${options.bucket}/object-${stream}`;
    const signed = sign(options.keys, {
      method: 'GET',
      host: `127.0.0.1:${options.port}`,
      path,
      query: '',
      payloadHash: 'UNSIGNED-PAYLOAD',
    });
    const sentMs = performance.now();
    const answer = await connection.request('GET', path, signed.headers);
    if (answer.status !== 200) throw new Error(`get: ${answer.status} ${answer.bytes.toString()}`);
    latencies.push(performance.now() - sentMs);
    bytes += answer.bodyBytes;
    connection.close();
  });
  await Promise.all(readers);
  return { bytes, wallMs: performance.now() - startedMs, latencies };
}
