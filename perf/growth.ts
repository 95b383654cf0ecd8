/**
 * `npm run perf:growth`: does the cost of a unit stay flat? Multipart PUT and GET from 1 to 64
 * streams, PUT and GET from 4 KiB to 10 GiB, PUT, GET and LIST in buckets of 1,000 to 5,000,000
 * keys. Server CPU per byte or per request beside wall-clock rate; `--quick` ends at 1 GiB and
 * 100,000 keys. Each point is the median of `--rounds` windows.
 */
import { parseArgs } from 'node:util';
import { BUCKET, createBucket, putScenario } from './bulk-scenarios.ts';
import { bulkGetPaths, multipartPut, reads, singlePuts } from './bulk-load.ts';
import { oursOf } from './catalogue.ts';
import { mediaOf } from './media.ts';
import type { Line } from './plot.ts';
import { columns, costOf, figure, rateOf, type Result, unitNames } from './results.ts';
import { runScenario, type Scenario, type Stage, stopAll } from './scenario.ts';
import { seed, smallRequests } from './small-load.ts';
import { fillBucket, listScenario } from './small-scenarios.ts';
import { finish } from './text-report.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '1' },
    medium: { type: 'string', default: 'ram' },
    disk: { type: 'string' },
    only: { type: 'string', default: 'streams,sizes,keys' },
    write: { type: 'boolean', default: false },
    out: { type: 'string', default: 'perf/out' },
  },
});

interface Point {
  readonly axis: string;
  readonly what: string;
  readonly x: number;
  readonly result: Result;
}

const whereOf = ({ target }: Stage) => ({ port: target.port, keys: target.keys, bucket: BUCKET });
const medium = mediaOf(flags.medium, flags.disk)[0] ?? { name: 'ram', directory: '/dev/shm' };
const points: Point[] = [];

async function measure(axis: string, what: string, x: number, scenario: Scenario): Promise<void> {
  const progress = (text: string): void => void process.stderr.write(`${text}\n`);
  // Sizes are said by the scenario itself, so nothing is divided for being quick.
  const options = { rounds: Number(flags.rounds), quick: false, progress };
  const [result] = await runScenario(scenario, medium, oursOf(scenario), options);
  if (result !== undefined) points.push({ axis, what, x, result });
}

async function byStreams(): Promise<void> {
  const bytes = flags.quick ? GIB / 2 : 2 * GIB;
  const partBytes = 8 * MIB;
  for (const streams of [1, 2, 4, 8, 16, 32, 64]) {
    const put = { mode: 'signed-chunks', streams, partBytes, bytes } as const;
    const name = `put-x${streams}`;
    await measure('streams', 'PUT', streams, putScenario(name, name, put));
    const partsPerStream = Math.max(1, Math.round(bytes / partBytes / streams));
    await measure('streams', 'GET', streams, {
      name: `get-x${streams}`,
      title: `get-x${streams}`,
      unit: 'byte',
      fresh: false,
      async prepare(stage) {
        await createBucket(stage);
        const objects = { streams, mode: 'unsigned', partBytes, partsPerStream } as const;
        await multipartPut({ ...whereOf(stage), ...objects });
      },
      arm: (stage) => () =>
        reads(
          { ...whereOf(stage), streams },
          bulkGetPaths(BUCKET, streams, partBytes * partsPerStream),
        ),
    });
  }
}

/** A single PUT ends at 5 GiB; what is larger is uploaded in parts, by as many streams. */
const SINGLE_MAX = 5 * GIB;
const SIZE_STREAMS = 4;

function sizedPut(stage: Stage, bytes: number, count: number) {
  if (bytes > SINGLE_MAX) {
    const parts = { mode: 'unsigned', partBytes: 64 * MIB } as const;
    const partsPerStream = bytes / parts.partBytes;
    return multipartPut({ ...whereOf(stage), ...parts, streams: 1, partsPerStream });
  }
  const prefix = `sized-${stage.round}-`;
  return singlePuts({ ...whereOf(stage), streams: SIZE_STREAMS, bytes, count, prefix });
}

async function bySizes(): Promise<void> {
  const all = [4 * KIB, 64 * KIB, MIB, 16 * MIB, 256 * MIB, GIB, 5 * GIB, 10 * GIB];
  for (const bytes of all.filter((one) => !flags.quick || one <= GIB)) {
    const budget = flags.quick ? GIB / 2 : 2 * GIB;
    const count = Math.min(20_000, Math.max(1, Math.floor(budget / bytes)));
    const common = { unit: 'byte', fresh: bytes >= 16 * MIB } as const;
    await measure('size', 'PUT', bytes, {
      ...common,
      name: `put-${bytes}`,
      title: `put-${bytes}`,
      prepare: createBucket,
      arm: (stage) => () => sizedPut(stage, bytes, count),
    });
    await measure('size', 'GET', bytes, {
      ...common,
      name: `get-${bytes}`,
      title: `get-${bytes}`,
      async prepare(stage) {
        await createBucket(stage);
        await sizedPut({ ...stage, round: 0 }, bytes, count);
      },
      arm: (stage) => () => {
        const path = (at: number): string => `/${BUCKET}/sized-0-${at}`;
        const list = Array.from({ length: count }, (_, at) => ({ path: path(at), bytes }));
        const joined = [{ path: `/${BUCKET}/object-0`, bytes }];
        const wanted = bytes > SINGLE_MAX ? joined : list;
        return reads({ ...whereOf(stage), streams: SIZE_STREAMS }, wanted);
      },
    });
  }
}

/** One server holds the keys for all three kinds of request. */
async function byKeys(): Promise<void> {
  const all = [1000, 10_000, 100_000, 1_000_000, 5_000_000];
  for (const keyCount of all.filter((one) => !flags.quick || one <= 100_000)) {
    const list = listScenario(`list-${keyCount}`, keyCount, false);
    await measure('keys', 'LIST', keyCount, list);
    for (const method of ['PUT', 'GET'] as const) {
      await measure('keys', method, keyCount, {
        name: `${method.toLowerCase()}-among-${keyCount}`,
        title: `${method} of 4 KiB among ${keyCount} keys`,
        unit: 'request',
        fresh: false,
        async prepare(stage) {
          await createBucket(stage);
          await fillBucket(stage, keyCount);
          const seeded = { keyPrefix: 'small-', keyCount: 1000, bodyBytes: 4096 };
          await seed({ ...whereOf(stage), ...seeded, connections: 32 });
        },
        arm: (stage) => {
          const prefix = method === 'PUT' ? `put-${stage.round}-` : 'small-';
          const count = flags.quick ? 5000 : 20_000;
          const keys = { keyPrefix: prefix, keyCount: method === 'PUT' ? count : 1000 };
          const load = { ...whereOf(stage), ...keys, bodyBytes: 4096, connections: 64 };
          return smallRequests({ ...load, method, expectStatus: 200 }, count);
        },
      });
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
}

const only = flags.only.split(',');
if (only.includes('streams')) await byStreams();
if (only.includes('sizes')) await bySizes();
if (only.includes('keys')) await byKeys();

const AXES = ['streams', 'size', 'keys'] as const;
const rows = points.map(({ axis, what, x, result }) => {
  const { cost, rate } = unitNames(result.unit);
  const [each, speed] = [figure(costOf(result).median), figure(rateOf(result).median)];
  return [axis, x.toLocaleString('en-US'), what, `${each} ${cost}`, `${speed} ${rate}`];
});
const text = columns([['axis', 'at', 'what', 'server CPU', 'rate'], ...rows]);

/** LIST is per key, PUT and GET among keys per request: a panel for each unit. */
const panels = AXES.flatMap((axis) => {
  const here = points.filter((one) => one.axis === axis);
  return [...new Set(here.map(({ result }) => result.unit))].map((unit) => {
    const ofUnit = here.filter(({ result }) => result.unit === unit);
    const kinds = [...new Set(ofUnit.map(({ what }) => what))];
    const list: Line[] = kinds.map((name) => ({
      name,
      points: ofUnit
        .filter(({ what }) => what === name)
        .map(({ x, result }) => [x, costOf(result).median]),
    }));
    const title = `server CPU, ${unitNames(unit).cost}, by ${axis}`;
    return { title, xName: axis, logarithmic: true, lines: list };
  });
});
finish('growth', flags, text, panels, points);
