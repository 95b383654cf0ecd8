import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { build, findCompiler } from '../../../native-bench/compiler.ts';
import { percentOf, ratioOf, table, type Results } from '../../../native-bench/report.ts';
import { median } from '../../../native-bench/sample.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../../dist/native-bench/main.js', import.meta.url));

describe('the runner', () => {
  it('says in one line that there is no compiler, and reports ours alone', async () => {
    const out = mkdtempSync(join(tmpdir(), 'native-bench-test-'));
    try {
      const args = [MAIN, '--quick', '--only', 'kernels', '--out', out];
      const { stdout, stderr } = await run(process.execPath, args, { env: { PATH: '' } });
      expect(stdout).toContain('Ours alone: no C compiler on the PATH');
      expect(stderr.split('\n').filter((line) => line.includes('compiler'))).toHaveLength(1);
      const report = JSON.parse(readFileSync(join(out, 'native-bench.json'), 'utf8')) as Results;
      expect(report.kernels.length).toBeGreaterThan(10);
      for (const row of report.kernels) {
        expect(row.ours?.mbPerCpuSecond, row.name).toBeGreaterThan(0);
        expect(row.native).toBeUndefined();
      }
      expect(readFileSync(join(out, 'native-bench.svg'), 'utf8')).toMatch(/^<svg[\s\S]*CRC-32C/);
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  it.skipIf(findCompiler() === undefined)(
    'puts the pipeline in C beside ours',
    async () => {
      const out = mkdtempSync(join(tmpdir(), 'native-bench-test-'));
      try {
        const medium = ['--medium', existsSync('/dev/shm') ? 'ram' : 'disk'];
        const words = ['--quick', '--only', 'pipeline', '--modes', 'unsigned', '--streams', '2'];
        await run(process.execPath, [MAIN, ...words, ...medium, '--out', out]);
        const text = readFileSync(join(out, 'native-bench.json'), 'utf8');
        const { pipelines } = JSON.parse(text) as Results;
        expect(pipelines).toHaveLength(1);
        expect(pipelines.map(ratioOf)).toEqual([expect.any(Number)]);
      } finally {
        rmSync(out, { recursive: true });
      }
    },
    120_000,
  );

  it('refuses words it does not know', async () => {
    await expect(run(process.execPath, [MAIN, '--only', 'nonsense'])).rejects.toThrow('kernels');
    await expect(run(process.execPath, [MAIN, '--rounds', '0'])).rejects.toThrow('from 1 on');
  });
});

describe('the compiler', () => {
  it('is what CC names, or nothing', async () => {
    expect(findCompiler({ PATH: '/nowhere' })).toBeUndefined();
    expect(findCompiler({ PATH: '/nowhere', CC: process.execPath })).toBe(process.execPath);
    expect(findCompiler({ PATH: '/nowhere', CC: 'tcc-of-nobody' })).toBeUndefined();
  });

  it('that fails is as good as none', async () => {
    const built = await build({ PATH: '', CC: process.execPath });
    expect('missing' in built && built.missing).toBeTruthy();
  });
});

describe('the report', () => {
  const side = { mbPerCpuSecond: 500, mbPerSecond: 400 };
  const cost = { userNs: 1.5, systemNs: 1, mbPerSecond: 700 };
  const results: Results = {
    compiler: 'cc',
    missing: undefined,
    rounds: 1,
    kernels: [
      { name: 'a', what: 'A', ours: side, native: { ...side, mbPerCpuSecond: 2000 } },
      { name: 'b', what: 'B', ours: side, native: undefined },
      { name: 'c', what: 'C', ours: undefined, native: side },
    ],
    pipelines: [
      { scenario: 's', medium: 'ram', ours: cost, native: { ...cost, userNs: 1 } },
      { scenario: 't', medium: 'ram', ours: cost, native: undefined },
    ],
  };

  it('shows a dash for what was not measured, never a zero or a percentage', () => {
    const [a, b, c] = results.kernels.map(percentOf);
    expect([a, b, c]).toEqual([25, undefined, undefined]);
    expect(results.pipelines.map(ratioOf)).toEqual([1.25, undefined]);
    const lines = table(results).split('\n');
    expect(lines.find((line) => line.startsWith('A '))).toMatch(/500 +2000 +25 % +400 +400$/);
    expect(lines.find((line) => line.startsWith('B '))).toMatch(/500 +– +– +400 +–$/);
    expect(lines.find((line) => line.startsWith('C '))).toMatch(/– +500 +– +– +400$/);
    expect(lines.find((line) => line.startsWith('s · ram'))).toMatch(/2\.50 .*2\.00 .*1\.25 ×/);
    expect(lines.find((line) => line.startsWith('t · ram'))).toMatch(/2\.50 .*– +700 +–$/);
  });

  it('has a median with as many values below as above', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });
});
