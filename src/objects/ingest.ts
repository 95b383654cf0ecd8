/**
 * From a body to stored data: inline bytes, or chunks of a new leaf blob, written while the body
 * arrives. Nothing is visible yet: the caller commits a row that refers to the data, or discards.
 *
 * Invariant: when `store` rejects, every chunk it had begun or sealed is gone again (or noted in
 * the log and left to the orphan scrub); when it resolves, body and chunks are verified, durable.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { Body, Payload } from '../body/body.ts';
import type { ChunkRef, ChunkWriter, Replication } from '../chunks/chunk-store.ts';
import type { Block } from '../memory/arena.ts';
import type { StoredData } from '../meta/records.ts';
import type { Context } from './context.ts';
import { chunkRefOf } from './slices.ts';

/** Chunks that a row embeds at most; 5 GiB are 22 chunks. */
const CHUNKS_MAX = 32;

export interface Stored {
  readonly data: StoredData;
  readonly payload: Payload;
}

export class Ingest {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async store(
    body: Body,
    replication: Replication,
    ownerId: string,
    signal: AbortSignal,
  ): Promise<Stored> {
    const { payloadLength: size, lengthMin } = body.plan;
    if (lengthMin !== undefined && size > LIMITS.inlineBytes) {
      return await this.#storeOpenEnded(body, lengthMin, { replication, ownerId, signal });
    }
    if (size <= LIMITS.inlineBytes) {
      const bytes = await body.bytes(LIMITS.inlineBytes);
      return { data: { kind: 'inline', bytes }, payload: await body.settled };
    }
    const run = new ChunkRun(this.#context, replication, size, signal);
    try {
      await run.open();
      for await (const block of body.blocks()) await run.write(block);
      const sealing = run.seal();
      // Hashing and writing end at about the same time; each may fail first.
      const [settled, sealed] = await Promise.allSettled([body.settled, sealing]);
      if (settled.status === 'rejected') throw settled.reason;
      if (sealed.status === 'rejected') throw sealed.reason;
      assert(settled.value.size === size, 'a settled body is as long as it said');
      return this.#stored(settled.value, sealed.value, ownerId);
    } catch (error) {
      await run.discard();
      throw error;
    }
  }

  /**
   * A body whose length its end tells: the blocks that it has for certain go to chunks as they
   * come, the last one or two wait for the end and become a small chunk of their own. A writer of
   * a small chunk takes no parity, so nobody waits for memory while holding these.
   */
  async #storeOpenEnded(
    body: Body,
    lengthMin: number,
    options: { replication: Replication; ownerId: string; signal: AbortSignal },
  ): Promise<Stored> {
    const { replication, ownerId, signal } = options;
    const certain = lengthMin - (lengthMin % LIMITS.blockBytes);
    const run = new ChunkRun(this.#context, replication, certain, signal);
    const rest: Block[] = [];
    try {
      await run.open();
      for await (const block of body.blocks()) {
        if (run.left > 0) await run.write(block);
        else rest.push(block);
      }
      const payload = await body.settled;
      if (payload.size <= LIMITS.inlineBytes) {
        const bytes = Buffer.concat(rest.map((block) => block.bytes));
        return { data: { kind: 'inline', bytes: new Uint8Array(bytes) }, payload };
      }
      await run.extend(payload.size - certain);
      for (let block = rest.shift(); block !== undefined; block = rest.shift()) {
        await run.write(block);
      }
      return this.#stored(payload, await run.seal(), ownerId);
    } catch (error) {
      await run.discard();
      throw error;
    } finally {
      for (const block of rest) block.release();
    }
  }

  #stored(payload: Payload, chunks: readonly ChunkRef[], ownerId: string): Stored {
    const { size } = payload;
    const blob = { id: this.#context.newId(), size, chunks };
    return { data: { kind: 'hold', hold: { ownerId, blob, offset: 0, length: size } }, payload };
  }

  /** Removes stored data that no row ever referred to. */
  async discard(data: StoredData): Promise<void> {
    if (data.kind === 'inline' || !('chunks' in data.hold.blob)) return;
    await deleteQuietly(this.#context, data.hold.blob.chunks.map(chunkRefOf));
  }
}

/** The chunks of one body, one after the other: one is sealed while the next is written. */
class ChunkRun {
  readonly #context: Context;
  readonly #replication: Replication;
  readonly #signal: AbortSignal;
  readonly #chunkBytes: number;
  #left: number;
  #writer: ChunkWriter | undefined;
  /** Bytes that the writer still expects. */
  #writerLeft = 0;
  #sealing: Promise<void> = Promise.resolve();
  readonly #sealed: ChunkRef[] = [];

  constructor(context: Context, replication: Replication, size: number, signal: AbortSignal) {
    this.#context = context;
    this.#replication = replication;
    this.#signal = signal;
    this.#chunkBytes = Math.min(LIMITS.chunkBytes, context.chunks.chunkBytesMax);
    this.#left = size;
    assert(this.#chunkBytes % LIMITS.blockBytes === 0, 'chunks hold whole blocks');
    assert(size <= CHUNKS_MAX * this.#chunkBytes, 'a body fits the chunks that a row embeds');
  }

  /** Bytes that are still to be written. */
  get left(): number {
    return this.#left;
  }

  /** A writer waits for parity blocks: it is opened before a block of the body is in hand. */
  async open(): Promise<void> {
    if (this.#left > 0) await this.#open();
  }

  /** So much more is to be written, after all that was known of. */
  async extend(length: number): Promise<void> {
    assert(this.#left === 0 && this.#writer === undefined, 'every byte was written');
    this.#left = length;
    await this.open();
  }

  async write(block: Block): Promise<void> {
    const { length } = block;
    if (this.#writer === undefined || length > this.#writerLeft || this.#signal.aborted) {
      block.release();
      this.#signal.throwIfAborted();
      assert(false, 'a body is not longer than it said');
    }
    this.#writerLeft -= length;
    this.#left -= length;
    await this.#writer.write(block);
    if (this.#writerLeft > 0) return;
    await this.#startSeal();
    await this.open();
  }

  /** All chunks, durable. Only after a complete body. */
  async seal(): Promise<readonly ChunkRef[]> {
    assert(this.#left === 0 && this.#writer === undefined, 'every byte was written');
    await this.#sealing;
    return this.#sealed;
  }

  async discard(): Promise<void> {
    await this.#writer?.abort();
    await this.#sealing.catch(() => {});
    await deleteQuietly(this.#context, this.#sealed);
  }

  async #open(): Promise<void> {
    this.#writerLeft = Math.min(this.#left, this.#chunkBytes);
    const { chunks } = this.#context;
    this.#writer = await chunks.create(this.#replication, this.#writerLeft, this.#signal);
  }

  async #startSeal(): Promise<void> {
    const writer = this.#writer;
    assert(writer !== undefined, 'a writer is open');
    await this.#sealing;
    this.#writer = undefined;
    this.#sealing = this.#sealOne(writer);
    // Awaited later; until then a failure must not count as unhandled.
    this.#sealing.catch(() => {});
  }

  async #sealOne(writer: ChunkWriter): Promise<void> {
    try {
      this.#sealed.push(await writer.seal());
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }
}

async function deleteQuietly(context: Context, refs: readonly ChunkRef[]): Promise<void> {
  if (refs.length === 0) return;
  try {
    await context.chunks.delete(refs);
  } catch (error) {
    const fields = { err: error, chunks: refs.map(({ id }) => id) };
    context.log.warn(fields, 'could not delete unused chunks, left to the scrub');
  }
}
