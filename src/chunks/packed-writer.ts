/**
 * Writes one small chunk as entries of volumes, one on each column's datanode. Holds the payload's
 * blocks until `seal`, which is when the columns are cut and the parity is computed, each in the
 * thread that stores it.
 */
import { assert } from '../base/assert.ts';
import type { Arena, Block } from '../memory/arena.ts';
import type { Codec } from './codec.ts';
import type { ChunkId, ChunkRef, ChunkWriter, Replication } from './chunk-store.ts';
import type { Datanode } from './datanode.ts';
import type { EntryPlace, PackedTerm, SpanPair } from './datanode-protocol.ts';
import { columnLength, entryBytesOf, packedCellBytes, type ShardHeader } from './shard-format.ts';

export interface PackedWriterOptions {
  readonly id: ChunkId;
  readonly length: number;
  readonly layout: Replication;
  readonly codec: Codec;
  readonly arena: Arena;
  readonly datanodes: readonly Datanode[];
  /** Called once when the writer is through, whatever the outcome. */
  onEnd(): void;
}

export class PackedWriter implements ChunkWriter {
  readonly #options: PackedWriterOptions;
  readonly #blocks: Block[] = [];
  #written = 0;
  #ended = false;

  constructor(options: PackedWriterOptions) {
    this.#options = options;
  }

  write(block: Block): Promise<void> {
    assert(!this.#ended, 'not sealed yet');
    this.#blocks.push(block);
    this.#written += block.length;
    assert(this.#written <= this.#options.length, 'no more than was declared');
    return Promise.resolve();
  }

  async seal(): Promise<ChunkRef> {
    const { id, length, layout, datanodes, arena } = this.#options;
    assert(!this.#ended && this.#written === length, 'exactly the declared length was written');
    const scratch = await arena.acquireMany(datanodes.length, 'scratch');
    const appended = await Promise.allSettled(
      datanodes.map((datanode, column) =>
        datanode.request({
          kind: 'append',
          header: this.#header(column),
          terms: this.#terms(column),
          scratch: scratch[column]?.base ?? 0,
        }),
      ),
    );
    for (const block of scratch) block.release();
    const places = appended.map((result) =>
      result.status === 'fulfilled' ? (result.value as EntryPlace) : undefined,
    );
    const failed = appended.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await this.#forget(places);
      this.#end();
      throw failed.reason;
    }
    this.#end();
    const nodes = datanodes.map((datanode) => datanode.node);
    return { id, length, layout, nodes, packed: places.flatMap((place) => (place ? [place] : [])) };
  }

  abort(): Promise<void> {
    if (!this.#ended) this.#end();
    return Promise.resolve();
  }

  /** Entries that did land are tombstoned at once; what that misses is left to the scrub. */
  async #forget(places: readonly (EntryPlace | undefined)[]): Promise<void> {
    const { id, datanodes } = this.#options;
    await Promise.allSettled(
      datanodes.flatMap((datanode, column) => {
        const landed = places[column];
        if (landed === undefined) return [];
        const place = { volume: landed[0], offset: landed[1] };
        return [datanode.request({ kind: 'delete', chunk: id, column, place })];
      }),
    );
  }

  #end(): void {
    this.#ended = true;
    for (const block of this.#blocks) block.release();
    this.#options.onEnd();
  }

  #header(column: number): ShardHeader {
    const { id, length, layout } = this.#options;
    const cellBytes = packedCellBytes(layout, length);
    const dataLength = columnLength(layout, cellBytes, length, column);
    return {
      kind: 'entry',
      chunk: id,
      column,
      layout,
      cellBytes,
      dataLength,
      chunkLength: length,
      entryBytes: entryBytesOf(dataLength),
    };
  }

  #terms(column: number): PackedTerm[] {
    const { codec, length, layout } = this.#options;
    const cellBytes = packedCellBytes(layout, length);
    const spansOf = (data: number): SpanPair[] =>
      this.#spans(data * cellBytes, Math.min((data + 1) * cellBytes, length));
    if (codec.dataColumns === 1) return [{ coefficient: 1, spans: spansOf(0) }];
    if (column < codec.dataColumns) return [{ coefficient: 1, spans: spansOf(column) }];
    return Array.from({ length: codec.dataColumns }, (_, data) => ({
      coefficient: codec.coefficient(column - codec.dataColumns, data),
      spans: spansOf(data),
    }));
  }

  /** The payload's bytes `start` to `end` as arena spans. */
  #spans(start: number, end: number): SpanPair[] {
    const spans: SpanPair[] = [];
    let at = 0;
    for (const block of this.#blocks) {
      const first = Math.max(start, at);
      const last = Math.min(end, at + block.length);
      if (first < last) spans.push([block.offset + first - at, last - first]);
      at += block.length;
    }
    return spans;
  }
}
