/**
 * The C pipeline as a server under the load generator: a process of its own over three directories
 * of one medium, its cost read from /proc as that of ours is. `stop` removes what it wrote.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Cost } from '../perf/server.ts';
import type { Keys } from '../perf/sign.ts';

const TICK_MS = 10;
const COLUMNS = 3;

export class PipelineServer {
  readonly port: number;
  readonly keys: Keys;
  /** The three datanodes' folders. */
  readonly directories: readonly string[];
  readonly #child: ChildProcess;
  readonly #directory: string;
  /** A runner that ends in the middle gives the RAM disk its memory back. */
  readonly #abandon = (): void => {
    this.#child.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  };

  private constructor(
    port: number,
    keys: Keys,
    directories: readonly string[],
    child: ChildProcess,
    directory: string,
  ) {
    this.port = port;
    this.keys = keys;
    this.directories = directories;
    this.#child = child;
    this.#directory = directory;
    process.once('exit', this.#abandon);
  }

  static async start(
    program: string,
    medium: string,
    io: 'buffered' | 'direct' = 'buffered',
  ): Promise<PipelineServer> {
    const directory = mkdtempSync(join(medium, 'sluice-ceiling-'));
    const directories = Array.from({ length: COLUMNS }, (_, n) => join(directory, String(n)));
    for (const one of directories) mkdirSync(one);
    const keys = { accessKey: 'CEILINGCEILINGCEILIN', secretKey: 'ceiling-secret-key-0123456789' };
    const child = spawn(program, [keys.secretKey, ...directories, io], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const said = createInterface({ input: child.stdout });
      const [line] = (await Promise.race([
        once(said, 'line'),
        once(child, 'exit').then(() => {
          throw new Error('the C pipeline stopped at start');
        }),
      ])) as [string];
      const { port } = JSON.parse(line) as { port: number };
      return new PipelineServer(port, keys, directories, child, directory);
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** CPU time of the whole process so far: all threads. */
  cost(): Cost {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { userMs: Number(fields[11]) * TICK_MS, systemMs: Number(fields[12]) * TICK_MS };
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#directory, { recursive: true, force: true });
    process.off('exit', this.#abandon);
  }
}
