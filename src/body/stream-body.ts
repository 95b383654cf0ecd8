/**
 * The body: wire pieces in at one end, arena blocks out at the other, the same blocks to the
 * digests, and a verdict at the end. `openBodies` owns the digest threads that all bodies share.
 *
 * Invariant: every block is with exactly one of the fill, the queue, the consumer or the digests'
 * retention, and comes back whatever ends the body, at any point. Memory beside the arena is
 * bounded by `bodyStashBytes`: pieces that arrive after `push` answered false.
 */
import { availableParallelism } from 'node:os';
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Arena, Block } from '../memory/arena.ts';
import { BlockFill } from './block-fill.ts';
import type { Bodies, Body, BodyFeed, BodyPlan, Landing, Payload, Transport } from './body.ts';
import { openDecoder } from './decoder.ts';
import { Deferred } from './deferred.ts';
import { DigestQueue } from './digest-queue.ts';
import { DigestSession } from './digest-session.ts';
import type { DigestStep } from './digest-sessions.ts';
import type { Digests } from './digests.ts';
import type { Decoder, Trailer } from './framing.ts';
import { InlineBody } from './inline-body.ts';
import { claimsOf, settle, type Claims } from './verdict.ts';

export interface BodiesOptions {
  readonly arena: Arena;
  /** Digest threads; by default all cores but the front end's. */
  readonly threads?: number | undefined;
}

export async function openBodies(options: BodiesOptions): Promise<Bodies> {
  const { arena } = options;
  const spare = Math.max(1, availableParallelism() - 1);
  const threads = Math.min(options.threads ?? spare, LIMITS.digestThreads);
  const queue = await DigestQueue.open(arena.memory, threads);
  return {
    open: (plan, transport) => {
      if (plan.payloadLength <= LIMITS.inlineBytes) {
        const inline = new InlineBody(arena, plan);
        return { body: inline, feed: inline };
      }
      const wanted = plan.digests.size > 0 || plan.signer !== undefined;
      const stream = new StreamBody(arena, plan, transport, wanted ? queue : undefined);
      return { body: stream, feed: stream };
    },
    close: () => queue.close(),
  };
}

const LEFT_EARLY = 'the consumer left the body early';

class StreamBody implements Body, BodyFeed {
  readonly plan: BodyPlan;
  readonly #transport: Transport;
  readonly #decoder: Decoder;
  readonly #fill: BlockFill;
  readonly #session: DigestSession | undefined;
  readonly #settled = new Deferred<Payload>();
  /** Full blocks that the consumer did not pull yet, or the pull that waits for one. */
  readonly #queue: Block[] = [];
  #pull: Deferred<Block | undefined> | undefined;
  #pulledBytes = 0;
  /** Of the payload; less than the plan allows only where the wire's end decides it. */
  #length: number;
  /** Bytes of payload handed on in blocks. */
  #filledBytes = 0;
  #started = false;
  /** Heap copies of wire bytes that came while there was no room; the first from `#stashAt`. */
  readonly #stash: Uint8Array[] = [];
  #stashAt = 0;
  #stashBytes = 0;
  #paused = false;
  #wireEnded = false;
  #trailer: Trailer | undefined;
  #claims: Claims | S3Error | undefined;
  /** The verdict fell. */
  #over = false;
  #error: Error | undefined;

  constructor(arena: Arena, plan: BodyPlan, transport: Transport, queue: DigestQueue | undefined) {
    this.plan = plan;
    this.#length = plan.payloadLength;
    this.#transport = transport;
    this.#fill = new BlockFill(arena, plan.payloadLength, {
      hasRoom: () => this.#hasRoom(),
      granted: () => this.#drain(),
      filled: (block, steps) => this.#filled(block, steps),
    });
    this.#decoder = openDecoder(plan, {
      payload: (bytes, last) => this.#fill.take(bytes, last),
      chunkEnd: (signature) => this.#fill.endChunk(signature),
      trailer: (trailer) => void (this.#trailer = trailer),
    });
    if (queue === undefined) return;
    this.#session = new DigestSession(queue, plan, {
      progress: () => this.#drain(),
      done: (digests) => this.#judge(digests),
      failed: (error) => this.#fail(error),
    });
  }

  get settled(): Promise<Payload> {
    return this.#settled.promise;
  }

  // The push side.

  push(bytes: Uint8Array): boolean {
    // The verdict fell already: the rest is drained so that the connection can be used again.
    if (this.#over) return true;
    assert(!this.#wireEnded, 'nothing is pushed after the end');
    try {
      const taken = this.#stash.length > 0 ? 0 : this.#decoder.push(bytes);
      // Not `slice`: on a Buffer it copies nothing, and these bytes die with this call.
      if (taken < bytes.length) this.#keep(new Uint8Array(bytes.subarray(taken)));
    } catch (error) {
      this.#fail(error as Error);
      return true;
    }
    return this.#ask();
  }

  landing(): Landing | undefined {
    // A run of nothing is a line that only the decoder can read.
    const { run } = this.#decoder;
    if (this.#over || this.#stash.length > 0 || run === 0) return undefined;
    return this.#fill.room(run);
  }

  landed(length: number): boolean {
    if (this.#over) return true;
    // In this order: the end of a chunk is noted after its last byte.
    const endsChunk = this.plan.framing === 'aws-chunked' && length === this.#decoder.run;
    this.#fill.took(length, endsChunk);
    this.#decoder.skip(length);
    return this.#ask();
  }

  /** Whether more of the wire is wanted now; if not, the transport is told when it is. */
  #ask(): boolean {
    this.#paused = this.#stash.length > 0 || !this.#fill.ready;
    return !this.#paused;
  }

  end(): void {
    if (this.#over || this.#wireEnded) return;
    this.#wireEnded = true;
    this.#drain();
  }

  abort(reason: Error): void {
    this.#fail(reason);
  }

  // The pull side.

  async *blocks(): AsyncGenerator<Block, void, undefined> {
    assert(!this.#started, 'a body has one consumer');
    this.#started = true;
    try {
      this.#drain();
      for (;;) {
        const block = await this.#next();
        if (block === undefined) return;
        yield block;
      }
    } finally {
      if (this.#pulledBytes < this.#length) this.cancel(new Error(LEFT_EARLY));
    }
  }

  async bytes(bytesMax: number): Promise<Uint8Array> {
    const { payloadLength } = this.plan;
    if (payloadLength > bytesMax) {
      const error = new S3Error('MaxMessageLengthExceeded');
      this.cancel(error);
      throw error;
    }
    const bytes = new Uint8Array(payloadLength);
    let at = 0;
    for await (const block of this.blocks()) {
      bytes.set(block.bytes, at);
      at += block.length;
      block.release();
    }
    await this.settled;
    return bytes;
  }

  cancel(reason: Error): void {
    this.#fail(reason);
    // Also after a good verdict: blocks that nobody will pull go back.
    this.#error ??= reason;
    this.#release(this.#error);
  }

  #hasRoom(): boolean {
    return (
      this.#started &&
      this.#queue.length < LIMITS.bodyQueueBlocks &&
      (this.#session?.held ?? 0) < LIMITS.bodyDigestBlocks
    );
  }

  #keep(copy: Uint8Array): void {
    this.#stashBytes += copy.length;
    if (this.#stashBytes > LIMITS.bodyStashBytes) throw new S3Error('SlowDown');
    this.#stash.push(copy);
  }

  /** Whenever there may be room: goes on with what was kept, then lets the socket go on. */
  #drain(): void {
    if (this.#over) return;
    try {
      for (let piece = this.#stash[0]; piece !== undefined; piece = this.#stash[0]) {
        this.#stashAt = this.#decoder.push(piece, this.#stashAt);
        if (this.#stashAt < piece.length) return;
        this.#stash.shift();
        this.#stashAt = 0;
        this.#stashBytes -= piece.length;
      }
      if (this.#wireEnded && this.#claims === undefined) this.#finish();
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    if (this.#paused && this.#fill.ready) this.#resume();
  }

  /** Also after the wire ended: a paused socket would not tell that the client went away. */
  #resume(): void {
    this.#paused = false;
    this.#transport.resume();
  }

  #filled(block: Block, steps: readonly DigestStep[]): void {
    this.#filledBytes += block.length;
    this.#session?.add(block, steps);
    if (this.#pull === undefined) {
      this.#queue.push(block);
      return;
    }
    this.#pulledBytes += block.length;
    this.#pull.resolve(block);
    this.#pull = undefined;
  }

  async #next(): Promise<Block | undefined> {
    if (this.#error !== undefined) throw this.#error;
    const block = this.#queue.shift();
    if (block !== undefined) {
      this.#pulledBytes += block.length;
      this.#drain();
      return block;
    }
    if (this.#pulledBytes === this.#length) return undefined;
    this.#pull = new Deferred();
    return this.#pull.promise;
  }

  /** The wire ended and all of it was decoded. */
  #finish(): void {
    this.#claims = this.#endFrame();
    if (this.plan.lengthMin !== undefined) this.#endEarly();
    // What is wrong with a trailer is reported after what is wrong with a chunk.
    const trailer = this.#claims instanceof S3Error ? undefined : this.#trailer;
    if (this.#session === undefined) this.#judge(new Map());
    else this.#session.finish(this.#fill.tail(), trailer);
  }

  /** The wire's end said how long the payload is: a pull that waits for more is over. */
  #endEarly(): void {
    this.#fill.endEarly();
    this.#length = this.#filledBytes;
    if (this.#pulledBytes < this.#length) return;
    this.#pull?.resolve(undefined);
    this.#pull = undefined;
  }

  /** Throws when bytes are missing; answers what is wrong with the trailer. */
  #endFrame(): Claims | S3Error {
    try {
      this.#decoder.end();
      return claimsOf(this.plan, this.#trailer);
    } catch (error) {
      if (!(error instanceof S3Error) || error.code === 'IncompleteBody') throw error;
      return error;
    }
  }

  #judge(digests: Digests): void {
    const claims = this.#claims;
    assert(claims !== undefined, 'digests are done after the wire ended');
    try {
      if (claims instanceof S3Error) throw claims;
      const payload = settle(claims, digests, this.#length);
      this.#over = true;
      this.#settled.resolve(payload);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#settled.reject(error);
    this.#session?.abort();
    this.#fill.stop();
    this.#stash.length = 0;
    this.#release(error);
    if (this.#paused) this.#resume();
  }

  #release(error: Error): void {
    for (const block of this.#queue.splice(0)) block.release();
    this.#pull?.reject(error);
    this.#pull = undefined;
  }
}
