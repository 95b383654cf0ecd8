/**
 * `npm run perf`: starts the server in another process and reports rate, server CPU, latency and
 * memory for bulk and small requests, on a RAM disk and on disk. Makes no claim: prints what it
 * measured. `npm run perf -- --quick` runs fewer bytes; `--medium disk|ram` one medium only.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type BulkOptions,
  type BulkResult,
  type PayloadMode,
  bulkGet,
  call,
  multipartPut,
} from './bulk-load.ts';
import { Connection } from './connection.ts';
import { type Measurement, percentile, table, writeReport } from './report.ts';
import { PerfServer } from './server.ts';
import { type SmallOptions, seed, smallLoad } from './small-load.ts';

const MIB = 1024 * 1024;
const BUCKET = 'perf';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    medium: { type: 'string', default: 'both' },
    replication: { type: 'string', default: 'xor-2-1-1024k' },
    out: { type: 'string', default: 'perf/out' },
    only: { type: 'string', default: 'all' },
  },
});

const measurements: Measurement[] = [];

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function bulk(
  server: PerfServer,
  medium: string,
  scenario: string,
  run: () => Promise<BulkResult>,
): Promise<void> {
  const before = server.cost();
  const result = await run();
  const after = server.cost();
  const userNs = ((after.userMs - before.userMs) * 1e6) / result.bytes;
  const systemNs = ((after.systemMs - before.systemMs) * 1e6) / result.bytes;
  measurements.push({
    scenario,
    medium,
    kind: 'bulk',
    rate: result.bytes / 1e3 / result.wallMs,
    cost: userNs + systemNs,
    costUser: userNs,
    costSystem: systemNs,
    p50Ms: percentile(result.latencies, 0.5),
    p99Ms: percentile(result.latencies, 0.99),
    peakRssMiB: server.peakRssBytes() / MIB,
  });
  const last = measurements.at(-1);
  progress(`${medium} ${scenario}: ${last?.rate.toFixed(0)} MB/s, ${last?.cost.toFixed(2)} ns/B`);
}

async function small(
  server: PerfServer,
  medium: string,
  scenario: string,
  options: Omit<SmallOptions, 'port' | 'keys' | 'bucket' | 'connections' | 'seconds'>,
): Promise<void> {
  const before = server.cost();
  const result = await smallLoad({
    ...options,
    port: server.port,
    keys: server.keys,
    bucket: BUCKET,
    connections: 32,
    seconds: flags.quick ? 2 : 8,
  });
  const after = server.cost();
  if (result.unexpected > 0)
    throw new Error(`${scenario}: ${result.unexpected} unexpected answers`);
  const userUs = ((after.userMs - before.userMs) * 1e3) / result.requests;
  const systemUs = ((after.systemMs - before.systemMs) * 1e3) / result.requests;
  measurements.push({
    scenario,
    medium,
    kind: 'small',
    rate: (result.requests * 1e3) / result.wallMs,
    cost: userUs + systemUs,
    costUser: userUs,
    costSystem: systemUs,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    peakRssMiB: server.peakRssBytes() / MIB,
  });
  progress(`${medium} ${scenario}: ${measurements.at(-1)?.rate.toFixed(0)}/s`);
}

async function bulkScenarios(medium: string, directory: string): Promise<void> {
  const modes: readonly PayloadMode[] = ['signed-chunks', 'unsigned-trailer', 'unsigned'];
  for (const mode of modes) {
    for (const streams of [1, 4, 8]) {
      const server = await PerfServer.start(directory, ['--replication', flags.replication]);
      const options: BulkOptions = {
        port: server.port,
        keys: server.keys,
        bucket: BUCKET,
        streams,
        mode,
        partBytes: 16 * MIB,
        partsPerStream: Math.ceil((flags.quick ? 16 : 64) / streams),
      };
      try {
        await createBucket(server);
        await multipartPut({ ...options, partsPerStream: 1 });
        const name = `multipart PUT ${mode} ×${streams}`;
        await bulk(server, medium, name, () => multipartPut(options));
        if (mode === 'unsigned') {
          await bulk(server, medium, `GET ×${streams}`, () => bulkGet(options));
        }
      } finally {
        await server.stop();
      }
    }
  }
}

async function smallScenarios(medium: string, directory: string): Promise<void> {
  const server = await PerfServer.start(directory, ['--replication', flags.replication]);
  try {
    await createBucket(server);
    await smallSeries(server, medium);
  } finally {
    await server.stop();
  }
}

async function smallSeries(server: PerfServer, medium: string): Promise<void> {
  await seed({ ...server, bucket: BUCKET, keyPrefix: 'small/', keyCount: 1000, bodyBytes: 4096 });
  const common = { keyPrefix: 'small/', bodyBytes: 4096 };
  await small(server, medium, 'PUT 4 KiB', {
    ...common,
    method: 'PUT',
    keyCount: 1e9,
    expectStatus: 200,
  });
  await small(server, medium, 'GET 4 KiB', {
    ...common,
    method: 'GET',
    keyCount: 1000,
    expectStatus: 200,
  });
  await small(server, medium, 'HEAD', {
    ...common,
    method: 'HEAD',
    keyCount: 1000,
    expectStatus: 200,
  });
  await small(server, medium, 'HEAD 404', {
    ...common,
    keyPrefix: 'missing/',
    method: 'HEAD',
    keyCount: 1000,
    expectStatus: 404,
  });
}

async function createBucket(server: PerfServer): Promise<void> {
  const connection = await Connection.open(server.port);
  await call(connection, server, 'PUT', `/${BUCKET}`);
  connection.close();
}

const media = [
  { name: 'ram', directory: '/dev/shm' },
  { name: 'disk', directory: tmpdir() },
].filter(
  (one) => (flags.medium === 'both' || flags.medium === one.name) && existsSync(one.directory),
);

for (const { name, directory } of media) {
  if (flags.only !== 'small') await bulkScenarios(name, directory);
  if (flags.only !== 'bulk') await smallScenarios(name, directory);
}
process.stdout.write(`${table(measurements)}\n`);
const picture = writeReport(flags.out, measurements);
process.stdout.write(`\n${join(flags.out, 'report.json')}\n${picture}\n`);
