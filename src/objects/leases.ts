/**
 * Leases: how many running reads and copies still need a blob. The reclaimer leaves a leased blob
 * alone, so a download that takes longer than the grace time ends with the bytes it began with.
 *
 * A lease on the blob that a row names is enough: inner blobs are held by its pages, which go
 * only with it. Whoever acquires a lease releases it exactly once.
 */
import { assert } from '../base/assert.ts';

export class Leases {
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#counts.size;
  }

  acquire(blobId: string): void {
    this.#counts.set(blobId, (this.#counts.get(blobId) ?? 0) + 1);
  }

  release(blobId: string): void {
    const count = this.#counts.get(blobId);
    assert(count !== undefined, 'release of a lease that is held');
    if (count === 1) this.#counts.delete(blobId);
    else this.#counts.set(blobId, count - 1);
  }

  isLeased(blobId: string): boolean {
    return this.#counts.has(blobId);
  }
}
