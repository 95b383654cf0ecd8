import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

// The program as a person meets it: the compiled main file as a process of its own.
const main = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

let root: string;
let children: ChildProcess[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-start-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) await stop(child, 'SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly endpoint: string;
  stdout(): string;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sluice(words: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [main, ...words], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

async function ended(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = sluice(words, env);
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Resolves when the whole banner is there: the server listens by then. */
function serving(words: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Started> {
  const child = sluice(['serve', '--listen', '127.0.0.1:0', ...words], env);
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ['', ''];
    child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()));
    child.stdout?.on('data', (data: Buffer) => {
      stdout += data.toString();
      const endpoint = /serves S3 at (http:\S+)/.exec(stdout)?.[1];
      if (endpoint !== undefined) resolve({ child, endpoint, stdout: () => stdout });
    });
    child.once('exit', (code) => reject(new Error(`exit ${code}: ${stderr}`)));
  });
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill(signal);
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

describe('a first start', () => {
  it('shows where, on what, how safe, and a key to paste; later ones keep it secret', async () => {
    const first = await serving();
    expect(first.stdout()).toContain(`data        ${join(root, 'data')}`);
    expect(first.stdout()).toContain('3 datanodes, xor-2-1-1024k: any 1 may be lost');
    expect(first.stdout()).toContain('durable: 200 OK means on stable storage');
    const id = /export AWS_ACCESS_KEY_ID=([A-Z2-7]{20})\n/.exec(first.stdout())?.[1];
    const secret = /export AWS_SECRET_ACCESS_KEY=([A-Za-z0-9]{40})\n/.exec(first.stdout())?.[1];
    expect(first.stdout()).toContain(`aws --endpoint-url ${first.endpoint} s3 mb s3://`);
    const file = join(root, 'data', 'credentials.json');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      accessKey: id,
      secretKey: secret,
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(root, 'data')).mode & 0o777).toBe(0o700);

    const response = await fetch(first.endpoint);
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('<Code>AccessDenied</Code>');
    expect(await stop(first.child, 'SIGTERM')).toBe(0);

    const second = await serving();
    expect(second.stdout()).toContain(`root key    ${file}`);
    expect(second.stdout()).not.toContain(secret);
    expect(await stop(second.child, 'SIGINT')).toBe(0);
  });

  it('takes the key of the environment and makes none up', async () => {
    const key = { SLUICE_ROOT_ACCESS_KEY: 'GIVEN', SLUICE_ROOT_SECRET_KEY: 'given-secret' };
    const { stdout } = await serving([], key);
    expect(stdout()).toContain('root key    from the settings');
    expect(stdout()).not.toContain('given-secret');
    expect(existsSync(join(root, 'data', 'credentials.json'))).toBe(false);
  });

  it('names relaxed durability and missing security', async () => {
    const { stdout } = await serving(['--durability', 'relaxed', '--insecure']);
    expect(stdout()).toContain('durability  RELAXED');
    expect(stdout()).toContain('security    OFF');
  });
});

describe('an idle server', () => {
  it('stays below 160 MiB', async () => {
    const { child } = await serving();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    const mebibytes = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    expect(mebibytes).toBeGreaterThan(10);
    expect(mebibytes).toBeLessThanOrEqual(160);
  });
});

describe('bad settings', () => {
  it.each([
    [['serve', '--replication', 'rs-6-3-1024k'], /needs 9 datanodes, not 3/],
    [['serve', '--listen', '0.0.0.0:9', '--insecure'], /say it twice/],
    [['serve', '--no-such-flag'], /unknown option/],
    [['serve', '--config', 'missing.json'], /cannot be read/],
    [['serve', '--identities', 'missing.json'], /--identities: missing.json: ENOENT/],
    [['serve', '--tls-cert', 'missing.pem'], /--tls-cert and --tls-key go together/],
    [
      ['serve', '--tls-cert', 'missing.pem', '--tls-key', 'missing.key'],
      /--tls-cert: missing.pem cannot be read \(ENOENT\)/,
    ],
    [[], /no command given/],
  ])('%j: one line, exit 2, nothing touched', async (words, line) => {
    const { code, stdout, stderr } = await ended(words);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^sluice: [^\n]+\n$/);
    expect(stderr).toMatch(line);
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('what cannot start says so in one line and exits 1', () => {
  it('a second server on one folder; the first goes on', async () => {
    const first = await serving();
    const second = await ended(['serve', '--listen', '127.0.0.1:0']);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toBe(
      `sluice: cannot start: ${join(root, 'data')} is in use by another running server\n`,
    );
    expect((await fetch(first.endpoint)).status).toBe(403);
  });

  it('a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { code, stdout, stderr } = await ended(['serve', '--listen', `127.0.0.1:${port}`]);
    taken.close();
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      new RegExp(`^sluice: cannot start: [^\\n]*127\\.0\\.0\\.1:${port}[^\\n]*\\n$`),
    );
  });
});

describe('an end', () => {
  it('by kill -9 does not keep the next server from starting', async () => {
    const first = await serving();
    await stop(first.child, 'SIGKILL');
    const second = await serving();
    expect((await fetch(second.endpoint)).status).toBe(403);
  });

  it('asked for during the start is an orderly one', async () => {
    const child = sluice(['serve', '--listen', '127.0.0.1:0']);
    while (!existsSync(join(root, 'data'))) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await stop(child, 'SIGTERM')).toBe(0);
  });

  it('by one Ctrl-C that arrives twice, as under npm, is still an orderly one', async () => {
    const { child } = await serving();
    child.kill('SIGINT');
    expect(await stop(child, 'SIGINT')).toBe(0);
  });
});
