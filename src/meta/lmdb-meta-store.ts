/**
 * The metadata contract on LMDB: one environment in a folder, one tree; the row key on disk is
 * partition name, 0x00, row key. The version that lmdb-js keeps with each value is the rev.
 *
 * Durable (default): `overlappingSync: false`. Pages are fdatasynced and the meta page is written
 * through an O_DSYNC descriptor before the new root becomes visible to readers, so neither the
 * commit promise nor a read can run ahead of the disk; commits that arrive meanwhile share the
 * next transaction. Relaxed: the meta page alone is left to the operating system
 * (`noMetaSync`): a killed process loses nothing, a power cut may undo the last commits but never
 * damages the tree. (`noSync` is faster still, but a power cut may then ruin everything.)
 * Never `useWritemap`: on a full disk it dies of SIGBUS.
 *
 * Writes are instructions executed by one native thread: no JavaScript runs inside a
 * transaction. A failed transaction rejects every commit in it. When pages found no room nothing
 * happened and the store goes on; any other failure is fatal: the store refuses all further
 * commits and calls `onFatal`, which must end the process.
 */
import { open } from 'lmdb';
import type { RootDatabase } from 'lmdb';
import { assert } from '../base/assert.ts';
import { concatBytes, prefixSuccessor, utf8, utf8Decode } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { StoreError } from '../base/store-error.ts';
import { assertCommit, assertScan } from './commit-bounds.ts';
import type {
  Commit,
  CommitResult,
  MetaStore,
  Page,
  Partition,
  Rev,
  Row,
  Scan,
} from './meta-store.ts';

export interface LmdbOptions {
  readonly directory: string;
  readonly durability: 'durable' | 'relaxed';
  readonly clock: Clock;
  /** Called once, after the first failed commit. Must end the process. */
  readonly onFatal: (error: StoreError) => void;
}

/** Revs per millisecond of clock: a restart begins above all revs of the last run until 2109. */
const REVS_PER_MS = 2048;

/** ENOSPC and EDQUOT in the C library's words, and LMDB's code for a map that cannot grow. */
const FULL = /No space left|Disk quota exceeded|MDB_MAP_FULL/;

/** Failures before the meta page was touched: the transaction left no trace. */
const HARMLESS = /Attempting to write page|MDB_MAP_FULL/;

export function openLmdbMetaStore(options: LmdbOptions): MetaStore {
  return new LmdbMetaStore(options);
}

class LmdbMetaStore implements MetaStore {
  readonly #db: RootDatabase<Uint8Array, Uint8Array>;
  readonly #onFatal: (error: StoreError) => void;
  #rev: number;
  #fatal: StoreError | undefined;
  #closing: Promise<void> | undefined;
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: LmdbOptions) {
    this.#onFatal = options.onFatal;
    this.#rev = options.clock.now() * REVS_PER_MS;
    try {
      this.#db = open<Uint8Array, Uint8Array>({
        path: options.directory,
        noSubdir: false,
        keyEncoding: 'binary',
        encoding: 'binary',
        useVersions: true,
        overlappingSync: false,
        noMetaSync: options.durability === 'relaxed',
        // With batching by event turn, lmdb-js makes one promise per turn that nobody holds: when
        // its transaction fails, the unhandled rejection ends the process. Blocks are atomic
        // without it, and commits group in the write thread anyway.
        eventTurnBatching: false,
        useWritemap: false,
        compression: false,
        maxDbs: 1,
      });
      copyFromPool(this.#db);
    } catch (cause) {
      throw new StoreError('unavailable', `cannot open metadata: ${messageOf(cause)}`, cause);
    }
  }

  get(partition: Partition, key: Uint8Array): Row | undefined {
    const db = this.#open();
    const entry = reading(() => db.getEntry(rowKeyOf(partition, key)));
    return entry && { key, value: entry.value, rev: revOf(entry.version) };
  }

  scan(partition: Partition, scan: Scan): Page {
    const db = this.#open();
    assertScan(scan);
    const base = rowKeyOf(partition, scan.prefix);
    const after = scan.after && rowKeyOf(partition, scan.after);
    const behind = after !== undefined && Buffer.compare(after, base) >= 0;
    const end = prefixSuccessor(base);
    assert(end !== undefined, 'a prefix that starts with a partition name has a successor');
    // A range whose start lies behind its end is not for the cursor to interpret.
    if (behind && Buffer.compare(after, end) >= 0) return { rows: [], more: false };
    const range = {
      // The least key behind `after`: also right when `after` is not there.
      start: behind ? concatBytes(after, Uint8Array.of(0)) : base,
      end,
      limit: scan.limit + 1,
      versions: true,
    };
    const strip = utf8(partition).length + 1;
    const rows: Row[] = [];
    return reading(() => {
      for (const { key, value, version } of db.getRange(range)) {
        if (rows.length === scan.limit) return { rows, more: true };
        rows.push({ key: key.subarray(strip), value, rev: revOf(version) });
      }
      return { rows, more: false };
    });
  }

  async commit(commit: Commit): Promise<CommitResult> {
    const db = this.#open();
    if (this.#fatal !== undefined) throw this.#fatal;
    assertCommit(commit);
    const verdicts = Promise.all(this.#enqueue(db, commit));
    this.#running.add(verdicts);
    try {
      const held = await verdicts;
      return held.every(Boolean) ? 'committed' : 'conflict';
    } catch (error) {
      throw await this.#failed(error);
    } finally {
      this.#running.delete(verdicts);
    }
  }

  /**
   * Queues the whole commit in this turn, so it lands in one transaction: checks nest, and the
   * writes stand in the innermost block, which runs only if every check around it held. An inner
   * check may report success although an outer one failed: all verdicts count.
   */
  #enqueue(db: RootDatabase<Uint8Array, Uint8Array>, commit: Commit): Promise<boolean>[] {
    const { partition, checks, writes } = commit;
    const verdicts: Promise<boolean>[] = [];
    const write = (): void => {
      for (const change of writes) {
        const key = rowKeyOf(partition, change.key);
        // The copy is what the write thread reads later: the caller may reuse its bytes.
        if (change.kind === 'put') void db.put(key, new Uint8Array(change.value), this.#nextRev());
        else void db.remove(key);
      }
    };
    const nest = (index: number): void => {
      const check = checks[index];
      if (check === undefined) return write();
      const key = rowKeyOf(partition, check.key);
      const inner = (): void => nest(index + 1);
      verdicts.push(
        check.rev === 'absent' ? db.ifNoExists(key, inner) : db.ifVersion(key, check.rev, inner),
      );
    };
    if (checks.length === 0) verdicts.push(db.batch(write));
    else nest(0);
    return verdicts;
  }

  async #failed(error: unknown): Promise<StoreError> {
    const cause = await commitCause(error);
    const message = messageOf(cause);
    const full = FULL.test(message);
    if (full && HARMLESS.test(message)) {
      return new StoreError('full', `no room for metadata: ${message}`, cause);
    }
    if (this.#fatal === undefined) {
      // Not 'full', which says that nothing happened: here nobody knows.
      this.#fatal = new StoreError('unavailable', `metadata commit failed: ${message}`, cause);
      this.#onFatal(this.#fatal);
    }
    return this.#fatal;
  }

  partitions(after: string | undefined, limit: number): readonly Partition[] {
    const db = this.#open();
    assert(limit > 0 && limit <= LIMITS.scanRows, 'limit of a partition listing');
    const names: Partition[] = [];
    let start = after === undefined ? Uint8Array.of(0) : behindPartition(after);
    while (names.length < limit) {
      const [key] = reading(() => [...db.getKeys({ start, limit: 1 })]);
      if (key === undefined) break;
      const name = utf8Decode(key.subarray(0, key.indexOf(0)));
      names.push(name as Partition);
      start = behindPartition(name);
    }
    return names;
  }

  stats(): { readonly bytes: number; readonly rows: number } {
    const stats = reading(() => this.#open().getStats()) as {
      readonly entryCount: number;
      readonly pageSize: number;
      readonly lastPageNumber: number;
    };
    return { bytes: (stats.lastPageNumber + 1) * stats.pageSize, rows: stats.entryCount };
  }

  /** Waits for running commits and for the flush: closing earlier kills the process. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#running);
      if (this.#fatal === undefined) await this.#db.flushed;
      await this.#db.close();
    })();
    return this.#closing;
  }

  #open(): RootDatabase<Uint8Array, Uint8Array> {
    if (this.#closing !== undefined) throw new StoreError('unavailable', 'metadata is closed');
    return this.#db;
  }

  #nextRev(): number {
    this.#rev += 1;
    return this.#rev;
  }
}

function rowKeyOf(partition: Partition, key: Uint8Array): Uint8Array {
  const name = Buffer.from(partition, 'utf8');
  const rowKey = new Uint8Array(name.length + 1 + key.length);
  rowKey.set(name);
  rowKey.set(key, name.length + 1);
  return rowKey;
}

/** Least key of any partition whose name is greater. */
function behindPartition(name: string): Uint8Array {
  return concatBytes(utf8(name), Uint8Array.of(1));
}

function revOf(version: number | undefined): Rev {
  assert(version !== undefined, 'every row has a version');
  return version as Rev;
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new StoreError('unavailable', `metadata read failed: ${messageOf(cause)}`, cause);
  }
}

/**
 * lmdb-js rejects with a general error whose `commitError` promise rejects with the real one;
 * unobserved, that second rejection would end the process before `onFatal` could speak.
 */
async function commitCause(error: unknown): Promise<unknown> {
  const commitError = (error as { commitError?: Promise<unknown> } | null)?.commitError;
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The two places where lmdb-js makes bytes of its own buffers ours; it documents neither. */
interface Copiers {
  readKey: (bytes: Uint8Array, start: number, end: number) => Uint8Array;
  decoder: { decode(bytes: Uint8Array, options?: number | { end?: number }): Uint8Array };
  decoderCopies: boolean;
}

/**
 * By itself it copies with `slice`, which makes a new ArrayBuffer each time: most of what a page
 * of a listing cost. Node's pool of small buffers does the same for a tenth.
 */
function copyFromPool(db: RootDatabase<Uint8Array, Uint8Array>): void {
  const copiers = db as unknown as Copiers;
  copiers.readKey = (bytes, start, end) => copyOf(bytes, start, end);
  copiers.decoder = {
    decode: (bytes, options) => {
      const end = typeof options === 'number' ? options : options?.end;
      return copyOf(bytes, 0, end ?? bytes.length);
    },
  };
  copiers.decoderCopies = true;
}

function copyOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  // Its own buffers say lengths that are not theirs: only where they lie can be trusted.
  copy.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start));
  return copy;
}
