/** rclone against a real server process: a real tree of thousands of files there and back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { sha256File, treeDigests, writeRandomFile } from './files.ts';
import { hasTool, rcloneEnvironment, run } from './tools.ts';

const MIB = 1024 * 1024;

/** A folder of this installation with thousands of real files of every size. */
const TREE = fileURLToPath(new URL('../../node_modules/@aws-sdk', import.meta.url));

describe.skipIf(!hasTool('rclone', 'version'))(
  'rclone',
  () => {
    let server: SluiceProcess;
    let directory: string;
    const rclone = (...commandArguments: readonly string[]): Promise<string> =>
      run('rclone', commandArguments, rcloneEnvironment(server));

    beforeAll(async () => {
      server = await startSluice();
      directory = mkdtempSync(join(tmpdir(), 'sluice-rclone-'));
      await rclone('mkdir', 'sluice:rclone-bucket');
    });
    afterAll(async () => {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    });

    it('syncs thousands of files there and back with equal checksums', async () => {
      const source = treeDigests(TREE);
      expect(source.size).toBeGreaterThan(1000);
      const fast = ['--transfers', '16', '--checkers', '16', '--fast-list', '--skip-links'];
      await rclone('sync', ...fast, TREE, 'sluice:rclone-bucket/tree');
      await rclone('check', ...fast, TREE, 'sluice:rclone-bucket/tree');
      const again = await rclone('sync', ...fast, '--dry-run', TREE, 'sluice:rclone-bucket/tree');
      expect(again).toBe('');
      const back = join(directory, 'back');
      await rclone('sync', ...fast, 'sluice:rclone-bucket/tree', back);
      expect(treeDigests(back)).toEqual(source);
    });

    it('uploads by multipart and reads back equal', async () => {
      const file = join(directory, 'big.bin');
      writeRandomFile(file, 96 * MIB + 7);
      await rclone(
        'copyto',
        '--s3-upload-cutoff',
        '8M',
        '--s3-chunk-size',
        '16M',
        file,
        'sluice:rclone-bucket/big.bin',
      );
      const back = join(directory, 'back.bin');
      await rclone('copyto', 'sluice:rclone-bucket/big.bin', back);
      expect(sha256File(back)).toBe(sha256File(file));
      await rclone('copyto', 'sluice:rclone-bucket/big.bin', 'sluice:rclone-bucket/moved.bin');
      await rclone('deletefile', 'sluice:rclone-bucket/big.bin');
      expect(await rclone('lsl', 'sluice:rclone-bucket/moved.bin')).toContain(String(96 * MIB + 7));
    });

    it('purges the bucket', async () => {
      await rclone('purge', 'sluice:rclone-bucket');
      expect(await rclone('lsd', 'sluice:')).not.toContain('rclone-bucket');
    });
  },
  240_000,
);
