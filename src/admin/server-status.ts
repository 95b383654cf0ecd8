/** What a running server tells of itself in one look: counters since its start, and what it holds. */
import type { Clock } from '../base/clock.ts';
import type { ChunkStore } from '../chunks/chunk-store.ts';
import type { MetaStore } from '../meta/meta-store.ts';

/** The parts that know; structural, so that a test may bring its own. */
export interface StatusSources {
  readonly version: string;
  readonly clock: Clock;
  readonly chunks: Pick<ChunkStore, 'stats'>;
  readonly meta: Pick<MetaStore, 'stats'>;
  readonly objects: { stats(): { readonly backlog: number; readonly leases: number } };
  readonly arena: { readonly blockCount: number; readonly freeCount: number };
  readonly gateway: {
    stats(): {
      readonly operations: ReadonlyMap<string, number>;
      readonly errors: ReadonlyMap<string, number>;
    };
  };
  readonly server: { connections(): number; requests(): number };
}

export interface ServerStatus {
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly connections: number;
  /** Being served right now. */
  readonly requests: number;
  /** Ended since the start, by operation and by error code. */
  readonly operations: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  readonly arena: { readonly blocks: number; readonly free: number };
  readonly datanodes: ReturnType<ChunkStore['stats']>['nodes'];
  /** Reads that had to be rebuilt, and shards that were found damaged or missing, since the start. */
  readonly degradedReads: number;
  readonly corruptShards: number;
  readonly missingShards: number;
  readonly metadata: { readonly bytes: number; readonly rows: number };
  /** Reclaim rows that wait, counted up to 10,000. */
  readonly reclaimBacklog: number;
  readonly memory: { readonly rssBytes: number; readonly heapBytes: number };
}

/** A source of statuses; the start is now. */
export function statusOf(sources: StatusSources): () => ServerStatus {
  const startedMs = sources.clock.now();
  return () => {
    const { arena, chunks, clock, gateway, meta, objects, server, version } = sources;
    const { nodes, degradedReads, corruptShards, missingShards } = chunks.stats();
    const { operations, errors } = gateway.stats();
    const { rss, heapUsed } = process.memoryUsage();
    return {
      version,
      pid: process.pid,
      uptimeSeconds: Math.floor((clock.now() - startedMs) / 1000),
      connections: server.connections(),
      requests: server.requests(),
      operations: Object.fromEntries(operations),
      errors: Object.fromEntries(errors),
      arena: { blocks: arena.blockCount, free: arena.freeCount },
      datanodes: nodes,
      degradedReads,
      corruptShards,
      missingShards,
      metadata: meta.stats(),
      reclaimBacklog: objects.stats().backlog,
      memory: { rssBytes: rss, heapBytes: heapUsed },
    };
  };
}

/** For a person. */
export function statusText(status: ServerStatus): string {
  const { arena, datanodes, memory, metadata } = status;
  const mib = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .toSorted(([, left], [, right]) => right - left)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none';
  const lines: readonly (readonly [string, string])[] = [
    ['server', `Sluice ${status.version}, process ${status.pid}, up ${status.uptimeSeconds} s`],
    ['now', `${status.connections} connections, ${status.requests} requests`],
    ['requests', counts(status.operations)],
    ['errors', counts(status.errors)],
    ...datanodes.map(
      ({ node, directory, state }) => [`datanode ${node}`, `${state}  ${directory}`] as const,
    ),
    [
      'shards',
      `${status.corruptShards} damaged, ${status.missingShards} missing, ` +
        `${status.degradedReads} reads rebuilt`,
    ],
    ['metadata', `${metadata.rows} rows, ${mib(metadata.bytes)}`],
    ['reclaim', `${status.reclaimBacklog} rows wait`],
    ['arena', `${arena.blocks - arena.free} of ${arena.blocks} blocks in use`],
    ['memory', `${mib(memory.rssBytes)} resident, ${mib(memory.heapBytes)} JavaScript heap`],
  ];
  return lines.map(([name, text]) => `${name.padEnd(12)}${text}\n`).join('');
}
