/** A real server, as a process of its own or inside the test's, for tests through the front door. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, untilListening } from '../../perf/port.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Sluice } from '../../src/compose.ts';
import { type Flags, readSettings } from '../../src/config.ts';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const ACCESS_KEY = 'TESTTESTTESTTESTTEST';
const SECRET_KEY = 'test-secret-test-secret-test-secret-0000';
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

export async function startSluice(options: SluiceOptions = {}): Promise<SluiceProcess> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      MAIN,
      'serve',
      '--data',
      directory,
      '--listen',
      `127.0.0.1:${port}`,
      ...(options.arguments ?? []),
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        SLUICE_ROOT_ACCESS_KEY: ACCESS_KEY,
        SLUICE_ROOT_SECRET_KEY: SECRET_KEY,
        ...options.environment,
      },
    },
  );
  let logs = '';
  child.stderr?.on('data', (data: Buffer) => {
    logs += data.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await untilListening(port, child, START_MS, () => logs);
  const kill = (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exited;
  };
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
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

/** The composed server inside the test's own process, for a look at what it holds. */
export interface SluiceInside extends Sluice {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly directory: string;
  /** Resolves when nothing is held for any request: blocks, writers. Rejects when that fails. */
  idle(): Promise<void>;
}

const IDLE_MS = 10_000;

/** `flags` are settings by name, as in `serve --name value`. */
export async function openSluice(flags: Flags = {}): Promise<SluiceInside> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-inside-'));
  const rootKey = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY };
  const settings = readSettings({ data: [directory], listen: '127.0.0.1:0', ...flags }, {});
  // Only here: tests of other processes need none of the server's native code in theirs.
  const { compose } = await import('../../src/compose.ts');
  const sluice = await compose(
    { ...settings, rootKey },
    {
      log: silentLog,
      onFatal: (error) => {
        throw error;
      },
    },
  );
  const held = (): string => {
    const blocks = sluice.arena.blockCount - sluice.arena.freeCount;
    const { openWriters } = sluice.engine.chunks.stats();
    return blocks + openWriters === 0 ? '' : `${blocks} blocks, ${openWriters} writers`;
  };
  return {
    ...sluice,
    ...rootKey,
    endpoint: `http://127.0.0.1:${sluice.port}`,
    directory,
    idle: async () => {
      const deadlineMs = Date.now() + IDLE_MS;
      while (held() !== '') {
        if (Date.now() > deadlineMs) throw new Error(`still held: ${held()}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    close: async (drainMs = 0) => {
      await sluice.close(drainMs);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
