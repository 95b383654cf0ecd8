/** The server under test as a child process that can be killed at any moment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { untilListening } from '../../perf/port.ts';
import type { Keys } from '../../perf/sign.ts';

export const KEYS: Keys = {
  accessKey: 'CRASHCRASHCRASHCRASH',
  secretKey: 'crash-secret-crash-secret-crash-secret-0',
};

export const GRACE_SECONDS = 2;
const START_MS = 15_000;

export class CrashServer {
  readonly port: number;
  readonly directory: string;
  readonly #options: readonly string[];
  #child: ChildProcess | undefined;
  #stderr = '';

  constructor(directory: string, port: number, options: readonly string[]) {
    this.directory = directory;
    this.port = port;
    this.#options = options;
  }

  async start(): Promise<void> {
    const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
    const child = spawn(
      process.execPath,
      [
        main,
        'serve',
        '--data',
        this.directory,
        '--listen',
        `127.0.0.1:${this.port}`,
        '--reclaim-grace-seconds',
        String(GRACE_SECONDS),
        '--log-level',
        'warn',
        ...this.#options,
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ...process.env,
          SLUICE_ROOT_ACCESS_KEY: KEYS.accessKey,
          SLUICE_ROOT_SECRET_KEY: KEYS.secretKey,
        },
      },
    );
    this.#stderr = '';
    child.stderr?.on('data', (data: Buffer) => {
      this.#stderr = (this.#stderr + data.toString()).slice(-8192);
    });
    this.#child = child;
    await untilListening(this.port, child, START_MS, () => this.#stderr);
  }

  /** True when the process ended by itself: a crash nobody ordered. */
  get diedAlone(): string | undefined {
    const child = this.#child;
    if (child === undefined || child.exitCode === null) return undefined;
    return `exit ${child.exitCode}: ${this.#stderr}`;
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  /** Bytes of shard files and volumes of every datanode. */
  shardBytes(): number {
    let bytes = 0;
    const walk = (directory: string): void => {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        const path = join(directory, entry.name);
        if (entry.isDirectory()) walk(path);
        else bytes += statSync(path).blocks * 512;
      }
    };
    for (const entry of readdirSync(this.directory)) {
      if (!entry.startsWith('datanode-')) continue;
      for (const sub of ['shards', 'volumes']) walk(join(this.directory, entry, sub));
    }
    return bytes;
  }
}
