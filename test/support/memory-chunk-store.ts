/**
 * The chunk contract in its readable form: a map from chunk ids to bytes. One "shard" a chunk.
 * Writers that a crash cut off stay as unsealed shards, as they would on a disk.
 */
import { assert } from '../../src/base/assert.ts';
import { type Clock, idTime, timeOrderedId } from '../../src/base/clock.ts';
import { LIMITS } from '../../src/base/limits.ts';
import { StoreError } from '../../src/base/store-error.ts';
import type {
  ByteRange,
  ChunkId,
  ChunkRef,
  ChunkStore,
  ChunkStoreStats,
  ChunkWriter,
  Replication,
  StoredShard,
} from '../../src/chunks/chunk-store.ts';
import type { Arena, Block } from '../../src/memory/arena.ts';

interface StoredChunk {
  /** One piece once sealed. */
  pieces: Buffer[];
  sealed: boolean;
  /** Bytes written so far. */
  length: number;
}

export interface MemoryChunkStoreOptions {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly chunkBytesMax?: number;
  readonly random?: (bytes: number) => Uint8Array;
}

export class MemoryChunkStore implements ChunkStore {
  readonly chunkBytesMax: number;
  readonly #options: MemoryChunkStoreOptions;
  readonly #chunks = new Map<ChunkId, StoredChunk>();
  readonly #open = new Set<ChunkId>();

  constructor(options: MemoryChunkStoreOptions) {
    this.#options = options;
    this.chunkBytesMax = options.chunkBytesMax ?? LIMITS.chunkBytes;
  }

  /** Ids of everything stored, sealed or not. */
  get ids(): ChunkId[] {
    return [...this.#chunks.keys()];
  }

  lengthOf(id: ChunkId): number | undefined {
    return this.#chunks.get(id)?.length;
  }

  /** What is stored of a sealed chunk; changing it is damage. */
  bytesOf(id: ChunkId): Buffer | undefined {
    return this.#chunks.get(id)?.pieces[0];
  }

  /** What a kill of the process does: nobody writes the open chunks any more. */
  crash(): void {
    this.#open.clear();
  }

  async create(
    replication: Replication,
    length: number,
    signal?: AbortSignal,
  ): Promise<ChunkWriter> {
    signal?.throwIfAborted();
    assert(length > 0 && length <= this.chunkBytesMax, 'payload fits a chunk');
    const id = timeOrderedId(this.#options.clock, this.#options.random) as ChunkId;
    const chunk: StoredChunk = { pieces: [], sealed: false, length: 0 };
    this.#chunks.set(id, chunk);
    this.#open.add(id);
    await Promise.resolve();
    let isOver = false;
    return {
      write: async (block) => {
        try {
          assert(!isOver && this.#open.has(id), 'write to an open writer');
          const isFull = block.length === this.#options.arena.blockBytes;
          assert(block.offset === block.base, 'blocks start at their base');
          assert(isFull || chunk.length + block.length === length, 'only the last block is short');
          chunk.pieces.push(Buffer.from(block.bytes));
          chunk.length += block.length;
        } finally {
          block.release();
        }
        await Promise.resolve();
      },
      seal: async () => {
        assert(!isOver && chunk.length === length, 'exactly the declared bytes were written');
        isOver = true;
        await Promise.resolve();
        chunk.pieces = [Buffer.concat(chunk.pieces)];
        chunk.sealed = true;
        this.#open.delete(id);
        return { id, length, layout: replication, nodes: [0] };
      },
      abort: async () => {
        await Promise.resolve();
        if (isOver) return;
        isOver = true;
        this.#open.delete(id);
        this.#chunks.delete(id);
      },
    };
  }

  async *read(ref: ChunkRef, range: ByteRange, signal?: AbortSignal): AsyncGenerator<Block> {
    const { arena } = this.#options;
    const { offset, length } = range;
    assert(offset >= 0 && offset + length <= ref.length, 'range lies within the chunk');
    for (let at = offset; at < offset + length; at += arena.blockBytes) {
      const chunk = this.#chunks.get(ref.id);
      const bytes = chunk?.sealed === true ? chunk.pieces[0] : undefined;
      if (bytes === undefined) throw new StoreError('unavailable', `chunk ${ref.id} is gone`);
      const piece = bytes.subarray(at, Math.min(at + arena.blockBytes, offset + length));
      const block = await arena.acquire('read', signal);
      block.capacity.set(piece);
      block.setWindow(0, piece.length);
      yield block;
    }
  }

  async delete(refs: readonly ChunkRef[]): Promise<void> {
    await Promise.resolve();
    for (const { id } of refs) this.#chunks.delete(id);
  }

  async *list(createdBeforeMs: number): AsyncGenerator<readonly StoredShard[]> {
    await Promise.resolve();
    for (const [chunk, { sealed, length }] of [...this.#chunks]) {
      if (this.#open.has(chunk) || idTime(chunk) >= createdBeforeMs) continue;
      yield [{ chunk, column: 0, node: 0, place: chunk, bytes: length, sealed }];
    }
  }

  async deleteShards(shards: readonly StoredShard[]): Promise<void> {
    await Promise.resolve();
    for (const { chunk } of shards) this.#chunks.delete(chunk);
  }

  stats(): ChunkStoreStats {
    return {
      degradedReads: 0,
      corruptShards: 0,
      missingShards: 0,
      openWriters: this.#open.size,
      // As many as the widest layout has columns.
      nodes: Array.from({ length: 14 }, (_, node) => ({ node, directory: 'memory', state: 'up' })),
    };
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}
