import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { findCompiler } from '../../../native-bench/compiler.ts';
import { WRITE_PLANS, writeFile } from '../../../native-bench/our-files.ts';
import { ourKernels } from '../../../native-bench/our-kernels.ts';
import { parseSample, runProgram, runReceiver } from '../../../native-bench/sample.ts';
import { send } from '../../../native-bench/sender.ts';
import { compile, pathOf } from './compiled.ts';

const CHECKED = ['digests', 'codes', 'loopback', 'files'] as const;
const programs = await compile(...CHECKED);
const folder = mkdtempSync(join(tmpdir(), 'native-bench-test-'));

afterAll(() => {
  programs?.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(programs === undefined)('the C programs', () => {
  it.each(CHECKED)('%s proves its kernels', (name) => {
    const run = spawnSync(pathOf(programs, name), ['--check', '--directory', folder]);
    expect(run.stderr.toString().replaceAll(/.*refuses O_DIRECT\n/g, '')).toBe('');
    expect(run.status).toBe(0);
    expect(run.stdout.toString()).toBe('');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('have a ceiling for each of our kernels and each way to write', async () => {
    const notes: string[] = [];
    const note = (text: string): void => void notes.push(text);
    for (const { name, program, bytes } of ourKernels()) {
      const args = ['--only', name, '--milliseconds', '2'];
      const sample = await runProgram(pathOf(programs, program), args, note);
      expect(sample?.name).toBe(name);
      // Whole calls: both sides count the same bytes for one.
      expect((sample?.bytes ?? 1) % bytes, name).toBe(0);
      const { cpuNs = 0, mbPerSecond = 0 } = sample ?? {};
      expect(mbPerSecond).toBeCloseTo(((sample?.bytes ?? 0) * 1e3) / cpuNs, 0);
    }
    for (const { name } of WRITE_PLANS) {
      const args = ['--only', name, '--megabytes', '2', '--directory', folder];
      const sample = await runProgram(pathOf(programs, 'files'), args, note);
      expect(sample?.name ?? name).toBe(name);
    }
    expect(notes.filter((text) => !text.includes('refuses O_DIRECT'))).toEqual([]);
  });

  it('refuse a kernel nobody knows', () => {
    const run = spawnSync(pathOf(programs, 'digests'), ['--only', 'md6']);
    expect(run.status).toBe(1);
    expect(run.stderr.toString()).toContain('no kernel of that name');
  });

  it.each([
    ['md5-lanes.h', '0xeb86d391u', '0xeb86d390u', 'digests', 'MD5 in lanes'],
    ['crc.h', '512 + 63', '512 + 62', 'digests', 'crc32'],
    ['xxh64.h', 'xxh_rotl(c, 12)', 'xxh_rotl(c, 13)', 'digests', 'xxHash64'],
    ['gf256.h', '_mm256_srli_epi64(bytes, 4)', '_mm256_srli_epi64(bytes, 3)', 'codes', 'Reed'],
  ])('notice a mistake in %s', (file, right, wrong, program, complaint) => {
    const copy = join(folder, 'mutant');
    cpSync(fileURLToPath(new URL('../../../native-bench', import.meta.url)), copy, {
      recursive: true,
    });
    const text = readFileSync(join(copy, file), 'utf8');
    expect(text).toContain(right);
    writeFileSync(join(copy, file), text.replace(right, wrong));
    const binary = join(folder, 'mutant-program');
    const args = ['-O1', '-std=gnu11', '-o', binary, join(copy, `${program}.c`)];
    execFileSync(findCompiler() ?? 'cc', [...args, '-lcrypto', '-lm'], { stdio: 'ignore' });
    const run = spawnSync(binary, ['--check']);
    rmSync(copy, { recursive: true });
    rmSync(binary);
    expect(run.stderr.toString()).toContain(`wrong: ${complaint}`);
    expect(run.status).toBe(1);
  });
});

describe('our side', () => {
  it('receives every byte through the front end, as the C program does from the same sender', async () => {
    const bytes = 3_000_000;
    const receiver = fileURLToPath(
      new URL('../../../dist/native-bench/our-receive.js', import.meta.url),
    );
    const ours = await runReceiver(process.execPath, [receiver], (port) => send(port, bytes, true));
    expect(ours.bytes).toBe(bytes);
    if (programs === undefined) return;
    const args = ['--listen', '--only', 'recv-256k', '--megabytes', '3'];
    const native = await runReceiver(pathOf(programs, 'loopback'), args, (port) =>
      send(port, bytes, false),
    );
    expect(native.bytes).toBe(bytes);
  });

  it.each(WRITE_PLANS)('writes and removes a file: $what', (plan) => {
    const sample = writeFile(folder, plan, 2);
    if (!plan.direct) expect(sample).toBeDefined();
    if (sample !== undefined) expect(sample).toMatchObject({ name: plan.name, bytes: 2 << 20 });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a line of a program', () => {
  it('is taken only when it is a whole measurement', () => {
    const line = '{"name":"x","bytes":10,"cpuNs":5,"wallNs":6,"mbPerSecond":2000}';
    expect(parseSample(line)).toMatchObject({ name: 'x', bytes: 10, cpuNs: 5, wallNs: 6 });
    for (const bad of ['{}', line.replace('10', '"10"'), line.replace('"wallNs":6,', '')]) {
      expect(() => parseSample(bad), bad).toThrow('no measurement');
    }
    expect(() => parseSample('not JSON')).toThrow();
  });
});
