/** The real chunk store over real datanode threads in a temporary folder, for tests. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import type { Log } from '../../src/base/log.ts';
import { DatanodeThread, type Datanode, LostDatanode } from '../../src/chunks/datanode.ts';
import type {
  DatanodeSettings,
  FileAccess,
  ReplyBatch,
  RequestBatch,
} from '../../src/chunks/datanode-protocol.ts';
import { StripedChunkStore } from '../../src/chunks/striped-chunk-store.ts';
import { Arena } from '../../src/memory/arena.ts';
import { startWorker } from '../../src/threads/spawn.ts';

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  fatal: () => {},
  child: () => silentLog,
};

const MIB = 1024 * 1024;

export interface DatanodeFixture {
  readonly directory: string;
  readonly arena: Arena;
  readonly store: StripedChunkStore;
  folder(node: number): string;
  /** Closes and opens again; `lost` nodes are treated as gone. */
  reopen(lost?: readonly number[]): Promise<DatanodeFixture>;
  close(): Promise<void>;
  remove(): void;
}

export interface FixtureOptions {
  readonly directory?: string;
  readonly lost?: readonly number[];
  readonly volumeBytes?: number;
  readonly io?: FileAccess;
}

export async function openDatanodes(
  count: number,
  options: FixtureOptions = {},
): Promise<DatanodeFixture> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'sluice-datanodes-'));
  const arena = new Arena(64 * MIB);
  const folder = (node: number): string => join(directory, `datanode-${node}`);
  const datanodes: Datanode[] = [];
  for (let node = 0; node < count; node += 1) {
    if (options.lost?.includes(node) === true) {
      datanodes.push(new LostDatanode(node, folder(node), 'gone'));
      continue;
    }
    mkdirSync(folder(node), { recursive: true });
    const id = `test-${node}`;
    writeFileSync(join(folder(node), 'id.json'), JSON.stringify({ id }));
    const volumeBytes = options.volumeBytes ?? 64 * MIB;
    const settings: DatanodeSettings = {
      directory: folder(node),
      memory: arena.memory,
      id,
      durable: true,
      volumeBytes,
      io: options.io ?? 'buffered',
    };
    const link = await startWorker<RequestBatch, ReplyBatch>('datanode', settings);
    const onLost = (): void => {};
    datanodes.push(new DatanodeThread({ node, directory: folder(node), link, onLost }));
  }
  const store = new StripedChunkStore({ arena, datanodes, clock: systemClock, log: silentLog });
  return {
    directory,
    arena,
    store,
    folder,
    reopen: async (lost = []) => {
      await store.close();
      return openDatanodes(count, { ...options, directory, lost });
    },
    close: () => store.close(),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
