/**
 * The digest thread's side: takes a batch of tasks of different bodies and advances their MD5s in
 * lock-step. It sees spans, slots and signatures, never a block, a request or a clock.
 *
 * Invariant: a body has at most one task in a batch, and no batch elsewhere. After the answer to
 * a batch no span of it is read again. Hashes that cannot leave this thread are dropped with the
 * body's last task, with the first mismatch, or when told to.
 */
import { assert } from '../base/assert.ts';
import type { Span } from '../memory/arena.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { MD5_LANES } from '../wasm/md5-lanes.ts';
import { DigestRun, type DigestSteps, type HeldHashes } from './digest-run.ts';
import type { DigestSlots } from './digest-slots.ts';
import type { Digests } from './digests.ts';

/** In wire order: payload, or the end of a chunk with the signature that its header claimed. */
export type DigestStep = Span | { readonly chunkSignature: string };

export interface DigestTask {
  readonly slot: number;
  readonly steps: DigestSteps;
  /** Last task of a body. */
  readonly finish?: {
    readonly trailer: { readonly signedText: string; readonly signature: string } | undefined;
  };
}

/** Answered by as many replies as it has tasks, in their order; without tasks by nothing. */
export interface DigestBatch {
  readonly tasks: readonly DigestTask[];
  /** Slots of bodies that are not wanted any more: what this thread holds of them goes. */
  readonly drops: readonly number[];
}

export type DigestReply =
  | { readonly kind: 'more' }
  | { readonly kind: 'done'; readonly digests: Digests }
  | { readonly kind: 'mismatch'; readonly of: 'chunk' | 'trailer' }
  /** A broken invariant; what it did to the bodies of this batch is unknown. */
  | { readonly kind: 'broken'; readonly reason: string };

const MORE: DigestReply = { kind: 'more' };

/**
 * Bytes of each lane until the lanes are chosen again. The longest go first, so that five bodies
 * share four lanes evenly and the last one does not run alone.
 */
const ROUND_BYTES = 64 * 1024;

export class DigestSessions {
  readonly #kernels: Kernels;
  readonly #slots: DigestSlots;
  readonly #held = new Map<number, HeldHashes>();

  constructor(kernels: Kernels, slots: DigestSlots) {
    this.#kernels = kernels;
    this.#slots = slots;
  }

  /** Bodies that are tied to this thread. */
  get heldCount(): number {
    return this.#held.size;
  }

  run(batch: DigestBatch): DigestReply[] {
    for (const slot of batch.drops) this.#held.delete(slot);
    try {
      const runs = batch.tasks.map(({ slot, steps }) => this.#begin(slot, steps));
      advance(runs, this.#kernels);
      return batch.tasks.map((task, index) => this.#end(task, runs[index]));
    } catch (error) {
      for (const { slot } of batch.tasks) this.#held.delete(slot);
      const reason = (error as Error).message;
      return batch.tasks.map(() => ({ kind: 'broken', reason }));
    }
  }

  #begin(slot: number, steps: DigestSteps): DigestRun {
    const held = this.#held.get(slot) ?? {};
    this.#held.set(slot, held);
    const ground = { slots: this.#slots, kernels: this.#kernels };
    return new DigestRun(ground, slot, steps, held);
  }

  #end({ slot, finish }: DigestTask, run: DigestRun | undefined): DigestReply {
    assert(run !== undefined, 'every task has its run');
    const reply = outcome(run, finish);
    const { hashes, chunk } = this.#held.get(slot) ?? {};
    const holds = hashes !== undefined || chunk !== undefined;
    if (reply.kind !== 'more' || !holds) this.#held.delete(slot);
    return reply;
  }
}

function outcome(run: DigestRun, finish: DigestTask['finish']): DigestReply {
  if (run.mismatch) return { kind: 'mismatch', of: 'chunk' };
  if (finish === undefined) return MORE;
  const { trailer } = finish;
  if (trailer !== undefined && !run.verifyTrailer(trailer.signedText, trailer.signature)) {
    return { kind: 'mismatch', of: 'trailer' };
  }
  return { kind: 'done', digests: run.finish() };
}

/** Runs every task to its end, up to four at a time. */
function advance(runs: readonly DigestRun[], kernels: Kernels): void {
  let open = runs.filter((run) => run.next());
  while (open.length > 0) {
    if (open.length > MD5_LANES) open.sort((a, b) => b.remaining - a.remaining);
    const lanes = open.slice(0, MD5_LANES);
    const length = Math.min(ROUND_BYTES, ...lanes.map(({ left }) => left));
    kernels.md5Lanes(lanes, length);
    for (const lane of lanes) lane.took(length);
    const ended = lanes.filter((lane) => lane.left === 0 && !lane.next());
    if (ended.length > 0) open = open.filter((run) => !ended.includes(run));
  }
}
