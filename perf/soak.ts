/**
 * `npm run perf:soak`: mixed load for `--minutes` (30), the server's resident memory sampled every
 * few seconds. Reports percentiles of each kind of request, the peak, and how memory grew per hour
 * over the second half by least squares. Ends with 1 when the peak is over the bound or the
 * growth over `--growth` MiB an hour. Growth is judged from ten minutes on: before that, a server
 * is still warming and a line through its memory says nothing.
 */
import { parseArgs } from 'node:util';
import { askOnce } from './load.ts';
import { mediaOf } from './media.ts';
import { mixedLoad, prepareMixed } from './mixed-load.ts';
import { columns, figure } from './results.ts';
import { PerfServer } from './server.ts';
import { slope } from './spread.ts';
import { finish } from './text-report.ts';

const MIB = 1024 * 1024;
const BUCKET = 'soak';
/** Arena and 200 MiB. */
const BOUND_MIB = 256 + 200;
const JUDGED_SECONDS = 600;

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    medium: { type: 'string', default: 'disk' },
    disk: { type: 'string' },
    growth: { type: 'string', default: '32' },
    server: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
    out: { type: 'string', default: 'perf/out' },
  },
});

const [medium] = mediaOf(flags.medium, flags.disk);
const seconds = Number(flags.minutes) * 60;
if (medium === undefined || !(seconds > 0)) throw new Error('--minutes: a number over 0');
const extra = flags.server.split(' ').filter((word) => word !== '');
const server = await PerfServer.start(medium.directory, extra);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void server.stop().finally(() => process.exit(130)));
}
try {
  await askOnce(server, { method: 'PUT', path: `/${BUCKET}` });
  const samples: [seconds: number, mebibytes: number][] = [];
  const onTick = (elapsedMs: number): void => {
    const mebibytes = (server.rssBytes() - server.mappedBytes()) / MIB;
    samples.push([elapsedMs / 1e3, mebibytes]);
    const [at, now] = samples.at(-1) ?? [0, 0];
    process.stderr.write(`\r${at.toFixed(0)} of ${seconds.toFixed(0)} s, ${now.toFixed(0)} MiB  `);
  };
  const where = { port: server.port, keys: server.keys, bucket: BUCKET };
  await prepareMixed({ ...where, seconds });
  const kinds = await mixedLoad({ ...where, seconds, onTick });
  process.stderr.write('\n');
  const late = samples.slice(Math.floor(samples.length / 2));
  const perHour = slope(late) * 3600;
  const peakMiB = (server.peakRssBytes() - server.mappedBytes()) / MIB;
  const rows = kinds.map(({ kind, count, p50Ms, p99Ms, p999Ms, maxMs }) =>
    [kind, String(count)].concat([p50Ms, p99Ms, p999Ms, maxMs].map(figure)),
  );
  const [first = 0, last = 0] = [late[0]?.[1], late.at(-1)?.[1]];
  const text =
    `${columns([['mixed load', 'count', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms'], ...rows])}\n\n` +
    `resident memory without the mapped database over the second half: ${figure(first)} to ${figure(last)} MiB, ` +
    `${figure(perHour)} MiB an hour; peak ${figure(peakMiB)} MiB of ${BOUND_MIB}`;
  const line = { name: 'RSS', points: samples };
  const title = `resident memory, MiB, ${medium.name}`;
  const panel = { title, xName: 's', logarithmic: false, lines: [line] };
  finish('soak', flags, text, [panel], { samples, kinds, perHour, peakMiB });
  const grows = seconds >= JUDGED_SECONDS && perHour > Number(flags.growth);
  process.exitCode = peakMiB <= BOUND_MIB && !grows ? 0 : 1;
} finally {
  await server.stop();
}
