/**
 * The whole write path, ours and in C, under the same generator: multipart PUTs of 16 MiB parts,
 * `xor-2-1-1024k`, durable. A fresh server each time, warmed by one part a stream; its CPU is read
 * from /proc before and after. Ours and native alternate, so that both meet the same noise.
 */
import { type BulkOptions, call, multipartPut, type PayloadMode } from '../perf/bulk-load.ts';
import { Connection } from '../perf/connection.ts';
import { type Cost, PerfServer } from '../perf/server.ts';
import type { Keys } from '../perf/sign.ts';
import { PipelineServer } from './pipeline-server.ts';
import type { PipelineRow, PipelineSide } from './report.ts';
import { median } from './sample.ts';

const MIB = 1024 * 1024;
const BUCKET = 'ceiling';
const OPTIONS: readonly string[] = ['--replication', 'xor-2-1-1024k'];

export interface Scenario {
  readonly mode: PayloadMode;
  readonly streams: number;
  /** Over all streams. */
  readonly parts: number;
  /** How either side writes its shards; `auto`: past the page cache where there is a disk. */
  readonly io: 'auto' | 'buffered' | 'direct';
  readonly medium: { readonly name: string; readonly directory: string };
}

interface Measured {
  readonly port: number;
  readonly keys: Keys;
  cost(): Cost;
  stop(): Promise<void>;
}

/** At most one server, while it is measured. */
const running = new Set<Measured>();

/** For a runner that is told to end: no server, and no data on the RAM disk, is left behind. */
export async function stopRunning(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()));
}

async function measureOnce(server: Measured, scenario: Scenario): Promise<PipelineSide> {
  running.add(server);
  try {
    const connection = await Connection.open(server.port);
    await call(connection, server, 'PUT', `/${BUCKET}`);
    connection.close();
    const options: BulkOptions = {
      port: server.port,
      keys: server.keys,
      bucket: BUCKET,
      streams: scenario.streams,
      mode: scenario.mode,
      partBytes: 16 * MIB,
      partsPerStream: Math.ceil(scenario.parts / scenario.streams),
    };
    await multipartPut({ ...options, partsPerStream: 1 });
    const before = server.cost();
    const { bytes, wallMs } = await multipartPut(options);
    const after = server.cost();
    return {
      userNs: ((after.userMs - before.userMs) * 1e6) / bytes,
      systemNs: ((after.systemMs - before.systemMs) * 1e6) / bytes,
      mbPerSecond: bytes / 1e3 / wallMs,
    };
  } finally {
    await server.stop();
    running.delete(server);
  }
}

/** User and system time of the round that cost the median, not of two different rounds. */
function middle(sides: readonly PipelineSide[]): PipelineSide {
  const sorted = sides.toSorted(
    (left, right) => left.userNs + left.systemNs - right.userNs - right.systemNs,
  );
  const side = sorted[Math.floor((sorted.length - 1) / 2)];
  if (side === undefined) throw new Error('no round was measured');
  return { ...side, mbPerSecond: median(sides.map((one) => one.mbPerSecond)) };
}

export async function comparePipelines(
  scenario: Scenario,
  program: string | undefined,
  rounds: number,
  progress: (text: string) => void,
): Promise<PipelineRow> {
  const { io, medium } = scenario;
  const { directory } = medium;
  const best = medium.name === 'disk' ? 'direct' : 'buffered';
  const nativeIo = io === 'auto' ? best : io;
  const ours: PipelineSide[] = [];
  const native: PipelineSide[] = [];
  const name = `${scenario.mode} ×${scenario.streams}${io === 'auto' ? '' : ` ${io}`}`;
  const say = (side: PipelineSide, whose: string): void => {
    const { userNs, systemNs, mbPerSecond } = side;
    const cost = `${(userNs + systemNs).toFixed(2)} ns/B (${systemNs.toFixed(2)} system)`;
    progress(`${name} · ${medium.name}, ${whose}: ${cost}, ${mbPerSecond.toFixed(0)} MB/s`);
  };
  for (let round = 0; round < rounds; round += 1) {
    const server = await PerfServer.start(directory, OPTIONS.concat('--io', io));
    const side = await measureOnce(server, scenario);
    ours.push(side);
    say(side, 'ours');
    if (program === undefined) continue;
    const ceiling = await measureOnce(
      await PipelineServer.start(program, directory, nativeIo),
      scenario,
    );
    native.push(ceiling);
    say(ceiling, 'native');
  }
  return {
    scenario: name,
    medium: medium.name,
    ours: middle(ours),
    native: native.length === 0 ? undefined : middle(native),
  };
}
