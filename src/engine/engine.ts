/** What `objects/` sees of storage: metadata, chunks, and how many index partitions a bucket has. */
import type { ChunkStore, Replication } from '../chunks/chunk-store.ts';
import type { MetaStore } from '../meta/meta-store.ts';

export interface Engine {
  readonly meta: MetaStore;
  readonly chunks: ChunkStore;
  /** Index partitions of one bucket: 1 locally, N on a distributed engine. */
  readonly indexPartitions: number;
  /** Replication used where the bucket names none. */
  readonly replication: Replication;
  close(): Promise<void>;
}
