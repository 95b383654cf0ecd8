/** What the object store does by itself, as operators and tests see it. Types only. */

export interface ReclaimStats {
  /** Reclaim rows waiting, counted up to 10,000. */
  readonly backlog: number;
  /** Blobs that running reads keep from being reclaimed. */
  readonly leases: number;
}

/** What timers do by themselves; called directly by tests and by operators' commands. */
export interface Maintenance {
  /** Works off every reclaim row due at `nowMs`. Resolves with how many are done with. */
  runReclaim(nowMs: number): Promise<number>;
  /** Aborts uploads older than `uploadDays` at `nowMs`. Resolves with how many. */
  abortStaleUploads(nowMs: number): Promise<number>;
  /** Ends what the lifecycle rules of buckets say, where a day began or rules changed. */
  runLifecycle(nowMs: number): Promise<LifecycleReport>;
  /** Removes what a crash left without an owner before this process started. */
  scrubOrphans(): Promise<ScrubReport>;
  stats(): ReclaimStats;
}

/** An object that a lifecycle rule ended. */
export interface ExpiredObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

export interface LifecycleReport {
  /** Deleted. */
  readonly objects: number;
  /** Aborted. */
  readonly uploads: number;
}

export interface ScrubReport {
  readonly shards: number;
  /** Partitions of uploads, blobs and buckets that nothing refers to. */
  readonly partitions: number;
  /** Sharing rows of owners that do not exist. */
  readonly sharings: number;
}
