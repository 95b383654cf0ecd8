/**
 * The chunk store alone, in process: CPU time per byte (or per chunk) of writing and reading
 * through real datanode threads, apart from sockets, hashes and metadata.
 * `node dist/perf/storage.js --root /dev/shm --io direct`; `--only put,get` picks scenarios.
 * Fresh folders, removed at the end. Data is random once, so that nothing compresses or folds.
 */
import { randomFillSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.ts';
import { LIMITS } from '../src/base/limits.ts';
import type { Log } from '../src/base/log.ts';
import { type ChunkRef, columnsOf, type Replication } from '../src/chunks/chunk-store.ts';
import { type Datanode, DatanodeThread } from '../src/chunks/datanode.ts';
import type {
  DatanodeSettings,
  FileAccess,
  ReplyBatch,
  RequestBatch,
} from '../src/chunks/datanode-protocol.ts';
import { StripedChunkStore } from '../src/chunks/striped-chunk-store.ts';
import { Arena } from '../src/memory/arena.ts';
import { startWorker } from '../src/threads/spawn.ts';

const MIB = 1024 * 1024;

const { values: flags } = parseArgs({
  options: {
    root: { type: 'string', default: tmpdir() },
    io: { type: 'string', default: 'buffered' },
    layout: { type: 'string', default: 'xor-2-1-1024k' },
    mib: { type: 'string', default: '512' },
    streams: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    /** Of one stream, MB/s; by default as fast as the store takes it. */
    pace: { type: 'string', default: '0' },
    only: { type: 'string', default: 'put,get,ranges,degraded,packed' },
  },
});
const layout = flags.layout as Replication;
const streams = Number(flags.streams);
const pace = Number(flags.pace);
const bytesAll = Number(flags.mib) * MIB;
const arena = new Arena();
const root = mkdtempSync(join(flags.root, 'sluice-storage-'));
const silent: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  fatal: () => {},
  child: () => silent,
};

async function openStore(): Promise<StripedChunkStore> {
  const { data, parity } = columnsOf(layout);
  const datanodes: Datanode[] = [];
  for (let node = 0; node < data + parity; node += 1) {
    const directory = join(root, `datanode-${node}`);
    mkdirSync(directory, { recursive: true });
    const id = `storage-${node}`;
    writeFileSync(join(directory, 'id.json'), JSON.stringify({ id }));
    const settings: DatanodeSettings = {
      directory,
      memory: arena.memory,
      id,
      durable: true,
      volumeBytes: LIMITS.volumeBytes,
      io: flags.io as FileAccess,
    };
    const link = await startWorker<RequestBatch, ReplyBatch>('datanode', settings);
    datanodes.push(new DatanodeThread({ node, directory, link, onLost: () => {} }));
  }
  return new StripedChunkStore({ arena, datanodes, clock: systemClock, log: silent });
}

async function put(store: StripedChunkStore, length: number): Promise<ChunkRef> {
  const start = performance.now();
  const writer = await store.create(layout, length);
  for (let left = length; left > 0; left -= arena.blockBytes) {
    const due = start + (length - left) / pace / 1000 - performance.now();
    if (pace > 0 && due > 0) await setTimeout(due);
    const block = await arena.acquire('ingest');
    block.setWindow(0, Math.min(left, arena.blockBytes));
    await writer.write(block);
  }
  return writer.seal();
}

async function get(store: StripedChunkStore, ref: ChunkRef, at: number, length: number) {
  for await (const block of store.read(ref, { offset: at, length })) block.release();
}

/** Runs `one` with `streams` at once, `count` times in all. */
async function together<T>(count: number, one: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const stream = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      results.push(await one(index));
    }
  };
  await Promise.all(Array.from({ length: streams }, stream));
  return results;
}

/** CPU time of the front-end thread alone, in ms: ticks of 10 ms. */
function frontMs(): number {
  const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function measure<T>(name: string, units: number, unit: string, work: () => Promise<T>) {
  const front = frontMs();
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  const result = await work();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const { user, system } = process.cpuUsage(before);
  const scale = unit === 'ns/B' ? 1000 / units : 1 / units;
  const figure = (value: number): string => value.toFixed(unit === 'ns/B' ? 3 : 1).padStart(7);
  process.stdout.write(
    `${name.padEnd(9)} cpu ${figure((user + system) * scale)} ${unit}  user ${figure(user * scale)}` +
      `  system ${figure(system * scale)}  front ${figure((frontMs() - front) * 1000 * scale)}` +
      `  ${(unit === 'ns/B' ? units / 1e6 / seconds : units / seconds).toFixed(0)}` +
      `${unit === 'ns/B' ? ' MB/s' : '/s'}\n`,
  );
  return result;
}

async function round(store: StripedChunkStore, only: ReadonlySet<string>): Promise<void> {
  const part = 8 * MIB;
  const count = Math.max(1, Math.floor(bytesAll / part));
  const bytes = count * part;
  const refs = await measure('put', bytes, 'ns/B', () => together(count, () => put(store, part)));
  const refOf = (index: number): ChunkRef => refs[index % refs.length] as ChunkRef;
  if (only.has('get')) {
    const whole = (index: number): Promise<void> => get(store, refOf(index), 0, part);
    await measure('get', 4 * bytes, 'ns/B', () => together(4 * count, whole));
  }
  if (only.has('ranges')) {
    const ranges = (4 * bytes) / MIB;
    const range = (index: number): Promise<void> =>
      get(store, refOf(index), ((index * 37) % 7) * MIB + 300_000, MIB);
    await measure('ranges', 4 * bytes, 'ns/B', () => together(ranges, range));
  }
  if (only.has('degraded')) {
    const missing = refs.map((ref) => ({ ...ref, nodes: [99, ...ref.nodes.slice(1)] }));
    const one = (index: number): Promise<void> =>
      get(store, missing[index % missing.length] as ChunkRef, 0, part);
    await measure('degraded', bytes, 'ns/B', () => together(count, one));
  }
  await store.delete(refs);
  if (only.has('packed')) {
    const small = await measure('packed', 12_000, 'µs', () =>
      together(12_000, () => put(store, 64 * 1024)),
    );
    await measure('unpacked', 12_000, 'µs', () =>
      together(12_000, (index) => get(store, small[index] as ChunkRef, 0, 64 * 1024)),
    );
    await store.delete(small);
  }
}

const every = new Uint8Array(arena.memory.buffer, 1024 * 1024);
for (let at = 0; at < every.length; at += MIB) randomFillSync(every.subarray(at, at + MIB));
const store = await openStore();
try {
  for (let index = 0; index < Number(flags.rounds); index += 1) {
    await round(store, new Set(flags.only.split(',')));
  }
} finally {
  await store.close();
  rmSync(root, { recursive: true, force: true });
}
