/** The local engine: LMDB metadata and one datanode thread per directory. */
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Replication } from '../chunks/chunk-store.ts';
import { type Datanode, DatanodeThread, LostDatanode } from '../chunks/datanode.ts';
import type {
  DatanodeSettings,
  FileAccess,
  ReplyBatch,
  RequestBatch,
} from '../chunks/datanode-protocol.ts';
import { makeFolder } from '../chunks/file-bytes.ts';
import { StripedChunkStore } from '../chunks/striped-chunk-store.ts';
import type { Arena } from '../memory/arena.ts';
import { openLmdbMetaStore } from '../meta/lmdb-meta-store.ts';
import { startWorker } from '../threads/spawn.ts';
import type { Engine } from './engine.ts';
import { openRoster, type RosterEntry } from './roster.ts';

export interface LocalEngineOptions {
  readonly metaDirectory: string;
  readonly datanodeDirectories: readonly string[];
  readonly replication: Replication;
  readonly durability: 'durable' | 'relaxed';
  /** How shard files are written; `auto` when not said. */
  readonly io?: FileAccess;
  readonly arena: Arena;
  readonly clock: Clock;
  readonly log: Log;
  /** A store or a datanode thread broke: nothing may be acknowledged any more. */
  readonly onFatal: (error: Error) => void;
}

export async function openLocalEngine(options: LocalEngineOptions): Promise<Engine> {
  const { metaDirectory, durability, clock, onFatal, log, arena } = options;
  makeFolder(metaDirectory);
  const entries = openRoster(metaDirectory, options.datanodeDirectories);
  const datanodes = await Promise.all(entries.map((entry) => openDatanode(entry, options)));
  const chunks = new StripedChunkStore({ arena, datanodes, clock, log });
  const meta = openLmdbMetaStore({ directory: metaDirectory, durability, clock, onFatal });
  return {
    meta,
    chunks,
    indexPartitions: 1,
    replication: options.replication,
    close: async () => {
      await chunks.close();
      await meta.close();
    },
  };
}

async function openDatanode(entry: RosterEntry, options: LocalEngineOptions): Promise<Datanode> {
  const { node, directory, state, id } = entry;
  if (state !== 'up') {
    options.log.error({ node, directory, state }, 'datanode not usable: served from parity');
    return new LostDatanode(node, directory, state);
  }
  const settings: DatanodeSettings = {
    directory,
    id,
    memory: options.arena.memory,
    durable: options.durability === 'durable',
    volumeBytes: LIMITS.volumeBytes,
    io: options.io ?? 'auto',
  };
  const link = await startWorker<RequestBatch, ReplyBatch>('datanode', settings, {
    onFatal: options.onFatal,
  });
  return new DatanodeThread({
    node,
    directory,
    link,
    onLost: (reason) => {
      options.log.error({ node, directory, reason }, 'datanode lost: served from parity');
    },
  });
}
