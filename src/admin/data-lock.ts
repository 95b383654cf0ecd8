/**
 * One server for one data directory. Two marks are taken on each, and both vanish with the
 * process, also by kill -9, so that nothing stale ever keeps a server from starting:
 *
 * 1. an abstract Unix socket named after the directory's device and inode. The kernel gives a
 *    name to one process only: starters of the same host (network namespace) cannot race;
 * 2. a Unix socket `in-use.sock` in the directory, which also answers starters from other
 *    containers that mount it. A file nobody answers on is left over and is replaced; mark 1 is
 *    held while that happens.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { dirname } from 'node:path';

const SOCKET_NAME = 'in-use.sock';

export class DirectoryInUse extends Error {
  override readonly name = 'DirectoryInUse';
  constructor(directory: string) {
    super(`${directory} is in use by another running server`);
  }
}

export interface DataLock {
  /** Idempotent. */
  release(): void;
}

/** Makes it (0700) and what is missing above it, durably. Leaves what exists as it is. */
export function makeDirectory(directory: string): void {
  const topmost = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (topmost === undefined) return;
  for (let made = directory; ; made = dirname(made)) {
    const parent = openSync(dirname(made), 'r');
    fsyncSync(parent);
    closeSync(parent);
    if (made === topmost) return;
  }
}

/** The directories must exist. Throws DirectoryInUse, then nothing is held. */
export async function lockDirectories(directories: readonly string[]): Promise<DataLock> {
  const releases: (() => void)[] = [];
  const release = (): void => {
    for (let next = releases.pop(); next !== undefined; next = releases.pop()) next();
  };
  try {
    for (const directory of directories) releases.push(await lockDirectory(directory));
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

async function lockDirectory(directory: string): Promise<() => void> {
  const { dev, ino } = statSync(directory, { bigint: true });
  let name: Server | undefined;
  if (process.platform === 'linux') {
    name = await listen(`\0sluice-data-${dev.toString(16)}-${ino.toString(16)}`);
    if (name === undefined) throw new DirectoryInUse(directory);
  }
  // Socket paths end at 107 bytes; the way through the open directory is always short.
  const opened = openSync(directory, 'r');
  const path = `${name === undefined ? directory : `/proc/self/fd/${opened}`}/${SOCKET_NAME}`;
  const unlock = (): void => {
    closeSync(opened);
    name?.close();
  };
  try {
    if (await answers(path)) throw new DirectoryInUse(directory);
    rmSync(path, { force: true });
    const file = await listen(path);
    if (file === undefined) throw new DirectoryInUse(directory);
    return () => {
      // Closing the server also removes the file.
      file.close();
      unlock();
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Undefined: the name is taken. Whoever connects learns that somebody is here, and no more. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path }, () => resolve(server.unref()));
  });
}

/** Any answer but "nobody listens here" counts as somebody. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED');
    });
  });
}
