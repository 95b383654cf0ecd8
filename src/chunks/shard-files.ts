/**
 * Shard files of one datanode: `shards/<xx>/<chunk>.<column>`. Runs in the datanode thread, all
 * calls synchronous. Data is written as it comes; `seal` adds the checksum table and, last, the
 * header. The caller fsyncs what `takeUnsynced` names before it acknowledges a seal.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { ListedPage, ListedShard, SpanPair } from './datanode-protocol.ts';
import { codeOf, ShardFault } from './file-faults.ts';
import { CHECK_BLOCK, checkBlocksOf, decodeHeader, encodeHeader, roundUp, type ShardHeader, tableMatches, UNIT } from './shard-format.ts';

interface OpenShard {
  readonly file: number;
  table: Buffer;
  written: number;
}

interface ReadShard {
  readonly file: number;
  readonly table: Buffer;
}

const READ_FILES_MAX = 256;

export class ShardFiles {
  readonly #root: string;
  readonly #kernels: Kernels;
  readonly #memory: Buffer;
  readonly #intact: () => boolean;
  readonly #open = new Map<string, OpenShard>();
  /** Least recently used first. */
  readonly #reading = new Map<string, ReadShard>();
  #unsyncedFiles: number[] = [];
  #unsyncedFolders = new Set<string>();

  /** `intact` says whether the datanode's folder still is the one that was opened. */
  constructor(directory: string, kernels: Kernels, intact: () => boolean) {
    this.#root = join(directory, 'shards');
    this.#kernels = kernels;
    this.#memory = Buffer.from(kernels.memory.buffer);
    this.#intact = intact;
    fs.mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  pathOf(shard: string): string {
    const dot = shard.indexOf('.');
    return join(this.#root, shard.slice(dot - 2, dot), shard);
  }

  write(shard: string, at: number, spans: readonly SpanPair[]): void {
    let open = this.#open.get(shard);
    if (open === undefined) {
      open = { file: this.#create(this.pathOf(shard)), table: Buffer.alloc(2048), written: 0 };
      this.#open.set(shard, open);
    }
    assert(at === open.written, 'a column is written in order');
    for (const [offset, length] of spans) {
      assert(open.written % CHECK_BLOCK === 0, 'only the last write is short');
      this.#addChecksums(open, offset, length);
      // The slack of the block belongs to the writer: zeroes keep the file in whole units.
      const padded = roundUp(length, UNIT);
      if (padded > length) this.#kernels.zero(offset + length, padded - length);
      writeAll(open.file, this.#memory.subarray(offset, offset + padded), UNIT + open.written);
      open.written += length;
    }
  }

  seal(shard: string, header: ShardHeader): void {
    // A column of a short chunk may have got no byte at all.
    if (!this.#open.has(shard)) this.write(shard, 0, []);
    const open = this.#open.get(shard);
    assert(open !== undefined && open.written === header.dataLength, 'every byte was written');
    const table = open.table.subarray(0, checkBlocksOf(open.written) * 8);
    const padded = Buffer.alloc(roundUp(table.length, UNIT));
    table.copy(padded);
    writeAll(open.file, padded, UNIT + roundUp(open.written, UNIT));
    writeAll(open.file, encodeHeader(header, table), 0);
    this.#open.delete(shard);
    this.#unsyncedFiles.push(open.file);
    this.#unsyncedFolders.add(dirname(this.pathOf(shard)));
  }

  abort(shard: string): void {
    const open = this.#open.get(shard);
    if (open !== undefined) fs.closeSync(open.file);
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
  read(chunk: string, column: number, dataLength: number, at: number, length: number, target: number): void {
    const { file, table } = this.#openForReading(chunk, column, dataLength);
    readAll(file, this.#memory.subarray(target, target + length), UNIT + at);
    verify(this.#kernels, table, at, length, target);
  }

  /** Closes sealed files and makes them durable, folders included. */
  sync(durable: boolean): void {
    const files = this.#unsyncedFiles;
    const folders = this.#unsyncedFolders;
    this.#unsyncedFiles = [];
    this.#unsyncedFolders = new Set();
    try {
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
    return fs.readdirSync(this.#root).toSorted();
  }

  list(folder: string): ListedPage['shards'] {
    const shards: ListedShard[] = [];
    for (const name of fs.readdirSync(join(this.#root, folder))) {
      const match = /^([0-9a-f]{32})\.(\d+)$/.exec(name);
      if (match === null || this.#open.has(name)) continue;
      const path = join(this.#root, folder, name);
      const bytes = fs.statSync(path, { throwIfNoEntry: false })?.size;
      if (bytes === undefined) continue;
      const [, chunk = '', column = ''] = match;
      const sealed = readHeader(path) !== undefined;
      shards.push({ chunk, column: Number(column), place: { shard: name }, bytes, sealed });
    }
    return shards;
  }

  close(): void {
    for (const { file } of this.#open.values()) fs.closeSync(file);
    for (const { file } of this.#reading.values()) fs.closeSync(file);
    this.#open.clear();
    this.#reading.clear();
  }

  #create(path: string): number {
    if (!this.#intact()) throw new ShardFault('unavailable', 'the datanode lost its folder');
    try {
      return fs.openSync(path, 'wx', 0o600);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      this.#unsyncedFolders.add(this.#root);
      return fs.openSync(path, 'wx', 0o600);
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

  #openForReading(chunk: string, column: number, dataLength: number): ReadShard {
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
      const header = decodeHeader(unit);
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

  #remember(shard: string, entry: ReadShard): void {
    for (const [oldest, { file }] of this.#reading) {
      if (this.#reading.size < READ_FILES_MAX) break;
      fs.closeSync(file);
      this.#reading.delete(oldest);
    }
    this.#reading.set(shard, entry);
  }
}

function readHeader(path: string): ShardHeader | undefined {
  const unit = Buffer.alloc(UNIT);
  const file = fs.openSync(path, 'r');
  try {
    return fs.readSync(file, unit, 0, UNIT, 0) === UNIT ? decodeHeader(unit) : undefined;
  } finally {
    fs.closeSync(file);
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

export function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    at += fs.writeSync(file, bytes, at, bytes.length - at, position + at);
  }
}

/** Throws 'corrupt' when the file ends before the bytes do. */
export function readAll(file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    const count = fs.readSync(file, bytes, at, bytes.length - at, position + at);
    if (count === 0) throw new ShardFault('corrupt', 'the file is too short');
    at += count;
  }
}

/** A new name is durable only with its folder. */
export function syncFolder(folder: string): void {
  const file = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}
