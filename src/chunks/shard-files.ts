/**
 * Shard files of one datanode: `shards/<xx>/<chunk>.<column>`. Runs in the datanode thread, all
 * calls synchronous. Writes are summed up as they come and gathered, so that one call takes up to
 * a cell to the file; `seal` adds the checksum table and, last, the header.
 *
 * Invariant: a write is acknowledged only after `flush`, while its spans are still held, and a
 * seal only after `sync`.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { FileAccess, ListedPage, ListedShard, SpanPair } from './datanode-protocol.ts';
import { namesIn, type OutputFile, OutputFiles, readAll, syncFolder } from './file-bytes.ts';
import { codeOf, refuseUnlinked, ShardFault } from './file-faults.ts';
import {
  CHECK_BLOCK,
  checkBlocksOf,
  decodeHeader,
  encodeHeader,
  roundUp,
  type ShardHeader,
  tableMatches,
  UNIT,
} from './shard-format.ts';

interface OpenShard {
  readonly output: OutputFile;
  table: Buffer;
  written: number;
  /** Padded spans that no call wrote yet, and where the first goes. */
  gathered: Uint8Array[];
  gatheredAt: number;
  gatheredBytes: number;
  /** Of a gathered write: whatever was, or will be, asked of the shard has failed. */
  fault: { readonly error: unknown } | undefined;
}

type ShardName = Pick<ShardHeader, 'chunk' | 'column' | 'dataLength'>;

interface ReadShard {
  readonly file: number;
  readonly table: Buffer;
}

/** Checksums of the first 16 MiB; the table grows with the shard. */
const TABLE_BYTES = 2048;

export interface ShardFilesOptions {
  readonly directory: string;
  readonly kernels: Kernels;
  /** What headers are sealed with. */
  readonly seed: bigint;
  readonly io: FileAccess;
  /** Throws unless the datanode's folder still is the one that was opened. */
  requireFolder(): void;
}

export class ShardFiles {
  readonly #root: string;
  readonly #options: ShardFilesOptions;
  readonly #kernels: Kernels;
  readonly #memory: Buffer;
  readonly #outputs: OutputFiles;
  readonly #open = new Map<string, OpenShard>();
  readonly #gathering = new Set<OpenShard>();
  /** Least recently used first. */
  readonly #reading = new Map<string, ReadShard>();
  #unsyncedFiles: number[] = [];
  #unsyncedFolders = new Set<string>();

  constructor(options: ShardFilesOptions) {
    this.#root = join(options.directory, 'shards');
    this.#options = options;
    this.#kernels = options.kernels;
    this.#memory = Buffer.from(options.kernels.memory.buffer);
    this.#outputs = new OutputFiles(options.io);
    fs.mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  pathOf(shard: string): string {
    const dot = shard.indexOf('.');
    return join(this.#root, shard.slice(dot - 2, dot), shard);
  }

  write(shard: string, at: number, spans: readonly SpanPair[], gather: boolean): void {
    const open = this.#open.get(shard) ?? this.#begin(shard);
    if (open.fault !== undefined) throw open.fault.error;
    assert(at === open.written, 'a column is written in order');
    for (const [offset, length] of spans) {
      assert(open.written % CHECK_BLOCK === 0, 'only the last write is short');
      this.#addChecksums(open, offset, length);
      // The slack of the block belongs to the writer: zeroes keep the file in whole units.
      const padded = roundUp(length, UNIT);
      if (padded > length) this.#kernels.zero(offset + length, padded - length);
      open.gathered.push(this.#memory.subarray(offset, offset + padded));
      open.gatheredBytes += padded;
      open.written += length;
    }
    this.#gathering.add(open);
    if (!gather || open.gatheredBytes >= LIMITS.gatherBytes) this.#flush(open);
  }

  /** Takes what was gathered to the files. Never throws: `faultOf` tells whose writes failed. */
  flush(): void {
    for (const open of this.#gathering) {
      try {
        this.#flush(open);
      } catch {
        // Kept in the shard.
      }
    }
  }

  faultOf(shard: string): { readonly error: unknown } | undefined {
    return this.#open.get(shard)?.fault;
  }

  seal(shard: string, header: ShardHeader): void {
    // A column of a short chunk may have got no byte at all.
    const open = this.#open.get(shard) ?? this.#begin(shard);
    this.#flush(open);
    assert(open.written === header.dataLength, 'every byte was written');
    const table = open.table.subarray(0, checkBlocksOf(open.written) * 8);
    const padded = Buffer.alloc(roundUp(table.length, UNIT));
    table.copy(padded);
    this.#outputs.writeCopy(open.output, padded, UNIT + roundUp(open.written, UNIT));
    this.#outputs.writeCopy(open.output, encodeHeader(header, table, this.#options.seed), 0);
    this.#open.delete(shard);
    this.#unsyncedFiles.push(open.output.file);
    this.#unsyncedFolders.add(dirname(this.pathOf(shard)));
  }

  abort(shard: string): void {
    const open = this.#open.get(shard);
    if (open !== undefined) {
      this.#gathering.delete(open);
      fs.closeSync(open.output.file);
    }
    this.#open.delete(shard);
    this.delete(shard);
  }

  delete(shard: string): void {
    const reading = this.#reading.get(shard);
    if (reading !== undefined) fs.closeSync(reading.file);
    this.#reading.delete(shard);
    fs.rmSync(this.pathOf(shard), { force: true });
  }

  /** Verified bytes into the arena at `target`. `at` starts a checksum block. */
  read(shard: ShardName, at: number, length: number, target: number): void {
    const { file, table } = this.#openForReading(shard);
    readAll(file, this.#memory.subarray(target, target + length), UNIT + at);
    verify(this.#kernels, table, at, length, target);
  }

  /** Closes sealed files and makes them durable, folders included. Throws for all or none. */
  sync(durable: boolean): void {
    const files = this.#unsyncedFiles;
    const folders = this.#unsyncedFolders;
    this.#unsyncedFiles = [];
    this.#unsyncedFolders = new Set();
    try {
      for (const file of files) refuseUnlinked(file);
      if (durable) {
        for (const file of files) fs.fdatasyncSync(file);
        for (const folder of folders) syncFolder(folder);
      }
    } finally {
      for (const file of files) fs.closeSync(file);
    }
  }

  /** Names of the fan-out folders, in order. */
  folders(): string[] {
    return namesIn(this.#root);
  }

  list(folder: string): ListedPage['shards'] {
    const shards: ListedShard[] = [];
    for (const name of namesIn(join(this.#root, folder))) {
      const match = /^([0-9a-f]{32})\.(\d+)$/.exec(name);
      if (match === null || this.#open.has(name)) continue;
      const path = join(this.#root, folder, name);
      const bytes = fs.statSync(path, { throwIfNoEntry: false })?.size;
      if (bytes === undefined) continue;
      const [, chunk = '', column = ''] = match;
      const sealed = this.#readHeader(path) !== undefined;
      shards.push({ chunk, column: Number(column), place: { shard: name }, bytes, sealed });
    }
    return shards;
  }

  close(): void {
    for (const { output } of this.#open.values()) fs.closeSync(output.file);
    for (const { file } of this.#reading.values()) fs.closeSync(file);
    this.#open.clear();
    this.#gathering.clear();
    this.#reading.clear();
  }

  #begin(shard: string): OpenShard {
    const open: OpenShard = {
      output: this.#create(this.pathOf(shard)),
      table: Buffer.alloc(TABLE_BYTES),
      written: 0,
      gathered: [],
      gatheredAt: 0,
      gatheredBytes: 0,
      fault: undefined,
    };
    this.#open.set(shard, open);
    return open;
  }

  #flush(open: OpenShard): void {
    const { gathered, gatheredAt } = open;
    this.#gathering.delete(open);
    if (open.fault !== undefined) throw open.fault.error;
    if (gathered.length === 0) return;
    open.gatheredAt += open.gatheredBytes;
    open.gatheredBytes = 0;
    open.gathered = [];
    try {
      this.#outputs.write(open.output, gathered, UNIT + gatheredAt);
    } catch (error) {
      open.fault = { error };
      throw error;
    }
  }

  #create(path: string): OutputFile {
    this.#options.requireFolder();
    try {
      return this.#outputs.create(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // The root as well: somebody may have removed it.
      this.#unsyncedFolders.add(this.#root).add(dirname(this.#root));
      return this.#outputs.create(path);
    }
  }

  #addChecksums(open: OpenShard, offset: number, length: number): void {
    const first = open.written / CHECK_BLOCK;
    const blocks = checkBlocksOf(length);
    if ((first + blocks) * 8 > open.table.length) {
      open.table = Buffer.concat([open.table, Buffer.alloc(open.table.length)]);
    }
    for (let index = 0; index < blocks; index += 1) {
      const start = index * CHECK_BLOCK;
      const sum = this.#kernels.xxh64(offset + start, Math.min(CHECK_BLOCK, length - start));
      open.table.writeBigUInt64LE(sum, (first + index) * 8);
    }
  }

  #openForReading({ chunk, column, dataLength }: ShardName): ReadShard {
    const shard = `${chunk}.${column}`;
    const known = this.#reading.get(shard);
    if (known !== undefined) {
      this.#reading.delete(shard);
      this.#reading.set(shard, known);
      return known;
    }
    const file = fs.openSync(this.pathOf(shard), 'r');
    try {
      const unit = Buffer.alloc(UNIT);
      readAll(file, unit, 0);
      const header = decodeHeader(unit, this.#options.seed);
      const right = header?.chunk === chunk && header.column === column;
      if (!right || header.dataLength !== dataLength) {
        throw new ShardFault('corrupt', `${shard}: header`);
      }
      const table = Buffer.alloc(checkBlocksOf(dataLength) * 8);
      readAll(file, table, UNIT + roundUp(dataLength, UNIT));
      if (!tableMatches(unit, table)) throw new ShardFault('corrupt', `${shard}: checksum table`);
      this.#remember(shard, { file, table });
      return { file, table };
    } catch (error) {
      fs.closeSync(file);
      throw error;
    }
  }

  #readHeader(path: string): ShardHeader | undefined {
    const unit = Buffer.alloc(UNIT);
    const file = fs.openSync(path, 'r');
    try {
      const whole = fs.readSync(file, unit, 0, UNIT, 0) === UNIT;
      return whole ? decodeHeader(unit, this.#options.seed) : undefined;
    } finally {
      fs.closeSync(file);
    }
  }

  #remember(shard: string, entry: ReadShard): void {
    for (const [oldest, { file }] of this.#reading) {
      if (this.#reading.size < LIMITS.shardFilesOpen) break;
      fs.closeSync(file);
      this.#reading.delete(oldest);
    }
    this.#reading.set(shard, entry);
  }
}

/** Throws 'corrupt' unless every checksum block of the span has the sum in the table. */
export function verify(
  kernels: Kernels,
  table: Buffer,
  at: number,
  length: number,
  target: number,
): void {
  assert(at % CHECK_BLOCK === 0, 'reads start at a checksum block');
  for (let start = 0; start < length; start += CHECK_BLOCK) {
    const sum = kernels.xxh64(target + start, Math.min(CHECK_BLOCK, length - start));
    if (sum !== table.readBigUInt64LE(((at + start) / CHECK_BLOCK) * 8)) {
      throw new ShardFault('corrupt', `checksum of block ${(at + start) / CHECK_BLOCK}`);
    }
  }
}
