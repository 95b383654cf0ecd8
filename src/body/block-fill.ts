/**
 * Cuts payload into arena blocks: the one copy that a body's bytes see. It also writes down, span
 * by span and chunk end by chunk end, what the digests have to do with each block.
 *
 * Invariant: nobody waits while holding. A short body reserves all its blocks at once; a long one
 * hands each full block on before it asks for the next. No block is taken before `hasRoom` says
 * so, that is before the consumer has what it needs itself (its parity blocks): blocks are always
 * taken in that order, or two bodies could wait for each other.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { Arena, Block } from '../memory/arena.ts';
import type { Landing } from './body.ts';
import type { DigestStep } from './digest-sessions.ts';

export interface BlockFillEvents {
  hasRoom(): boolean;
  /** A block came after a wait: offer the payload again. */
  granted(): void;
  /** The block, full or the last, and the steps up to and through it; the reference goes along. */
  filled(block: Block, steps: readonly DigestStep[]): void;
}

export class BlockFill {
  readonly #arena: Arena;
  readonly #events: BlockFillEvents;
  /** Blocks to ask for at a time. */
  readonly #grant: number;
  #left: number;
  #block: Block | undefined;
  #filled = 0;
  /** Where the span not yet written down begins in the block. */
  #spanStart = 0;
  #spare: Block[] = [];
  #steps: DigestStep[] = [];
  #waiting = false;
  readonly #stop = new AbortController();

  constructor(arena: Arena, payloadLength: number, events: BlockFillEvents) {
    this.#arena = arena;
    this.#left = payloadLength;
    this.#events = events;
    const short = payloadLength <= LIMITS.packedBytes;
    this.#grant = short ? Math.ceil(payloadLength / arena.blockBytes) : 1;
    assert(this.#grant <= arena.maxFor('ingest'), 'the arena can hold every short body');
  }

  /** Payload would be taken now, or there is none left to take. */
  get ready(): boolean {
    if (this.#left === 0 || this.#block !== undefined || this.#spare.length > 0) return true;
    return !this.#waiting && this.#events.hasRoom();
  }

  /**
   * Copies as much as there is room for; answers how much. `last`: when all is taken, `endChunk`
   * comes next, and a block that is full by then waits for it. So a chunk that ends with a block
   * is digested with it, and no thread has to hold the hash of a chunk for its signature.
   */
  take(bytes: Uint8Array, last: boolean): number {
    let taken = 0;
    while (taken < bytes.length) {
      this.#block ??= this.#begin();
      if (this.#block === undefined) break;
      const length = Math.min(bytes.length - taken, this.#arena.blockBytes - this.#filled);
      const piece = length === bytes.length ? bytes : bytes.subarray(taken, taken + length);
      this.#block.write(this.#filled, piece);
      taken += length;
      this.#count(length);
      if (!last || taken < bytes.length) this.#handOnFull();
    }
    return taken;
  }

  /** Where `take` would copy the next `length` bytes to, as far as they fit; see `took`. */
  room(length: number): Landing | undefined {
    this.#block ??= this.#begin();
    if (this.#block === undefined) return undefined;
    const bytes = this.#block.capacity.subarray(this.#filled, this.#filled + length);
    return { block: this.#block, bytes };
  }

  /** So many bytes are in the room already; `last` as for `take`. */
  took(length: number, last: boolean): void {
    assert(this.#block !== undefined, 'bytes came to a room that there is');
    this.#count(length);
    if (!last) this.#handOnFull();
  }

  endChunk(signature: string | undefined): void {
    if (signature !== undefined) {
      if (this.#block !== undefined) this.#noteSpan(this.#block);
      this.#steps.push({ chunkSignature: signature });
    }
    this.#handOnFull();
  }

  /** No more payload comes, although more might have: hands on what there is. */
  endEarly(): void {
    this.#left = 0;
    if (this.#filled > 0) this.#handOnFull();
    this.#block?.release();
    this.#block = undefined;
    for (const block of this.#spare.splice(0)) block.release();
  }

  /** Steps after the last block was handed on. */
  tail(): readonly DigestStep[] {
    assert(this.#left === 0, 'a tail follows all payload');
    return this.#steps.splice(0);
  }

  /** Gives everything back and stops waiting. Idempotent; nothing else may follow. */
  stop(): void {
    this.#stop.abort(new Error('the body ended'));
    this.#block?.release();
    this.#block = undefined;
    for (const block of this.#spare.splice(0)) block.release();
  }

  #count(length: number): void {
    this.#filled += length;
    this.#left -= length;
    assert(this.#left >= 0, 'decoders pass no more than the declared payload');
  }

  #begin(): Block | undefined {
    const spare = this.#spare.shift();
    if (spare !== undefined) return spare;
    if (this.#waiting || !this.#events.hasRoom()) return undefined;
    for (let count = 0; count < this.#grant; count += 1) {
      const block = this.#arena.tryAcquire('ingest');
      if (block !== undefined) {
        this.#spare.push(block);
        continue;
      }
      for (const held of this.#spare.splice(0)) held.release();
      this.#wait();
      return undefined;
    }
    return this.#spare.shift();
  }

  #wait(): void {
    this.#waiting = true;
    const { signal } = this.#stop;
    this.#arena.acquireMany(this.#grant, 'ingest', signal).then(
      (blocks) => {
        this.#waiting = false;
        this.#spare = blocks;
        // Granted and stopped in the same turn: the grant was already on its way.
        if (signal.aborted) this.stop();
        else this.#events.granted();
      },
      // Only `stop` ends a wait.
      () => {},
    );
  }

  #noteSpan(block: Block): void {
    const length = this.#filled - this.#spanStart;
    if (length > 0) this.#steps.push({ offset: block.base + this.#spanStart, length });
    this.#spanStart = this.#filled;
  }

  #handOnFull(): void {
    const block = this.#block;
    if (block === undefined) return;
    if (this.#filled < this.#arena.blockBytes && this.#left > 0) return;
    this.#noteSpan(block);
    block.setWindow(0, this.#filled);
    this.#block = undefined;
    this.#filled = 0;
    this.#spanStart = 0;
    this.#events.filled(block, this.#steps.splice(0));
  }
}
