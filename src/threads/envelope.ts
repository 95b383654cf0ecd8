/**
 * What travels from a sticky pool to its threads: a task, or nothing for the greeting at start.
 * Apart from the pool, so that worker entry points need not load the pool's library.
 */

export interface Envelope<Task> {
  /** Undefined: the pool asks whether the entry point loaded; nothing is to be done. */
  readonly task: Task | undefined;
}

/** What a worker entry point exports as its default: `handle` for tasks, silence for greetings. */
export function answering<Task, Reply>(
  handle: (task: Task) => Reply,
): (envelope: Envelope<Task>) => Reply | undefined {
  return ({ task }) => (task === undefined ? undefined : handle(task));
}
