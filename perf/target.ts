/**
 * What the generator drives: a running S3 server, ours or a peer's, with what its answers really
 * promise in words. `OwnProcess` is the part that all of them share: one child process over one
 * fresh folder on a medium, its cost read from /proc, nothing left behind whatever ends first.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, untilListening } from './port.ts';
import { type Cost, costOf, mappedDatabaseBytes, peakRssBytes, rssBytes } from './process-cost.ts';
import type { Keys } from './sign.ts';

export interface Target {
  readonly name: string;
  readonly port: number;
  readonly keys: Keys;
  /** What stored data survives. */
  readonly redundancy: string;
  /** What an answer of success means. */
  readonly durability: string;
  cost(): Cost;
  rssBytes(): number;
  peakRssBytes(): number;
  /** Of it, pages of a mapped database. */
  mappedBytes(): number;
  stop(): Promise<void>;
}

/** How to start a server over a folder on a port. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const WORDS_BYTES = 8192;
/** A peer may look at its drives for a while. */
const START_MS = 60_000;
/** Who has not ended by then is killed: its data is thrown away anyway. */
const END_MS = 20_000;

export class OwnProcess {
  readonly port: number;
  readonly directory: string;
  #child: ChildProcess | undefined;
  #words = '';
  /** A benchmark that ends in the middle gives the RAM disk its memory back. */
  readonly #abandon = (): void => {
    this.#child?.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  };

  private constructor(port: number, directory: string) {
    this.port = port;
    this.directory = directory;
    process.once('exit', this.#abandon);
  }

  /** `medium` is an existing directory: a disk's or a RAM disk's. */
  static async make(medium: string): Promise<OwnProcess> {
    const port = await freePort();
    return new OwnProcess(port, mkdtempSync(join(medium, 'sluice-perf-')));
  }

  /** Starts, or starts again over the same folder. On failure the folder is removed. */
  async start({ program, args, env }: Command): Promise<void> {
    const child = spawn(program, args, {
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const keep = (data: Buffer): void => {
      this.#words = (this.#words + data.toString()).slice(-WORDS_BYTES);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    try {
      await once(child, 'spawn');
      this.#child = child;
      await untilListening(this.port, child, START_MS, () => this.#words);
    } catch (error) {
      await this.remove();
      throw error;
    }
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the server is not running');
    return pid;
  }

  /** The last of what it wrote to its standard streams. */
  get words(): string {
    return this.#words;
  }

  cost(): Cost {
    return costOf(this.pid);
  }

  rssBytes(): number {
    return rssBytes(this.pid);
  }

  peakRssBytes(): number {
    return peakRssBytes(this.pid);
  }

  mappedBytes(): number {
    return mappedDatabaseBytes(this.pid);
  }

  /** Ends the process and keeps the folder. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const hard = setTimeout(() => child.kill('SIGKILL'), END_MS);
    await gone;
    clearTimeout(hard);
  }

  /** Ends the process and removes the folder. */
  async remove(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.end(signal);
    rmSync(this.directory, { recursive: true, force: true });
    process.off('exit', this.#abandon);
  }
}
