/**
 * Turns: mutations of one name run one after the other in this process. Correctness never rests
 * on it (commits check revisions); it keeps many writers of one key from losing each other's
 * commits again and again.
 */

export class Turns {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `work` after everything that asked for the same name before. */
  async take<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(name);
    let done = (): void => {};
    const tail = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#tails.set(name, tail);
    try {
      if (before !== undefined) await before;
      return await work();
    } finally {
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
      done();
    }
  }
}
