/** A real server process on a free port in a temporary folder, for tests through the front door. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const START_MS = 20_000;

export interface SluiceOptions {
  /** Further arguments of `serve`. */
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** An existing data folder; by default a new one that `close` removes. */
  readonly directory?: string;
}

export interface SluiceProcess {
  readonly endpoint: string;
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly directory: string;
  readonly pid: number;
  /** What the server wrote to its log so far. */
  logs(): string;
  /** Ends the process; resolves with its exit code (null after a signal). */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Stops gracefully and removes the folder when it was made here. */
  close(): Promise<void>;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

export async function startSluice(options: SluiceOptions = {}): Promise<SluiceProcess> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const port = await freePort();
  const accessKey = 'TESTTESTTESTTESTTEST';
  const secretKey = 'test-secret-test-secret-test-secret-0000';
  const child = spawn(
    process.execPath,
    [MAIN, 'serve', '--data', directory, '--listen', `127.0.0.1:${port}`, ...(options.arguments ?? [])],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        SLUICE_ROOT_ACCESS_KEY: accessKey,
        SLUICE_ROOT_SECRET_KEY: secretKey,
        ...options.environment,
      },
    },
  );
  let logs = '';
  child.stderr?.on('data', (data: Buffer) => {
    logs += data.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await listening(port, child, () => logs);
  const kill = (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exited;
  };
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    accessKey,
    secretKey,
    directory,
    pid: child.pid ?? 0,
    logs: () => logs,
    kill,
    close: async () => {
      await kill('SIGTERM');
      if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function listening(port: number, child: ChildProcess, logs: () => string): Promise<void> {
  const deadlineMs = Date.now() + START_MS;
  while (Date.now() < deadlineMs) {
    if (child.exitCode !== null) throw new Error(`the server stopped at start: ${logs()}`);
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  child.kill('SIGKILL');
  throw new Error(`the server did not listen in time: ${logs()}`);
}
