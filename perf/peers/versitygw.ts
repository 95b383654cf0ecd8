/** versitygw over a folder: the POSIX backend with its defaults, metadata in extended attributes. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { goInstall, KEYS, type Peer } from './peer.ts';

export const VERSITYGW: Peer = {
  program: 'versitygw',
  build: [goInstall('github.com/versity/versitygw/cmd/versitygw')],
  versionArgs: ['--version'],
  setups: [
    {
      name: 'versitygw',
      redundancy: 'none, no checksums at rest',
      durability: 'no sync: a 200 means the page cache has it',
      command(program, directory, port) {
        const root = join(directory, 'root');
        mkdirSync(root);
        return {
          program,
          // Without it, it closes every connection after one answer, which no client wants.
          args: ['--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', 'posix', root],
          env: { ROOT_ACCESS_KEY: KEYS.accessKey, ROOT_SECRET_KEY: KEYS.secretKey },
        };
      },
    },
  ],
};
