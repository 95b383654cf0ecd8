import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectories, makeDirectory } from '../../../src/admin/data-lock.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function directory(name: string): string {
  const path = join(root, name);
  makeDirectory(path);
  return path;
}

/** A process that holds the lock until it is killed. Resolves once it has it or was refused. */
async function holder(path: string): Promise<{ said: string; kill(): Promise<void> }> {
  const module = fileURLToPath(new URL('../../../dist/src/admin/data-lock.js', import.meta.url));
  const script =
    `const { lockDirectories } = await import(${JSON.stringify(module)});` +
    `await lockDirectories([${JSON.stringify(path)}]).then(() => console.log('held'),` +
    ` (error) => console.log(error.message)); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const said = await new Promise<string>((resolve) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
  });
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  return { said, kill };
}

describe('the lock of a data directory', () => {
  it('is exclusive, whatever the path looks like, and comes back with release', async () => {
    const path = directory('a');
    const lock = await lockDirectories([path]);
    await expect(lockDirectories([path])).rejects.toThrow(`${path} is in use`);
    symlinkSync(path, join(root, 'link'));
    await expect(lockDirectories([join(root, 'link')])).rejects.toThrow('is in use');
    lock.release();
    lock.release();
    expect(existsSync(join(path, 'in-use.sock'))).toBe(false);
    (await lockDirectories([path])).release();
  });

  it('covers every directory, and a refusal leaves nothing held', async () => {
    const [a, b] = [directory('a'), directory('b')];
    const lock = await lockDirectories([b]);
    await expect(lockDirectories([a, b])).rejects.toThrow(`${b} is in use`);
    (await lockDirectories([a])).release();
    lock.release();
  });

  it('goes with a killed process, though its socket file stays', async () => {
    const path = directory('a');
    const { said, kill } = await holder(path);
    expect(said).toBe('held');
    await expect(lockDirectories([path])).rejects.toThrow('is in use');
    await kill();
    expect(existsSync(join(path, 'in-use.sock'))).toBe(true);
    (await lockDirectories([path])).release();
  });

  it('goes to exactly one of many that start at once over a leftover', async () => {
    const path = directory('a');
    await (await holder(path)).kill();
    const holders = await Promise.all([1, 2, 3, 4].map(() => holder(path)));
    expect(holders.filter(({ said }) => said === 'held')).toHaveLength(1);
    expect(holders.filter(({ said }) => said.includes('is in use'))).toHaveLength(3);
    await Promise.all(holders.map(({ kill }) => kill()));
  });

  it('sees a server of another container by its socket alone', async () => {
    const path = directory('a');
    const elsewhere = createServer().listen(join(path, 'in-use.sock'));
    await once(elsewhere, 'listening');
    await expect(lockDirectories([path])).rejects.toThrow('is in use');
    elsewhere.close();
    (await lockDirectories([path])).release();
  });

  it('works below paths that are too long for a socket', async () => {
    const path = directory('deep/'.repeat(40));
    const lock = await lockDirectories([path]);
    expect(existsSync(join(path, 'in-use.sock'))).toBe(true);
    await expect(lockDirectories([path])).rejects.toThrow('is in use');
    lock.release();
    expect(existsSync(join(path, 'in-use.sock'))).toBe(false);
  });
});

describe('makeDirectory', () => {
  it('makes what is missing for the owner alone and leaves what exists', () => {
    mkdirSync(join(root, 'shared'), { mode: 0o755 });
    makeDirectory(join(root, 'shared', 'x', 'y'));
    makeDirectory(join(root, 'shared'));
    expect(statSync(join(root, 'shared', 'x', 'y')).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, 'shared')).mode & 0o777).toBe(0o755);
  });
});
