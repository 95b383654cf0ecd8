/**
 * A file of more than 2 GiB in eight parts, uploaded by each client and read back equal. Needs
 * some 20 GiB of disk and minutes: runs in CI, and by `SLUICE_LARGE=1 npm test -- test/clients`.
 */
import { createReadStream, createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { sha256File, writeRandomFile } from './files.ts';
import { awsEnvironment, hasTool, rcloneEnvironment, run, s3cmdConfig } from './tools.ts';

const MIB = 1024 * 1024;
const PART_MIB = 264;
const BYTES = 8 * PART_MIB * MIB - 4321;
const wanted = process.env['SLUICE_CI'] !== undefined || process.env['SLUICE_LARGE'] !== undefined;
if (!wanted) process.stderr.write('skipped: multi-GiB uploads (set SLUICE_LARGE=1)\n');

describe.skipIf(!wanted)('eight parts, more than 2 GiB', () => {
  let server: SluiceProcess;
  let client: S3Client;
  let directory: string;
  let file: string;
  let back: string;
  let digest: string;

  beforeAll(async () => {
    server = await startSluice();
    client = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    });
    directory = mkdtempSync(join(tmpdir(), 'sluice-large-'));
    file = join(directory, 'large.bin');
    back = join(directory, 'back.bin');
    writeRandomFile(file, BYTES);
    digest = sha256File(file);
    await run('aws', ['s3', 'mb', 's3://large'], awsEnvironment(server));
  }, 300_000);
  afterAll(async () => {
    client.destroy();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function expectEightParts(Key: string): Promise<void> {
    const head = await client.send(new HeadObjectCommand({ Bucket: 'large', Key }));
    expect(head.ContentLength).toBe(BYTES);
    expect(head.ETag).toMatch(/^"[0-9a-f]{32}-8"$/);
    expect(sha256File(back)).toBe(digest);
    rmSync(back);
  }

  it('aws cli', async () => {
    hasTool('aws');
    const config = join(directory, 'aws-config');
    writeFileSync(config, `[default]\ns3 =\n  multipart_chunksize = ${PART_MIB}MB\n`);
    const environment = { ...awsEnvironment(server), AWS_CONFIG_FILE: config };
    await run('aws', ['s3', 'cp', '--quiet', file, 's3://large/aws'], environment);
    await run('aws', ['s3', 'cp', '--quiet', 's3://large/aws', back], environment);
    await expectEightParts('aws');
  }, 300_000);

  it('SDK v3', async () => {
    const upload = new Upload({
      client,
      partSize: PART_MIB * MIB,
      queueSize: 2,
      params: { Bucket: 'large', Key: 'sdk', Body: createReadStream(file) },
    });
    await upload.done();
    const got = await client.send(new GetObjectCommand({ Bucket: 'large', Key: 'sdk' }));
    await pipeline(got.Body as Readable, createWriteStream(back));
    await expectEightParts('sdk');
  }, 300_000);

  it('rclone', async () => {
    hasTool('rclone', 'version');
    const chunks = ['--s3-chunk-size', `${PART_MIB}M`, '--s3-upload-concurrency', '2'];
    await run(
      'rclone',
      ['copyto', ...chunks, file, 'sluice:large/rclone'],
      rcloneEnvironment(server),
    );
    await run('rclone', ['copyto', 'sluice:large/rclone', back], rcloneEnvironment(server));
    await expectEightParts('rclone');
  }, 300_000);

  it('s3cmd', async () => {
    hasTool('s3cmd');
    const s3cmd = [
      '-c',
      s3cmdConfig(server),
      '--no-progress',
      `--multipart-chunk-size-mb=${PART_MIB}`,
    ];
    await run('s3cmd', [...s3cmd, 'put', file, 's3://large/s3cmd']);
    await run('s3cmd', [...s3cmd, 'get', 's3://large/s3cmd', back]);
    await expectEightParts('s3cmd');
  }, 300_000);
});
