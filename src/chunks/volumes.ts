/**
 * Packed volumes of one datanode: `volumes/<number>.vol`, append-only files of entries, so that a
 * million small objects are not a million files. Runs in the datanode thread.
 *
 * Invariant: an entry never changes its place. Deleting turns its header into a tombstone; a
 * volume that is mostly dead is rewritten into a sparse file with the live entries at their old
 * offsets; a wholly dead one is unlinked. A crash leaves at most a torn tail that nobody
 * acknowledged: appends go on in a new volume, so nothing is ever written after it.
 */
import { LIMITS } from '../base/limits.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { addProduct } from './codec.ts';
import type { EntryPlace, ListedShard, PackedTerm } from './datanode-protocol.ts';
import { readAll, writeAll, writeAllOf } from './file-bytes.ts';
import { ShardFault } from './file-faults.ts';
import { verify } from './shard-files.ts';
import {
  CHECK_BLOCK,
  checkBlocksOf,
  decodeHeader,
  encodeHeader,
  entryTable,
  roundUp,
  type ShardHeader,
  UNIT,
} from './shard-format.ts';
import { type Volume, VolumeFiles } from './volume-files.ts';

const PADDING = Buffer.alloc(UNIT);

export interface VolumesOptions {
  readonly directory: string;
  readonly kernels: Kernels;
  /** What headers are sealed with. */
  readonly seed: bigint;
  /** A volume takes no more entries past this size. */
  readonly volumeBytes: number;
  /** Throws unless the datanode's folder still is the one that was opened. */
  requireFolder(): void;
}

export class Volumes {
  readonly #options: VolumesOptions;
  readonly #kernels: Kernels;
  readonly #memory: Buffer;
  readonly #files: VolumeFiles;
  /** Numbers of volumes of earlier runs whose dead bytes nobody counted yet. */
  readonly #uncounted: number[];
  #next: number;
  #current: Volume | undefined;

  constructor(options: VolumesOptions) {
    this.#options = options;
    this.#kernels = options.kernels;
    this.#memory = Buffer.from(options.kernels.memory.buffer);
    this.#files = new VolumeFiles(options.directory, options.seed);
    this.#uncounted = this.#files.numbers();
    this.#next = (this.#uncounted.at(-1) ?? 0) + 1;
  }

  numbers(): number[] {
    return this.#files.numbers();
  }

  /**
   * Writes the entry from where its bytes lie together, if need be after summing the terms up in
   * the scratch block; durable after `sync`.
   */
  append(header: ShardHeader, terms: readonly PackedTerm[], scratch: number): EntryPlace {
    const { dataLength } = header;
    const source = wholeSpan(terms) ?? this.#sum(terms, scratch);
    const table = Buffer.alloc(checkBlocksOf(dataLength) * 8);
    for (let at = 0; at < dataLength; at += CHECK_BLOCK) {
      const length = Math.min(CHECK_BLOCK, dataLength - at);
      table.writeBigUInt64LE(this.#kernels.xxh64(source + at, length), (at / CHECK_BLOCK) * 8);
    }
    const entry = [
      encodeHeader(header, table, this.#options.seed),
      this.#memory.subarray(source, source + dataLength),
      PADDING.subarray(0, roundUp(dataLength, UNIT) - dataLength),
    ];
    const volume = this.#writable();
    const offset = volume.size;
    const file = this.#files.fileOf(volume);
    this.#files.markWritten(volume);
    try {
      writeAllOf(file, entry, offset);
    } catch (error) {
      // Nothing is ever written after a torn entry: the next one goes to a new volume.
      this.#current = undefined;
      volume.dead = undefined;
      throw error;
    }
    volume.size += header.entryBytes;
    return [volume.number, offset];
  }

  /** Makes entries and tombstones durable. After a failure nobody trusts the current volume. */
  sync(durable: boolean): void {
    try {
      this.#files.sync(durable);
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
    const full = this.#current;
    if (full === undefined || full.size < this.#options.volumeBytes) return;
    this.#current = undefined;
    this.#giveBack(full, full.dead ?? 0);
  }

  read(
    place: EntryPlace,
    shard: Pick<ShardHeader, 'chunk' | 'column' | 'dataLength'>,
    at: number,
    length: number,
    target: number,
  ): void {
    const [number, offset] = place;
    const volume = this.#files.find(number);
    if (volume === undefined) throw new ShardFault('missing', `no volume ${number}`);
    const file = this.#files.fileOf(volume);
    const unit = Buffer.alloc(UNIT);
    readAll(file, unit, offset);
    const header = decodeHeader(unit, this.#options.seed);
    if (header === undefined) throw new ShardFault('corrupt', `volume ${number} at ${offset}`);
    const right = header.chunk === shard.chunk && header.column === shard.column;
    if (header.kind !== 'entry' || !right || header.dataLength !== shard.dataLength) {
      throw new ShardFault('missing', `volume ${number} at ${offset}: another entry`);
    }
    readAll(file, this.#memory.subarray(target, target + length), offset + UNIT + at);
    verify(this.#kernels, entryTable(unit, header.dataLength), at, length, target);
  }

  /** Durable after `sync`. */
  delete([number, offset]: EntryPlace, chunk: string, column: number): void {
    const volume = this.#files.find(number);
    if (volume === undefined || offset + UNIT > volume.size) return;
    if (volume.dead === undefined) this.#files.count(volume);
    const file = this.#files.fileOf(volume);
    const unit = Buffer.alloc(UNIT);
    readAll(file, unit, offset);
    const header = decodeHeader(unit, this.#options.seed);
    if (header?.kind !== 'entry' || header.chunk !== chunk || header.column !== column) return;
    const tombstone: ShardHeader = { ...header, kind: 'tombstone' };
    this.#files.markWritten(volume);
    writeAll(file, encodeHeader(tombstone, Buffer.alloc(0), this.#options.seed), offset);
    volume.dead = (volume.dead ?? 0) + header.entryBytes;
    this.#giveBack(volume, volume.dead);
  }

  /** Counts one volume of an earlier run and gives back what is dead. False: none left. */
  countNext(): boolean {
    const number = this.#uncounted.shift();
    if (number === undefined) return false;
    const volume = this.#files.find(number);
    if (volume !== undefined && volume.dead === undefined) {
      this.#files.count(volume);
      this.#giveBack(volume, volume.dead ?? 0);
    }
    return this.#uncounted.length > 0;
  }

  list(number: number): ListedShard[] {
    const shards: ListedShard[] = [];
    const volume = this.#files.find(number);
    if (volume === undefined) return shards;
    this.#files.walk(volume, (header, offset) => {
      if (header.kind !== 'entry') return;
      const { chunk, column, entryBytes: bytes } = header;
      shards.push({ chunk, column, place: { volume: number, offset }, bytes, sealed: true });
    });
    return shards;
  }

  close(): void {
    this.#files.close();
  }

  #writable(): Volume {
    if (this.#current !== undefined) return this.#current;
    this.#options.requireFolder();
    const number = this.#next;
    this.#next += 1;
    this.#current = this.#files.create(number);
    return this.#current;
  }

  /** The first term is the longest and sets what the others add to. */
  #sum(terms: readonly PackedTerm[], scratch: number): number {
    for (const [index, { coefficient, spans }] of terms.entries()) {
      let at = scratch;
      for (const [offset, length] of spans) {
        addProduct(this.#kernels, index === 0, coefficient, at, offset, length);
        at += length;
      }
    }
    return scratch;
  }

  #giveBack(volume: Volume, dead: number): void {
    if (dead >= volume.size) {
      if (volume === this.#current) this.#current = undefined;
      this.#files.remove(volume);
      return;
    }
    if (volume === this.#current) return;
    const gain = dead - volume.returned;
    if (gain > LIMITS.rewriteBytesMin && gain > (volume.size - volume.returned) / 2) {
      try {
        this.#rewrite(volume);
      } catch {
        // No room for the twin, perhaps: what was deleted is deleted all the same. It is tried
        // again when as much has died once more.
      }
      volume.returned = dead;
    }
  }

  /** A sparse twin with the live entries at their offsets, and of the dead only the headers. */
  #rewrite(volume: Volume): void {
    const piece = Buffer.alloc(LIMITS.blockBytes);
    this.#files.replace(volume, (file) => {
      const old = this.#files.fileOf(volume);
      this.#files.walk(volume, (header, offset) => {
        const length = header.kind === 'entry' ? header.entryBytes : UNIT;
        for (let at = 0; at < length; at += piece.length) {
          const part = piece.subarray(0, Math.min(piece.length, length - at));
          readAll(old, part, offset + at);
          writeAll(file, part, offset + at);
        }
      });
    });
  }
}

/** Where the bytes of the entry lie, when they lie together already. */
function wholeSpan([term, ...others]: readonly PackedTerm[]): number | undefined {
  const plain = term?.coefficient === 1 && term.spans.length === 1 && others.length === 0;
  return plain ? term.spans[0]?.[0] : undefined;
}
