/**
 * The metadata contract in its readable form: sorted arrays and a map. What this file does is
 * what every engine must do; the contract suite runs on both.
 */
import { assertCommit, assertScan } from '../../src/meta/commit-bounds.ts';
import type {
  Commit,
  CommitResult,
  MetaStore,
  Page,
  Partition,
  Rev,
  Row,
  Scan,
} from '../../src/meta/meta-store.ts';

export class MemoryMetaStore implements MetaStore {
  /** Rows of each partition in key order. A partition without rows does not exist. */
  readonly #partitions = new Map<Partition, Row[]>();
  #rev = 0;

  get(partition: Partition, key: Uint8Array): Row | undefined {
    const rows = this.#partitions.get(partition) ?? [];
    const row = rows[lowerBound(rows, key)];
    return row !== undefined && Buffer.compare(row.key, key) === 0 ? copyOf(row) : undefined;
  }

  scan(partition: Partition, scan: Scan): Page {
    assertScan(scan);
    const { prefix, after, limit } = scan;
    const matching = (this.#partitions.get(partition) ?? []).filter(
      ({ key }) =>
        Buffer.compare(key.subarray(0, prefix.length), prefix) === 0 &&
        (after === undefined || Buffer.compare(key, after) > 0),
    );
    return { rows: matching.slice(0, limit).map(copyOf), more: matching.length > limit };
  }

  async commit(commit: Commit): Promise<CommitResult> {
    assertCommit(commit);
    await Promise.resolve();
    const { partition, checks, writes } = commit;
    const holds = checks.every(({ key, rev }) => {
      const found = this.get(partition, key);
      return rev === 'absent' ? found === undefined : found?.rev === rev;
    });
    if (!holds) return 'conflict';
    const rows = this.#partitions.get(partition) ?? [];
    for (const write of writes) {
      const at = lowerBound(rows, write.key);
      const found = rows[at];
      const replaces = found !== undefined && Buffer.compare(found.key, write.key) === 0;
      if (write.kind === 'delete') {
        if (replaces) rows.splice(at, 1);
        continue;
      }
      this.#rev += 1;
      const row = { key: write.key.slice(), value: write.value.slice(), rev: this.#rev as Rev };
      rows.splice(at, replaces ? 1 : 0, row);
    }
    if (rows.length > 0) this.#partitions.set(partition, rows);
    else this.#partitions.delete(partition);
    return 'committed';
  }

  partitions(after: string | undefined, limit: number): readonly Partition[] {
    return [...this.#partitions.keys()]
      .sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
      .filter(
        (name) => after === undefined || Buffer.compare(Buffer.from(name), Buffer.from(after)) > 0,
      )
      .slice(0, limit);
  }

  stats(): { readonly bytes: number; readonly rows: number } {
    const all = [...this.#partitions.values()].flat();
    const bytes = all.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    return { bytes, rows: all.length };
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

/** Index of the first row whose key is not less than `key`. */
function lowerBound(rows: readonly Row[], key: Uint8Array): number {
  const index = rows.findIndex((row) => Buffer.compare(row.key, key) >= 0);
  return index < 0 ? rows.length : index;
}

function copyOf(row: Row): Row {
  return { key: row.key.slice(), value: row.value.slice(), rev: row.rev };
}
