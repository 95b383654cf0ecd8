/**
 * A crowd of encrypted uploads and copies over the smallest arena: sealing needs blocks beside
 * those of the bodies, and nobody may wait for somebody who waits for him.
 */
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';

const Bucket = 'crowd';
const KIB = 1024;
/** Packed ones with and without room for their tags, striped ones, and what stands in rows. */
const SIZES = [10, 100, 256, 300, 511, 512, 513, 700, 1024, 3000].map((kib) => kib * KIB);
const CLIENTS = 48;
const S3 = { ServerSideEncryption: 'AES256' } as const;
const KMS = { ServerSideEncryption: 'aws:kms' } as const;

let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({
    'arena-mib': '32',
    replication: 'rs-3-2-1024k',
    datanodes: '5',
  });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const bytesOf = async (Key: string): Promise<Buffer> => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};

it('all of it is stored, copied to another key, and read', { timeout: 120_000 }, async () => {
  const one = async (index: number): Promise<void> => {
    const size = SIZES[index % SIZES.length] ?? 0;
    const bytes = content(size, index);
    await client.send(new PutObjectCommand({ Bucket, Key: `put-${index}`, Body: bytes, ...S3 }));
    const copy = { Bucket, Key: `copy-${index}`, CopySource: `${Bucket}/put-${index}`, ...KMS };
    await client.send(new CopyObjectCommand(copy));
    for (const kind of ['put', 'copy']) {
      expect([index, kind, (await bytesOf(`${kind}-${index}`)).equals(bytes)]).toEqual([
        index,
        kind,
        true,
      ]);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => one(index)));
  await sluice.idle();
});

it('and is rebuilt from parity, under its seals, when shards are lost', async () => {
  for (const node of [1, 3]) {
    const shards = join(sluice.directory, `datanode-${node}`, 'shards');
    // Not removed: the server may hold some open.
    for (const entry of readdirSync(shards, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) truncateSync(join(entry.parentPath, entry.name));
    }
  }
  for (const [index, size] of SIZES.entries()) {
    const bytes = content(size, index);
    expect((await bytesOf(`copy-${index}`)).equals(bytes)).toBe(true);
    const Range = `bytes=${size >> 1}-${(size >> 1) + 100}`;
    const wanted = { Bucket, Key: `put-${index}`, Range };
    const { Body } = await client.send(new GetObjectCommand(wanted));
    const part = Buffer.from((await Body?.transformToByteArray()) ?? []);
    expect(part.equals(bytes.subarray(size >> 1, (size >> 1) + 101))).toBe(true);
  }
  expect(sluice.engine.chunks.stats().degradedReads).toBeGreaterThan(0);
  await sluice.idle();
});
