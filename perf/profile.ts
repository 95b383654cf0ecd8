/**
 * `npm run perf:profile -- --scenario put-signed-chunks-x8`: one scenario with every thread of the
 * server under V8's sampling profiler; prints the functions with the most self time, by thread.
 * Profiles stay in `--out`, for a flame graph. Costs measured meanwhile include the profiler's.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pick } from './catalogue.ts';
import { type CpuProfile, selfTimes } from './cpu-profile.ts';
import { mediaOf } from './media.ts';
import { threadCosts } from './process-cost.ts';
import { columns, figure } from './results.ts';
import { PerfServer } from './server.ts';

const { values: flags } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'put-signed-chunks-x8' },
    medium: { type: 'string', default: 'ram' },
    top: { type: 'string', default: '15' },
    full: { type: 'boolean', default: false },
    server: { type: 'string', default: '' },
    out: { type: 'string', default: 'perf/out' },
  },
});

const [scenario] = pick(flags.scenario);
const [medium] = mediaOf(flags.medium);
if (scenario === undefined || medium === undefined) throw new Error('one scenario, one medium');
mkdirSync(flags.out, { recursive: true });
const directory = mkdtempSync(join(resolve(flags.out), `profile-${scenario.name}-`));
const options = [...(scenario.options ?? []), ...flags.server.split(' ').filter(Boolean)];
const profiler = ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval=500'];
const server = await PerfServer.start(medium.directory, options, profiler);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void server.stop().finally(() => process.exit(130)));
}
try {
  const stage = { target: server, side: 'sluice', medium, quick: !flags.full, round: 0 };
  await scenario.prepare(stage);
  await scenario.arm(stage)();
  const threads = threadCosts(server.pid).filter((one) => one.userMs + one.systemMs >= 50);
  const rows = threads.map((one) => [one.name, String(one.userMs), String(one.systemMs)]);
  process.stdout.write(`${columns([['thread (kernel)', 'user ms', 'system ms'], ...rows])}\n`);
  // Profiles are written at the orderly end of each thread.
  await server.end();
} finally {
  await server.stop();
}

const files = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
if (files.length === 0) throw new Error(`no profile was written to ${directory}`);
for (const name of files.toSorted()) {
  const profile = JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile;
  const { busyMs, idleMs, functions } = selfTimes(profile);
  process.stdout.write(`\n${name}: busy ${figure(busyMs)} ms, idle ${figure(idleMs)} ms\n`);
  for (const { name: what, ms } of functions.slice(0, Number(flags.top))) {
    process.stdout.write(`  ${figure((ms * 100) / busyMs).padStart(5)} %  ${what}\n`);
  }
}
process.stdout.write(`\n${directory}\n`);
