/**
 * What only the LMDB store can get wrong: acknowledged commits after kill -9, a commit that the
 * file system refuses, grouping of concurrent commits. The child runs the compiled store.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { openLmdbMetaStore } from '../../../src/meta/lmdb-meta-store.ts';
import type { MetaStore, Partition } from '../../../src/meta/meta-store.ts';

const P = 'o/partition/0' as Partition;
const MODULE = pathToFileURL(join(process.cwd(), 'dist/src/meta/lmdb-meta-store.js')).href;

/** Commits for ever, 16 at a time, and prints the number of each one acknowledged. */
const CHILD = `
  const { openLmdbMetaStore } = await import(${JSON.stringify(MODULE)});
  const { writeSync } = await import('node:fs');
  const [directory, durability] = process.argv.slice(1);
  process.on('SIGXFSZ', () => {});
  const onFatal = (error) => { writeSync(1, 'fatal ' + error.kind + '\\n'); process.exit(7); };
  const clock = { now: () => Date.now() };
  const store = openLmdbMetaStore({ directory, durability, clock, onFatal });
  const value = new Uint8Array(3000).fill(1);
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (;;) {
      const number = next++;
      const key = Buffer.from(String(number));
      const checks = [{ key, rev: 'absent' }];
      const last = { kind: 'put', key: Buffer.from('last'), value: key };
      const writes = [{ kind: 'put', key, value }, last];
      const result = await store.commit({ partition: 'o/partition/0', checks, writes });
      if (result !== 'committed') throw new Error(result);
      writeSync(1, number + '\\n');
    }
  }));
`;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-meta-'));
});
afterEach(() => rm(directory, { recursive: true }));

function open(folder: string): MetaStore {
  return openLmdbMetaStore({
    directory: folder,
    durability: 'durable',
    clock: systemClock,
    onFatal: (error) => {
      throw error;
    },
  });
}

async function withStore(folder: string, check: (store: MetaStore) => void): Promise<void> {
  const store = open(folder);
  try {
    check(store);
  } finally {
    await store.close();
  }
}

function expectAcknowledged(store: MetaStore, acknowledged: readonly string[]): void {
  for (const number of acknowledged) {
    const row = store.get(P, Buffer.from(number));
    if (row?.value.length !== 3000) expect.fail(`acknowledged commit ${number} is lost`);
  }
}

describe('LMDB store', () => {
  for (const durability of ['durable', 'relaxed']) {
    it(`keeps every acknowledged commit over kill -9 (${durability})`, async () => {
      for (let round = 0; round < 3; round += 1) {
        const folder = join(directory, String(round));
        const args = ['--input-type=module', '-e', CHILD, folder, durability];
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
        let output = '';
        await new Promise<void>((resolve) => {
          child.stdout.on('data', (text: Buffer) => {
            output += text.toString();
            if (output.split('\n').length > 150 * (round + 1)) child.kill('SIGKILL');
          });
          child.on('close', () => resolve());
        });
        const acknowledged = output.split('\n').slice(0, -1);
        expect(acknowledged.length).toBeGreaterThanOrEqual(150);
        await withStore(folder, (store) => expectAcknowledged(store, acknowledged));
      }
    });
  }

  it('stops at the first commit that the file system refuses, and keeps the others', async () => {
    // Past 512 KiB every write fails with EFBIG: neither full nor harmless.
    const shell = `ulimit -f 512; exec "$0" "$@"`;
    const args = [
      '-c',
      shell,
      process.execPath,
      '--input-type=module',
      '-e',
      CHILD,
      directory,
      'durable',
    ];
    const failed: unknown = await promisify(execFile)('bash', args).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({ code: 7 });
    const lines = (failed as { stdout: string }).stdout.split('\n').slice(0, -1);
    expect(lines.at(-1)).toBe('fatal unavailable');
    expect(lines.length).toBeGreaterThan(10);
    await withStore(directory, (store) => expectAcknowledged(store, lines.slice(0, -1)));
  });

  it('refuses use after close, and closes twice', async () => {
    const store = open(directory);
    const running = store.commit({
      partition: P,
      checks: [],
      writes: [{ kind: 'put', key: Buffer.from('k'), value: Buffer.from('v') }],
    });
    await Promise.all([store.close(), store.close()]);
    expect(await running).toBe('committed');
    expect(() => store.get(P, Buffer.from('k'))).toThrow('closed');
    await expect(store.commit({ partition: P, checks: [], writes: [] })).rejects.toThrow('closed');
    await withStore(directory, (again) => expect(again.get(P, Buffer.from('k'))).toBeDefined());
  });
});
