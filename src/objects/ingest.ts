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
import { SegmentCipher, sealedLength } from '../crypto/segment-cipher.ts';
import type { Block } from '../memory/arena.ts';
import type { StoredData } from '../meta/records.ts';
import type { Context } from './context.ts';
import type { Sealing } from './encryption.ts';
import { Sealer, streamedLength } from './sealing.ts';
import { chunkRefOf } from './slices.ts';

/** Chunks that a row embeds at most; 5 GiB are 22 chunks. */
const CHUNKS_MAX = 32;

export interface Stored {
  readonly data: StoredData;
  readonly payload: Payload;
}

/** Where a body goes, and under which key. */
export interface IngestTarget {
  readonly replication: Replication;
  readonly ownerId: string;
  readonly signal: AbortSignal;
  readonly sealing?: Sealing | undefined;
}

export class Ingest {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async store(body: Body, target: IngestTarget): Promise<Stored> {
    const { payloadLength: size, lengthMin } = body.plan;
    if (size <= LIMITS.inlineBytes) {
      const bytes = await body.bytes(LIMITS.inlineBytes);
      return { data: this.#inline(bytes, target), payload: await body.settled };
    }
    if (target.sealing !== undefined) {
      const certain = lengthMin ?? (sealedLength(size) <= LIMITS.packedBytes ? 0 : undefined);
      if (certain === undefined) return await this.#storeSealed(body, target, target.sealing);
      return await this.#storeSealedOpenEnded(body, certain, target, target.sealing);
    }
    if (lengthMin !== undefined) return await this.#storeOpenEnded(body, lengthMin, target);
    const run = new ChunkRun(this.#context, target, size);
    try {
      await run.open();
      for await (const block of body.blocks()) await run.write(block);
      return this.#stored(...(await settle(body, run)), target);
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
  async #storeOpenEnded(body: Body, lengthMin: number, target: IngestTarget): Promise<Stored> {
    const certain = lengthMin - (lengthMin % LIMITS.blockBytes);
    const run = new ChunkRun(this.#context, target, certain);
    const rest: Block[] = [];
    try {
      await run.open();
      for await (const block of body.blocks()) {
        if (run.left > 0) await run.write(block);
        else rest.push(block);
      }
      const payload = await body.settled;
      if (payload.size <= LIMITS.inlineBytes) {
        return { data: this.#inline(joined(rest), target), payload };
      }
      await run.extend(payload.size - certain);
      for (let block = rest.shift(); block !== undefined; block = rest.shift()) {
        await run.write(block);
      }
      return this.#stored(payload, await run.seal(), target);
    } catch (error) {
      await run.discard();
      throw error;
    } finally {
      for (const block of rest) block.release();
    }
  }

  /** A long body, sealed as it comes. */
  async #storeSealed(body: Body, target: IngestTarget, sealing: Sealing): Promise<Stored> {
    const { arena } = this.#context;
    const leafId = this.#context.newId();
    const run = new ChunkRun(this.#context, target, sealedLength(body.plan.payloadLength));
    const cipher = new SegmentCipher(sealing.key, leafId);
    const sealer = new Sealer(cipher, run, arena, target.signal);
    try {
      await run.open();
      for await (const block of body.blocks()) await sealer.write(block);
      await sealer.end();
      return this.#stored(...(await settle(body, run)), target, leafId);
    } catch (error) {
      await run.discard();
      throw error;
    }
  }

  /** A short one, or one whose length its end tells: the end is sealed when it has settled. */
  async #storeSealedOpenEnded(
    body: Body,
    lengthMin: number,
    target: IngestTarget,
    sealing: Sealing,
  ): Promise<Stored> {
    const { arena } = this.#context;
    const leafId = this.#context.newId();
    const streamed = streamedLength(lengthMin);
    // What would be packed would hold blocks while it waits for the client.
    const run = new ChunkRun(this.#context, target, streamed > LIMITS.packedBytes ? streamed : 0);
    const cipher = new SegmentCipher(sealing.key, leafId);
    const sealer = new Sealer(cipher, run, arena, target.signal);
    const rest: Block[] = [];
    try {
      await run.open();
      for await (const block of body.blocks()) {
        if (run.left > 0) await sealer.write(block);
        else rest.push(block);
      }
      const payload = await body.settled;
      if (payload.size <= LIMITS.inlineBytes) {
        return { data: this.#inline(joined(rest), target), payload };
      }
      await sealer.endWith(rest);
      return this.#stored(payload, await run.seal(), target, leafId);
    } catch (error) {
      await run.discard();
      throw error;
    } finally {
      for (const block of rest) block.release();
    }
  }

  #inline(bytes: Uint8Array, { sealing }: IngestTarget): StoredData {
    if (sealing === undefined) return { kind: 'inline', bytes };
    const leafId = this.#context.newId();
    const sealed = new SegmentCipher(sealing.key, leafId).seal(0, true, [bytes]);
    const seal = { ...sealing.stored.seal, leafId, offset: 0, length: bytes.length };
    return { kind: 'inline', bytes: new Uint8Array(Buffer.concat(sealed)), seal };
  }

  #stored(
    payload: Payload,
    chunks: readonly ChunkRef[],
    { ownerId, sealing }: IngestTarget,
    leafId: string = this.#context.newId(),
  ): Stored {
    const { size } = payload;
    const seal = sealing && { seal: sealing.stored.seal };
    const blob = { id: leafId, size, ...seal, chunks };
    return { data: { kind: 'hold', hold: { ownerId, blob, offset: 0, length: size } }, payload };
  }

  /** Removes stored data that no row ever referred to. */
  async discard(data: StoredData): Promise<void> {
    if (data.kind === 'inline' || !('chunks' in data.hold.blob)) return;
    await deleteQuietly(this.#context, data.hold.blob.chunks.map(chunkRefOf));
  }
}

/** Hashing and writing end at about the same time; each may fail first. */
async function settle(body: Body, run: ChunkRun): Promise<[Payload, readonly ChunkRef[]]> {
  const [settled, sealed] = await Promise.allSettled([body.settled, run.seal()]);
  if (settled.status === 'rejected') throw settled.reason;
  if (sealed.status === 'rejected') throw sealed.reason;
  assert(settled.value.size === body.plan.payloadLength, 'a settled body is as long as it said');
  return [settled.value, sealed.value];
}

function joined(blocks: readonly Block[]): Uint8Array {
  return new Uint8Array(Buffer.concat(blocks.map((block) => block.bytes)));
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

  constructor(context: Context, { replication, signal }: IngestTarget, size: number) {
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
