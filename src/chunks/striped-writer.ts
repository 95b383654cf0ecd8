/**
 * Writes one large chunk as shard files. Payload fills cells of 1 MiB, column after column; each
 * block goes to its data column's datanode and, with a coefficient, to the parity columns', which
 * add it to accumulator blocks of the arena. Nothing waits for a whole stripe.
 *
 * Invariant: a block is held until every datanode that was sent its span has answered.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { Block } from '../memory/arena.ts';
import type { Codec } from './codec.ts';
import type { ChunkId, ChunkRef, ChunkWriter, Replication } from './chunk-store.ts';
import type { Datanode } from './datanode.ts';
import type { SpanPair } from './datanode-protocol.ts';
import { columnLength } from './shard-format.ts';

export interface StripedWriterOptions {
  readonly id: ChunkId;
  readonly length: number;
  readonly layout: Replication;
  readonly codec: Codec;
  readonly blockBytes: number;
  /** One for each column. */
  readonly datanodes: readonly Datanode[];
  /** `parityColumns` rows of `cellBytes / blockBytes` blocks; owned from here on. */
  readonly accumulators: readonly (readonly Block[])[];
  /** Called once when the writer is through, whatever the outcome. */
  onEnd(): void;
}

export class StripedWriter implements ChunkWriter {
  readonly #options: StripedWriterOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #written = 0;
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  constructor(options: StripedWriterOptions) {
    this.#options = options;
  }

  async write(block: Block): Promise<void> {
    const { blockBytes, length } = this.#options;
    assert(!this.#ended && this.#written % blockBytes === 0, 'every block but the last is full');
    assert(this.#written + block.length <= length, 'no more than was declared');
    try {
      this.#refuseAfterFailure();
    } catch (error) {
      block.release();
      throw error;
    }
    this.#track(this.#send(block), () => block.release());
    this.#written += block.length;
    const stripeBytes = this.#options.codec.dataColumns * this.#options.codec.cellBytes;
    if (this.#written % stripeBytes === 0) this.#flushParity();
    while (this.#inFlight.size >= LIMITS.writerBlocksInFlight) await Promise.race(this.#inFlight);
    this.#refuseAfterFailure();
  }

  async seal(): Promise<ChunkRef> {
    const { id, length, layout, datanodes, codec } = this.#options;
    assert(!this.#ended && this.#written === length, 'exactly the declared length was written');
    if (length % (codec.dataColumns * codec.cellBytes) !== 0) this.#flushParity();
    const seals = datanodes.map((datanode, column) =>
      datanode.request({
        kind: 'seal',
        shard: `${id}.${column}`,
        header: {
          kind: 'file',
          chunk: id,
          column,
          layout,
          cellBytes: codec.cellBytes,
          dataLength: columnLength(layout, codec.cellBytes, length, column),
          chunkLength: length,
          entryBytes: 0,
        },
      }),
    );
    for (const seal of seals) this.#track(seal);
    await this.#settle();
    this.#refuseAfterFailure();
    this.#end();
    return { id, length, layout, nodes: datanodes.map((datanode) => datanode.node) };
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    await this.#settle();
    const { id, datanodes } = this.#options;
    const aborts = datanodes.map((datanode, column) =>
      datanode.request({ kind: 'abort', shard: `${id}.${column}` }),
    );
    await Promise.allSettled(aborts);
    this.#end();
  }

  #refuseAfterFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #end(): void {
    this.#ended = true;
    for (const row of this.#options.accumulators) for (const block of row) block.release();
    this.#options.onEnd();
  }

  #send(block: Block): Promise<unknown> {
    const { id, codec, datanodes, accumulators, blockBytes } = this.#options;
    const { dataColumns, cellBytes } = codec;
    const stripe = Math.floor(this.#written / (dataColumns * cellBytes));
    const within = this.#written % (dataColumns * cellBytes);
    const column = Math.floor(within / cellBytes);
    const at = stripe * cellBytes + (within % cellBytes);
    const span: SpanPair = [block.offset, block.length];
    const sent = datanodes.flatMap((datanode, index) => {
      const copy = dataColumns === 1 || index === column;
      if (copy) {
        const shard = `${id}.${index}`;
        return [datanode.request({ kind: 'write', shard, at, spans: [span], gather: true })];
      }
      if (index < dataColumns) return [];
      const target = accumulators[index - dataColumns]?.[(within % cellBytes) / blockBytes];
      assert(target !== undefined, 'an accumulator for every block of a cell');
      return [
        datanode.request({
          kind: 'accumulate',
          target: target.base,
          source: block.offset,
          length: block.length,
          coefficient: codec.coefficient(index - dataColumns, column),
          // The first column is the longest and comes first: it sets what the others add to.
          first: column === 0,
        }),
      ];
    });
    return allAnswered(sent);
  }

  /** The stripe is whole, or the payload ends: the parity cells are as long as the first column's. */
  #flushParity(): void {
    const { id, codec, datanodes, accumulators, blockBytes } = this.#options;
    const { dataColumns, cellBytes } = codec;
    if (dataColumns === 1) return;
    const stripeBytes = dataColumns * cellBytes;
    const stripe = Math.floor((this.#written - 1) / stripeBytes);
    const cell = Math.min(this.#written - stripe * stripeBytes, cellBytes);
    for (const [parity, row] of accumulators.entries()) {
      const spans: SpanPair[] = [];
      for (const [index, block] of row.entries()) {
        const length = Math.min(cell - index * blockBytes, blockBytes);
        if (length > 0) spans.push([block.base, length]);
      }
      const column = dataColumns + parity;
      const datanode = datanodes[column];
      assert(datanode !== undefined, 'a datanode for every column');
      const shard = `${id}.${column}`;
      const at = stripe * cellBytes;
      // Not gathered: the next stripe's parity goes to the same blocks.
      this.#track(datanode.request({ kind: 'write', shard, at, spans, gather: false }));
    }
  }

  #track(work: Promise<unknown>, after?: () => void): void {
    const tracked = work
      .then(
        () => undefined,
        (error: unknown) => {
          this.#failure ??= { error };
        },
      )
      .finally(() => {
        this.#inFlight.delete(tracked);
        after?.();
      });
    this.#inFlight.add(tracked);
  }

  async #settle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }
}

/**
 * Like `Promise.all`, but rejects only when the last one answered: until then a datanode may
 * still read the block, or zero its slack.
 */
async function allAnswered(sent: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(sent)) {
    if (result.status === 'rejected') throw result.reason;
  }
}
