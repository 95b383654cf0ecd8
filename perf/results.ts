/**
 * The one shape of a result: a scenario on a medium by one side, with every round kept. Cost and
 * rate are derived here and nowhere else, so that tables, pictures, comparisons and the page cannot
 * disagree. Results are JSON files; reading one checks its version.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { type Spread, spreadOf } from './spread.ts';

export type Unit = 'byte' | 'request' | 'key' | 'call';

/** One round. */
export interface Sample {
  /** How many of the unit. */
  readonly units: number;
  readonly wallMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  /** CPU of the generator in the same window. */
  readonly generatorMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Since the server's start. */
  readonly peakRssBytes: number;
  /** Of it, pages of the mapped database. */
  readonly mappedBytes?: number;
  /** What the machine did by itself right after, in the unit of `rate`. */
  readonly reference?: number;
}

export interface Result {
  readonly scenario: string;
  readonly title: string;
  readonly unit: Unit;
  readonly medium: string;
  /** `sluice`, a variant of it, or a peer. */
  readonly side: string;
  readonly redundancy: string;
  readonly durability: string;
  readonly referenceName?: string;
  readonly samples: readonly Sample[];
}

export interface Report {
  readonly version: 1;
  readonly machine: Machine;
  readonly command: string;
  readonly results: readonly Result[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    date: new Date().toISOString(),
  };
}

/** How cost and rate of a unit are named, and by what milliseconds per unit are multiplied. */
const UNITS: Readonly<Record<Unit, { cost: string; scale: number; rate: string; per: number }>> = {
  byte: { cost: 'ns/B', scale: 1e6, rate: 'MB/s', per: 1e-3 },
  request: { cost: 'µs', scale: 1e3, rate: '/s', per: 1e3 },
  key: { cost: 'µs/key', scale: 1e3, rate: 'keys/s', per: 1e3 },
  call: { cost: 'ms', scale: 1, rate: '/s', per: 1e3 },
};

export const unitNames = (unit: Unit): { cost: string; rate: string } => UNITS[unit];

/** Server CPU per unit, in `unitNames(unit).cost`. */
export function costOf({ unit, samples }: Result): Spread {
  const { scale } = UNITS[unit];
  return spreadOf(samples.map((one) => ((one.userMs + one.systemMs) * scale) / one.units));
}

/** User and system time of the median round, not of two different rounds. */
export function splitOf({ unit, samples }: Result): { user: number; system: number } {
  const { scale } = UNITS[unit];
  const total = ({ userMs, systemMs, units }: Sample): number => (userMs + systemMs) / units;
  const sorted = samples.toSorted((left, right) => total(left) - total(right));
  const middle = sorted[Math.floor((sorted.length - 1) / 2)] as Sample;
  const each = scale / middle.units;
  return { user: middle.userMs * each, system: middle.systemMs * each };
}

/** Wall-clock rate, in `unitNames(unit).rate`. */
export function rateOf({ unit, samples }: Result): Spread {
  return spreadOf(samples.map((one) => (one.units * UNITS[unit].per) / one.wallMs));
}

/** Each round divided by what the machine did by itself right after it; undefined without. */
export function shareOf({ unit, samples }: Result): Spread | undefined {
  const shares = samples.flatMap(({ units, wallMs, reference }) =>
    reference === undefined ? [] : [(units * UNITS[unit].per) / wallMs / reference],
  );
  return shares.length === 0 ? undefined : spreadOf(shares);
}

/** Units per second of server CPU. */
export function perCpuSecondOf({ samples }: Result): Spread {
  return spreadOf(samples.map((one) => (one.units * 1e3) / (one.userMs + one.systemMs)));
}

export function generatorOf({ unit, samples }: Result): Spread {
  return spreadOf(samples.map((one) => (one.generatorMs * UNITS[unit].scale) / one.units));
}

const highestMiB = (samples: readonly Sample[], of: (sample: Sample) => number): number =>
  Math.max(...samples.map(of)) / 2 ** 20;

/** Without pages of the mapped database, which are the kernel's cache. */
export const peakMiBOf = ({ samples }: Result): number =>
  highestMiB(samples, ({ peakRssBytes, mappedBytes = 0 }) => peakRssBytes - mappedBytes);

/** Resident memory with the mapped database apart, where there is any to speak of. */
export function memoryText(result: Result): string {
  const mapped = highestMiB(result.samples, ({ mappedBytes = 0 }) => mappedBytes);
  return figure(peakMiBOf(result)) + (mapped < 1 ? '' : ` + ${figure(mapped)} mapped`);
}

export const p50Of = ({ samples }: Result): Spread => spreadOf(samples.map((one) => one.p50Ms));
export const p99Of = ({ samples }: Result): Spread => spreadOf(samples.map((one) => one.p99Ms));

/** Three digits that count. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}

export const spreadText = ({ median, min, max }: Spread): string =>
  min === max ? figure(median) : `${figure(median)} [${figure(min)} … ${figure(max)}]`;

const HEADER = [
  'medium',
  'scenario',
  'side',
  'server CPU [min … max]',
  'user+system',
  'rate [min … max]',
  'p50 ms',
  'p99 ms',
  'generator',
  'of reference',
  'RSS MiB',
] as const;

function cells(result: Result): string[] {
  const { cost, rate } = UNITS[result.unit];
  const { user, system } = splitOf(result);
  const share = shareOf(result);
  return [
    result.medium,
    result.scenario,
    result.side,
    `${spreadText(costOf(result))} ${cost}`,
    `${figure(user)}+${figure(system)}`,
    `${spreadText(rateOf(result))} ${rate}`,
    figure(p50Of(result).median),
    figure(p99Of(result).median),
    figure(generatorOf(result).median),
    share === undefined ? '' : `${spreadText(share)} ${result.referenceName ?? ''}`,
    memoryText(result),
  ];
}

/** Text in columns, for a terminal. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? '').length)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

export const table = (results: readonly Result[]): string =>
  columns([HEADER, ...results.map(cells)]);

export function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 1)}\n`);
}

/** Throws when the file is no report of this version. */
export function readReport(path: string): Report {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Partial<Report>;
  if (report.version !== 1 || !Array.isArray(report.results)) {
    throw new Error(`${path} is no report of this version`);
  }
  return report as Report;
}
