/** s3cmd against a real server process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { sha256File, writeRandomFile } from './files.ts';
import { hasTool, run, s3cmdConfig } from './tools.ts';

const MIB = 1024 * 1024;

describe.skipIf(!hasTool('s3cmd'))(
  's3cmd',
  () => {
    let server: SluiceProcess;
    let directory: string;
    let config: string;
    const s3cmd = (...commandArguments: readonly string[]): Promise<string> =>
      run('s3cmd', ['-c', config, ...commandArguments]);

    beforeAll(async () => {
      server = await startSluice();
      directory = mkdtempSync(join(tmpdir(), 'sluice-s3cmd-'));
      config = s3cmdConfig(server);
      await s3cmd('mb', 's3://s3cmd-bucket');
    });
    afterAll(async () => {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    });

    it('puts by multipart, lists, gets equal, and copies', async () => {
      const file = join(directory, 'big.bin');
      writeRandomFile(file, 50 * MIB + 3);
      await s3cmd('put', '--no-progress', file, 's3://s3cmd-bucket/big.bin');
      expect(await s3cmd('ls', 's3://s3cmd-bucket')).toContain('52428803');
      const back = join(directory, 'back.bin');
      await s3cmd('get', '--no-progress', 's3://s3cmd-bucket/big.bin', back);
      expect(sha256File(back)).toBe(sha256File(file));
      await s3cmd('cp', 's3://s3cmd-bucket/big.bin', 's3://s3cmd-bucket/copy.bin');
      expect(await s3cmd('info', 's3://s3cmd-bucket/copy.bin')).toContain('52428803');
    });

    it('syncs, finds nothing to do the second time, and deletes', async () => {
      const tree = mkdtempSync(join(directory, 'tree-'));
      for (let index = 0; index < 25; index += 1) {
        writeFileSync(join(tree, `file-${index} ü.txt`), `content ${index}`);
      }
      const first = await s3cmd('sync', '--no-progress', `${tree}/`, 's3://s3cmd-bucket/tree/');
      expect(first.match(/upload:/g)).toHaveLength(25);
      const second = await s3cmd('sync', '--no-progress', `${tree}/`, 's3://s3cmd-bucket/tree/');
      expect(second).not.toContain('upload:');
      await s3cmd('del', '--recursive', '--force', 's3://s3cmd-bucket/');
      await s3cmd('rb', 's3://s3cmd-bucket');
      expect(await s3cmd('ls')).not.toContain('s3cmd-bucket');
    });
  },
  240_000,
);
