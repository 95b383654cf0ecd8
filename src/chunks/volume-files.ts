/**
 * The files of one datanode's packed volumes: their numbers, what is known of each, and a bounded
 * number of open descriptors. Runs in the datanode thread, all calls synchronous.
 *
 * Invariant: a volume that was written since the last `sync` keeps its descriptor until then.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { namesIn, readAll, syncFolder } from './file-bytes.ts';
import { refuseUnlinked } from './file-faults.ts';
import { decodeHeader, type ShardHeader, UNIT } from './shard-format.ts';

export interface Volume {
  readonly number: number;
  size: number;
  /** Bytes of tombstones' entries and of torn tails; undefined: nobody counted yet. */
  dead: number | undefined;
  /** Of `dead`, how much a rewrite has given back already. */
  returned: number;
}

export class VolumeFiles {
  readonly #folder: string;
  readonly #seed: bigint;
  /** Every volume that was used in this run: a few words each. */
  readonly #volumes = new Map<number, Volume>();
  /** Descriptors by volume number, least recently used first. */
  readonly #files = new Map<number, number>();
  readonly #unsynced = new Set<number>();
  #folderUnsynced = false;

  constructor(directory: string, seed: bigint) {
    this.#folder = join(directory, 'volumes');
    this.#seed = seed;
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of namesIn(this.#folder)) {
      if (name.endsWith('.tmp')) fs.rmSync(join(this.#folder, name));
    }
  }

  /** Of the volumes on disk, in order. */
  numbers(): number[] {
    return namesIn(this.#folder)
      .flatMap((name) => (/^\d+\.vol$/.test(name) ? [Number.parseInt(name, 10)] : []))
      .toSorted((left, right) => left - right);
  }

  create(number: number): Volume {
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const file = fs.openSync(this.#path(number), 'wx+', 0o600);
    const volume: Volume = { number, size: 0, dead: 0, returned: 0 };
    this.#volumes.set(number, volume);
    this.#keep(number, file);
    this.#folderUnsynced = true;
    return volume;
  }

  /** Undefined when there is no such volume any more. */
  find(number: number): Volume | undefined {
    const known = this.#volumes.get(number);
    if (known !== undefined) return known;
    const size = fs.statSync(this.#path(number), { throwIfNoEntry: false })?.size;
    if (size === undefined) return undefined;
    const volume: Volume = { number, size, dead: undefined, returned: 0 };
    this.#volumes.set(number, volume);
    return volume;
  }

  /** Valid until the next call of `fileOf`. Throws ENOENT when somebody removed the file. */
  fileOf({ number }: Volume): number {
    const known = this.#files.get(number);
    if (known !== undefined) {
      this.#files.delete(number);
      this.#files.set(number, known);
      return known;
    }
    const file = fs.openSync(this.#path(number), 'r+');
    this.#keep(number, file);
    return file;
  }

  /** Must follow each write before the next call of `fileOf`. */
  markWritten({ number }: Volume): void {
    assert(this.#files.has(number), 'the volume that was written is open');
    this.#unsynced.add(number);
  }

  /** Makes everything that was marked durable, new names included. Throws for all or none. */
  sync(durable: boolean): void {
    const files = [...this.#unsynced].flatMap((number) => this.#files.get(number) ?? []);
    const folder = this.#folderUnsynced;
    this.#unsynced.clear();
    this.#folderUnsynced = false;
    for (const file of files) refuseUnlinked(file);
    if (!durable) return;
    for (const file of files) fs.fdatasyncSync(file);
    if (folder) syncFolder(this.#folder);
  }

  remove(volume: Volume): void {
    this.#forget(volume.number);
    this.#volumes.delete(volume.number);
    fs.rmSync(this.#path(volume.number), { force: true });
  }

  /**
   * Puts what `fill` writes in the place of the volume, as large as it. Durable before the old
   * file goes, whatever the policy: what it holds was acknowledged long ago.
   */
  replace(volume: Volume, fill: (file: number) => void): void {
    const path = this.#path(volume.number);
    const temporary = `${path}.tmp`;
    const file = fs.openSync(temporary, 'w+', 0o600);
    try {
      fill(file);
      fs.ftruncateSync(file, volume.size);
      fs.fsyncSync(file);
      fs.renameSync(temporary, path);
    } catch (error) {
      fs.closeSync(file);
      fs.rmSync(temporary, { force: true });
      throw error;
    }
    this.#forget(volume.number);
    this.#keep(volume.number, file);
    syncFolder(this.#folder);
  }

  /**
   * Calls back for every entry. What has no valid header (a torn tail, a damaged header) is
   * skipped unit by unit, so that damage never hides the entries behind it.
   */
  walk(volume: Volume, visit: (header: ShardHeader, offset: number) => void): void {
    const file = this.fileOf(volume);
    const unit = Buffer.alloc(UNIT);
    for (let offset = 0; offset + UNIT <= volume.size;) {
      readAll(file, unit, offset);
      const header = decodeHeader(unit, this.#seed);
      const valid = header !== undefined && header.entryBytes >= UNIT;
      if (valid && offset + header.entryBytes <= volume.size) visit(header, offset);
      offset += valid ? header.entryBytes : UNIT;
    }
  }

  /** Counts the dead bytes of a volume of an earlier run, or of one with a torn tail. */
  count(volume: Volume): void {
    const { size, blocks } = fs.fstatSync(this.fileOf(volume));
    volume.size = size;
    let live = 0;
    this.walk(volume, (header) => {
      if (header.kind === 'entry') live += header.entryBytes;
    });
    volume.dead = volume.size - live;
    volume.returned = Math.max(0, Math.min(volume.dead, volume.size - blocks * 512));
  }

  close(): void {
    for (const file of this.#files.values()) fs.closeSync(file);
    this.#files.clear();
  }

  #path(number: number): string {
    return join(this.#folder, `${String(number).padStart(8, '0')}.vol`);
  }

  #keep(number: number, file: number): void {
    for (const [oldest, old] of this.#files) {
      if (this.#files.size < LIMITS.volumeFilesOpen) break;
      if (this.#unsynced.has(oldest)) continue;
      fs.closeSync(old);
      this.#files.delete(oldest);
    }
    this.#files.set(number, file);
  }

  #forget(number: number): void {
    const file = this.#files.get(number);
    if (file !== undefined) fs.closeSync(file);
    this.#files.delete(number);
    this.#unsynced.delete(number);
  }
}
