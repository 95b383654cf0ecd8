/**
 * The ChunkStore over datanodes: decides between packed and striped chunks, places columns, and
 * hands reads and writes to the readers and writers beside it.
 */
import type { Clock } from '../base/clock.ts';
import { timeOrderedId, idTime } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { StoreError } from '../base/store-error.ts';
import type { Arena, Block } from '../memory/arena.ts';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { ChunkReader, type ShardLoss } from './chunk-reader.ts';
import {
  type ByteRange,
  type ChunkId,
  type ChunkRef,
  type ChunkStore,
  type ChunkStoreStats,
  type ChunkWriter,
  type Replication,
  type StoredShard,
} from './chunk-store.ts';
import { type Codec, codecFor } from './codec.ts';
import { type Datanode, DatanodeError } from './datanode.ts';
import type {
  DatanodeRequest,
  DatanodeValue,
  ListedPage,
  ShardPlace,
} from './datanode-protocol.ts';
import { PackedWriter } from './packed-writer.ts';
import { placeColumns } from './placement.ts';
import { StripedWriter } from './striped-writer.ts';

export interface StripedChunkStoreOptions {
  readonly arena: Arena;
  readonly datanodes: readonly Datanode[];
  readonly clock: Clock;
  readonly log: Log;
}

export class StripedChunkStore implements ChunkStore {
  readonly chunkBytesMax: number = LIMITS.chunkBytes;
  readonly #options: StripedChunkStoreOptions;
  readonly #kernels: Kernels;
  readonly #codecs = new Map<Replication, Codec>();
  readonly #datanodes: ReadonlyMap<number, Datanode>;
  #degradedReads = 0;
  #corruptShards = 0;
  #missingShards = 0;
  /** Shards whose loss was logged; forgotten when full, so that it is bounded. */
  readonly #reported = new Set<string>();
  /** Chunks being written: theirs are not orphans. */
  readonly #writing = new Set<string>();

  constructor(options: StripedChunkStoreOptions) {
    this.#options = options;
    this.#kernels = loadKernels(options.arena.memory);
    this.#datanodes = new Map(options.datanodes.map((one) => [one.node, one]));
  }

  async create(layout: Replication, length: number, signal?: AbortSignal): Promise<ChunkWriter> {
    const { arena, clock, datanodes } = this.#options;
    const codec = this.#codec(layout);
    this.#requireRoom(codec);
    const id = timeOrderedId(clock) as ChunkId;
    const columns = codec.dataColumns + codec.parityColumns;
    const places = placeColumns(id, columns, datanodes);
    const onEnd = (): void => {
      this.#writing.delete(id);
    };
    // A packed cell fits one arena block, in which its column is put together.
    if (length <= Math.min(LIMITS.packedBytes, codec.dataColumns * arena.blockBytes)) {
      this.#writing.add(id);
      return new PackedWriter({ id, length, layout, codec, arena, datanodes: places, onEnd });
    }
    const accumulators = await this.#accumulators(codec, signal);
    this.#writing.add(id);
    const { blockBytes } = arena;
    return new StripedWriter({
      id,
      length,
      layout,
      codec,
      blockBytes,
      datanodes: places,
      accumulators,
      onEnd,
    });
  }

  read(ref: ChunkRef, range: ByteRange, signal?: AbortSignal): AsyncIterable<Block> {
    return new ChunkReader({
      ref,
      codec: this.#codec(ref.layout),
      kernels: this.#kernels,
      arena: this.#options.arena,
      datanodeOf: (node) => this.#datanodes.get(node),
      onLoss: (loss) => this.#report(loss),
      onRebuild: () => {
        this.#degradedReads += 1;
      },
      signal,
    }).blocks(range);
  }

  async delete(refs: readonly ChunkRef[]): Promise<void> {
    const deletions = refs.flatMap((ref) =>
      ref.nodes.map((node, column) => {
        const packed = ref.packed?.[column];
        const place: ShardPlace =
          packed === undefined
            ? { shard: `${ref.id}.${column}` }
            : { volume: packed[0], offset: packed[1] };
        return this.#deleteShard(node, ref.id, column, place);
      }),
    );
    await Promise.all(deletions);
  }

  async *list(createdBeforeMs: number): AsyncGenerator<readonly StoredShard[]> {
    for (const datanode of this.#datanodes.values()) {
      if (datanode.state !== 'up') continue;
      let cursor: string | undefined;
      do {
        const page = await unlessLost<ListedPage>(datanode, { kind: 'list', cursor });
        if (page === undefined) break;
        cursor = page.cursor;
        const shards = page.shards
          .filter(({ chunk }) => idTime(chunk) < createdBeforeMs && !this.#writing.has(chunk))
          .map(({ chunk, column, place, bytes, sealed }) => ({
            chunk: chunk as ChunkId,
            column,
            node: datanode.node,
            place: JSON.stringify(place),
            bytes,
            sealed,
          }));
        if (shards.length > 0) yield shards;
      } while (cursor !== undefined);
    }
  }

  async deleteShards(shards: readonly StoredShard[]): Promise<void> {
    const deletions = shards.map(({ node, chunk, column, place }) =>
      this.#deleteShard(node, chunk, column, JSON.parse(place) as ShardPlace),
    );
    await Promise.all(deletions);
  }

  stats(): ChunkStoreStats {
    const nodes = [...this.#datanodes.values()].map(({ node, directory, state }) => ({
      node,
      directory,
      state,
    }));
    return {
      degradedReads: this.#degradedReads,
      corruptShards: this.#corruptShards,
      missingShards: this.#missingShards,
      openWriters: this.#writing.size,
      nodes,
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#datanodes.values()].map((datanode) => datanode.close()));
  }

  async #deleteShard(
    node: number,
    chunk: string,
    column: number,
    place: ShardPlace,
  ): Promise<void> {
    const datanode = this.#datanodes.get(node);
    // What lies on a lost datanode is an orphan for the scrub when it comes back.
    if (datanode === undefined || datanode.state !== 'up') return;
    await unlessLost(datanode, { kind: 'delete', chunk, column, place });
  }

  /** Shards of a datanode that is gone as a whole are counted; that it is gone was logged. */
  #report(loss: ShardLoss): void {
    if (loss.failure === 'corrupt') this.#corruptShards += 1;
    else this.#missingShards += 1;
    const shard = `${loss.chunk}.${loss.column}`;
    const state = this.#datanodes.get(loss.node)?.state ?? 'up';
    if (state !== 'up' || this.#reported.has(shard)) return;
    if (this.#reported.size >= LIMITS.reportedShards) this.#reported.clear();
    this.#reported.add(shard);
    this.#options.log.warn({ ...loss }, 'shard unreadable: rebuilding from the others');
  }

  #codec(layout: Replication): Codec {
    let codec = this.#codecs.get(layout);
    if (codec === undefined) {
      codec = codecFor(layout, this.#kernels);
      this.#codecs.set(layout, codec);
    }
    return codec;
  }

  /** All of a writer's parity blocks at once: nobody holds some and waits for more. */
  async #accumulators(codec: Codec, signal: AbortSignal | undefined): Promise<Block[][]> {
    if (codec.dataColumns === 1 || codec.parityColumns === 0) return [];
    const { arena } = this.#options;
    const perCell = codec.cellBytes / arena.blockBytes;
    const waiting = new AbortController();
    const onAbort = (): void => waiting.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    const tooLong = new StoreError('limit', 'too many uploads at once');
    const timer = setTimeout(() => waiting.abort(tooLong), LIMITS.parityWaitMs);
    try {
      const count = codec.parityColumns * perCell;
      const blocks = await arena.acquireMany(count, 'parity', waiting.signal);
      return Array.from({ length: codec.parityColumns }, (_, row) =>
        blocks.slice(row * perCell, (row + 1) * perCell),
      );
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** A layout whose stripes the arena cannot hold is refused, not waited for. */
  #requireRoom(codec: Codec): void {
    const { arena } = this.#options;
    const columns = codec.dataColumns + codec.parityColumns;
    const parity = codec.dataColumns === 1 ? 0 : codec.parityColumns;
    const accumulators = (parity * codec.cellBytes) / arena.blockBytes;
    if (accumulators > arena.maxFor('parity') || columns > arena.maxFor('scratch')) {
      throw new StoreError('limit', `the arena is too small for ${codec.replication}`);
    }
  }
}

/** Undefined when the datanode turns out to be lost: what it holds is for a later scrub. */
async function unlessLost<Value extends DatanodeValue>(
  datanode: Datanode,
  request: DatanodeRequest,
): Promise<Value | undefined> {
  try {
    return (await datanode.request(request)) as Value;
  } catch (error) {
    if (error instanceof DatanodeError && error.failure === 'lost') return undefined;
    throw error;
  }
}
