/**
 * Reads a range of one chunk: cuts it into pieces of at most one block, keeps a few of them on
 * their way ahead of the consumer, and rebuilds a piece from other columns when its own column
 * is missing or damaged. Bytes are verified by the datanode before they are yielded.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { StoreError } from '../base/store-error.ts';
import type { Arena, Block } from '../memory/arena.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { Codec } from './codec.ts';
import type { ByteRange, ChunkRef } from './chunk-store.ts';
import { type Datanode, DatanodeError } from './datanode.ts';
import type { FailureKind, ShardPlace } from './datanode-protocol.ts';
import { CHECK_BLOCK, columnLength, packedCellBytes, roundUp } from './shard-format.ts';

/** A shard that could not be read. */
export interface ShardLoss {
  readonly chunk: string;
  readonly column: number;
  readonly node: number;
  readonly failure: FailureKind;
  readonly reason: string;
}

export interface ChunkReaderOptions {
  readonly ref: ChunkRef;
  readonly codec: Codec;
  readonly kernels: Kernels;
  readonly arena: Arena;
  readonly datanodeOf: (node: number) => Datanode | undefined;
  /** Called for each column that fails, once a read. */
  readonly onLoss: (loss: ShardLoss) => void;
  /** Called for each piece that has to be rebuilt. */
  readonly onRebuild: () => void;
  readonly signal: AbortSignal | undefined;
}

/** Part of one column: `at` and `length` are in whole checksum blocks but for the column's end. */
interface Piece {
  readonly column: number;
  readonly at: number;
  readonly length: number;
  /** What of it was asked for. */
  readonly start: number;
  readonly wanted: number;
}

/** A piece on its way, and whether it has come, or failed. */
interface Reading {
  readonly block: Promise<Block>;
  isThere: boolean;
}

function readingOf(block: Promise<Block>): Reading {
  const reading: Reading = { block, isThere: false };
  const onEnd = (): void => {
    reading.isThere = true;
  };
  block.then(onEnd, onEnd);
  return reading;
}

/**
 * How many pieces to keep on their way, by what the consumer finds when it asks for the next: what
 * it waits for should have been asked for earlier; what lies ready holds memory for nothing.
 */
function windowAfter(window: number, ahead: readonly { readonly isThere: boolean }[]): number {
  if (ahead[0]?.isThere === false) return LIMITS.readAheadBlocks;
  const allThere = ahead.length > 0 && ahead.every(({ isThere }) => isThere);
  return allThere ? Math.max(window - 1, LIMITS.readAheadBlocksMin) : window;
}

export class ChunkReader {
  readonly #options: ChunkReaderOptions;
  readonly #cellBytes: number;
  /** Columns that failed once in this read, and how: not asked again. */
  readonly #lost = new Map<number, FailureKind>();

  constructor(options: ChunkReaderOptions) {
    const { ref, codec } = options;
    this.#options = options;
    this.#cellBytes =
      ref.packed === undefined ? codec.cellBytes : packedCellBytes(ref.layout, ref.length);
  }

  async *blocks(range: ByteRange): AsyncGenerator<Block> {
    assert(range.offset + range.length <= this.#options.ref.length, 'the range is in the chunk');
    const { arena, signal } = this.#options;
    const pieces = this.#pieces(range);
    const ahead: Reading[] = [];
    let window: number = LIMITS.readAheadBlocks;
    try {
      for (let next = 0; next < pieces.length || ahead.length > 0;) {
        const piece = pieces[next];
        if (piece !== undefined && ahead.length < window) {
          // Waits for a block only when nothing is at hand that the consumer could have.
          const target =
            arena.tryAcquire('read') ??
            (ahead.length === 0 ? await arena.acquire('read', signal) : undefined);
          if (target !== undefined) {
            ahead.push(readingOf(this.#read(piece, target)));
            next += 1;
            continue;
          }
        }
        const first = ahead.shift();
        assert(first !== undefined, 'a piece is on its way');
        yield await first.block;
        window = windowAfter(window, ahead);
      }
    } finally {
      for (const late of await Promise.allSettled(ahead.map(({ block }) => block))) {
        if (late.status === 'fulfilled') late.value.release();
      }
    }
  }

  #pieces(range: ByteRange): Piece[] {
    const { codec, arena, ref } = this.#options;
    const cell = this.#cellBytes;
    const pieces: Piece[] = [];
    const end = range.offset + range.length;
    for (let offset = range.offset; offset < end;) {
      const stripe = Math.floor(offset / (codec.dataColumns * cell));
      const within = offset - stripe * codec.dataColumns * cell;
      const column = Math.floor(within / cell);
      const inCell = within - column * cell;
      const blockStart = inCell - (inCell % arena.blockBytes);
      const blockEnd = Math.min(blockStart + arena.blockBytes, cell);
      const wanted = Math.min(blockEnd - inCell, end - offset);
      const shardAt = stripe * cell + inCell;
      // A cell of a packed chunk need not end on a checksum block; its column ends there.
      const at = shardAt - (inCell % CHECK_BLOCK);
      const columnEnd = columnLength(ref.layout, cell, ref.length, column);
      const last = shardAt + wanted;
      const over = (last - at) % CHECK_BLOCK;
      const length = Math.min(
        over === 0 ? last - at : last - at + CHECK_BLOCK - over,
        columnEnd - at,
      );
      pieces.push({ column, at, length, start: shardAt - at, wanted });
      offset += wanted;
    }
    return pieces;
  }

  /** Takes over `target`: it is returned with the window set, or released. */
  async #read(piece: Piece, target: Block): Promise<Block> {
    try {
      const failure = this.#lost.has(piece.column)
        ? true
        : await this.#readColumn(piece.column, piece.at, piece.length, target.base);
      if (failure) await this.#rebuild(piece, target);
      target.setWindow(piece.start, piece.wanted);
      return target;
    } catch (error) {
      target.release();
      throw error;
    }
  }

  /** True when the column failed. Never throws, so that nobody lets go of the target too soon. */
  async #readColumn(column: number, at: number, length: number, target: number): Promise<boolean> {
    const { ref, datanodeOf } = this.#options;
    const node = ref.nodes[column] ?? -1;
    const packed = ref.packed?.[column];
    const place: ShardPlace =
      packed === undefined
        ? { shard: `${ref.id}.${column}` }
        : { volume: packed[0], offset: packed[1] };
    const dataLength = columnLength(ref.layout, this.#cellBytes, ref.length, column);
    const chunk = ref.id;
    try {
      const datanode = datanodeOf(node);
      if (datanode === undefined) throw new DatanodeError('missing', `no datanode ${node}`);
      await datanode.request({
        kind: 'read',
        place,
        chunk,
        column,
        dataLength,
        at,
        length,
        target,
      });
      return false;
    } catch (error) {
      this.#lose(column, node, error);
      return true;
    }
  }

  #lose(column: number, node: number, error: unknown): void {
    if (this.#lost.has(column)) return;
    const failure = error instanceof DatanodeError ? error.failure : 'unavailable';
    const reason = error instanceof Error ? error.message : String(error);
    this.#lost.set(column, failure);
    this.#options.onLoss({ chunk: this.#options.ref.id, column, node, failure, reason });
  }

  async #rebuild(piece: Piece, target: Block): Promise<void> {
    const { ref, codec, arena, onRebuild, signal } = this.#options;
    onRebuild();
    // One of the columns goes where the result will be.
    const others = codec.dataColumns - 1;
    const inputs = others === 0 ? [] : await arena.acquireMany(others, 'scratch', signal);
    try {
      const present = await this.#gather(piece, [target, ...inputs]);
      if (present.size < codec.dataColumns) {
        const damaged = [...this.#lost.values()].every((failure) => failure === 'corrupt');
        throw new StoreError(
          damaged ? 'corrupt' : 'unavailable',
          `chunk ${ref.id}: too few shards are left to rebuild it`,
        );
      }
      codec.repair(present, new Map([[piece.column, target.base]]), piece.length);
    } finally {
      for (const block of inputs) block.release();
    }
  }

  /** The same piece of other columns, one into each input block; fewer when too many are lost. */
  async #gather(piece: Piece, inputs: readonly Block[]): Promise<Map<number, number>> {
    const { ref, codec, kernels } = this.#options;
    const present = new Map<number, number>();
    const total = codec.dataColumns + codec.parityColumns;
    const left = Array.from({ length: total }, (_, column) => column);
    left.splice(piece.column, 1);
    let free = [...inputs];
    while (free.length > 0 && left.length > 0) {
      const round = free.map(async (input) => {
        const column = left.shift();
        if (column === undefined || this.#lost.has(column)) return input;
        const end = columnLength(ref.layout, this.#cellBytes, ref.length, column);
        // Whole checksum blocks of this column, which may be longer than the lost one.
        const length = Math.min(Math.max(end - piece.at, 0), roundUp(piece.length, CHECK_BLOCK));
        // Past its end a data column counts as zeroes: that is how parity was computed.
        kernels.zero(input.base + length, Math.max(piece.length - length, 0));
        if (length > 0 && (await this.#readColumn(column, piece.at, length, input.base))) {
          return input;
        }
        present.set(column, input.base);
        return undefined;
      });
      free = (await Promise.all(round)).filter((input) => input !== undefined);
    }
    return present;
  }
}
