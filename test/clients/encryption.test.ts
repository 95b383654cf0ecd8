/** Encryption as command-line clients ask for it: large files in parts, copies, the wrong key. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { sha256File, writeRandomFile } from './files.ts';
import { awsEnvironment, hasTool, rcloneEnvironment, run } from './tools.ts';

const MIB = 1024 * 1024;
const BUCKET = 's3://encrypted';

let server: SluiceProcess;
let directory: string;
let file: string;
let keyFile: string;

beforeAll(async () => {
  server = await startSluice({ arguments: ['--kms-key', 'blue'] });
  directory = mkdtempSync(join(tmpdir(), 'sluice-encrypted-'));
  file = join(directory, 'big.bin');
  writeRandomFile(file, 20 * MIB + 12_345);
  keyFile = join(directory, 'key');
  writeFileSync(keyFile, randomBytes(32));
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

describe.skipIf(!hasTool('aws'))('aws cli', { timeout: 240_000 }, () => {
  const aws = (...words: readonly string[]): Promise<string> =>
    run('aws', words, awsEnvironment(server));
  const copy = (...words: readonly string[]) => aws('s3', 'cp', '--quiet', ...words);
  const back = (): string => join(directory, 'back.bin');

  it('uploads, copies and downloads under a KMS key', async () => {
    await aws('s3', 'mb', BUCKET);
    const kms = ['--sse', 'aws:kms', '--sse-kms-key-id', 'blue'];
    await copy(...kms, file, `${BUCKET}/kms.bin`);
    const head = JSON.parse(
      await aws('s3api', 'head-object', '--bucket', 'encrypted', '--key', 'kms.bin'),
    ) as { ServerSideEncryption: string; SSEKMSKeyId: string };
    expect([head.ServerSideEncryption, head.SSEKMSKeyId]).toEqual(['aws:kms', 'blue']);
    await copy('--sse', 'AES256', `${BUCKET}/kms.bin`, `${BUCKET}/s3.bin`);
    await copy(`${BUCKET}/s3.bin`, back());
    expect(sha256File(back())).toBe(sha256File(file));
  });

  it('uploads, copies and downloads under a key of its own', async () => {
    const own = ['--sse-c', 'AES256', '--sse-c-key', `fileb://${keyFile}`];
    const from = ['--sse-c-copy-source', 'AES256', '--sse-c-copy-source-key', `fileb://${keyFile}`];
    await copy(...own, file, `${BUCKET}/own.bin`);
    await copy(...own, `${BUCKET}/own.bin`, back());
    expect(sha256File(back())).toBe(sha256File(file));
    await copy(...from, `${BUCKET}/own.bin`, `${BUCKET}/plain.bin`);
    await copy(`${BUCKET}/plain.bin`, back());
    expect(sha256File(back())).toBe(sha256File(file));
    const read = aws('s3', 'cp', '--only-show-errors', `${BUCKET}/own.bin`, back());
    await expect(read).rejects.toThrow(/400|Bad Request/);
  });
});

describe.skipIf(!hasTool('rclone', 'version'))('rclone', { timeout: 240_000 }, () => {
  // Its own keys it sends over TLS only.
  it('uploads and downloads under a KMS key', async () => {
    const environment = {
      ...rcloneEnvironment(server),
      RCLONE_CONFIG_SLUICE_SERVER_SIDE_ENCRYPTION: 'aws:kms',
      RCLONE_CONFIG_SLUICE_SSE_KMS_KEY_ID: 'blue',
    };
    const rclone = (...words: readonly string[]) => run('rclone', words, environment);
    const copied = join(directory, 'rclone.bin');
    const parts = ['--s3-upload-cutoff', '10M', '--s3-chunk-size', '5M'];
    await rclone('mkdir', 'sluice:rclone-keys');
    await rclone('copyto', ...parts, file, 'sluice:rclone-keys/big.bin');
    await rclone('copyto', 'sluice:rclone-keys/big.bin', 'sluice:rclone-keys/copy.bin');
    await rclone('copyto', 'sluice:rclone-keys/copy.bin', copied);
    expect(sha256File(copied)).toBe(sha256File(file));
    // ETags are no digests here: sizes and times tell that nothing is to be done.
    const again = await rclone('copyto', '--dry-run', file, 'sluice:rclone-keys/big.bin');
    expect(again).toBe('');
  });
});
