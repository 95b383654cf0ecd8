/**
 * The table of targets as data: which work, what is aimed at, which results say so, and whether
 * they meet it. A target without its result is "not measured", never met. The figures that peers
 * once showed stand nowhere here: only what was measured beside ours counts.
 */
import {
  costOf,
  figure,
  memoryText,
  p50Of,
  p99Of,
  peakMiBOf,
  perCpuSecondOf,
  rateOf,
} from './results.ts';
import { type Result, shareOf, spreadText, unitNames } from './results.ts';
import type { Spread } from './spread.ts';

/** From native-bench.json: the whole write path, ours and in C, measured in turn. */
export interface PipelinePair {
  readonly scenario: string;
  readonly medium: string;
  readonly ours: { readonly userNs: number; readonly systemNs: number };
  readonly native?: { readonly userNs: number; readonly systemNs: number };
}

export interface Measured {
  readonly perf: readonly Result[];
  readonly peers: readonly Result[];
  readonly pipelines: readonly PipelinePair[];
}

export interface Outcome {
  readonly text: string;
  /** Undefined: not measured. */
  readonly met: boolean | undefined;
}

export interface Target {
  readonly work: string;
  readonly aim: string;
  judge(measured: Measured): Outcome;
  /** Scenario and medium under which peers are shown. */
  readonly beside?: readonly [scenario: string, medium: string];
}

const MISSING: Outcome = { text: 'not measured', met: undefined };

export function find(
  results: readonly Result[],
  scenario: string,
  medium: string,
  side = 'sluice',
): Result | undefined {
  return results.find(
    (one) => one.scenario === scenario && one.medium === medium && one.side === side,
  );
}

type Figure = (result: Result) => Spread | undefined;

/** The median of one figure against a bound. */
function bound(
  scenario: string,
  medium: string,
  figureOf: Figure,
  limit: number,
  how: 'at most' | 'at least',
  unit: string,
): (measured: Measured) => Outcome {
  return ({ perf }) => {
    const result = find(perf, scenario, medium);
    const value = result === undefined ? undefined : figureOf(result);
    if (value === undefined) return MISSING;
    const met = how === 'at most' ? value.median <= limit : value.median >= limit;
    return { text: `${spreadText(value)} ${unit}`.trim(), met };
  };
}

const cost = (scenario: string, medium: string, limit: number, unit: string) =>
  bound(scenario, medium, costOf, limit, 'at most', unit);

/** Server CPU of the named peer over ours, from the run in which both took turns. */
function ahead(scenario: string, medium: string, peer: string, factor: number) {
  return ({ peers }: Measured): Outcome => {
    const [ours, theirs] = [find(peers, scenario, medium), find(peers, scenario, medium, peer)];
    if (ours === undefined || theirs === undefined) return MISSING;
    const ratio = costOf(theirs).median / costOf(ours).median;
    return { text: `${figure(ratio)} ×`, met: ratio >= factor };
  };
}

function native(scenario: string, medium: string, factor: number) {
  return ({ pipelines }: Measured): Outcome => {
    const pair = pipelines.find((one) => one.scenario === scenario && one.medium === medium);
    if (pair?.native === undefined) return MISSING;
    const total = (side: { userNs: number; systemNs: number }): number =>
      side.userNs + side.systemNs;
    const ratio = total(pair.ours) / total(pair.native);
    return { text: `${figure(ratio)} ×`, met: ratio <= factor };
  };
}

function degraded({ perf }: Measured): Outcome {
  const [whole, lost] = ['whole', 'degraded'].map((side) =>
    find(perf, 'get-degraded-x8', 'ram', side),
  );
  if (whole === undefined || lost === undefined) return MISSING;
  const [healthy, spoilt] = [costOf(whole), costOf(lost)];
  const ratio = spoilt.median / healthy.median;
  const text = `${figure(ratio)} × (${spreadText(spoilt)} beside ${spreadText(healthy)} ns/B)`;
  return { text, met: ratio <= 1.6 };
}

/** The arena by default, and what the first issue allows beside it. */
const RSS_BOUND_MIB = 256 + 200;

function memory({ perf }: Measured): Outcome {
  const worst = perf.toSorted((left, right) => peakMiBOf(right) - peakMiBOf(left))[0];
  if (worst === undefined) return MISSING;
  const text = `${memoryText(worst)} MiB (${worst.scenario}, ${worst.medium})`;
  return { text, met: peakMiBOf(worst) <= RSS_BOUND_MIB };
}

const CHUNKS = 'multipart PUT, 8 parts in flight, signed 64 KiB chunks, RAM disk';
const SMALL_PUT = '4 KiB PUT, 64 clients, durable';
const LIST = 'ListObjectsV2, 1,000 keys a page, bucket of 1 M';

export const TARGETS: readonly Target[] = [
  {
    work: CHUNKS,
    aim: '≤ 2.0 ns/B',
    judge: cost('put-signed-chunks-x8', 'ram', 2, 'ns/B'),
    beside: ['put-signed-chunks-x8', 'ram'],
  },
  {
    work: 'the same, beside the C pipeline',
    aim: '≤ 1.3 × its CPU',
    judge: native('signed-chunks ×8', 'ram', 1.3),
  },
  {
    work: 'the same, MinIO on four drives',
    aim: '≥ 2 × our CPU',
    judge: ahead('put-signed-chunks-x8', 'ram', 'minio-4', 2),
  },
  {
    work: 'the same, MinIO on one drive',
    aim: '≥ 1.6 × our CPU',
    judge: ahead('put-signed-chunks-x8', 'ram', 'minio-1', 1.6),
  },
  {
    work: 'the same, unsigned payload',
    aim: '≤ 1.6 ns/B',
    judge: cost('put-unsigned-x8', 'ram', 1.6, 'ns/B'),
    beside: ['put-unsigned-x8', 'ram'],
  },
  {
    work: 'the same, CRC32 trailer',
    aim: '≤ 1.9 ns/B',
    judge: cost('put-crc32-x8', 'ram', 1.9, 'ns/B'),
    beside: ['put-crc32-x8', 'ram'],
  },
  {
    work: 'the same, CRC64NVME trailer',
    aim: '≤ 1.9 ns/B',
    judge: cost('put-crc64nvme-x8', 'ram', 1.9, 'ns/B'),
    beside: ['put-crc64nvme-x8', 'ram'],
  },
  {
    work: 'one stream, one PUT of 5 GiB',
    aim: '≥ 0.85 × one-lane OpenSSL MD5',
    judge: bound('put-5gib-x1', 'ram', shareOf, 0.85, 'at least', '×'),
    beside: ['put-5gib-x1', 'ram'],
  },
  {
    work: 'multipart PUT on disk, beside dd + fdatasync of the same shard bytes',
    aim: '≥ 0.95 × dd',
    judge: bound('put-beside-dd', 'disk', shareOf, 0.95, 'at least', '×'),
  },
  {
    work: 'GET of large objects, 8 clients, block checksums verified',
    aim: '≤ 0.5 ns/B',
    judge: cost('get-large-x8', 'ram', 0.5, 'ns/B'),
    beside: ['get-large-x8', 'ram'],
  },
  {
    work: 'GET of 1 MiB objects, 16 clients',
    aim: '≤ 0.6 ns/B',
    judge: cost('get-1mib-x16', 'ram', 0.6, 'ns/B'),
    beside: ['get-1mib-x16', 'ram'],
  },
  {
    work: 'GET of 1 MiB ranges, 16 clients',
    aim: '≤ 0.6 ns/B',
    judge: cost('get-1mib-ranges-x16', 'ram', 0.6, 'ns/B'),
    beside: ['get-1mib-ranges-x16', 'ram'],
  },
  {
    work: 'degraded GET, one datanode folder gone',
    aim: '≤ 1.6 × the healthy CPU',
    judge: degraded,
  },
  {
    work: `${SMALL_PUT}, RAM disk`,
    aim: '≤ 90 µs',
    judge: cost('put-4k-x64', 'ram', 90, 'µs'),
    beside: ['put-4k-x64', 'ram'],
  },
  {
    work: `${SMALL_PUT}, RAM disk`,
    aim: '≥ 10,000/s',
    judge: bound('put-4k-x64', 'ram', rateOf, 10_000, 'at least', '/s'),
  },
  {
    work: `${SMALL_PUT}, disk`,
    aim: '≥ 6,000/s',
    judge: bound('put-4k-x64', 'disk', rateOf, 6000, 'at least', '/s'),
    beside: ['put-4k-x64', 'disk'],
  },
  {
    work: '4 KiB GET, 64 clients',
    aim: '≤ 45 µs',
    judge: cost('get-4k-x64', 'ram', 45, 'µs'),
    beside: ['get-4k-x64', 'ram'],
  },
  {
    work: '4 KiB HEAD, 64 clients',
    aim: '≤ 35 µs',
    judge: cost('head-4k-x64', 'ram', 35, 'µs'),
    beside: ['head-4k-x64', 'ram'],
  },
  {
    work: LIST,
    aim: '≥ 300,000 keys per CPU second',
    judge: bound('list-1m', 'ram', perCpuSecondOf, 300_000, 'at least', 'keys/CPU s'),
    beside: ['list-100k', 'ram'],
  },
  {
    work: LIST,
    aim: 'p99 of a page ≤ 20 ms',
    judge: bound('list-1m', 'ram', p99Of, 20, 'at most', 'ms'),
  },
  {
    work: 'CompleteMultipartUpload of 10,000 parts',
    aim: '≤ 300 ms',
    judge: bound('complete-10000', 'ram', p50Of, 300, 'at most', 'ms'),
  },
  {
    work: 'CopyObject of a 5 GiB object',
    aim: '≤ 5 ms',
    judge: bound('copy-5gib', 'ram', p50Of, 5, 'at most', 'ms'),
  },
  {
    work: 'resident memory in the heaviest scenario of the table',
    aim: `≤ ${RSS_BOUND_MIB} MiB (arena + 200 MiB)`,
    judge: memory,
  },
];

/** What peers did under the same scenario, in one line; each with the cost it had. */
export function besideText(measured: Measured, { beside }: Target): string {
  if (beside === undefined) return '';
  const [scenario, medium] = beside;
  const results = measured.peers.filter(
    (one) => one.scenario === scenario && one.medium === medium,
  );
  const others = results.filter(({ side }) => side !== 'sluice');
  const ours = results.find(({ side }) => side === 'sluice');
  if (ours === undefined || others.length === 0) return '';
  const cells = others.map((one) => `${one.side} ${figure(costOf(one).median)}`);
  const own = `sluice ${figure(costOf(ours).median)}`;
  return `${[own, ...cells].join(', ')} ${unitNames(ours.unit).cost}`;
}
