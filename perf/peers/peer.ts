/**
 * What every peer has in common: a program that is looked for on PATH and in a cache folder, how
 * to build it with the ordinary package tools (only when asked to), and a running server of it as a
 * target of the generator. What redundancy and durability it really runs with stands beside each
 * start, in words that go into every table.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { askOnce } from '../load.ts';
import type { Cost } from '../process-cost.ts';
import type { Side } from '../scenario.ts';
import type { Keys } from '../sign.ts';
import { type Command, OwnProcess, type Target } from '../target.ts';

const run = promisify(execFile);

export const KEYS: Keys = {
  accessKey: 'PEERPEERPEERPEERPEER',
  secretKey: 'peer-secret-key-peer-secret-key-peer-000',
};

/** One way of running a peer. */
export interface Setup {
  readonly name: string;
  readonly redundancy: string;
  readonly durability: string;
  /** How to start it over a fresh, empty folder; may make what it needs there. */
  command(program: string, directory: string, port: number): Command | Promise<Command>;
}

export interface Peer {
  readonly program: string;
  /** The commands of `--build`, with the cache folder as their place; undefined: not buildable. */
  readonly build: readonly BuildStep[];
  /** Arguments that make it tell its version. */
  readonly versionArgs: readonly string[];
  readonly setups: readonly Setup[];
}

export interface BuildStep {
  readonly program: string;
  readonly args: (cache: string) => readonly string[];
  readonly env: (cache: string) => Readonly<Record<string, string>>;
}

export function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(base, 'sluice-peers');
}

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Undefined: neither on PATH nor in the cache. */
export function find({ program }: Peer): string | undefined {
  const cache = cacheDirectory();
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), cache, join(cache, 'bin')];
  return folders.map((folder) => join(folder, program)).find(runnable);
}

const BUILD_MS = 40 * 60_000;
const OUTPUT_BYTES = 64 * 1024 * 1024;

/** Builds into the cache. Throws with the tool's own words. */
export async function build({ build: steps }: Peer): Promise<void> {
  const cache = cacheDirectory();
  mkdirSync(cache, { recursive: true });
  for (const { program, args, env } of steps) {
    const options = { cwd: cache, timeout: BUILD_MS, maxBuffer: OUTPUT_BYTES };
    await run(program, [...args(cache)], { ...options, env: { ...process.env, ...env(cache) } });
  }
}

export async function versionOf(peer: Peer, path: string): Promise<string> {
  const { stdout, stderr } = await run(path, [...peer.versionArgs]);
  return (stdout === '' ? stderr : stdout).split('\n').slice(0, 2).join(' ').trim();
}

/** `go install` of a command at its latest version, into the cache. */
export const goInstall = (path: string): BuildStep => ({
  program: 'go',
  args: () => ['install', `${path}@latest`],
  env: (cache) => ({ GOBIN: cache, GOTOOLCHAIN: 'auto' }),
});

const READY_MS = 60_000;

class PeerServer implements Target {
  readonly name: string;
  readonly keys = KEYS;
  readonly redundancy: string;
  readonly durability: string;
  readonly #process: OwnProcess;

  constructor(setup: Setup, own: OwnProcess) {
    this.name = setup.name;
    this.redundancy = setup.redundancy;
    this.durability = setup.durability;
    this.#process = own;
  }

  get port(): number {
    return this.#process.port;
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

  /** Listening is not serving: some answer with errors until they have found their drives. */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS;
    for (let last = ''; ; await setTimeout(200)) {
      try {
        await askOnce(this, { method: 'GET', path: '/' });
        return;
      } catch (error) {
        last = String(error);
      }
      if (performance.now() > deadlineMs) {
        throw new Error(`${this.name} does not serve: ${last}; ${this.#process.words}`);
      }
    }
  }

  /** Not gracefully: some take half a minute for that, and nothing of theirs is kept. */
  stop(): Promise<void> {
    return this.#process.remove('SIGKILL');
  }
}

export function sidesOf(peer: Peer, program: string): readonly Side[] {
  return peer.setups.map((setup) => ({
    name: setup.name,
    ours: false,
    async start({ directory }): Promise<Target> {
      const own = await OwnProcess.make(directory);
      await own.start(await setup.command(program, own.directory, own.port));
      const server = new PeerServer(setup, own);
      try {
        await server.ready();
        return server;
      } catch (error) {
        await server.stop();
        throw error;
      }
    },
  }));
}
