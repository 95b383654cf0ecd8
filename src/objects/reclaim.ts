/**
 * The reclaimer: works off reclaim rows when they are due, for ever retried. Bytes go first, the
 * row that says so goes last, so a crash anywhere only repeats work.
 *
 * Only partitions that may have due rows are visited: all of them once after a start, then those
 * that a commit of this process named. A blob that a running read leases is left for later.
 */
import { LIMITS } from '../base/limits.ts';
import {
  blobPartition,
  BUCKETS,
  decodeReclaimKey,
  indexPartition,
  PAGE_PREFIX,
  PART_PREFIX,
  partsPartition,
  RECLAIM_PREFIX,
  reclaimKey,
  RETIRED_PREFIX,
  retiredKey,
  STATE_KEY,
  SUPERSEDED_PREFIX,
  decodeUploadKey,
  uploadScan,
} from '../meta/keyspace.ts';
import type { Partition, Row, Write } from '../meta/meta-store.ts';
import {
  decodeBlobPage,
  decodePart,
  decodeReclaim,
  decodeRetired,
  encodeReclaim,
  encodeState,
} from '../meta/record-codec.ts';
import type { Hold } from '../meta/records.ts';
import { holdsOf, nextTurn } from './blobs.ts';
import type { Blobs } from './blobs.ts';
import type { Buckets } from './buckets.ts';
import type { Context } from './context.ts';

/** Rows worked off together: their chunks are deleted in one call, the rows in one commit. */
const ROWS_AT_ONCE = 200;
const PAGES_AT_ONCE = 16;
const BACKLOG_MAX = 10_000;

export class Reclaimer {
  readonly #context: Context;
  readonly #buckets: Buckets;
  readonly #blobs: Blobs;
  /** Partitions that may have rows to work off, with the earliest due time known. */
  readonly #pending = new Map<Partition, number>();
  /** Deleted buckets that still have rows. */
  readonly #retired = new Set<string>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(context: Context, buckets: Buckets, blobs: Blobs) {
    this.#context = context;
    this.#buckets = buckets;
    this.#blobs = blobs;
  }

  /** After a start nothing is known: every partition may have rows. */
  load(): void {
    for (const { partitions } of this.#buckets.all()) {
      for (const partition of partitions) this.note(partition, 0);
    }
    let after: Uint8Array | undefined;
    for (;;) {
      const scan = { prefix: RETIRED_PREFIX, after, limit: LIMITS.scanRows };
      const page = this.#context.meta.scan(BUCKETS, scan);
      for (const row of page.rows) this.retire(decodeRetired(row.value).id);
      after = page.rows.at(-1)?.key;
      if (!page.more) return;
    }
  }

  note(partition: Partition, dueMs: number): void {
    const known = this.#pending.get(partition);
    if (known === undefined || dueMs < known) this.#pending.set(partition, dueMs);
  }

  retire(bucketId: string): void {
    this.#retired.add(bucketId);
  }

  /** True when `run` would look at anything. */
  isDue(nowMs: number): boolean {
    if (this.#retired.size > 0) return true;
    for (const dueMs of this.#pending.values()) if (dueMs <= nowMs) return true;
    return false;
  }

  /** Resolves with the number of rows done with. Runs are never concurrent. */
  run(nowMs: number): Promise<number> {
    const run = this.#running.then(() => this.#run(nowMs));
    this.#running = run.catch(() => {});
    return run;
  }

  /** Resolves when what runs has ended. */
  async settle(): Promise<void> {
    await this.#running;
  }

  backlog(): number {
    let count = 0;
    const retired = [...this.#retired].flatMap((id) => this.#partitionsOf(id));
    for (const partition of [...this.#pending.keys(), ...retired]) {
      let after: Uint8Array | undefined;
      for (;;) {
        const scan = { prefix: RECLAIM_PREFIX, after, limit: LIMITS.scanRows };
        const page = this.#context.meta.scan(partition, scan);
        count += page.rows.length;
        if (count >= BACKLOG_MAX) return BACKLOG_MAX;
        after = page.rows.at(-1)?.key;
        if (!page.more) break;
      }
    }
    return count;
  }

  async #run(nowMs: number): Promise<number> {
    let count = 0;
    for (const [partition, dueMs] of [...this.#pending]) {
      if (dueMs > nowMs || this.#context.stopped) continue;
      this.#pending.delete(partition);
      try {
        count += await this.#workPartition(partition, nowMs);
      } catch (error) {
        this.note(partition, nowMs);
        this.#warn(error, { partition });
      }
    }
    for (const bucketId of [...this.#retired]) {
      if (this.#context.stopped) break;
      try {
        count += await this.#workRetired(bucketId, nowMs);
      } catch (error) {
        this.#warn(error, { bucketId });
      }
    }
    return count;
  }

  #warn(error: unknown, fields: Record<string, unknown>): void {
    this.#context.log.warn({ err: error, ...fields }, 'reclaiming failed, to be tried again');
  }

  /** One pass over the due rows. Rows that stay (leased, failed) are passed by. */
  async #workPartition(partition: Partition, nowMs: number): Promise<number> {
    const { meta } = this.#context;
    let count = 0;
    let after: Uint8Array | undefined;
    while (!this.#context.stopped) {
      const page = meta.scan(partition, { prefix: RECLAIM_PREFIX, after, limit: ROWS_AT_ONCE });
      const due = page.rows.filter(({ key }) => decodeReclaimKey(key).dueMs <= nowMs);
      const done = await this.#workRows(due);
      await this.#deleteRows(partition, done);
      count += done.length;
      if (done.length < due.length) this.note(partition, nowMs);
      const later = page.rows[due.length];
      if (later !== undefined) this.note(partition, decodeReclaimKey(later.key).dueMs);
      after = page.rows.at(-1)?.key;
      if (later !== undefined || !page.more) return count;
      await nextTurn();
    }
    this.note(partition, nowMs);
    return count;
  }

  /** Resolves with the rows that may be deleted. */
  async #workRows(rows: readonly Row[]): Promise<readonly Row[]> {
    const { leases } = this.#context;
    const ready: Row[] = [];
    const holds: Hold[] = [];
    const done: Row[] = [];
    for (const row of rows) {
      try {
        const record = decodeReclaim(row.value);
        if (record.kind === 'upload') {
          await this.#workUpload(record.uploadId, record.keepBlobId);
          done.push(row);
        } else if (!record.holds.some(({ blob }) => leases.isLeased(blob.id))) {
          holds.push(...record.holds);
          ready.push(row);
        }
      } catch (error) {
        this.#warn(error, { reclaimId: decodeReclaimKey(row.key).id });
      }
    }
    try {
      await this.#blobs.dropAll(holds);
      return [...done, ...ready];
    } catch (error) {
      if (rows.length > 1) return [...done, ...(await this.#workEach(ready))];
      this.#warn(error, {});
      return done;
    }
  }

  /** One by one, so that a row that fails does not keep the others. */
  async #workEach(rows: readonly Row[]): Promise<Row[]> {
    const done: Row[] = [];
    for (const row of rows) done.push(...(await this.#workRows([row])));
    return done;
  }

  /** Drops the parts of an upload that ended, but for those that the completed blob owns. */
  async #workUpload(uploadId: string, keepBlobId: string | undefined): Promise<void> {
    const { meta } = this.#context;
    const partition = partsPartition(uploadId);
    const state = meta.get(partition, STATE_KEY);
    if (state !== undefined) {
      // A part that is being committed checks this row: it lands before, or is refused.
      const value = encodeState({ state: 'closed' });
      const writes: Write[] = [{ kind: 'put', key: STATE_KEY, value }];
      await meta.commit({ partition, checks: [], writes });
    }
    const kept = await this.#ownersOf(keepBlobId);
    for (const prefix of [PART_PREFIX, SUPERSEDED_PREFIX]) {
      for (;;) {
        const { rows } = meta.scan(partition, { prefix, limit: ROWS_AT_ONCE });
        if (rows.length === 0) break;
        const holds = holdsOf(rows.map(({ value }) => decodePart(value).data));
        await this.#blobs.dropAll(holds.filter(({ ownerId }) => !kept.has(ownerId)));
        await this.#deleteRows(partition, rows);
        await nextTurn();
      }
    }
    const writes: Write[] = [{ kind: 'delete', key: STATE_KEY }];
    await meta.commit({ partition, checks: [], writes });
  }

  /** Owner ids of the segments of a blob. None when it is gone: dropping twice is harmless. */
  async #ownersOf(blobId: string | undefined): Promise<Set<string>> {
    const owners = new Set<string>();
    if (blobId === undefined) return owners;
    let after: Uint8Array | undefined;
    for (;;) {
      const scan = { prefix: PAGE_PREFIX, after, limit: PAGES_AT_ONCE };
      const page = this.#context.meta.scan(blobPartition(blobId), scan);
      for (const { value } of page.rows) {
        for (const { data } of decodeBlobPage(value).segments) {
          if (data.kind === 'hold') owners.add(data.hold.ownerId);
        }
      }
      after = page.rows.at(-1)?.key;
      if (!page.more) return owners;
      await nextTurn();
    }
  }

  /** Ends the uploads of a deleted bucket, works its rows off, and at last forgets it. */
  async #workRetired(bucketId: string, nowMs: number): Promise<number> {
    const { meta } = this.#context;
    const partitions = this.#partitionsOf(bucketId);
    let count = 0;
    for (const partition of partitions) {
      await this.#endUploads(partition, nowMs);
      this.#pending.delete(partition);
      count += await this.#workPartition(partition, nowMs);
      this.#pending.delete(partition);
    }
    const scan = { prefix: RECLAIM_PREFIX, limit: 1 };
    if (partitions.some((partition) => meta.scan(partition, scan).rows.length > 0)) return count;
    for (const partition of partitions) {
      const writes: Write[] = [{ kind: 'delete', key: STATE_KEY }];
      await meta.commit({ partition, checks: [], writes });
    }
    const writes: Write[] = [{ kind: 'delete', key: retiredKey(bucketId) }];
    await meta.commit({ partition: BUCKETS, checks: [], writes });
    this.#retired.delete(bucketId);
    return count;
  }

  async #endUploads(partition: Partition, nowMs: number): Promise<void> {
    const { meta } = this.#context;
    const { prefix } = uploadScan('');
    for (;;) {
      const { rows } = meta.scan(partition, { prefix, limit: ROWS_AT_ONCE });
      if (rows.length === 0) return;
      const writes = rows.flatMap(({ key }): Write[] => {
        const { uploadId } = decodeUploadKey(key);
        const value = encodeReclaim({ kind: 'upload', uploadId });
        const reclaim = reclaimKey(nowMs, this.#context.newId());
        return [
          { kind: 'delete', key },
          { kind: 'put', key: reclaim, value },
        ];
      });
      await meta.commit({ partition, checks: [], writes });
    }
  }

  async #deleteRows(partition: Partition, rows: readonly Row[]): Promise<void> {
    if (rows.length === 0) return;
    const writes = rows.map(({ key }): Write => ({ kind: 'delete', key }));
    await this.#context.meta.commit({ partition, checks: [], writes });
  }

  #partitionsOf(bucketId: string): Partition[] {
    const { indexPartitions } = this.#context.engine;
    return Array.from({ length: indexPartitions }, (_, n) => indexPartition(bucketId, n));
  }
}
