/** Starts the real server in a process of its own and reads its cost from /proc. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Connection } from './connection.ts';
import type { Keys } from './sign.ts';

const TICK_MS = 10;

export interface Cost {
  readonly userMs: number;
  readonly systemMs: number;
}

export class PerfServer {
  readonly port: number;
  readonly keys: Keys;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(port: number, keys: Keys, child: ChildProcess, directory: string) {
    this.port = port;
    this.keys = keys;
    this.#child = child;
    this.#directory = directory;
  }

  /** `medium` is an existing directory: a disk's or a RAM disk's. */
  static async start(medium: string, options: readonly string[]): Promise<PerfServer> {
    const directory = mkdtempSync(join(medium, 'sluice-perf-'));
    const port = await freePort();
    const keys = {
      accessKey: 'PERFPERFPERFPERFPERF',
      secretKey: 'perf-secret-key-perf-secret-key-perf-00',
    };
    const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
    const child = spawn(
      process.execPath,
      [
        main,
        'serve',
        '--data',
        directory,
        '--listen',
        `127.0.0.1:${port}`,
        '--log-level',
        'warn',
        ...options,
      ],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: {
          ...process.env,
          SLUICE_ROOT_ACCESS_KEY: keys.accessKey,
          SLUICE_ROOT_SECRET_KEY: keys.secretKey,
        },
      },
    );
    const server = new PerfServer(port, keys, child, directory);
    await server.#ready();
    return server;
  }

  /** CPU time of the whole server process so far: all threads, from /proc/<pid>/stat. */
  cost(): Cost {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { userMs: Number(fields[11]) * TICK_MS, systemMs: Number(fields[12]) * TICK_MS };
  }

  /** Peak resident set since start, bytes. */
  peakRssBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await gone;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      if (this.#child.exitCode !== null) throw new Error('the server stopped at start');
      try {
        (await Connection.open(this.port)).close();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    throw new Error('the server did not listen within 10 s');
  }
}

function freePort(): Promise<number> {
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
