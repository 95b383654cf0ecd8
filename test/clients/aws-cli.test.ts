/** The aws command line against a real server process. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { sha256File, writeRandomFile } from './files.ts';
import { awsEnvironment, hasTool, run } from './tools.ts';

const MIB = 1024 * 1024;

describe.skipIf(!hasTool('aws'))(
  'aws cli',
  () => {
    let server: SluiceProcess;
    let directory: string;
    const aws = (...commandArguments: readonly string[]): Promise<string> =>
      run('aws', commandArguments, awsEnvironment(server));

    beforeAll(async () => {
      server = await startSluice();
      directory = mkdtempSync(join(tmpdir(), 'sluice-aws-'));
      await aws('s3', 'mb', 's3://aws-bucket');
    });
    afterAll(async () => {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    });

    it('uploads by multipart, lists, heads and reads back equal', async () => {
      const file = join(directory, 'big.bin');
      writeRandomFile(file, 100 * MIB + 12_345);
      await aws('s3', 'cp', '--quiet', file, 's3://aws-bucket/dir/big.bin');
      expect(await aws('s3', 'ls', 's3://aws-bucket/dir/')).toContain('104869945 big.bin');
      const head = JSON.parse(
        await aws('s3api', 'head-object', '--bucket', 'aws-bucket', '--key', 'dir/big.bin'),
      ) as { ContentLength: number; ETag: string };
      expect(head.ContentLength).toBe(100 * MIB + 12_345);
      expect(head.ETag).toMatch(/^"[0-9a-f]{32}-13"$/);
      const back = join(directory, 'back.bin');
      await aws('s3', 'cp', '--quiet', 's3://aws-bucket/dir/big.bin', back);
      expect(sha256File(back)).toBe(sha256File(file));
    });

    it('copies on the server, both small and by multipart copy', async () => {
      writeFileSync(join(directory, 'small.txt'), 'small');
      await aws('s3', 'cp', '--quiet', join(directory, 'small.txt'), 's3://aws-bucket/small.txt');
      await aws('s3', 'cp', '--quiet', 's3://aws-bucket/small.txt', 's3://aws-bucket/copy.txt');
      await aws('s3', 'cp', '--quiet', 's3://aws-bucket/dir/big.bin', 's3://aws-bucket/copy.bin');
      const back = join(directory, 'copy.bin');
      await aws('s3', 'cp', '--quiet', 's3://aws-bucket/copy.bin', back);
      expect(sha256File(back)).toBe(sha256File(join(directory, 'big.bin')));
      expect(await aws('s3', 'cp', '--quiet', 's3://aws-bucket/copy.txt', '-')).toBe('small');
    });

    it('syncs a tree there and back, deletes recursively, removes the bucket', async () => {
      const tree = join(directory, 'tree');
      for (let index = 0; index < 60; index += 1) {
        mkdirSync(join(tree, `d${index % 7}`), { recursive: true });
        writeFileSync(
          join(tree, `d${index % 7}`, `file ${index} ä+&.bin`),
          randomBytes(index * 997),
        );
      }
      await aws('s3', 'sync', '--quiet', tree, 's3://aws-bucket/tree');
      const back = join(directory, 'tree-back');
      await aws('s3', 'sync', '--quiet', 's3://aws-bucket/tree', back);
      for (let index = 0; index < 60; index += 1) {
        const name = join(`d${index % 7}`, `file ${index} ä+&.bin`);
        expect(readFileSync(join(back, name)).equals(readFileSync(join(tree, name)))).toBe(true);
      }
      await aws('s3', 'rm', '--quiet', '--recursive', 's3://aws-bucket/');
      await aws('s3', 'rb', 's3://aws-bucket');
      await expect(aws('s3', 'ls', 's3://aws-bucket')).rejects.toThrow('NoSuchBucket');
    });

    it('presigned urls work in curl-like clients', async () => {
      await aws('s3', 'mb', 's3://presigned');
      writeFileSync(join(directory, 'p.txt'), 'presigned body');
      await aws('s3', 'cp', '--quiet', join(directory, 'p.txt'), 's3://presigned/p.txt');
      // The cli still presigns with SigV2 for some regions unless told otherwise.
      const config = join(directory, 'aws-config');
      writeFileSync(config, '[default]\ns3 =\n  signature_version = s3v4\n');
      const environment = { ...awsEnvironment(server), AWS_CONFIG_FILE: config };
      const url = (await run('aws', ['s3', 'presign', 's3://presigned/p.txt'], environment)).trim();
      const answer = await fetch(url);
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe('presigned body');
      const refused = await fetch(url.replace('p.txt', 'q.txt'));
      expect(refused.status).toBe(403);
    });
  },
  240_000,
);
