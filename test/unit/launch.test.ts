import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

// The real launcher on a tree of its own: one source file, and as the only package a shell of the
// compiler that stands in the tree, so that the install needs no registry.
const repository = fileURLToPath(new URL('../../', import.meta.url));
const MAIN =
  "export async function main(words: readonly string[]) { console.log('ran', ...words); }";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-launch-'));
  mkdirSync(join(root, 'src'));
  cpSync(join(repository, 'src/launch.mjs'), join(root, 'src/launch.mjs'));
  cpSync(join(repository, 'tsconfig.json'), join(root, 'tsconfig.json'));
  write('tsconfig.build.json', {
    extends: './tsconfig.json',
    compilerOptions: { noEmit: false, outDir: 'dist', types: [], lib: ['es2023', 'dom'] },
    include: ['src'],
  });
  const compiler = { name: 'typescript', version: '1.0.0', type: 'module' };
  mkdirSync(join(root, 'compiler/bin'), { recursive: true });
  write('compiler/package.json', compiler);
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  write('compiler/bin/tsc', `await import(${JSON.stringify(tsc)});`);
  const dependencies = { typescript: 'file:./compiler' };
  const manifest = { name: 'x', version: '1.0.0', type: 'module', dependencies };
  write('package.json', { ...manifest, engines: { node: '>=20.15' } });
  const packages = {
    '': { name: 'x', version: '1.0.0', dependencies },
    compiler: { name: 'typescript', version: '1.0.0' },
    'node_modules/typescript': { resolved: 'compiler', link: true },
  };
  write('package-lock.json', { ...manifest, lockfileVersion: 3, requires: true, packages });
  write('src/main.ts', MAIN);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, content: unknown): void {
  writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
}

const environment = { ...process.env, SLUICE_BUILD: '', npm_execpath: '' };

function launch(...words: string[]): SpawnSyncReturns<string> {
  const launcher = join(root, 'src/launch.mjs');
  return spawnSync(process.execPath, [launcher, ...words], { encoding: 'utf8', env: environment });
}

function launchBeside(...words: string[]): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(process.execPath, [join(root, 'src/launch.mjs'), ...words], {
    env: environment,
  });
  let stdout = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout })));
}

describe('the launcher', { timeout: 120_000 }, () => {
  it('installs and compiles a fresh clone, then only what changed', () => {
    const first = launch('serve', '--x', 'y');
    expect(first.stderr).toContain('installing packages');
    expect(first.stderr).toContain('compiling');
    expect(first).toMatchObject({ status: 0, stdout: 'ran serve --x y\n' });

    expect(launch('serve')).toMatchObject({ status: 0, stdout: 'ran serve\n', stderr: '' });

    write('src/main.ts', MAIN.replace('ran', 'ran anew'));
    const changed = launch('serve');
    expect(changed.stderr).toBe('sluice: compiling …\n');
    expect(changed.stdout).toBe('ran anew serve\n');

    // A lockfile that says something else: installed again.
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as object;
    write('package-lock.json', { ...lock, version: '1.0.1' });
    rmSync(join(root, 'node_modules/.package-lock.json'));
    expect(launch('serve').stderr).toContain('installing packages');
  });

  it('keeps an install made by hand, and compiled code of removed sources goes', () => {
    write('src/extra.ts', 'export const extra = 1;');
    expect(spawnSync('npm', ['install', '--ignore-scripts'], { cwd: root }).status).toBe(0);
    expect(launch('serve').stderr).toBe('sluice: compiling …\n');
    expect(readdirSync(join(root, 'dist/src')).sort()).toEqual(['extra.js', 'main.js']);
    rmSync(join(root, 'src/extra.ts'));
    expect(launch('serve').status).toBe(0);
    expect(readdirSync(join(root, 'dist/src'))).toEqual(['main.js']);
    expect(readdirSync(join(root, 'dist')).sort()).toEqual(['.stamp', 'src']);
  });

  it('stops with the errors of the compiler, and does not run old code', () => {
    expect(launch('serve').status).toBe(0);
    write('src/main.ts', `${MAIN}\nexport const wrong: number = 'text';\n`);
    const run = launch('serve');
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toContain("Type 'string' is not assignable to type 'number'");
    expect(run.stderr).toContain('sluice: the sources do not compile; see above');
    // A lenient build, as tests ask for, must not pass for a clean one afterwards.
    expect(launch('--run', 'build').status).toBe(1);
    environment.SLUICE_BUILD = 'lenient';
    expect(launch('--run', 'build').status).toBe(0);
    environment.SLUICE_BUILD = '';
    expect(launch('serve').status).toBe(1);
  });

  it('lets launches at the same time do the set-up once, one after the other', async () => {
    const runs = await Promise.all(['a', 'b', 'c'].map((word) => launchBeside('serve', word)));
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(runs.map(({ stdout }) => stdout)).toEqual(
      ['a', 'b', 'c'].map((w) => `ran serve ${w}\n`),
    );
    expect(readdirSync(join(root, 'dist')).sort()).toEqual(['.stamp', 'src']);
  });

  it('names the Node.js it needs when this one is too old', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object;
    write('package.json', { ...manifest, engines: { node: '>=999.0' } });
    const run = launch('serve');
    expect(run.status).toBe(1);
    expect(run.stderr).toBe(
      `sluice: needs Node.js 999.0 or newer, this is ${process.versions.node}\n`,
    );
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  it('says so when packages cannot be installed', () => {
    rmSync(join(root, 'compiler'), { recursive: true });
    const missing = launch('serve');
    expect(missing.status).toBe(1);
    expect(missing.stderr.split('\n').at(-2)).toMatch(/^sluice: /);
  });

  it('refuses a lockfile that does not fit, and asks no registry about it', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object;
    write('package.json', { ...manifest, dependencies: { 'not-in-the-lockfile': '1.0.0' } });
    const run = launch('serve');
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toBe('sluice: package-lock.json does not fit package.json\n');
  });
});
