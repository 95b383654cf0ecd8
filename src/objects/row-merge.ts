/**
 * One cursor over several partitions: rows in byte order of their keys, merged, with jumps. Fetches
 * ahead in batches that grow while rows are used one by one and shrink at every jump, so that a
 * page of 1,000 keys is one scan and a common prefix costs one seek.
 */
import { LIMITS } from '../base/limits.ts';
import type { MetaStore, Partition, Row } from '../meta/meta-store.ts';

/** Rows fetched after a jump: the next row, and often the one that proves the next prefix. */
const ROWS_AFTER_JUMP = 2;

export interface MergeOptions {
  readonly meta: MetaStore;
  readonly partitions: readonly Partition[];
  readonly prefix: Uint8Array;
  /** Exclusive. */
  readonly after: Uint8Array | undefined;
  /** Rows that the caller expects to use if nothing is jumped over. */
  readonly expected: number;
  /** True when jumps are to be expected. */
  readonly jumps: boolean;
}

export class RowMerge {
  readonly #cursors: Cursor[];

  constructor(options: MergeOptions) {
    this.#cursors = options.partitions.map((partition) => new Cursor(options, partition));
  }

  /** The row with the least key, not consumed. Undefined at the end. */
  peek(): Row | undefined {
    const [only] = this.#cursors;
    if (this.#cursors.length === 1) return only?.peek();
    let least: Row | undefined;
    for (const cursor of this.#cursors) {
      const row = cursor.peek();
      if (row === undefined) continue;
      if (least === undefined || Buffer.compare(row.key, least.key) < 0) least = row;
    }
    return least;
  }

  /** Moves behind `position`: the key of the row peeked at, or a jump. */
  advance(position: Uint8Array, isJump: boolean): void {
    for (const cursor of this.#cursors) cursor.advance(position, isJump);
  }
}

class Cursor {
  readonly #options: MergeOptions;
  readonly #partition: Partition;
  #rows: readonly Row[] = [];
  #next = 0;
  #more = true;
  #after: Uint8Array | undefined;
  #batch: number;

  constructor(options: MergeOptions, partition: Partition) {
    this.#options = options;
    this.#partition = partition;
    this.#after = options.after;
    const rows = options.jumps ? 4 * ROWS_AFTER_JUMP : options.expected;
    this.#batch = Math.min(Math.max(rows, 1), LIMITS.scanRows);
  }

  peek(): Row | undefined {
    if (this.#next >= this.#rows.length && this.#more) this.#fetch();
    return this.#rows[this.#next];
  }

  advance(position: Uint8Array, isJump: boolean): void {
    if (this.#after === undefined || Buffer.compare(position, this.#after) > 0) {
      this.#after = position;
    }
    while (this.#next < this.#rows.length) {
      const row = this.#rows[this.#next];
      if (row === undefined) return;
      // Mostly it is the very row that was looked at.
      if (row.key !== position && Buffer.compare(row.key, position) > 0) return;
      this.#next += 1;
      if (row.key === position) return;
    }
    if (isJump) this.#batch = ROWS_AFTER_JUMP;
  }

  #fetch(): void {
    const { meta, prefix } = this.#options;
    const scan = { prefix, after: this.#after, limit: this.#batch };
    const page = meta.scan(this.#partition, scan);
    this.#rows = page.rows;
    this.#next = 0;
    this.#more = page.more;
    this.#after = page.rows.at(-1)?.key ?? this.#after;
    this.#batch = Math.min(2 * this.#batch, LIMITS.scanRows);
  }
}
