/**
 * A thousand idle connections, two hundred slow uploads and fifty readers that stopped reading:
 * the others do not notice, and each slow one still gets exactly what it came for.
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
import { RawConnection, signHead } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const MIB = 1024 * 1024;
const Bucket = 'slow';
const IDLE = 1000;
const SLOW_UPLOADS = 200;
const SLOW_READERS = 50;
/** Bodies that become packed and striped chunks: the two that hold blocks while they wait. */
const SLOW_SIZES = [300_000, 3 * MIB];
/** Far above what it takes alone, far below any of the bounds for slow clients. */
const OTHERS_MS = 10_000;

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

async function slowUpload(index: number): Promise<RawConnection> {
  const size = SLOW_SIZES[index % SLOW_SIZES.length] ?? 0;
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
  it('do not slow the others, and are served in the end', { timeout: 90_000 }, async () => {
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

    for (const [index, connection] of uploads.entries()) {
      const size = SLOW_SIZES[index % SLOW_SIZES.length] ?? 0;
      await connection.write(content(size, index).subarray(size / 2));
    }
    for (const [index, connection] of uploads.entries()) {
      expect((await connection.response('PUT')).status, `upload ${index}`).toBe(200);
    }
    for (const connection of readers) {
      connection.socket.resume();
      expect((await connection.response()).body.equals(content(12 * MIB))).toBe(true);
    }
    for (const index of [0, 1, SLOW_UPLOADS - 1]) {
      const got = await client.send(new GetObjectCommand({ Bucket, Key: `slow-${index}` }));
      const size = SLOW_SIZES[index % SLOW_SIZES.length] ?? 0;
      const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
      expect(bytes.equals(content(size, index))).toBe(true);
    }
    expect(server.logs()).toBe('');
  });
});
