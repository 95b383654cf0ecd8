/**
 * The real server in a process of its own, as a target of the generator. Settings are those of the
 * command line; CPU and memory are read from /proc. Refuses to guess: what is not said in
 * `options` is the server's own default.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cost } from './process-cost.ts';
import type { Keys } from './sign.ts';
import { type Command, OwnProcess, type Target } from './target.ts';

export type { Cost } from './process-cost.ts';

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url));
const KEYS: Keys = {
  accessKey: 'PERFPERFPERFPERFPERF',
  secretKey: 'perf-secret-key-perf-secret-key-perf-00',
};

function optionOf(options: readonly string[], name: string, fallback: string): string {
  const at = options.lastIndexOf(name);
  return at < 0 ? fallback : (options[at + 1] ?? fallback);
}

export class PerfServer implements Target {
  readonly name = 'sluice';
  readonly keys = KEYS;
  readonly redundancy: string;
  readonly durability: string;
  readonly #process: OwnProcess;
  readonly #command: Command;

  private constructor(own: OwnProcess, options: readonly string[], nodeOptions: readonly string[]) {
    this.#process = own;
    this.redundancy = optionOf(options, '--replication', 'xor-2-1-1024k');
    const relaxed = optionOf(options, '--durability', 'durable') === 'relaxed';
    this.durability = relaxed ? 'relaxed: no sync' : 'data and metadata synced before 200';
    const where = ['--data', own.directory, '--listen', `127.0.0.1:${own.port}`];
    this.#command = {
      program: process.execPath,
      args: [...nodeOptions, MAIN, 'serve', ...where, '--log-level', 'warn', ...options],
      env: {
        SLUICE_ROOT_ACCESS_KEY: KEYS.accessKey,
        SLUICE_ROOT_SECRET_KEY: KEYS.secretKey,
      },
    };
  }

  /** `medium` is an existing directory: a disk's or a RAM disk's. */
  static async start(
    medium: string,
    options: readonly string[],
    nodeOptions: readonly string[] = [],
  ): Promise<PerfServer> {
    const own = await OwnProcess.make(medium);
    const server = new PerfServer(own, options, nodeOptions);
    await own.start(server.#command);
    return server;
  }

  get port(): number {
    return this.#process.port;
  }

  get pid(): number {
    return this.#process.pid;
  }

  cost(): Cost {
    return this.#process.cost();
  }

  rssBytes(): number {
    return this.#process.rssBytes();
  }

  peakRssBytes(): number {
    return this.#process.peakRssBytes();
  }

  mappedBytes(): number {
    return this.#process.mappedBytes();
  }

  /** Over the same data, as after a reboot; `between` may damage it. Counters start anew. */
  async restart(between: () => void = () => {}): Promise<void> {
    await this.#process.end();
    between();
    await this.#process.start(this.#command);
  }

  /** Comes back without the folder of one datanode. */
  loseDatanode(number: number): Promise<void> {
    const directory = join(this.#process.directory, `datanode-${number}`);
    return this.restart(() => rmSync(directory, { recursive: true }));
  }

  /** Ends the process gracefully; the data stays until `stop`. */
  end(): Promise<void> {
    return this.#process.end();
  }

  stop(): Promise<void> {
    return this.#process.remove();
  }
}
