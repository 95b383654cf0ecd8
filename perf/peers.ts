/**
 * `npm run perf:peers`: ours beside whichever of MinIO, versitygw and SeaweedFS is there, under the
 * same generator, in turn within each round, fresh folders on the same medium. Programs are looked
 * for on PATH and in the user's cache folder; `--build` builds what is missing with go and pip.
 * Writes a table, a picture and JSON; a peer that fails a scenario is named with its words.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { oursOf, pick, SCENARIOS } from './catalogue.ts';
import { mediaOf } from './media.ts';
import { build, find, type Peer, sidesOf, versionOf } from './peers/peer.ts';
import { MINIO } from './peers/minio.ts';
import { SEAWEEDFS } from './peers/seaweedfs.ts';
import { VERSITYGW } from './peers/versitygw.ts';
import { bars } from './plot.ts';
import { columns, costOf, figure, rateOf, type Report, type Result } from './results.ts';
import { table, thisMachine, writeJson } from './results.ts';
import { runScenario, type Side, stopAll } from './scenario.ts';
import { listScenario } from './small-scenarios.ts';

const PEERS: readonly Peer[] = [MINIO, VERSITYGW, SEAWEEDFS];

const { values: flags } = parseArgs({
  options: {
    build: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    medium: { type: 'string', default: 'ram' },
    disk: { type: 'string' },
    scenarios: { type: 'string' },
    peers: { type: 'string', default: 'minio,versitygw,weed' },
    server: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
    out: { type: 'string', default: 'perf/out' },
  },
});

/** A million keys take the slowest peer ten minutes to store. */
const ALL = [
  ...SCENARIOS.filter(({ peers }) => peers === true),
  listScenario('list-100k', 1e5, true),
];
const NOT_BY_DEFAULT = new Set(['list-1m', 'put-signed-x8', 'head-404-x64', 'get-4k-cannon']);
const DEFAULT = ALL.filter(({ name }) => !NOT_BY_DEFAULT.has(name));

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

/** Builds when asked to. A peer that is not there is said to be so, once, with the reason. */
async function findSides(): Promise<readonly Side[]> {
  const sides: Side[] = [];
  for (const peer of PEERS.filter(({ program }) => flags.peers.split(',').includes(program))) {
    try {
      if (flags.build && find(peer) === undefined) {
        progress(`building ${peer.program} …`);
        await build(peer);
      }
      const path = find(peer);
      if (path === undefined) throw new Error('not found; --build builds it');
      progress(`${peer.program}: ${path}, ${await versionOf(peer, path)}`);
      sides.push(...sidesOf(peer, path));
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      progress(`${peer.program} is left out: ${words.split('\n').slice(0, 4).join(' ')}`);
    }
  }
  progress('radosgw is left out: it wants a Ceph cluster (monitor, manager, OSDs) of its own');
  return sides;
}

function ratios(results: readonly Result[]): string {
  const rows = results.flatMap((theirs) => {
    const ours = results.find(
      (one) =>
        one.side === 'sluice' && one.scenario === theirs.scenario && one.medium === theirs.medium,
    );
    if (ours === undefined || theirs.side === 'sluice') return [];
    const cost = costOf(theirs).median / costOf(ours).median;
    const rate = rateOf(ours).median / rateOf(theirs).median;
    return [
      [theirs.medium, theirs.scenario, theirs.side, `${figure(cost)} ×`, `${figure(rate)} ×`],
    ];
  });
  return columns([['medium', 'scenario', 'peer', 'its CPU / ours', 'our rate / its'], ...rows]);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
}

const peers = await findSides();
const extra = flags.server.split(' ').filter((word) => word !== '');
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5));
const results: Result[] = [];
const failures: string[] = [];
const out = flags.write ? 'perf/results' : flags.out;

function save(): void {
  const command = `npm run perf:peers -- ${process.argv.slice(2).join(' ')}`.trim();
  const report: Report = { version: 1, machine: thisMachine(), command, results };
  writeJson(join(out, 'peers.json'), { ...report, failures });
  writeFileSync(join(out, 'peers.svg'), bars(results));
}

for (const medium of mediaOf(flags.medium, flags.disk)) {
  const chosen = flags.scenarios === undefined ? DEFAULT : pick(flags.scenarios, ALL);
  for (const scenario of chosen) {
    const sides = [...oursOf(scenario, extra), ...peers];
    const onFailure = (side: string, words: string): void => {
      failures.push(`${medium.name} ${scenario.name} ${side}: ${words.slice(0, 300)}`);
      progress(failures.at(-1) ?? '');
    };
    const options = { rounds, quick: flags.quick, progress, onFailure };
    results.push(...(await runScenario(scenario, medium, sides, options)));
    // After each: a run of hours that is stopped keeps what it measured.
    save();
  }
}
const sides = new Map(results.map((one) => [one.side, one]));
const promises = [...sides.values()].map((one) => [one.side, one.redundancy, one.durability]);
process.stdout.write(`${table(results)}\n\n${ratios(results)}\n\n`);
process.stdout.write(`${columns([['side', 'redundancy', 'durability'], ...promises])}\n`);
for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
process.stdout.write(`\n${join(out, 'peers.json')}\n`);
