/**
 * Storage that a process loses: at a step chosen by the seed the process "dies", before or after
 * that step took effect, and from then on every call of this incarnation fails and does nothing.
 * Short of that, single steps fail cleanly, as a full or ailing disk does.
 */
import { StoreError } from '../../src/base/store-error.ts';
import type {
  ByteRange,
  ChunkRef,
  ChunkStore,
  ChunkStoreStats,
  ChunkWriter,
  Replication,
  StoredShard,
} from '../../src/chunks/chunk-store.ts';
import type { Block } from '../../src/memory/arena.ts';
import type {
  Commit,
  CommitResult,
  MetaStore,
  Page,
  Partition,
  Row,
  Scan,
} from '../../src/meta/meta-store.ts';
import type { Random } from './random.ts';

export class Fate {
  readonly #random: Random;
  /** Steps left to live. */
  #steps: number;
  readonly #faultPercent: number;
  isDead = false;
  /** After a commit of unknown outcome the process may go on for a moment, deleting chunks. */
  readonly chunksOutlive: boolean;

  constructor(random: Random, steps: number, faultPercent: number) {
    this.#random = random;
    this.#steps = steps;
    this.#faultPercent = faultPercent;
    this.chunksOutlive = random.chance(50);
  }

  /** No more trouble: for the checks at the end. */
  spare(): void {
    this.#steps = Number.POSITIVE_INFINITY;
  }

  checkAlive(): void {
    if (this.isDead) throw new StoreError('unavailable', 'this process is dead');
  }

  /** Runs a step that changes something. */
  async step<Result>(work: () => Promise<Result>, failure?: StoreError): Promise<Result> {
    this.checkAlive();
    const isSpared = this.#steps === Number.POSITIVE_INFINITY;
    this.#steps -= 1;
    if (this.#steps <= 0) {
      this.isDead = true;
      // Half of the deaths come after the step took effect, but nobody hears of it.
      if (this.#random.chance(50)) await work();
      this.checkAlive();
    }
    // Storage takes its time: others get on meanwhile.
    const longest = this.#random.chance(5) ? 40 : 5;
    for (let turns = this.#random.below(longest) - 1; turns > 0; turns -= 1) await nextTurn();
    this.checkAlive();
    if (!isSpared && failure !== undefined && this.#random.below(1000) < this.#faultPercent * 10) {
      throw failure;
    }
    const result = await work();
    // It may have died meanwhile: then the answer never arrives.
    this.checkAlive();
    return result;
  }
}

export class MortalMetaStore implements MetaStore {
  readonly #inner: MetaStore;
  readonly #fate: Fate;

  constructor(inner: MetaStore, fate: Fate) {
    this.#inner = inner;
    this.#fate = fate;
  }

  get(partition: Partition, key: Uint8Array): Row | undefined {
    this.#fate.checkAlive();
    return this.#inner.get(partition, key);
  }

  scan(partition: Partition, scan: Scan): Page {
    this.#fate.checkAlive();
    return this.#inner.scan(partition, scan);
  }

  async commit(commit: Commit): Promise<CommitResult> {
    return await this.#fate.step(
      () => this.#inner.commit(commit),
      new StoreError('full', 'no room for metadata'),
    );
  }

  partitions(after: string | undefined, limit: number): readonly Partition[] {
    this.#fate.checkAlive();
    return this.#inner.partitions(after, limit);
  }

  stats(): { readonly bytes: number; readonly rows: number } {
    return this.#inner.stats();
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

export class MortalChunkStore implements ChunkStore {
  readonly chunkBytesMax: number;
  readonly #inner: ChunkStore;
  readonly #fate: Fate;

  constructor(inner: ChunkStore, fate: Fate) {
    this.chunkBytesMax = inner.chunkBytesMax;
    this.#inner = inner;
    this.#fate = fate;
  }

  async create(replication: Replication, length: number): Promise<ChunkWriter> {
    const fate = this.#fate;
    const writer = await fate.step(
      () => this.#inner.create(replication, length),
      new StoreError('full', 'no room for chunks'),
    );
    return {
      write: async (block) => {
        if (fate.isDead) block.release();
        fate.checkAlive();
        await writer.write(block);
      },
      seal: () => fate.step(() => writer.seal(), new StoreError('unavailable', 'sealing failed')),
      abort: async () => {
        if (!fate.isDead) await writer.abort();
      },
    };
  }

  async *read(ref: ChunkRef, range: ByteRange, signal?: AbortSignal): AsyncGenerator<Block> {
    this.#fate.checkAlive();
    yield* this.#inner.read(ref, range, signal);
  }

  async delete(refs: readonly ChunkRef[]): Promise<void> {
    if (this.#fate.isDead && this.#fate.chunksOutlive) return await this.#inner.delete(refs);
    await this.#fate.step(
      () => this.#inner.delete(refs),
      new StoreError('unavailable', 'deleting failed'),
    );
  }

  async *list(createdBeforeMs: number): AsyncGenerator<readonly StoredShard[]> {
    for await (const shards of this.#inner.list(createdBeforeMs)) {
      this.#fate.checkAlive();
      yield shards;
    }
  }

  async deleteShards(shards: readonly StoredShard[]): Promise<void> {
    await this.#fate.step(() => this.#inner.deleteShards(shards));
  }

  stats(): ChunkStoreStats {
    return this.#inner.stats();
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
