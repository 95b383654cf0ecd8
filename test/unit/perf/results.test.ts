import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Baseline, baselineOf, compare } from '../../../perf/baseline.ts';
import { pick, SCENARIOS } from '../../../perf/catalogue.ts';
import { selfTimes } from '../../../perf/cpu-profile.ts';
import { matrix } from '../../../perf/matrix.ts';
import { fill, generatedPart, targetTable } from '../../../perf/page.ts';
import { bars } from '../../../perf/plot.ts';
import { parseStat } from '../../../perf/process-cost.ts';
import * as results from '../../../perf/results.ts';
import { TARGETS } from '../../../perf/targets.ts';

const GB = 1e9;

const roundOf = (ms: number): results.Sample => ({
  units: GB,
  wallMs: 2000,
  userMs: ms - 100,
  systemMs: 100,
  generatorMs: 500,
  p50Ms: 10,
  p99Ms: 20,
  peakRssBytes: 300 * 2 ** 20,
});

/** Rounds that cost so many CPU milliseconds for 10^9 bytes. */
function byteResult(scenario: string, side: string, cpuMs: readonly number[]): results.Result {
  const samples = cpuMs.map(roundOf);
  const words = { title: scenario, redundancy: 'r', durability: 'd' };
  return { scenario, side, unit: 'byte', medium: 'ram', ...words, samples };
}

describe('a result', () => {
  const result = byteResult('put-signed-chunks-x8', 'sluice', [1900, 1700, 2300]);

  it('costs CPU per unit, with the spread of its rounds', () => {
    expect(results.costOf(result)).toEqual({ median: 1.9, min: 1.7, max: 2.3 });
    expect(results.splitOf(result)).toEqual({ user: 1.8, system: 0.1 });
    expect(results.rateOf(result).median).toBe(500);
    expect(results.generatorOf(result).median).toBe(0.5);
    expect(results.peakMiBOf(result)).toBe(300);
    expect(results.memoryText(result)).toBe('300');
    const samples = result.samples.map((one) => ({ ...one, mappedBytes: 200 * 2 ** 20 }));
    expect(results.memoryText({ ...result, samples })).toBe('100 + 200 mapped');
    expect(results.shareOf(result)).toBeUndefined();
  });

  it('of requests is in microseconds and requests a second, of keys per CPU second', () => {
    const sample = { ...roundOf(1900), units: 10_000, userMs: 800, systemMs: 100 };
    const request = { ...result, unit: 'request' as const, samples: [sample] };
    expect(results.costOf(request).median).toBe(90);
    expect(results.rateOf(request).median).toBe(5000);
    expect(results.perCpuSecondOf({ ...request, unit: 'key' }).median).toBeCloseTo(11_111, 0);
  });

  it('is divided by the reference of its own round', () => {
    const samples = [{ ...roundOf(1900), reference: 625 }];
    expect(results.shareOf({ ...result, samples })?.median).toBe(0.8);
  });

  it('stands in tables and pictures with its median and spread', () => {
    expect(results.table([result])).toContain('1.90 [1.70 … 2.30] ns/B');
    expect(bars([result])).toMatch(/^<svg[\s\S]*1\.90 {2}\[1\.70 … 2\.30\][\s\S]*<\/svg>$/);
  });
});

describe('targets', () => {
  const measured = (ours: number, minio: number) => ({
    perf: [byteResult('put-signed-chunks-x8', 'sluice', [ours])],
    peers: [
      byteResult('put-signed-chunks-x8', 'sluice', [ours]),
      byteResult('put-signed-chunks-x8', 'minio-1', [minio]),
    ],
    pipelines: [
      {
        scenario: 'signed-chunks ×8',
        medium: 'ram',
        ours: { userNs: ours / 1000, systemNs: 0 },
        native: { userNs: 1, systemNs: 0.5 },
      },
    ],
  });
  const rows = (table: string): string[][] =>
    table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  const verdict = (table: string, work: RegExp): string =>
    rows(table).find((row) => work.test(row[1] ?? ''))?.[4] ?? 'no row';

  it('are met, missed or not measured', () => {
    const met = targetTable(measured(1900, 3300));
    expect(verdict(met, /^multipart PUT, 8 parts/)).toBe('yes');
    expect(verdict(met, /C pipeline/)).toBe('yes');
    expect(verdict(met, /MinIO on one/)).toBe('yes');
    expect(verdict(met, /MinIO on four/)).toBe('not measured');
    expect(verdict(met, /CopyObject/)).toBe('not measured');
    const missed = targetTable(measured(2100, 3300));
    expect(verdict(missed, /^multipart PUT, 8 parts/)).toBe('**no**');
    expect(verdict(missed, /C pipeline/)).toBe('**no**');
    expect(verdict(missed, /MinIO on one/)).toBe('**no**');
    expect(missed).toContain('sluice 2.10, minio-1 3.30 ns/B');
  });

  it('name scenarios that there are', () => {
    const names = new Set([...SCENARIOS.map(({ name }) => name), 'list-100k']);
    for (const { beside } of TARGETS) if (beside !== undefined) expect(names).toContain(beside[0]);
  });

  it('stand between the markers of the page, and what is around them stays', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-page-'));
    try {
      const { perf } = measured(1900, 3300);
      const machine = results.thisMachine();
      const report = { version: 1, machine, command: 'npm run perf', results: perf };
      writeFileSync(join(directory, 'perf.json'), JSON.stringify(report));
      const page =
        'before\n<!-- generated: begin -->\na stale figure\n<!-- generated: end -->\nafter\n';
      const filled = fill(page, generatedPart(directory));
      expect(filled).toMatch(/^before\n[\s\S]*\nafter\n$/);
      expect(filled).toContain('1.90 ns/B');
      expect(filled).not.toContain('stale');
      expect(filled).not.toContain('judge nothing');
      const quick = { ...report, command: 'npm run perf -- --quick' };
      writeFileSync(join(directory, 'perf.json'), JSON.stringify(quick));
      expect(generatedPart(directory)).toContain('judge nothing');
      expect(() => fill('no markers', '')).toThrow('no markers');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('a baseline', () => {
  const store = (cpuMs: readonly number[], calibrationMs: number): Baseline =>
    baselineOf([byteResult('a', 'sluice', cpuMs)], calibrationMs);

  it('takes a slower machine for what it is', () => {
    const [row] = compare(store([1000], 100), store([2000], 200), 0.1);
    expect(row).toMatchObject({ ratio: 1, worse: false });
  });

  it('finds what became worse than the noise of both runs', () => {
    expect(compare(store([1000], 100), store([1090], 100), 0.1)[0]?.worse).toBe(false);
    expect(compare(store([1000], 100), store([1110], 100), 0.1)[0]?.worse).toBe(true);
    const noisy = store([800, 1000, 1200], 100);
    expect(compare(noisy, store([1190], 100), 0.1)[0]).toMatchObject({ band: 0.2, worse: false });
  });

  it('compares only what is in both', () => {
    const other = baselineOf([byteResult('b', 'sluice', [1])], 100);
    expect(compare(store([1000], 100), other, 0.1)).toEqual([]);
  });
});

describe('names of scenarios', () => {
  it('are picked by word and by beginning, in the order of the catalogue', () => {
    const names = (words: string): string[] => pick(words).map(({ name }) => name);
    expect(names('list-1m,put-5gib-x1')).toEqual(['put-5gib-x1', 'list-1m']);
    expect(names('get-1mib*')).toEqual(['get-1mib-x16', 'get-1mib-ranges-x16']);
    expect(names('*')).toHaveLength(SCENARIOS.length);
    expect(() => names('nothing')).toThrow('no scenario nothing');
  });

  it('are unique, and those of a matrix say every coordinate', () => {
    const all = SCENARIOS.map(({ name }) => name);
    expect(new Set(all).size).toBe(all.length);
    const flags = { sizes: '5,16', modes: 'signed,unsigned', streams: '1,8' };
    const more = { replications: 'one,rs-3-2', durabilities: 'durable,relaxed' };
    const cells = matrix({ ...flags, ...more });
    expect(new Set(cells.map(({ name }) => name)).size).toBe(32);
    const cell = cells.find(({ name }) => name === 'put-signed-x8-5m-rs-3-2-relaxed');
    expect(cell?.options?.join(' ')).toBe(
      '--replication rs-3-2-1024k --datanodes 5 --durability relaxed',
    );
    expect(() => matrix({ ...flags, ...more, modes: 'quantum' })).toThrow('mode quantum');
  });
});

describe('the readers', () => {
  it('of /proc/PID/stat find the times behind any name', () => {
    const fields = Array.from({ length: 50 }, (_, at) => String(at + 3)).slice(1);
    const line = `42 (a) b (c)) S ${fields.join(' ')}`;
    // Fields 14 and 15 of the whole line, in ticks.
    expect(parseStat(line)).toEqual({ userMs: 140, systemMs: 150 });
    expect(() => parseStat('42 (short) S')).toThrow('no stat');
  });

  it('of V8 profiles sum the time of each leaf and keep waiting apart', () => {
    const frame = (functionName: string, url = '', lineNumber = 0) => ({
      functionName,
      url,
      lineNumber,
    });
    const profile = {
      nodes: [
        { id: 1, callFrame: frame('(idle)') },
        { id: 2, callFrame: frame('work', 'file:///x/dist/src/a.js', 6) },
        { id: 3, callFrame: frame('take', 'file:///x/dist/src/threads/mailbox.js', 27) },
        { id: 4, callFrame: frame('hash') },
      ],
      samples: [1, 2, 3, 2, 4],
      timeDeltas: [0, 1000, 2000, 3000, 4000],
    };
    expect(selfTimes(profile)).toEqual({
      busyMs: 6,
      idleMs: 4,
      functions: [
        { name: 'work src/a.js:7', ms: 6 },
        { name: 'hash', ms: 0 },
      ],
    });
  });

  it('of reports refuse what they do not know', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-report-'));
    try {
      const path = join(directory, 'old.json');
      writeFileSync(path, '{"version":0,"results":[]}');
      expect(() => results.readReport(path)).toThrow('no report of this version');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
