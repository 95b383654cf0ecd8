/**
 * References written while the orphan scrub walks the rows. A walk is no snapshot: a reference
 * may move from a row that the walk has yet to see to one that it has passed. So every commit
 * that writes holds notes them here first, and the scrub spares what was noted.
 */
import type { StoredData } from '../meta/records.ts';

export class Touched {
  #ids: Set<string> | undefined;

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
    this.#ids.add(ownerId).add(blob.id);
    if ('chunks' in blob) for (const chunk of blob.chunks) this.#ids.add(chunk.id);
  }

  noteOwner(ownerId: string, blobId: string): void {
    this.#ids?.add(ownerId).add(blobId);
  }

  has(id: string): boolean {
    return this.#ids?.has(id) ?? false;
  }
}
