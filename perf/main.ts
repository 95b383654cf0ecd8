/**
 * `npm run perf`: the scenarios of the targets on a RAM disk and on disk, the server in a process
 * of its own. Prints a table, writes JSON and a picture. `--quick` for an eighth of the bytes and
 * one round; `--scenarios put-*,list-1m` for some; `--matrix` for size × payload mode × streams ×
 * replication × durability; `--write` puts results into `perf/results` and fills PERFORMANCE.md.
 * Makes no claim of its own: what it prints is what it measured.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { oursOf, pick, SCENARIOS } from './catalogue.ts';
import { matrix } from './matrix.ts';
import { mediaOf } from './media.ts';
import { writePage } from './page.ts';
import { bars } from './plot.ts';
import { type Report, type Result, table, thisMachine, writeJson } from './results.ts';
import { runScenario, type Scenario, stopAll } from './scenario.ts';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    medium: { type: 'string', default: 'ram,disk' },
    /** The folder that stands for the disk; the system's temporary one by default. */
    disk: { type: 'string' },
    scenarios: { type: 'string', default: '*' },
    /** Further settings of the server, separated by spaces. */
    server: { type: 'string', default: '' },
    matrix: { type: 'boolean', default: false },
    sizes: { type: 'string', default: '16' },
    modes: { type: 'string', default: 'signed-chunks,unsigned' },
    streams: { type: 'string', default: '1,4,8' },
    replications: { type: 'string', default: 'one,three,xor-2-1,rs-3-2' },
    durabilities: { type: 'string', default: 'durable' },
    list: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    out: { type: 'string', default: 'perf/out' },
  },
});

/** What takes a disk long and shows nothing that the RAM disk does not. */
const ON_DISK = /^(put-(unsigned|signed-chunks|4k|beside)|get-(large|4k)|complete)/;

function wanted(scenario: Scenario, medium: string): boolean {
  if (scenario.media !== undefined) return scenario.media.includes(medium);
  const everywhere = flags.matrix || flags.scenarios !== '*' || medium !== 'disk';
  return everywhere || ON_DISK.test(scenario.name);
}

async function measureAll(scenarios: readonly Scenario[]): Promise<readonly Result[]> {
  const results: Result[] = [];
  const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5));
  const progress = (text: string): void => void process.stderr.write(`${text}\n`);
  const extra = flags.server.split(' ').filter((word) => word !== '');
  for (const medium of mediaOf(flags.medium, flags.disk)) {
    for (const scenario of scenarios.filter((one) => wanted(one, medium.name))) {
      const sides = oursOf(scenario, extra);
      const options = { rounds, quick: flags.quick, progress };
      results.push(...(await runScenario(scenario, medium, sides, options)));
    }
  }
  return results;
}

/** Ending by a signal goes through `exit` too, where what was made is removed. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
}

const scenarios = pick(flags.scenarios, flags.matrix ? matrix(flags) : SCENARIOS);
if (flags.list) {
  for (const { name, title } of scenarios) process.stdout.write(`${name.padEnd(28)} ${title}\n`);
} else {
  const results = await measureAll(scenarios);
  const command = `npm run perf -- ${process.argv.slice(2).join(' ')}`.trim();
  const report: Report = { version: 1, machine: thisMachine(), command, results };
  const out = flags.write ? 'perf/results' : flags.out;
  const name = flags.matrix ? 'matrix' : 'perf';
  writeJson(join(out, `${name}.json`), report);
  writeFileSync(join(out, `${name}.svg`), bars(results));
  process.stdout.write(`${table(results)}\n\n${join(out, `${name}.json`)}\n`);
  if (flags.write) process.stdout.write(`${writePage()}\n`);
}
