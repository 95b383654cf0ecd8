/**
 * Whole reads and writes of files, and files written around the page cache. Runs in datanode
 * threads, all calls synchronous.
 */
import * as fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import { assert } from '../base/assert.ts';
import type { FileAccess } from './datanode-protocol.ts';
import { codeOf, ShardFault } from './file-faults.ts';

const STAGING_BYTES = 64 * 1024;
/** Types of file systems that are memory: there is no disk to write to. */
const MEMORY_TYPES: readonly number[] = [0x01021994, 0x858458f6];

export function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    at += fs.writeSync(file, bytes, at, bytes.length - at, position + at);
  }
}

/** The pieces one after the other, in one call as a rule. */
export function writeAllOf(file: number, pieces: readonly Uint8Array[], position: number): void {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) {
    writeAll(file, only, position);
    return;
  }
  let left = fs.writevSync(file, pieces, position);
  let at = position;
  for (const piece of pieces) {
    if (left < piece.length) writeAll(file, piece.subarray(left), at + left);
    left = Math.max(left - piece.length, 0);
    at += piece.length;
  }
}

/** Throws 'corrupt' when the file ends before the bytes do. */
export function readAll(file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    const count = fs.readSync(file, bytes, at, bytes.length - at, position + at);
    if (count === 0) throw new ShardFault('corrupt', 'the file is too short');
    at += count;
  }
}

/** Nothing when the folder is not there: somebody removed it, and reads find that out. */
export function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder).toSorted();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
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

/** Makes a folder and those above it, private; the names of new ones are durable. */
export function makeFolder(folder: string): void {
  const path = resolve(folder);
  const first = fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= resolve(first).length; made = dirname(made)) {
    syncFolder(dirname(made));
    if (made === dirname(made)) return;
  }
}

/** How `auto` decides for the file system of a folder. */
export function accessFor(io: FileAccess, folder: string, durable: boolean): FileAccess {
  if (io !== 'auto') return io;
  return durable && !MEMORY_TYPES.includes(fs.statfsSync(folder).type) ? 'direct' : 'buffered';
}

/** A file being written. Its descriptor changes when the file system refuses O_DIRECT. */
export interface OutputFile {
  readonly path: string;
  file: number;
}

/**
 * Creates and writes files in whole units: offsets, lengths and, for O_DIRECT, addresses. Where
 * the file system refuses O_DIRECT, at the opening or at a write, it goes on with the page cache.
 */
export class OutputFiles {
  #direct: boolean;
  /** A page-aligned place for bytes that come from ordinary memory. */
  #staging: Buffer | undefined;

  constructor(io: FileAccess) {
    this.#direct = io === 'direct' && fs.constants.O_DIRECT !== undefined;
  }

  get io(): FileAccess {
    return this.#direct ? 'direct' : 'buffered';
  }

  create(path: string): OutputFile {
    if (this.#direct) {
      const { O_CREAT, O_DIRECT, O_EXCL, O_WRONLY } = fs.constants;
      try {
        return { path, file: fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT, 0o600) };
      } catch (error) {
        if (codeOf(error) !== 'EINVAL') throw error;
        this.#direct = false;
        // Linux makes the file before it refuses the flag.
        fs.rmSync(path, { force: true });
      }
    }
    return { path, file: fs.openSync(path, 'wx', 0o600) };
  }

  write(output: OutputFile, pieces: readonly Uint8Array[], position: number): void {
    try {
      writeAllOf(output.file, pieces, position);
    } catch (error) {
      if (codeOf(error) !== 'EINVAL') throw error;
      this.#direct = false;
      const buffered = fs.openSync(output.path, 'r+');
      fs.closeSync(output.file);
      output.file = buffered;
      writeAllOf(buffered, pieces, position);
    }
  }

  /** Bytes of ordinary memory, which is not aligned. */
  writeCopy(output: OutputFile, bytes: Uint8Array, position: number): void {
    if (!this.#direct) {
      this.write(output, [bytes], position);
      return;
    }
    assert(bytes.length <= STAGING_BYTES, 'headers and tables fit the staging page');
    this.#staging ??= Buffer.from(new WebAssembly.Memory({ initial: 1 }).buffer);
    this.#staging.set(bytes);
    this.write(output, [this.#staging.subarray(0, bytes.length)], position);
  }
}
