/**
 * The body's side of its digests on the pool: gathers steps while a task is away and sends them
 * as the next one, so the size of a task follows the load by itself.
 *
 * Invariant: one task of a session is away at a time; a block is retained from `add` until the
 * task that carries it was answered, whatever happens meanwhile. The thread's state is freed by
 * the last task, by a mismatch, or by a `drop` after `abort`.
 */
import { assert } from '../base/assert.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Block } from '../memory/arena.ts';
import type { Seat } from '../threads/sticky-pool.ts';
import type { BodyPlan } from './body.ts';
import type { DigestReply, DigestStep, DigestTask } from './digest-sessions.ts';
import type { Digests } from './digests.ts';
import type { Trailer } from './framing.ts';

export type DigestSeat = Seat<DigestTask, DigestReply>;

export interface DigestEvents {
  /** Blocks were given back: there may be room again. */
  progress(): void;
  done(digests: Digests): void;
  failed(error: Error): void;
}

let lastId = 0;

export class DigestSession {
  readonly #id: number;
  readonly #seat: DigestSeat;
  readonly #plan: BodyPlan;
  readonly #events: DigestEvents;
  #steps: DigestStep[] = [];
  #blocks: Block[] = [];
  #blocksAway: Block[] = [];
  #finish: DigestTask['finish'];
  #away = false;
  /** The thread holds state of this session. */
  #opened = false;
  #ended = false;

  constructor(seat: DigestSeat, plan: BodyPlan, events: DigestEvents) {
    lastId += 1;
    this.#id = lastId;
    this.#seat = seat;
    this.#plan = plan;
    this.#events = events;
  }

  /** Blocks this session holds. */
  get held(): number {
    return this.#blocks.length + this.#blocksAway.length;
  }

  /** `steps` lead up to and through this block's data; retains the block. */
  add(block: Block, steps: readonly DigestStep[]): void {
    assert(!this.#ended && this.#finish === undefined, 'payload comes before the end');
    this.#blocks.push(block.retain());
    this.#steps.push(...steps);
    this.#pump();
  }

  /** The last steps; `done` or `failed` follows. */
  finish(steps: readonly DigestStep[], trailer: Trailer | undefined): void {
    assert(!this.#ended && this.#finish === undefined, 'a session finishes once');
    this.#steps.push(...steps);
    const { signedText, signature } = trailer ?? {};
    const signed = signedText !== undefined && signature !== undefined;
    this.#finish = { trailer: signed ? { signedText, signature } : undefined };
    this.#pump();
  }

  /** Nothing is wanted any more; no event follows. Idempotent. */
  abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    release(this.#blocks.splice(0));
    if (!this.#away) this.#leave();
  }

  #pump(): void {
    if (this.#away || this.#ended) return;
    if (this.#steps.length === 0 && this.#finish === undefined) return;
    const task: DigestTask = {
      session: this.#id,
      ...(this.#opened ? {} : { open: this.#opening() }),
      steps: this.#steps,
      ...(this.#finish === undefined ? {} : { finish: this.#finish }),
    };
    this.#steps = [];
    this.#blocksAway = this.#blocks;
    this.#blocks = [];
    this.#away = true;
    this.#opened = true;
    this.#seat.run(task).then(
      (reply) => this.#answered(reply),
      (error: unknown) => this.#broke(error as Error),
    );
  }

  #opening(): NonNullable<DigestTask['open']> {
    const { digests, signer } = this.#plan;
    return { digests: [...digests], signer };
  }

  #answered(reply: DigestReply): void {
    this.#away = false;
    release(this.#blocksAway.splice(0));
    if (reply.kind !== 'more') this.#opened = false;
    if (this.#ended) {
      this.#leave();
    } else if (reply.kind === 'more') {
      this.#pump();
      this.#events.progress();
    } else {
      this.abort();
      if (reply.kind === 'done') this.#events.done(reply.digests);
      else this.#events.failed(new S3Error('SignatureDoesNotMatch'));
    }
  }

  /** The thread refused the task or is gone: either way it reads the blocks no more. */
  #broke(error: Error): void {
    this.#away = false;
    release(this.#blocksAway.splice(0));
    const wanted = !this.#ended;
    if (wanted) this.abort();
    else this.#leave();
    if (wanted) this.#events.failed(error);
  }

  #leave(): void {
    if (this.#opened) {
      this.#opened = false;
      // A pool that is closing drops all state with its threads.
      this.#seat.run({ session: this.#id, steps: [], drop: true }).catch(() => {});
    }
    this.#seat.release();
  }
}

function release(blocks: readonly Block[]): void {
  for (const block of blocks) block.release();
}
