/**
 * Packed volumes of one datanode: `volumes/<number>.vol`, append-only files of entries, so that a
 * million small objects are not a million files. Runs in the datanode thread.
 *
 * Invariant: an entry never changes its place. Deleting turns its header into a tombstone; a
 * volume that is mostly dead is rewritten into a sparse file with the live entries at their old
 * offsets; a wholly dead one is unlinked. A crash leaves at most a torn tail that nobody
 * acknowledged: appends go on in a new volume, so nothing is ever written after it.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '../base/limits.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { ListedShard, PackedTerm } from './datanode-protocol.ts';
import { ShardFault } from './file-faults.ts';
import { readAll, syncFolder, verify, writeAll } from './shard-files.ts';
import { CHECK_BLOCK, checkBlocksOf, decodeHeader, encodeHeader, entryTable, roundUp, type ShardHeader, UNIT } from './shard-format.ts';

interface Volume {
  readonly number: number;
  readonly file: number;
  size: number;
  /** Bytes of tombstones' entries and of a torn tail. */
  dead: number;
  /** Of `dead`, how much a rewrite has given back already. */
  returned: number;
}

const OPEN_MAX = 64;
/** A rewrite must give back at least this much. */
const REWRITE_BYTES_MIN = 1024 * 1024;

export class Volumes {
  readonly #folder: string;
  readonly #kernels: Kernels;
  readonly #memory: Buffer;
  readonly #volumeBytes: number;
  readonly #intact: () => boolean;
  readonly #known = new Map<number, Volume>();
  /** Numbers of volumes of earlier runs whose dead bytes nobody counted yet. */
  readonly #unscanned: number[];
  #next: number;
  #current: Volume | undefined;
  #unsynced = false;
  #folderUnsynced = false;
  /** Files given up since the last sync that hold entries of the running batch. */
  readonly #unsyncedRetired: number[] = [];

  constructor(
    directory: string,
    kernels: Kernels,
    volumeBytes: number,
    intact: () => boolean,
  ) {
    this.#folder = join(directory, 'volumes');
    this.#kernels = kernels;
    this.#memory = Buffer.from(kernels.memory.buffer);
    this.#volumeBytes = volumeBytes;
    this.#intact = intact;
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of fs.readdirSync(this.#folder)) {
      if (name.endsWith('.tmp')) fs.rmSync(join(this.#folder, name));
    }
    this.#unscanned = this.numbers();
    this.#next = (this.#unscanned.at(-1) ?? 0) + 1;
  }

  numbers(): number[] {
    return fs
      .readdirSync(this.#folder)
      .flatMap((name) => (/^\d+\.vol$/.test(name) ? [Number.parseInt(name, 10)] : []))
      .toSorted((left, right) => left - right);
  }

  /** Sums the terms up in the scratch block, writes the entry; durable after `sync`. */
  append(header: ShardHeader, terms: readonly PackedTerm[], scratch: number): [number, number] {
    const volume = this.#writable();
    this.#sum(terms, scratch, header.dataLength);
    const table = Buffer.alloc(checkBlocksOf(header.dataLength) * 8);
    for (let at = 0; at < header.dataLength; at += CHECK_BLOCK) {
      const length = Math.min(CHECK_BLOCK, header.dataLength - at);
      table.writeBigUInt64LE(this.#kernels.xxh64(scratch + at, length), (at / CHECK_BLOCK) * 8);
    }
    const padded = roundUp(header.dataLength, UNIT);
    this.#kernels.zero(scratch + header.dataLength, padded - header.dataLength);
    const offset = volume.size;
    try {
      writeAll(volume.file, this.#memory.subarray(scratch, scratch + padded), offset + UNIT);
      writeAll(volume.file, encodeHeader(header, table), offset);
    } catch (error) {
      // Nothing is ever written after a torn entry: the next one goes to a new volume.
      this.#retire(volume);
      throw error;
    }
    volume.size += header.entryBytes;
    this.#unsynced = true;
    return [volume.number, offset];
  }

  /** Makes all appended entries durable. After a failure nobody may trust the current volume. */
  sync(durable: boolean): void {
    const files = [...this.#unsyncedRetired, ...(this.#unsynced ? [this.#current?.file] : [])];
    const folder = this.#folderUnsynced;
    this.#unsyncedRetired.length = 0;
    this.#unsynced = false;
    this.#folderUnsynced = false;
    try {
      if (durable) {
        for (const file of files) if (file !== undefined) fs.fdatasyncSync(file);
        if (folder) syncFolder(this.#folder);
      }
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
    if ((this.#current?.size ?? 0) >= this.#volumeBytes) this.#current = undefined;
  }

  read(
    number: number,
    offset: number,
    shard: Pick<ShardHeader, 'chunk' | 'column' | 'dataLength'>,
    at: number,
    length: number,
    target: number,
  ): void {
    const { file } = this.#open(number);
    const unit = Buffer.alloc(UNIT);
    readAll(file, unit, offset);
    const header = decodeHeader(unit);
    if (header === undefined) throw new ShardFault('corrupt', `volume ${number} at ${offset}`);
    const right = header.chunk === shard.chunk && header.column === shard.column;
    if (header.kind !== 'entry' || !right || header.dataLength !== shard.dataLength) {
      throw new ShardFault('missing', `volume ${number} at ${offset}: another entry`);
    }
    readAll(file, this.#memory.subarray(target, target + length), offset + UNIT + at);
    verify(this.#kernels, entryTable(unit, header.dataLength), at, length, target);
  }

  delete(number: number, offset: number, chunk: string, column: number): void {
    if (!fs.existsSync(this.#path(number))) return;
    const volume = this.#scan(number);
    const unit = Buffer.alloc(UNIT);
    if (offset + UNIT > volume.size) return;
    readAll(volume.file, unit, offset);
    const header = decodeHeader(unit);
    if (header?.kind !== 'entry' || header.chunk !== chunk || header.column !== column) return;
    writeAll(volume.file, encodeHeader({ ...header, kind: 'tombstone' }, Buffer.alloc(0)), offset);
    volume.dead += header.entryBytes;
    this.#giveBack(volume);
  }

  /** Counts one volume of an earlier run and gives back what is dead. False: none left. */
  scanNext(): boolean {
    const number = this.#unscanned.shift();
    if (number === undefined) return false;
    if (fs.existsSync(this.#path(number))) this.#giveBack(this.#scan(number));
    return this.#unscanned.length > 0;
  }

  list(number: number): ListedShard[] {
    const shards: ListedShard[] = [];
    if (!fs.existsSync(this.#path(number))) return shards;
    this.#walk(this.#open(number), (header, offset) => {
      if (header.kind !== 'entry') return;
      const { chunk, column, entryBytes } = header;
      shards.push({ chunk, column, place: { volume: number, offset }, bytes: entryBytes, sealed: true });
    });
    return shards;
  }

  close(): void {
    for (const { file } of this.#known.values()) fs.closeSync(file);
    this.#known.clear();
  }

  #retire(volume: Volume): void {
    if (this.#unsynced) this.#unsyncedRetired.push(volume.file);
    this.#unsynced = false;
    this.#current = undefined;
    volume.dead = -1;
  }

  #path(number: number): string {
    return join(this.#folder, `${String(number).padStart(8, '0')}.vol`);
  }

  #writable(): Volume {
    if (this.#current !== undefined) return this.#current;
    if (!this.#intact()) throw new ShardFault('unavailable', 'the datanode lost its folder');
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const number = this.#next;
    this.#next += 1;
    const file = fs.openSync(this.#path(number), 'wx+', 0o600);
    this.#current = { number, file, size: 0, dead: 0, returned: 0 };
    this.#remember(this.#current);
    this.#folderUnsynced = true;
    return this.#current;
  }

  #sum(terms: readonly PackedTerm[], scratch: number, dataLength: number): void {
    this.#kernels.zero(scratch, dataLength);
    for (const { coefficient, spans } of terms) {
      let at = scratch;
      for (const [offset, length] of spans) {
        if (coefficient === 1) this.#kernels.xorInto(at, offset, length);
        else this.#kernels.gfMulAdd(at, offset, length, coefficient);
        at += length;
      }
    }
  }

  #open(number: number): Volume {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const file = fs.openSync(this.#path(number), 'r+');
    const volume = { number, file, size: fs.fstatSync(file).size, dead: -1, returned: 0 };
    this.#remember(volume);
    return volume;
  }

  /** The volume with its dead bytes counted: those of an earlier run are counted when needed. */
  #scan(number: number): Volume {
    const volume = this.#open(number);
    if (volume.dead >= 0) return volume;
    volume.size = fs.fstatSync(volume.file).size;
    let live = 0;
    this.#walk(volume, (header) => {
      if (header.kind === 'entry') live += header.entryBytes;
    });
    volume.dead = volume.size - live;
    const onDisk = fs.fstatSync(volume.file).blocks * 512;
    volume.returned = Math.max(0, Math.min(volume.dead, volume.size - onDisk));
    return volume;
  }

  /**
   * Calls back for every entry. What has no valid header (a torn tail, a damaged header) is
   * skipped unit by unit, so that damage never hides the entries behind it.
   */
  #walk(volume: Volume, visit: (header: ShardHeader, offset: number) => void): void {
    const unit = Buffer.alloc(UNIT);
    for (let offset = 0; offset + UNIT <= volume.size; ) {
      readAll(volume.file, unit, offset);
      const header = decodeHeader(unit);
      const valid = header !== undefined && header.entryBytes >= UNIT;
      if (valid && offset + header.entryBytes <= volume.size) visit(header, offset);
      offset += valid ? header.entryBytes : UNIT;
    }
  }

  #remember(volume: Volume): void {
    for (const [number, { file }] of this.#known) {
      if (this.#known.size < OPEN_MAX) break;
      if (number === this.#current?.number || this.#unsyncedRetired.includes(file)) continue;
      fs.closeSync(file);
      this.#known.delete(number);
    }
    this.#known.set(volume.number, volume);
  }

  #giveBack(volume: Volume): void {
    if (volume.dead >= volume.size) {
      if (volume === this.#current) {
        // Entries of this very batch may wait for their sync: they are dead, so is the wait.
        this.#current = undefined;
        this.#unsynced = false;
      }
      fs.closeSync(volume.file);
      this.#known.delete(volume.number);
      fs.rmSync(this.#path(volume.number), { force: true });
      return;
    }
    if (volume === this.#current) return;
    const gain = volume.dead - volume.returned;
    if (gain > REWRITE_BYTES_MIN && gain > (volume.size - volume.returned) / 2) {
      this.#rewrite(volume);
    }
  }

  /** A sparse twin with the live entries at their offsets, and of the dead only the headers. */
  #rewrite(volume: Volume): void {
    const path = this.#path(volume.number);
    const temporary = `${path}.tmp`;
    const file = fs.openSync(temporary, 'wx+', 0o600);
    const piece = Buffer.alloc(LIMITS.blockBytes);
    const copy = (offset: number, length: number): void => {
      for (let at = 0; at < length; at += piece.length) {
        const part = piece.subarray(0, Math.min(piece.length, length - at));
        readAll(volume.file, part, offset + at);
        writeAll(file, part, offset + at);
      }
    };
    this.#walk(volume, (header, offset) => {
      copy(offset, header.kind === 'entry' ? header.entryBytes : UNIT);
    });
    fs.ftruncateSync(file, volume.size);
    // Live entries must be durable under the name before the old file goes.
    fs.fsyncSync(file);
    fs.renameSync(temporary, path);
    syncFolder(this.#folder);
    fs.closeSync(volume.file);
    this.#known.set(volume.number, { ...volume, file, returned: volume.dead });
  }
}
