/** MinIO on one drive and on four, as its own defaults have it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../target.ts';
import { goInstall, KEYS, type Peer } from './peer.ts';

function command(program: string, directory: string, port: number, drives: number): Command {
  const paths = Array.from({ length: drives }, (_, at) => join(directory, `drive-${at + 1}`));
  for (const path of paths) mkdirSync(path);
  return {
    program,
    args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, ...paths],
    env: {
      MINIO_ROOT_USER: KEYS.accessKey,
      MINIO_ROOT_PASSWORD: KEYS.secretKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      // Several drives on one file system is what it refuses without this.
      MINIO_CI_CD: '1',
    },
  };
}

/** As its system calls show it: every file by O_DSYNC or fdatasync, renames without a directory's. */
const DURABILITY = 'data and metadata files synced before 200, directories not';

export const MINIO: Peer = {
  program: 'minio',
  build: [goInstall('github.com/minio/minio')],
  versionArgs: ['--version'],
  setups: [
    {
      name: 'minio-1',
      redundancy: 'none (one drive, bitrot checksums)',
      durability: DURABILITY,
      command: (program, directory, port) => command(program, directory, port, 1),
    },
    {
      name: 'minio-4',
      redundancy: 'EC 2+2 (four drives, its default)',
      durability: DURABILITY,
      command: (program, directory, port) => command(program, directory, port, 4),
    },
  ],
};
