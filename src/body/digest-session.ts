/**
 * The body's side of its digests: gathers steps while a task is away and offers them as the next
 * one, so the size of a task follows the load by itself.
 *
 * Invariant: one task of a session is away at a time; a block is retained from `add` until the
 * task that carries it was answered, whatever happens meanwhile. The slot is given back when
 * nothing is away and nothing more is wanted.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Block } from '../memory/arena.ts';
import type { BodyPlan } from './body.ts';
import type { DigestClient, DigestPlace, DigestQueue } from './digest-queue.ts';
import type { DigestReply, DigestStep, DigestTask } from './digest-sessions.ts';
import type { Digests } from './digests.ts';
import type { Trailer } from './framing.ts';

export interface DigestEvents {
  /** Blocks were given back: there may be room again. */
  progress(): void;
  done(digests: Digests): void;
  failed(error: Error): void;
}

export class DigestSession implements DigestClient {
  readonly #queue: DigestQueue;
  readonly #place: DigestPlace;
  readonly #events: DigestEvents;
  /** Steps as the threads read them. */
  #steps: (number | string)[] = [];
  #blocks: Block[] = [];
  #blocksAway: Block[] = [];
  #finish: DigestTask['finish'];
  #away = false;
  #ended = false;
  #left = false;
  readonly #signed: boolean;
  #home: number | undefined;

  constructor(queue: DigestQueue, plan: BodyPlan, events: DigestEvents) {
    this.#queue = queue;
    this.#events = events;
    this.#signed = plan.signer !== undefined;
    this.#place = queue.begin(plan);
    this.#home = this.#place.root;
  }

  /** Blocks this session holds. */
  get held(): number {
    return this.#blocks.length + this.#blocksAway.length;
  }

  get home(): number | undefined {
    return this.#home;
  }

  get urgent(): boolean {
    return this.#finish !== undefined || this.#blocks.length >= LIMITS.bodyDigestBlocks / 2;
  }

  /** `steps` lead up to and through this block's data; retains the block. */
  add(block: Block, steps: readonly DigestStep[]): void {
    assert(!this.#ended && this.#finish === undefined, 'payload comes before the end');
    this.#blocks.push(block.retain());
    this.#append(steps);
    this.#offer();
  }

  /** The last steps; `done` or `failed` follows. */
  finish(steps: readonly DigestStep[], trailer: Trailer | undefined): void {
    assert(!this.#ended && this.#finish === undefined, 'a session finishes once');
    this.#append(steps);
    const { signedText, signature } = trailer ?? {};
    const signed = signedText !== undefined && signature !== undefined;
    this.#finish = { trailer: signed ? { signedText, signature } : undefined };
    this.#offer();
  }

  /** Nothing is wanted any more; no event follows. Idempotent. */
  abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    release(this.#blocks.splice(0));
    if (this.#away) return;
    this.#queue.withdraw(this);
    this.#leave();
  }

  take(thread: number): DigestTask {
    assert(!this.#away && !this.#ended, 'one task of a body is away at a time');
    const steps = this.#steps;
    this.#steps = [];
    this.#blocksAway = this.#blocks;
    this.#blocks = [];
    this.#away = true;
    // A chunk stays open when the last that is known of it is payload.
    const last = steps.at(-1);
    const open = last === undefined ? this.#home !== undefined : typeof last === 'number';
    this.#home = this.#place.root ?? (this.#signed && open ? thread : undefined);
    return {
      slot: this.#place.slot,
      steps,
      ...(this.#finish === undefined ? {} : { finish: this.#finish }),
    };
  }

  answered(reply: DigestReply): void {
    this.#away = false;
    release(this.#blocksAway.splice(0));
    if (reply.kind !== 'more') this.#home = undefined;
    if (this.#ended) {
      this.#leave();
      return;
    }
    if (reply.kind === 'more') {
      if (this.#steps.length > 0 || this.#finish !== undefined) this.#offer();
      this.#events.progress();
      return;
    }
    this.abort();
    if (reply.kind === 'done') this.#events.done(reply.digests);
    else if (reply.kind === 'mismatch') this.#events.failed(new S3Error('SignatureDoesNotMatch'));
    else this.#events.failed(new Error(reply.reason));
  }

  /** The threads are gone: they read the blocks no more. */
  broke(error: Error): void {
    this.#away = false;
    this.#home = undefined;
    release(this.#blocksAway.splice(0));
    const wanted = !this.#ended;
    if (wanted) this.abort();
    else this.#leave();
    if (wanted) this.#events.failed(error);
  }

  #append(steps: readonly DigestStep[]): void {
    for (const step of steps) {
      if ('chunkSignature' in step) this.#steps.push(step.chunkSignature);
      else this.#steps.push(step.offset, step.length);
    }
  }

  #offer(): void {
    if (!this.#away) this.#queue.offer(this);
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#queue.end(this.#place, this.#home);
  }
}

function release(blocks: readonly Block[]): void {
  for (const block of blocks) block.release();
}
