/**
 * References written while the orphan scrub walks the rows. A walk is no snapshot: a reference
 * may move from a row that the walk has yet to see to one that it has passed. So every commit
 * that writes holds notes them here first, and the scrub spares what was noted.
 *
 * Only ids made before this process are kept: newer ones are no candidates of the scrub.
 */
import { idTime } from '../base/clock.ts';
import type { StoredData } from '../meta/records.ts';

export class Touched {
  readonly #startedMs: number;
  #ids: Set<string> | undefined;

  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  begin(): void {
    this.#ids = new Set();
  }

  end(): void {
    this.#ids = undefined;
  }

  /** To be called before the commit. Costs nothing while no scrub runs. */
  note(data: StoredData): void {
    if (this.#ids === undefined || data.kind === 'inline') return;
    const { ownerId, blob } = data.hold;
    this.#add(ownerId);
    this.#add(blob.id);
    if ('chunks' in blob) for (const chunk of blob.chunks) this.#add(chunk.id);
  }

  has(id: string): boolean {
    return this.#ids?.has(id) ?? false;
  }

  #add(id: string): void {
    if (idTime(id) < this.#startedMs) this.#ids?.add(id);
  }
}
