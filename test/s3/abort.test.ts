/**
 * Clients that leave in the middle: nothing they began becomes visible, what was there stays, and
 * the server holds nothing for them afterwards.
 */
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chunkedWire } from '../support/chunked-wire.ts';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { codeOf, RawConnection, type SignOptions, signHead } from '../support/raw-client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

const MIB = 1024 * 1024;
const Bucket = 'abort';
const SIZES = [5000, 300_000, 9 * MIB];

let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});
// The leak test of every test here.
afterEach(() => sluice.idle());

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const chunked = (size: number, wire: number): Record<string, string> => ({
  'content-length': String(wire),
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': String(size),
});

async function sign(options: Omit<SignOptions, 'port'>) {
  return signHead(sluice, { ...options, port: sluice.port });
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
  return Contents.map(({ Key = '' }) => Key);
}

/** Sends the head and this share of the body, waits, and is gone. */
async function leave(head: string, body: Uint8Array, share: number): Promise<void> {
  const connection = await RawConnection.open(sluice.port);
  await connection.write(head);
  await connection.write(body.subarray(0, Math.floor(body.length * share)));
  await sleep(50);
  connection.destroy();
}

describe('an upload whose client leaves', () => {
  it.each(SIZES.flatMap((size) => [0, 0.5, 0.9999].map((share) => [size, share] as const)))(
    'of %i bytes, after %d of it: no object, and an old one stays',
    async (size, share) => {
      const body = content(size);
      const headers = { 'content-length': String(size) };
      const fresh = `fresh-${size}-${share}`;
      await leave(
        (await sign({ method: 'PUT', path: `/${Bucket}/${fresh}`, headers })).text,
        body,
        share,
      );
      const old = { Bucket, Key: `old-${size}` };
      await client.send(new PutObjectCommand({ ...old, Body: 'what was there' }));
      await leave(
        (await sign({ method: 'PUT', path: `/${Bucket}/old-${size}`, headers })).text,
        body,
        share,
      );
      await sluice.idle();
      expect(await keys()).not.toContain(fresh);
      await expectS3Error(
        client.send(new GetObjectCommand({ Bucket, Key: fresh })),
        404,
        'NoSuchKey',
      );
      const got = await client.send(new GetObjectCommand(old));
      expect(await got.Body?.transformToString()).toBe('what was there');
    },
  );

  it('of signed chunks, one byte before its end', async () => {
    const payload = content(MIB);
    const path = `/${Bucket}/chunks`;
    const mode = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
    const wireBytes = chunkedWire(payload, { chunkBytes: 65_536, signer: DUMMY }).length;
    const head = await sign({
      method: 'PUT',
      path,
      payload: mode,
      headers: chunked(MIB, wireBytes),
    });
    const wire = chunkedWire(payload, { chunkBytes: 65_536, signer: head.signer });
    await leave(head.text, wire, (wire.length - 1) / wire.length);
    await sluice.idle();
    expect(await keys()).not.toContain('chunks');
    // The same, whole, is an object: it was the missing byte that mattered.
    const connection = await RawConnection.open(sluice.port);
    await connection.write(head.text);
    expect((await connection.request('PUT', wire)).status).toBe(200);
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'chunks' }));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(payload)).toBe(true);
    // And with one byte of one chunk changed it is not, and the connection is told why.
    const forged = await sign({
      method: 'PUT',
      path: `${path}2`,
      payload: mode,
      headers: chunked(MIB, wireBytes),
    });
    const again = chunkedWire(payload, { chunkBytes: 65_536, signer: forged.signer });
    again[100_000] = (again[100_000] ?? 0) ^ 1;
    await connection.write(forged.text);
    const refused = await connection.request('PUT', again);
    expect([refused.status, codeOf(refused)]).toEqual([403, 'SignatureDoesNotMatch']);
    expect(await keys()).not.toContain('chunks2');
    connection.destroy();
  });

  it('of a part: the upload has no such part', async () => {
    const Key = 'multipart';
    const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const query = { partNumber: '1', uploadId: UploadId };
    const headers = { 'content-length': String(8 * MIB) };
    const { text } = await sign({ method: 'PUT', path: `/${Bucket}/${Key}`, query, headers });
    await leave(text, content(8 * MIB), 0.7);
    await sluice.idle();
    const { Parts = [] } = await client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    expect(Parts).toEqual([]);
  });

  it('many at once, at any byte', { timeout: 60_000 }, async () => {
    const body = content(2 * MIB);
    const headers = { 'content-length': String(body.length) };
    const one = async (index: number): Promise<void> => {
      const { text } = await sign({ method: 'PUT', path: `/${Bucket}/many-${index}`, headers });
      await leave(text, body, ((index * 37) % 100) / 100);
    };
    await Promise.all(Array.from({ length: 100 }, (_, index) => one(index)));
    await sluice.idle();
    expect((await keys()).filter((key) => key.startsWith('many-'))).toEqual([]);
  });
});

describe('a download whose client leaves', () => {
  it.each(SIZES)('of %i bytes', async (size) => {
    const Key = `down-${size}`;
    await client.send(new PutObjectCommand({ Bucket, Key, Body: content(size) }));
    for (const readMs of [0, 5, 50]) {
      const connection = await RawConnection.open(sluice.port);
      if (readMs === 50) connection.socket.pause();
      await connection.write((await sign({ method: 'GET', path: `/${Bucket}/${Key}` })).text);
      await sleep(readMs);
      connection.destroy();
    }
    await sluice.idle();
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
    expect(bytes.equals(content(size))).toBe(true);
  });
});

/** Lengths on the wire do not depend on the signer. */
const DUMMY = { seed: '0'.repeat(64), signingKey: new Uint8Array(32), scope: 's', date: 'd' };
