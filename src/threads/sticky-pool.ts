/**
 * A piscina pool whose callers sit on one thread each: all tasks of a seat run on the thread it
 * was given, in order, because state such as a running hash cannot move between threads.
 *
 * Invariant: the set of threads never changes while the pool is open. A thread that ends takes
 * the process with it: the state of its seats is lost and piscina would replace it silently.
 */
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { assert } from '../base/assert.ts';
import type { Envelope } from './envelope.ts';
import { crash, workerUrl, type StartOptions, type WorkerName } from './spawn.ts';

/** No queue in front of a thread: whoever holds a seat bounds its own tasks. */
const TASKS_PER_THREAD_MAX = 1 << 20;

interface Thread {
  /** Stable for the life of the thread; what piscina's balancer knows it by. */
  readonly id: number;
  seats: number;
}

/** A place on one thread. */
export interface Seat<Task, Reply> {
  /** Resolves with the thread's answer; rejects when the handler threw or the pool closed. */
  run(task: Task): Promise<Reply>;
  /** Once, when no further task will be run. */
  release(): void;
}

export class StickyPool<Task, Reply> {
  readonly #pool: Piscina<Envelope<Task>, Reply | undefined>;
  readonly #threads: readonly Thread[];
  #closing = false;

  private constructor(
    pool: Piscina<Envelope<Task>, Reply | undefined>,
    onFatal: (error: Error) => void,
  ) {
    this.#pool = pool;
    this.#threads = pool.threads.map(({ threadId }) => ({ id: threadId, seats: 0 }));
    pool.on('workerDestroy', () => {
      if (!this.#closing) onFatal(new Error('a pool thread ended'));
    });
    pool.on('error', (error: Error) => {
      if (!this.#closing) onFatal(error);
    });
  }

  /** Resolves when every thread loaded its entry point and answered. */
  static async open<Task, Reply>(
    name: WorkerName,
    threads: number,
    workerData: unknown,
    options: StartOptions = {},
  ): Promise<StickyPool<Task, Reply>> {
    assert(Number.isInteger(threads) && threads > 0, 'a pool has threads');
    const piscina = new Piscina<Envelope<Task>, Reply | undefined>({
      filename: fileURLToPath(workerUrl(name)),
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: TASKS_PER_THREAD_MAX,
      recordTiming: false,
      workerData,
      loadBalancer: (task, workers) => {
        const thread = task[Piscina.queueOptionsSymbol as keyof typeof task] as Thread | undefined;
        return workers.find(({ id }) => id === thread?.id) ?? null;
      },
    });
    let starting = true;
    const onFatal = options.onFatal ?? crash;
    // Until all answered, a broken thread is reported by the greeting alone.
    const pool = new StickyPool<Task, Reply>(piscina, (error) => starting || onFatal(error));
    try {
      await Promise.all(pool.#threads.map((thread) => pool.#run(thread, undefined)));
    } catch (cause) {
      await pool.close();
      throw new Error(`the ${name} threads do not start`, { cause });
    }
    starting = false;
    return pool;
  }

  get threadCount(): number {
    return this.#threads.length;
  }

  /** On the thread with the fewest seats now. */
  seat(): Seat<Task, Reply> {
    const thread = this.#threads.reduce((best, next) => (next.seats < best.seats ? next : best));
    thread.seats += 1;
    let held = true;
    return {
      run: (task) => {
        assert(held, 'tasks run on a held seat');
        return this.#run(thread, task) as Promise<Reply>;
      },
      release: () => {
        assert(held, 'a seat is released once');
        held = false;
        thread.seats -= 1;
      },
    };
  }

  /** Ends the threads where they are: whoever holds a seat sees its tasks reject. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#pool.destroy();
  }

  #run(thread: Thread, task: Task | undefined): Promise<Reply | undefined> {
    if (this.#closing) return Promise.reject(new Error('the pool is closed'));
    const envelope = { task, [Piscina.queueOptionsSymbol]: thread };
    return this.#pool.run(envelope);
  }
}
