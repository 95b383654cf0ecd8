#!/usr/bin/env node
/**
 * The first thing that runs: plain JavaScript on a bare Node, because on a fresh clone there are
 * no packages and no compiled code. It installs from the lockfile when `node_modules` does not
 * match it, compiles when the sources changed, and then becomes the server (same process) or runs
 * the steps of one of the npm scripts.
 *
 * Two launches at once do the set-up one after the other, and compiled files are replaced one by
 * one by renaming, so a server that starts meanwhile never loads half a file. Everything about
 * the set-up goes to standard error: standard output belongs to the command.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const DIST = join(ROOT, 'dist');
const INSTALL_STAMP = join(MODULES, '.sluice-installed');
const BUILD_STAMP = join(DIST, '.stamp');
const BUILD_CONFIG = 'tsconfig.build.json';
/** Header blocks up to LIMITS.headerBytes; read by the HTTP addon at the moment it loads. */
const HEADER_BYTES = '32768';

function say(line) {
  process.stderr.write(`sluice: ${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function checkNode() {
  const wanted = readJson(join(ROOT, 'package.json'))?.engines?.node?.replace('>=', '') ?? '20.15';
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  fail(`needs Node.js ${wanted} or newer, this is ${process.versions.node}`);
}

// ── packages

function lockHash() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  const platform = `${process.platform}-${process.arch}`;
  return createHash('sha256').update(lock).update(platform).digest('hex');
}

/** npm writes `.package-lock.json` as the last act of an install: its own stamp. */
function installed() {
  if (existsSync(INSTALL_STAMP) && readFileSync(INSTALL_STAMP, 'utf8') === lockHash()) return true;
  const have = readJson(join(MODULES, '.package-lock.json'))?.packages;
  const wanted = readJson(join(ROOT, 'package-lock.json'))?.packages;
  if (have === undefined || wanted === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = have[path];
    if (found === undefined) return entry.optional === true && !isForHere(entry);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/** Whether an optional package is meant for this machine (its C library is not looked at). */
function isForHere({ os, cpu, libc }) {
  const names = (list, name) => list === undefined || list.includes(name);
  return libc === undefined && names(os, process.platform) && names(cpu, process.arch);
}

function install() {
  checkLock();
  say('installing packages from package-lock.json …');
  // Not `npm ci`: it wants every optional package of every platform in the lockfile, and npm
  // leaves out those that its registry did not offer when the lockfile was written. `install`
  // without saving takes the locked versions and integrities just the same. Scripts of packages
  // are not run: everything native here comes as prebuilt packages.
  const args = ['install', '--no-save', '--include=dev', '--ignore-scripts', '--no-audit'];
  const npm = process.env.npm_execpath;
  const [command, before] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const options = { cwd: ROOT, stdio: ['ignore', 2, 2] };
  const run = spawnSync(command, [...before, ...args, '--no-fund'], options);
  if (run.error) fail(`npm could not be started: ${run.error.message}`);
  if (run.status !== 0) fail(`npm install failed (exit ${run.status ?? run.signal}); see above`);
  if (!installed()) fail('npm installed something else than package-lock.json says');
  writeFileSync(INSTALL_STAMP, lockHash());
}

/** Without this, `install` would quietly fetch what the lockfile does not know. */
function checkLock() {
  const manifest = readJson(join(ROOT, 'package.json'));
  const locked = readJson(join(ROOT, 'package-lock.json'))?.packages?.[''];
  const names = (from) => JSON.stringify([from?.dependencies ?? {}, from?.devDependencies ?? {}]);
  if (names(manifest) !== names(locked)) fail('package-lock.json does not fit package.json');
}

// ── compiled code

function filesBelow(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** Of everything the compiler reads; contents, because clones and copies do not keep times. */
function sourceHash() {
  const hash = createHash('sha256');
  const { include } = readJson(join(ROOT, BUILD_CONFIG));
  const sources = include.flatMap((room) => filesBelow(join(ROOT, room)));
  const configs = ['tsconfig.json', BUILD_CONFIG, 'package-lock.json'].map((f) => join(ROOT, f));
  for (const path of [...configs, ...sources]) {
    hash
      .update(`${relative(ROOT, path)}\0`)
      .update(readFileSync(path))
      .update('\0');
  }
  return hash.digest('hex');
}

/** 'lenient' also takes a build whose sources have errors of types. */
function built(mode) {
  const stamp = readJson(BUILD_STAMP);
  return stamp?.hash === sourceHash() && (stamp.clean === true || mode === 'lenient');
}

function build(mode) {
  say('compiling …');
  const hash = sourceHash();
  mkdirSync(DIST, { recursive: true });
  for (const name of readdirSync(DIST)) {
    // Left behind by a launch that was killed: whoever builds holds the turn.
    if (name.startsWith('.build-')) rmSync(join(DIST, name), { recursive: true, force: true });
  }
  const fresh = mkdtempSync(join(DIST, '.build-'));
  try {
    const tsc = join(MODULES, 'typescript', 'bin', 'tsc');
    const args = [tsc, '-p', BUILD_CONFIG, '--outDir', fresh];
    const run = spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
    const clean = run.status === 0;
    if (!clean && mode !== 'lenient') return fail('the sources do not compile; see above');
    if (!existsSync(join(fresh, 'src'))) return fail('the compiler wrote nothing');
    replaceCompiled(fresh);
    writeFileSync(BUILD_STAMP, JSON.stringify({ hash, clean }));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Moves what changed into `dist/`, file by file, and removes what no longer has a source. */
function replaceCompiled(fresh) {
  const kept = new Set([BUILD_STAMP]);
  for (const path of filesBelow(fresh)) {
    const target = join(DIST, relative(fresh, path));
    kept.add(target);
    const same = existsSync(target) && readFileSync(target).equals(readFileSync(path));
    if (same) continue;
    mkdirSync(dirname(target), { recursive: true });
    renameSync(path, target);
  }
  for (const path of filesBelow(DIST)) {
    if (!kept.has(path) && !path.startsWith(fresh)) rmSync(path);
  }
}

// ── set-up

/** Held until `close`. The kernel frees the name when its process dies, however it dies. */
async function takeTurn() {
  if (process.platform !== 'linux') return { close: () => {} };
  const name = createHash('sha256').update(ROOT).digest('hex').slice(0, 32);
  for (let attempt = 0; ; attempt += 1) {
    const turn = createServer();
    const got = await new Promise((resolve) => {
      turn.once('error', () => resolve(false));
      turn.listen({ path: `\0sluice-setup-${name}` }, () => resolve(true));
    });
    if (got) return turn;
    if (attempt === 0) say('waiting for another launch to finish its set-up …');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function setUp(mode) {
  if (installed() && built(mode)) return;
  const turn = await takeTurn();
  try {
    if (!installed()) install();
    if (!built(mode)) build(mode);
  } finally {
    turn.close();
  }
}

// ── the npm scripts

/** Runs one program with our own standard streams; yields its exit code. A signal ends it all. */
function run(args, env = {}) {
  return new Promise((resolve) => {
    const options = { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } };
    const child = spawn(process.execPath, args, options);
    let interrupted = false;
    const forward = (signal) => {
      interrupted = true;
      child.kill(signal);
    };
    process.on('SIGINT', forward).on('SIGTERM', forward);
    child.once('exit', (code) => {
      process.off('SIGINT', forward).off('SIGTERM', forward);
      if (interrupted) process.exit(130);
      resolve(code ?? 1);
    });
  });
}

const bin = (name, path) => join(MODULES, name, path);

const CHECKS = {
  types: [bin('typescript', 'bin/tsc'), '-p', '.'],
  lint: [bin('oxlint', 'bin/oxlint'), '--type-aware', '--deny-warnings'],
  format: [bin('oxfmt', 'bin/oxfmt'), '--check'],
};

const CRASH = join(DIST, 'test', 'crash', 'main.js');
/** Enough to notice a broken promise in CI; `npm run crash -- --rounds 5000` is the real thing. */
const CRASH_ROUNDS = [CRASH, '--rounds', '20'];

/** One program as one test. */
async function step(name, args) {
  const passed = (await run(args)) === 0;
  process.stdout.write(`${passed ? '✓' : '✗'} ${name}\n`);
  return { passed: Number(passed), failed: Number(!passed), skipped: 0 };
}

async function check() {
  const parts = [];
  for (const [name, args] of Object.entries(CHECKS)) parts.push(await step(name, args));
  return sum(parts);
}

/** A run that ends without counts (it could not start, or was killed) is one failure. */
async function vitest(args, env = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-counts-'));
  const path = join(directory, 'counts.json');
  const entry = bin('vitest', 'vitest.mjs');
  const code = await run([entry, 'run', ...args], {
    ...env,
    SLUICE_COUNTS: path,
    SLUICE_BUILT: '1',
  });
  const counts = readJson(path) ?? { passed: 0, failed: 0, skipped: 0 };
  rmSync(directory, { recursive: true, force: true });
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function sum(parts) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const part of parts) for (const key of Object.keys(total)) total[key] += part[key];
  return total;
}

function conclude(...parts) {
  const total = sum(parts);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  return total.failed === 0 ? 0 : 1;
}

const SCRIPTS = {
  build: async () => 0,
  check: async () => conclude(await check()),
  /** With arguments (files, `-t name`): only those tests, without the static checks. */
  test: async (args) => {
    if (args.length > 0) return conclude(await vitest(args));
    const parts = [await check(), await vitest([])];
    if (process.env.SLUICE_CI === '1') parts.push(await step('crash', CRASH_ROUNDS));
    return conclude(...parts);
  },
  /** Seconds for each parser first, then what vitest understands. */
  fuzz: async ([seconds = '60', ...args]) => {
    const timeout = `--testTimeout=${(Number(seconds) + 30) * 1000}`;
    const words = ['test/fuzz', timeout, ...args];
    return conclude(await vitest(words, { SLUICE_FUZZ_SECONDS: seconds }));
  },
  crash: (args) => run([CRASH, ...args]),
  perf: (args) => run([join(DIST, 'perf', 'main.js'), ...args]),
  'perf-memory': (args) => run([join(DIST, 'perf', 'memory.js'), ...args]),
  'perf-peers': (args) => run([join(DIST, 'perf', 'peers.js'), ...args]),
  'perf-growth': (args) => run([join(DIST, 'perf', 'growth.js'), ...args]),
  'perf-soak': (args) => run([join(DIST, 'perf', 'soak.js'), ...args]),
  'perf-page': (args) => run([join(DIST, 'perf', 'page.js'), ...args]),
  'perf-compare': (args) => run([join(DIST, 'perf', 'compare.js'), ...args]),
  'perf-profile': (args) => run([join(DIST, 'perf', 'profile.js'), ...args]),
  'perf-digests': (args) => run([join(DIST, 'perf', 'digests.js'), ...args]),
  'perf-storage': (args) => run([join(DIST, 'perf', 'storage.js'), ...args]),
  'native-bench': (args) => run([join(DIST, 'native-bench', 'main.js'), ...args]),
};

async function launch([first, name, ...rest]) {
  checkNode();
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= HEADER_BYTES;
  if (first !== '--run') {
    await setUp('strict');
    const { main } = await import('../dist/src/main.js');
    return main(process.argv.slice(2));
  }
  const script = SCRIPTS[name];
  if (script === undefined) return fail(`no such script: ${name}`);
  // Tests run on a tree with errors of types too: the check of types reports them as a failure.
  const tests = ['test', 'check', 'fuzz'].includes(name);
  const lenient = tests || process.env.SLUICE_BUILD === 'lenient';
  await setUp(lenient ? 'lenient' : 'strict');
  process.exitCode = await script(rest);
}

await launch(process.argv.slice(2));
