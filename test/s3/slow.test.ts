/**
 * A thousand idle connections, two hundred slow uploads and fifty readers that stopped reading,
 * while others work. Slow ones get what they came for as long as memory suffices for all; when
 * it does not, they are told so, and the others go on.
 */
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { codeOf, RawConnection, signHead } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const MIB = 1024 * 1024;
const Bucket = 'slow';
const IDLE = 1000;
const SLOW_UPLOADS = 200;
const SLOW_READERS = 50;
/** Bodies that become packed and striped chunks: the two that hold blocks while they wait. */
const SLOW_SIZES = [300_000, 3 * MIB];
/** Far above what it takes alone, far below any of the bounds for slow clients. */
const OTHERS_MS = 20_000;

let server: SluiceProcess;
let client: S3Client;
const open: RawConnection[] = [];

beforeAll(async () => {
  server = await startSluice({ arguments: ['--log-level', 'warn'] });
  client = s3Client(server);
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'large', Body: content(12 * MIB) }));
});
afterAll(async () => {
  for (const connection of open) connection.destroy();
  client.destroy();
  await server.close();
});

async function connect(): Promise<RawConnection> {
  const connection = await RawConnection.open(server.port);
  open.push(connection);
  return connection;
}

async function signed(method: string, key: string, headers: Record<string, string> = {}) {
  const path = `/${Bucket}/${key}`;
  return (await signHead(server, { method, port: server.port, path, headers })).text;
}

function sizeOf(index: number): number {
  return SLOW_SIZES[index % SLOW_SIZES.length] ?? 0;
}

async function slowUpload(index: number): Promise<RawConnection> {
  const size = sizeOf(index);
  const connection = await connect();
  await connection.write(await signed('PUT', `slow-${index}`, { 'content-length': String(size) }));
  await connection.write(content(size, index).subarray(0, size / 2));
  return connection;
}

async function stoppedReader(): Promise<RawConnection> {
  const connection = await connect();
  connection.socket.pause();
  await connection.write(await signed('GET', 'large'));
  return connection;
}

describe('slow clients', () => {
  it('do not slow the others', { timeout: 90_000 }, async () => {
    await Promise.all(Array.from({ length: IDLE }, () => connect()));
    const numbers = Array.from({ length: SLOW_UPLOADS }, (_, index) => index);
    const uploads = await Promise.all(numbers.map(slowUpload));
    const readers = await Promise.all(Array.from({ length: SLOW_READERS }, stoppedReader));

    const startMs = Date.now();
    const other = async (index: number): Promise<void> => {
      const size = index % 10 === 0 ? 6 * MIB : 4096;
      const Key = `other-${index}`;
      await client.send(new PutObjectCommand({ Bucket, Key, Body: content(size, index) }));
      const got = await client.send(new GetObjectCommand({ Bucket, Key }));
      const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
      expect(bytes.equals(content(size, index))).toBe(true);
    };
    for (let from = 0; from < 100; from += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, index) => other(from + index)));
    }
    expect(Date.now() - startMs).toBeLessThan(OTHERS_MS);

    const stored: number[] = [];
    for (const [index, connection] of uploads.entries()) {
      const size = sizeOf(index);
      await connection.write(content(size, index).subarray(size / 2));
    }
    for (const [index, connection] of uploads.entries()) {
      const response = await connection.response('PUT');
      if (response.status === 200) stored.push(index);
      else expect([codeOf(response), sizeOf(index)]).toEqual(['RequestTimeout', 3 * MIB]);
    }
    // All that are packed, and as many of the striped ones as there is memory for.
    expect(stored.length).toBeGreaterThan(SLOW_UPLOADS / 2);
    let whole = 0;
    for (const connection of readers) {
      connection.socket.resume();
      const response = await connection.response().catch((error: Error) => error.message);
      if (typeof response === 'string') {
        expect(response).toMatch(/^closed/);
        continue;
      }
      expect(response.body.equals(content(12 * MIB))).toBe(true);
      whole += 1;
    }
    expect(whole).toBeGreaterThan(0);
    for (const index of [stored[0] ?? 0, stored.at(-1) ?? 0]) {
      const got = await client.send(new GetObjectCommand({ Bucket, Key: `slow-${index}` }));
      const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
      expect(bytes.equals(content(sizeOf(index), index))).toBe(true);
    }
    expect(server.logs()).not.toContain('"level":"error"');
  });
});
