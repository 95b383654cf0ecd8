/** A datanode's folder deleted or damaged, under a running server and over a restart: no answer changes. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const Bucket = 'lost-datanode';
const SIZES = [100, 20 * KIB, 300 * KIB, MIB + 1, 3 * MIB + 77];

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Answers {
  readonly keys: readonly string[];
  readonly digests: readonly string[];
  readonly ranges: readonly string[];
}

const LAYOUTS = [
  { replication: 'xor-2-1-1024k', datanodes: 3, losses: 1 },
  { replication: 'rs-3-2-1024k', datanodes: 5, losses: 2 },
];

describe.each(LAYOUTS)('$replication', ({ replication, datanodes, losses }) => {
  let directory: string;
  let server: SluiceProcess;
  let client: S3Client;

  const start = async (): Promise<void> => {
    const words = ['--replication', replication, '--datanodes', String(datanodes)];
    server = await startSluice({ directory, arguments: words });
    client = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    });
  };
  const stop = async (): Promise<void> => {
    client.destroy();
    await server.close();
  };
  const folder = (node: number): string => join(directory, `datanode-${node}`);

  const answers = async (): Promise<Answers> => {
    const listed = await client.send(new ListObjectsV2Command({ Bucket }));
    const keys = (listed.Contents ?? []).map((one) => one.Key ?? '');
    const digests: string[] = [];
    const ranges: string[] = [];
    for (const Key of keys) {
      const whole = await client.send(new GetObjectCommand({ Bucket, Key }));
      digests.push(digest((await whole.Body?.transformToByteArray()) ?? new Uint8Array()));
      const part = await client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=77-99' }));
      ranges.push(digest((await part.Body?.transformToByteArray()) ?? new Uint8Array()));
    }
    return { keys, digests, ranges };
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-lost-'));
    await start();
    await client.send(new CreateBucketCommand({ Bucket }));
    for (const size of SIZES) {
      const Body = randomBytes(size);
      await client.send(new PutObjectCommand({ Bucket, Key: `put/${size}`, Body }));
    }
    const params = { Bucket, Key: 'parts', Body: randomBytes(13 * MIB) };
    await new Upload({ client, partSize: 5 * MIB, params }).done();
  });
  afterEach(async () => {
    await stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('folders deleted under the running server and over a restart', async () => {
    const before = await answers();
    expect(before.keys).toHaveLength(SIZES.length + 1);
    for (let node = 0; node < losses; node += 1) rmSync(folder(node + 1), { recursive: true });
    expect(await answers()).toEqual(before);
    await stop();
    await start();
    expect(await answers()).toEqual(before);
    expect(server.logs()).toContain('datanode');
  });

  it('folders whose every shard is damaged', async () => {
    const before = await answers();
    await stop();
    for (let node = 0; node < losses; node += 1) {
      const entries = readdirSync(folder(node + 1), { recursive: true, withFileTypes: true });
      for (const entry of entries) {
        if (!entry.isFile() || entry.name === 'id.json') continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = readFileSync(path);
        for (let at = 0; at < bytes.length; at += 512) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
        writeFileSync(path, bytes);
      }
    }
    await start();
    expect(await answers()).toEqual(before);
    expect(server.logs()).toContain('rebuil');
  });
});
