/**
 * `npm run perf:compare`: a short run of the main scenarios against `perf/baseline.json`; ends with
 * 1 when one became worse than noise. `--store` makes this run the baseline. Costs are relative to
 * a calibration in the same run; a scenario that looks worse is run once more before it counts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Baseline, baselineOf, compare } from './baseline.ts';
import { oursOf, pick } from './catalogue.ts';
import { mediaOf } from './media.ts';
import { calibrate } from './reference.ts';
import { columns, figure, type Result, writeJson } from './results.ts';
import { runScenario, stopAll } from './scenario.ts';

const DEFAULT =
  'put-signed-chunks-x8,put-unsigned-x8,get-large-x8,get-1mib-x16,put-4k-x64,get-4k-x64,head-4k-x64';

const { values: flags } = parseArgs({
  options: {
    baseline: { type: 'string', default: 'perf/baseline.json' },
    store: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    medium: { type: 'string', default: 'ram' },
    scenarios: { type: 'string', default: DEFAULT },
    band: { type: 'string', default: '0.15' },
  },
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
}

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

/** The calibration is taken before and after, because the machine changes meanwhile. */
async function measure(names: string): Promise<Baseline> {
  const results: Result[] = [];
  const before = calibrate();
  const options = { rounds: Number(flags.rounds), quick: !flags.full, progress };
  for (const medium of mediaOf(flags.medium)) {
    for (const scenario of pick(names)) {
      results.push(...(await runScenario(scenario, medium, oursOf(scenario), options)));
    }
  }
  return baselineOf(results, (before + calibrate()) / 2);
}

const now = await measure(flags.scenarios);
if (flags.store || !existsSync(flags.baseline)) {
  writeJson(flags.baseline, now);
  process.stdout.write(`stored as ${flags.baseline}\n`);
} else {
  const stored = JSON.parse(readFileSync(flags.baseline, 'utf8')) as Baseline;
  let rows = compare(stored, now, Number(flags.band));
  const suspects = rows.filter(({ worse }) => worse);
  if (suspects.length > 0) {
    progress('once more what looks worse …');
    const names = [...new Set(suspects.map(({ scenario }) => scenario))].join(',');
    const again = compare(stored, await measure(names), Number(flags.band));
    const second = (row: (typeof rows)[number]): (typeof rows)[number] =>
      again.find((one) => one.scenario === row.scenario && one.medium === row.medium) ?? row;
    rows = rows.map((row) => (row.worse ? second(row) : row));
  }
  if (rows.length === 0) throw new Error(`nothing in ${flags.baseline} to compare with`);
  const cells = rows.map(({ scenario, medium, ratio, band, worse }) => [
    scenario,
    medium,
    `${figure(ratio)} ×`,
    `± ${figure(band * 100)} %`,
    worse ? 'WORSE' : ratio < 1 - band ? 'better' : 'same',
  ]);
  process.stdout.write(`${columns([['scenario', 'medium', 'CPU', 'noise', ''], ...cells])}\n`);
  process.exitCode = rows.some(({ worse }) => worse) ? 1 : 0;
}
