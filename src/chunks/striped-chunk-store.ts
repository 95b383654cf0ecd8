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
import { ChunkReader, type ReadCounters } from './chunk-reader.ts';
import {
  type ByteRange,
  type ChunkId,
  type ChunkRef,
  type ChunkStore,
  type ChunkStoreStats,
  type ChunkWriter,
  columnsOf,
  type Replication,
  type StoredShard,
} from './chunk-store.ts';
import { type Codec, codecFor } from './codec.ts';
import type { Datanode } from './datanode.ts';
import type { ListedPage, ShardPlace } from './datanode-protocol.ts';
import { PackedWriter } from './packed-writer.ts';
import { placeColumns } from './placement.ts';
import { StripedWriter } from './striped-writer.ts';

export interface StripedChunkStoreOptions {
  readonly arena: Arena;
  readonly datanodes: readonly Datanode[];
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a writer waits for its parity blocks before the client is told to slow down. */
const PARITY_WAIT_MS = 30_000;

export class StripedChunkStore implements ChunkStore {
  readonly chunkBytesMax: number = LIMITS.chunkBytes;
  readonly #options: StripedChunkStoreOptions;
  readonly #kernels: Kernels;
  readonly #codecs = new Map<Replication, Codec>();
  readonly #datanodes: ReadonlyMap<number, Datanode>;
  readonly #counters: ReadCounters = { degradedReads: 0, corruptShards: 0, missingShards: 0 };
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
    return new StripedWriter({ id, length, layout, codec, blockBytes, datanodes: places, accumulators, onEnd });
  }

  read(ref: ChunkRef, range: ByteRange, signal?: AbortSignal): AsyncIterable<Block> {
    return new ChunkReader({
      ref,
      codec: this.#codec(ref.layout),
      kernels: this.#kernels,
      arena: this.#options.arena,
      datanodeOf: (node) => this.#datanodes.get(node),
      counters: this.#counters,
      log: this.#options.log,
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
        const page = (await datanode.request({ kind: 'list', cursor })) as ListedPage;
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
    return { ...this.#counters, openWriters: this.#writing.size, nodes };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#datanodes.values()].map((datanode) => datanode.close()));
  }

  async #deleteShard(node: number, chunk: string, column: number, place: ShardPlace): Promise<void> {
    const datanode = this.#datanodes.get(node);
    // What lies on a lost datanode is an orphan for the scrub when it comes back.
    if (datanode === undefined || datanode.state !== 'up') return;
    await datanode.request({ kind: 'delete', chunk, column, place });
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
    const timeout = AbortSignal.timeout(PARITY_WAIT_MS);
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    try {
      const blocks = await arena.acquireMany(codec.parityColumns * perCell, 'parity', either);
      return Array.from({ length: codec.parityColumns }, (_, row) =>
        blocks.slice(row * perCell, (row + 1) * perCell),
      );
    } catch (error) {
      if (!timeout.aborted) throw error;
      throw new StoreError('limit', 'too many uploads at once', error);
    }
  }
}

/** Columns of a layout: how many datanodes it needs. */
export function datanodesNeeded(layout: Replication): number {
  const { data, parity } = columnsOf(layout);
  return data + parity;
}
