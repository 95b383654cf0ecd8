/**
 * Brings bodies with pending blocks and idle digest threads together. What is pending at the same
 * time goes out as one batch, because a thread digests four bodies for little more than one.
 *
 * Invariant: a body is with one thread at a time, and a thread has one batch at a time, so order
 * is kept and both queues are bounded: by the bodies here, by their blocks there. Blocks in the
 * middle of a body wait `digestGatherMs` at most for company, its end never does.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import { startWorker, type StartOptions, type WorkerLink } from '../threads/spawn.ts';
import { MD5_LANES } from '../wasm/md5-lanes.ts';
import type { BodyPlan } from './body.ts';
import type { DigestBatch, DigestReply, DigestTask } from './digest-sessions.ts';
import { isHeld } from './digests.ts';
import { DigestSlots } from './digest-slots.ts';

/** A body, as the queue knows it. */
export interface DigestClient {
  /** The only thread that may take it, if there is one. */
  readonly home: number | undefined;
  /** Does not wait for company. */
  readonly urgent: boolean;
  /** What is pending goes to this thread. */
  take(thread: number): DigestTask;
  answered(reply: DigestReply): void;
  /** The threads are gone. */
  broke(error: Error): void;
}

interface Thread {
  readonly link: WorkerLink<DigestBatch, DigestReply[]>;
  /** Whose tasks are away. */
  away: DigestClient[];
  /** Bodies that belong here from their first byte to their last. */
  rooted: number;
}

/** What a body has of the queue, to be given back. */
export interface DigestPlace {
  readonly slot: number;
  /** Its thread, when it needs hashes that no thread can hand on and that end with the payload. */
  readonly root: number | undefined;
}

export class DigestQueue {
  readonly #threads: readonly Thread[];
  readonly #slots: DigestSlots;
  readonly #free: number[] = [];
  #used = 0;
  /** In the order of their coming. */
  readonly #pending = new Set<DigestClient>();
  #timer: NodeJS.Timeout | undefined;
  /** The oldest waited as long as it may. */
  #overdue = false;
  #closing = false;

  private constructor(links: readonly Thread['link'][], slots: DigestSlots) {
    this.#threads = links.map((link) => ({ link, away: [], rooted: 0 }));
    this.#slots = slots;
    for (const thread of this.#threads) {
      thread.link.onMessage((replies) => this.#answered(thread, replies));
    }
  }

  /** Resolves when every thread is up. A thread that ends later takes the process with it. */
  static async open(
    memory: WebAssembly.Memory,
    threads: number,
    options: StartOptions = {},
  ): Promise<DigestQueue> {
    assert(threads > 0 && threads <= LIMITS.digestThreads, 'a queue has threads, not too many');
    const slots = DigestSlots.create(LIMITS.digestBodies);
    const data = { memory, slots: slots.memory };
    const starts = Array.from({ length: threads }, () =>
      startWorker<DigestBatch, DigestReply[]>('digest', data, options),
    );
    const started = await Promise.allSettled(starts);
    const links = started.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const failed = started.find((start) => start.status === 'rejected');
    if (failed === undefined) return new DigestQueue(links, slots);
    await Promise.all(links.map((link) => link.terminate()));
    throw new Error('the digest threads do not start', { cause: failed.reason });
  }

  get threadCount(): number {
    return this.#threads.length;
  }

  /** Bodies with a slot. */
  get bodyCount(): number {
    return this.#used - this.#free.length;
  }

  /** A slot with the state of an empty payload. */
  begin(plan: BodyPlan): DigestPlace {
    const slot = this.#free.pop() ?? this.#used;
    if (slot === this.#slots.count) throw new S3Error('SlowDown');
    this.#slots.begin(slot, plan);
    this.#used = Math.max(this.#used, slot + 1);
    const rooted = [...plan.digests].some(isHeld);
    return { slot, root: rooted ? this.#root() : undefined };
  }

  /** The place is free again. With a home: that thread may hold hashes of the body still. */
  end({ slot, root }: DigestPlace, home: number | undefined): void {
    const rootThread = root === undefined ? undefined : this.#threads[root];
    if (rootThread !== undefined) rootThread.rooted -= 1;
    this.#slots.wipe(slot);
    this.#free.push(slot);
    const thread = home === undefined ? undefined : this.#threads[home];
    // Whatever body gets the slot next, its first task comes after this message.
    if (!this.#closing) thread?.link.post({ tasks: [], drops: [slot] });
    this.#serve();
  }

  /** There is something to take; nothing changes when the client was offered already. */
  offer(client: DigestClient): void {
    if (this.#closing) {
      queueMicrotask(() => client.broke(closed()));
      return;
    }
    this.#pending.add(client);
    this.#serve();
  }

  withdraw(client: DigestClient): void {
    this.#pending.delete(client);
  }

  /** Ends the threads where they are: whoever waits for a reply sees it break. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#threads.map(({ link }) => link.terminate()));
    const waiting = [...this.#threads.flatMap(({ away }) => away.splice(0)), ...this.#pending];
    this.#pending.clear();
    for (const client of waiting) client.broke(closed());
  }

  /** Four rooted bodies go where one is; then the thread with fewest gets the next. */
  #root(): number {
    const groups = this.#threads.map(({ rooted }) => Math.floor(rooted / MD5_LANES));
    const root = groups.indexOf(Math.min(...groups));
    const thread = this.#threads[root];
    assert(thread !== undefined, 'a queue has threads');
    thread.rooted += 1;
    return root;
  }

  #answered(thread: Thread, replies: readonly DigestReply[]): void {
    // Not idle yet: what the clients offer now shall go together.
    for (const [index, client] of thread.away.entries()) {
      client.answered(replies[index] ?? { kind: 'broken', reason: 'a digest thread lost a task' });
    }
    thread.away = [];
    this.#serve();
  }

  #serve(): void {
    if (this.#closing || this.#pending.size === 0) return;
    let idle = this.#threads.filter(({ away }) => away.length === 0).length;
    for (const [index, thread] of this.#threads.entries()) {
      if (thread.away.length > 0) continue;
      const batch = this.#gather(index, idle);
      if (batch.length > 0 && this.#ripe(batch)) this.#dispatch(index, thread, batch);
      idle -= 1;
    }
    if (this.#pending.size > 0) this.#wait();
  }

  /** The oldest that this thread may take; its share when others are idle too. */
  #gather(index: number, idle: number): DigestClient[] {
    const share = Math.ceil(this.#pending.size / idle / MD5_LANES) * MD5_LANES;
    const most = Math.min(share, LIMITS.digestBatchBodies);
    const batch: DigestClient[] = [];
    for (const client of this.#pending) {
      if (client.home !== undefined && client.home !== index) continue;
      batch.push(client);
      if (batch.length === most) break;
    }
    return batch;
  }

  #ripe(batch: readonly DigestClient[]): boolean {
    if (this.#overdue || batch.length >= Math.min(MD5_LANES, this.bodyCount)) return true;
    return batch.some(({ urgent }) => urgent);
  }

  #dispatch(index: number, thread: Thread, batch: DigestClient[]): void {
    for (const client of batch) this.#pending.delete(client);
    this.#overdue = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    thread.away = batch;
    thread.link.post({ tasks: batch.map((client) => client.take(index)), drops: [] });
  }

  #wait(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#overdue = true;
      this.#serve();
    }, LIMITS.digestGatherMs);
  }
}

function closed(): Error {
  return new Error('the digest threads ended');
}
