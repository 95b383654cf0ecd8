/**
 * Who owns which bytes. A hold refers to a slice of an immutable blob; a blob without sharing
 * rows belongs to the one owner that any row names, a shared blob to the owners its rows name.
 *
 * Invariants: the first share makes both owners explicit, and sharing rows never all vanish before
 * the blob is destroyed, so dropping a hold twice is harmless. Bytes go before the row that says
 * they must: a crash anywhere repeats work and loses nothing. Whoever shares holds a lease on the
 * source since it read the source's row, so the source cannot be dropped meanwhile.
 */
import { assert } from '../base/assert.ts';
import { StoreError } from '../base/store-error.ts';
import type { ByteRange, ChunkRef } from '../chunks/chunk-store.ts';
import {
  blobPartition,
  decodeSharingKey,
  pageKey,
  SHARING_PREFIX,
  sharingKey,
} from '../meta/keyspace.ts';
import type { Write } from '../meta/meta-store.ts';
import { encodeBlobPages, encodeSharing } from '../meta/record-codec.ts';
import type { BlobRef, CompositeBlob, Hold, SegmentRecord, StoredData } from '../meta/records.ts';
import type { Context } from './context.ts';
import {
  chunkRefOf,
  depthOf,
  findPage,
  isComposite,
  leavesOf,
  lengthOf,
  narrowed,
} from './slices.ts';

/** Composites of composites of …: beyond it a copy refers to the leaves themselves. */
export const DEPTH_MAX = 4;

/** Pages written or deleted in one commit: about 2 MiB. */
const PAGES_PER_COMMIT = 32;
/** Segments encoded at a stretch on this thread: a few milliseconds. */
const SEGMENTS_PER_TURN = 1000;
const DROP_TRIES = 20;
const FLATTEN_AT_ONCE = 32;
/** Sharing rows of one blob that one commit removes. */
const OWNERS_AT_ONCE = 400;
const BLOBS_AT_ONCE = 16;

export class Blobs {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Keeps what `data` refers to from being reclaimed while `work` runs. */
  async leased<Result>(data: StoredData, work: () => Promise<Result>): Promise<Result> {
    if (data.kind === 'inline') return await work();
    const { leases } = this.#context;
    leases.acquire(data.hold.blob.id);
    try {
      return await work();
    } finally {
      leases.release(data.hold.blob.id);
    }
  }

  /** A second reference to the whole of `data`, owned by `ownerId`. Durable when it resolves. */
  async clone(data: StoredData, ownerId: string): Promise<StoredData> {
    return await this.#share(data, ownerId);
  }

  /** A reference to a range of `data`, as shallow as can be. Durable when it resolves. */
  async cloneRange(data: StoredData, range: ByteRange, ownerId: string): Promise<StoredData> {
    const { meta } = this.#context;
    const narrow = narrowed(meta, data, range);
    // The part becomes a segment of a composite, which is one deeper than the part.
    if (depthOf(narrow) < DEPTH_MAX) return await this.#share(narrow, ownerId);
    const blob = await this.#flattened(narrow);
    return { kind: 'hold', hold: { ownerId, blob, offset: 0, length: blob.size } };
  }

  async #share(data: StoredData, ownerId: string): Promise<StoredData> {
    if (data.kind === 'inline') return { ...data, bytes: data.bytes.slice() };
    const { clock, meta, touched } = this.#context;
    const { hold } = data;
    assert(hold.ownerId !== ownerId, 'a blob is shared with another owner');
    const shared: StoredData = { kind: 'hold', hold: { ...hold, ownerId } };
    touched.note(data);
    touched.note(shared);
    const createdMs = clock.now();
    const row = (owner: string): Write => ({
      kind: 'put',
      key: sharingKey(owner),
      value: encodeSharing({ ownerId: owner, createdMs }),
    });
    const writes = [row(hold.ownerId), row(ownerId)];
    await meta.commit({ partition: blobPartition(hold.blob.id), checks: [], writes });
    return shared;
  }

  /** The same bytes as one composite of depth 1 that shares every leaf. */
  async #flattened(data: StoredData): Promise<CompositeBlob> {
    const leaves = [...leavesOf(this.#context.meta, data, { offset: 0, length: lengthOf(data) })];
    const segments: SegmentRecord[] = [];
    try {
      for (let from = 0; from < leaves.length; from += FLATTEN_AT_ONCE) {
        const some = leaves.slice(from, from + FLATTEN_AT_ONCE);
        const shared = await Promise.all(
          some.map((leaf) => this.#share(leaf, this.#context.newId())),
        );
        for (const leaf of shared) {
          const part = { number: segments.length + 1, size: lengthOf(leaf), etag: '' };
          segments.push({ data: leaf, part });
        }
      }
      return await this.join(segments);
    } catch (error) {
      for (const segment of segments) await this.dropQuietly(segment.data);
      throw error;
    }
  }

  /** Writes the pages of a new composite blob. It owns its segments once a row refers to it. */
  async join(segments: readonly SegmentRecord[]): Promise<CompositeBlob> {
    const { meta, touched } = this.#context;
    const id = this.#context.newId();
    const partition = blobPartition(id);
    const starts: number[] = [];
    let writes: Write[] = [];
    let size = 0;
    let depth = 0;
    for (let from = 0; from < segments.length; from += SEGMENTS_PER_TURN) {
      const some = segments.slice(from, from + SEGMENTS_PER_TURN);
      let at = 0;
      for (const page of encodeBlobPages(some)) {
        writes.push({ kind: 'put', key: pageKey(starts.length), value: page.value });
        starts.push(size);
        for (const { data } of some.slice(at, at + page.segmentCount)) {
          touched.note(data);
          size += lengthOf(data);
          depth = Math.max(depth, depthOf(data));
        }
        at += page.segmentCount;
        if (writes.length < PAGES_PER_COMMIT) continue;
        await meta.commit({ partition, checks: [], writes });
        writes = [];
      }
      await nextTurn();
    }
    if (writes.length > 0) await meta.commit({ partition, checks: [], writes });
    return { id, size, pages: starts.length, starts, depth: depth + 1 };
  }

  /** Undoes `join`: removes the pages and leaves the segments to whoever owned them before. */
  async unjoin(blob: CompositeBlob): Promise<void> {
    for (let from = 0; from < blob.pages; from += PAGES_PER_COMMIT) {
      const count = Math.min(PAGES_PER_COMMIT, blob.pages - from);
      const writes = Array.from({ length: count }, (_, index): Write => ({
        kind: 'delete',
        key: pageKey(from + index),
      }));
      await this.#context.meta.commit({ partition: blobPartition(blob.id), checks: [], writes });
    }
  }

  /** Drops a reference that no row names. What fails is left to the orphan scrub. */
  async dropQuietly(data: StoredData): Promise<void> {
    if (data.kind === 'inline') return;
    try {
      await this.drop(data.hold);
    } catch (error) {
      const fields = { err: error, blob: data.hold.blob.id };
      this.#context.log.warn(fields, 'could not drop an unused reference, left to the scrub');
    }
  }

  /** Gives up one hold, as `dropAll` does. */
  async drop(hold: Hold): Promise<void> {
    await this.dropAll([hold]);
  }

  /**
   * Gives up holds; the last one of a blob destroys it. Idempotent and safe to repeat after a
   * crash at any step: when it resolves, whatever only these holds referred to is gone.
   */
  async dropAll(holds: readonly Hold[]): Promise<void> {
    const groups = new Map<string, Hold[]>();
    for (const hold of holds) {
      const group = groups.get(hold.blob.id);
      if (group === undefined) groups.set(hold.blob.id, [hold]);
      else if (group.length < OWNERS_AT_ONCE) group.push(hold);
      else await this.#dropGroup(group.splice(0, group.length, hold), undefined);
    }
    const doomed: ChunkRef[] = [];
    const waiting = groups.values();
    const lane = async (): Promise<void> => {
      for (const group of waiting) await this.#dropGroup(group, doomed);
    };
    const lanes = Array.from({ length: Math.min(BLOBS_AT_ONCE, groups.size) }, lane);
    // Every lane has ended before anything is thrown: no work goes on behind the caller's back.
    const outcomes = await Promise.allSettled(lanes);
    if (doomed.length > 0) await this.#context.chunks.delete(doomed);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /**
   * Holds of one blob. Chunks that only they referred to are added to `doomed`, to be deleted in
   * one call before the caller forgets the holds.
   */
  async #dropGroup(holds: readonly Hold[], doomed: ChunkRef[] | undefined): Promise<void> {
    const [first] = holds;
    assert(first !== undefined, 'a group has holds');
    const { meta } = this.#context;
    const { blob } = first;
    const partition = blobPartition(blob.id);
    const keys = new Map(holds.map(({ ownerId }) => [ownerId, sharingKey(ownerId)]));
    for (let tries = 0; tries < DROP_TRIES; tries += 1) {
      const { rows } = meta.scan(partition, { prefix: SHARING_PREFIX, limit: keys.size + 1 });
      const own = [...keys.values()].filter((key) => meta.get(partition, key) !== undefined);
      const other = rows.find(({ key }) => !keys.has(decodeSharingKey(key)));
      const writes = own.map((key): Write => ({ kind: 'delete', key }));
      if (other === undefined) {
        // Rows that say who owns the blob go after its bytes: until then a retry finds them.
        await this.#destroy(blob, own.length === 0 ? doomed : undefined);
        if (own.length > 0) await meta.commit({ partition, checks: [], writes });
        return;
      }
      if (own.length === 0) return;
      // The other owner's row is proof that these are not the last: two that drop at once
      // must not both believe in each other.
      const checks = [{ key: other.key, rev: other.rev }];
      if ((await meta.commit({ partition, checks, writes })) === 'committed') return;
    }
    throw new StoreError('unavailable', `too many owners change blob ${blob.id}`);
  }

  async #destroy(blob: BlobRef, doomed: ChunkRef[] | undefined): Promise<void> {
    if (isComposite(blob)) {
      await this.#destroyPages(blob);
      return;
    }
    const refs = blob.chunks.map(chunkRefOf);
    if (doomed === undefined) await this.#context.chunks.delete(refs);
    else doomed.push(...refs);
  }

  async #destroyPages(blob: CompositeBlob): Promise<void> {
    const { meta } = this.#context;
    const partition = blobPartition(blob.id);
    for (let number = 0; number < blob.pages; number += 1) {
      const page = findPage(meta, blob.id, number);
      if (page === undefined) continue;
      await this.dropAll(holdsOf(page.segments.map(({ data }) => data)));
      const writes: Write[] = [{ kind: 'delete', key: pageKey(number) }];
      await meta.commit({ partition, checks: [], writes });
    }
  }
}

export function holdsOf(stored: readonly StoredData[]): Hold[] {
  return stored.flatMap((data) => (data.kind === 'hold' ? [data.hold] : []));
}

/** Lets requests run between two stretches of work. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
