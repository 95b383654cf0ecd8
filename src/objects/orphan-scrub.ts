/**
 * What a crash leaves behind and no row owns: chunks sealed but never committed, pages of a
 * Complete that was not decided, sharing rows of a copy that was not, parts without an upload.
 *
 * Mark and sweep. Candidates are ids made before this process started; a walk over all rows takes
 * away those that are referred to; what is left, and was not touched meanwhile, goes. A row that
 * does not decode ends the scrub: nothing is deleted on incomplete knowledge.
 */
import { idTime } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { ChunkStore, StoredShard } from '../chunks/chunk-store.ts';
import {
  blobPartition,
  BUCKETS,
  decodeSharingKey,
  decodeUploadKey,
  objectKey,
  PAGE_PREFIX,
  PART_PREFIX,
  partitionAddress,
  RECLAIM_PREFIX,
  RETIRED_PREFIX,
  SHARING_PREFIX,
  sharingKey,
  SUPERSEDED_PREFIX,
  uploadScan,
  VERSION_PREFIX,
} from '../meta/keyspace.ts';
import type { PartitionAddress } from '../meta/keyspace.ts';
import type { Partition, Row, Write } from '../meta/meta-store.ts';
import { decodeObject } from '../meta/object-codec.ts';
import {
  decodeBlobPage,
  decodePart,
  decodeReclaim,
  decodeRetired,
  decodeSharing,
} from '../meta/record-codec.ts';
import type { Hold, StoredData } from '../meta/records.ts';
import { DEPTH_MAX, nextTurn } from './blobs.ts';
import type { Buckets } from './buckets.ts';
import type { Context } from './context.ts';
import type { ScrubReport } from './maintenance.ts';

/** Candidates held in memory during one walk: tens of megabytes at most. */
const CANDIDATES_MAX = 200_000;
const ROWS_AT_ONCE = 100;
const PARTITIONS_AT_ONCE = 500;
const SHARDS_AT_ONCE = 500;

export class OrphanScrub {
  readonly #context: Context;
  readonly #buckets: Buckets;
  #running: Promise<ScrubReport> | undefined;

  constructor(context: Context, buckets: Buckets) {
    this.#context = context;
    this.#buckets = buckets;
  }

  /** Joins the run that is under way, if there is one. */
  run(): Promise<ScrubReport> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<ScrubReport> {
    const report = { shards: 0, partitions: 0, sharings: 0 };
    const { log, touched } = this.#context;
    touched.begin();
    try {
      report.partitions += await this.#scrubUploadsAndBuckets();
      // An orphan composite's pages refer to others: one layer goes at each pass.
      for (let pass = 0; pass <= DEPTH_MAX; pass += 1) {
        const found = await this.#scrubBlobs();
        report.partitions += found.partitions;
        report.sharings += found.sharings;
        if (found.partitions === 0) break;
      }
      report.shards = await this.#scrubChunks();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      log.info(report, 'the orphan scrub was stopped');
    } finally {
      touched.end();
    }
    return report;
  }

  /** Part rows of no upload and partitions of no bucket. */
  async #scrubUploadsAndBuckets(): Promise<number> {
    const uploads = new Map<string, Partition>();
    const dead: Partition[] = [];
    const buckets = this.#knownBuckets();
    for await (const [partition, address] of this.#partitions()) {
      if (address.kind === 'parts' && this.#isOld(address.uploadId)) {
        uploads.set(address.uploadId, partition);
      }
      if (address.kind === 'index' && this.#isOld(address.bucketId)) {
        if (!buckets.has(address.bucketId)) dead.push(partition);
      }
    }
    if (uploads.size > 0) {
      await this.#eachIndexPartition(async (partition) => {
        // Uploads before reclaim rows: an upload that ends meanwhile moves from one to the other.
        await this.#eachRow(partition, uploadScan('').prefix, ({ key }) => {
          uploads.delete(decodeUploadKey(key).uploadId);
        });
        await this.#eachRow(partition, RECLAIM_PREFIX, ({ value }) => {
          const record = decodeReclaim(value);
          if (record.kind === 'upload') uploads.delete(record.uploadId);
        });
      });
    }
    dead.push(...uploads.values());
    for (const partition of dead) await this.#deletePartition(partition);
    return dead.length;
  }

  #knownBuckets(): Set<string> {
    const ids = new Set<string>();
    for (const { view } of this.#buckets.all()) ids.add(view.id);
    let after: Uint8Array | undefined;
    for (;;) {
      const scan = { prefix: RETIRED_PREFIX, after, limit: LIMITS.scanRows };
      const page = this.#context.meta.scan(BUCKETS, scan);
      for (const { value } of page.rows) ids.add(decodeRetired(value).id);
      after = page.rows.at(-1)?.key;
      if (!page.more) return ids;
    }
  }

  /** Blob partitions that nothing refers to, and sharing rows of owners that do not exist. */
  async #scrubBlobs(): Promise<{ partitions: number; sharings: number }> {
    const blobs = new Set<string>();
    const owners = new Map<string, string>();
    const found = { partitions: 0, sharings: 0 };
    const sweep = async (): Promise<void> => {
      if (blobs.size === 0) return;
      await this.#eachHold((hold) => {
        blobs.delete(hold.blob.id);
        owners.delete(hold.ownerId);
      });
      for (const blobId of blobs) {
        if (!this.#mayDelete(blobId)) continue;
        await this.#deletePartition(blobPartition(blobId));
        found.partitions += 1;
      }
      for (const [ownerId, blobId] of owners) {
        if (blobs.has(blobId) || !this.#mayDelete(ownerId)) continue;
        if (await this.#deleteSharing(blobId, ownerId)) found.sharings += 1;
      }
      blobs.clear();
      owners.clear();
    };
    for await (const [partition, address] of this.#partitions()) {
      if (address.kind !== 'blob' || !this.#isOld(address.blobId)) continue;
      blobs.add(address.blobId);
      await this.#eachRow(partition, SHARING_PREFIX, ({ key, value }) => {
        const isOld = decodeSharing(value).createdMs < this.#context.startedMs;
        const ownerId = decodeSharingKey(key);
        if (isOld && this.#isOld(ownerId)) owners.set(ownerId, address.blobId);
      });
      if (blobs.size + owners.size >= CANDIDATES_MAX) await sweep();
    }
    await sweep();
    return found;
  }

  /** False when it is the only owner left: then the hold that proves the blob alive has no row. */
  async #deleteSharing(blobId: string, ownerId: string): Promise<boolean> {
    const partition = blobPartition(blobId);
    const key = sharingKey(ownerId);
    const { rows } = this.#context.meta.scan(partition, { prefix: SHARING_PREFIX, limit: 2 });
    const other = rows.find((row) => Buffer.compare(row.key, key) !== 0);
    if (other === undefined) return false;
    const checks = [{ key: other.key, rev: other.rev }];
    const writes: Write[] = [{ kind: 'delete', key }];
    return (await this.#context.meta.commit({ partition, checks, writes })) === 'committed';
  }

  async #scrubChunks(): Promise<number> {
    const { chunks, startedMs } = this.#context;
    const candidates = new Map<string, StoredShard[]>();
    let count = 0;
    for await (const shards of chunks.list(startedMs)) {
      this.#checkStopped();
      for (const shard of shards) {
        const known = candidates.get(shard.chunk);
        if (known === undefined) candidates.set(shard.chunk, [shard]);
        else known.push(shard);
      }
      if (candidates.size < CANDIDATES_MAX) continue;
      count += await this.#sweepChunks(candidates);
      candidates.clear();
    }
    return count + (await this.#sweepChunks(candidates));
  }

  async #sweepChunks(candidates: Map<string, StoredShard[]>): Promise<number> {
    if (candidates.size === 0) return 0;
    await this.#eachHold(({ blob }) => {
      if ('chunks' in blob) for (const { id } of blob.chunks) candidates.delete(id);
    });
    const orphans: StoredShard[] = [];
    for (const [chunkId, shards] of candidates) {
      if (this.#mayDelete(chunkId)) orphans.push(...shards);
    }
    await deleteShards(this.#context.chunks, orphans);
    return orphans.length;
  }

  /** Every hold of every row: objects, reclaim rows, parts, pages. */
  async #eachHold(visit: (hold: Hold) => void): Promise<void> {
    const visitData = (data: StoredData): void => {
      if (data.kind === 'hold') visit(data.hold);
    };
    for await (const [partition, { kind }] of this.#partitions()) {
      switch (kind) {
        case 'index':
          // In this order: a replaced hold moves from one to the next.
          await this.#eachRow(partition, objectKey(''), ({ value }) => {
            visitData(decodeObject(value).data);
          });
          await this.#eachRow(partition, VERSION_PREFIX, ({ value }) => {
            visitData(decodeObject(value).data);
          });
          await this.#eachRow(partition, RECLAIM_PREFIX, ({ value }) => {
            const record = decodeReclaim(value);
            if (record.kind === 'holds') for (const hold of record.holds) visit(hold);
          });
          break;
        case 'parts':
          for (const prefix of [PART_PREFIX, SUPERSEDED_PREFIX]) {
            await this.#eachRow(partition, prefix, ({ value }) =>
              visitData(decodePart(value).data),
            );
          }
          break;
        case 'blob':
          await this.#eachRow(partition, PAGE_PREFIX, ({ value }) => {
            for (const { data } of decodeBlobPage(value).segments) visitData(data);
          });
          break;
        case 'buckets':
          break;
      }
    }
  }

  async #eachIndexPartition(visit: (partition: Partition) => Promise<void>): Promise<void> {
    for await (const [partition, { kind }] of this.#partitions()) {
      if (kind === 'index') await visit(partition);
    }
  }

  async *#partitions(): AsyncGenerator<[Partition, PartitionAddress]> {
    let after: string | undefined;
    for (;;) {
      const names = this.#context.meta.partitions(after, PARTITIONS_AT_ONCE);
      for (const name of names) {
        this.#checkStopped();
        const address = partitionAddress(name);
        if (address !== undefined) yield [name, address];
      }
      after = names.at(-1);
      if (names.length < PARTITIONS_AT_ONCE) return;
      await nextTurn();
    }
  }

  async #eachRow(
    partition: Partition,
    prefix: Uint8Array,
    visit: (row: Row) => void,
  ): Promise<void> {
    let after: Uint8Array | undefined;
    for (;;) {
      const page = this.#context.meta.scan(partition, { prefix, after, limit: ROWS_AT_ONCE });
      for (const row of page.rows) visit(row);
      after = page.rows.at(-1)?.key;
      if (!page.more) return;
      await nextTurn();
      this.#checkStopped();
    }
  }

  async #deletePartition(partition: Partition): Promise<void> {
    const { meta } = this.#context;
    for (;;) {
      const { rows } = meta.scan(partition, { prefix: new Uint8Array(), limit: ROWS_AT_ONCE });
      if (rows.length === 0) return;
      const writes = rows.map(({ key }): Write => ({ kind: 'delete', key }));
      await meta.commit({ partition, checks: [], writes });
    }
  }

  #isOld(id: string): boolean {
    return idTime(id) < this.#context.startedMs;
  }

  #mayDelete(id: string): boolean {
    return this.#isOld(id) && !this.#context.touched.has(id);
  }

  #checkStopped(): void {
    const { clockStepped, stopped } = this.#context;
    if (stopped || clockStepped) throw new Stopped();
  }
}

async function deleteShards(chunks: ChunkStore, shards: readonly StoredShard[]): Promise<void> {
  for (let from = 0; from < shards.length; from += SHARDS_AT_ONCE) {
    await chunks.deleteShards(shards.slice(from, from + SHARDS_AT_ONCE));
  }
}

/** The store is being closed, or the clock cannot be trusted to tell old ids from new. */
class Stopped extends Error {
  override readonly name = 'Stopped';
}
