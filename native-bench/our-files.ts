/**
 * Our side of durable writing: synchronous writes from a shared `WebAssembly.Memory`, as datanode
 * threads do them, with the plans of files.c. The file is new and is removed whatever happens.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { OutputFiles } from '../src/chunks/file-bytes.ts';
import { type Sample, sampleOf } from './sample.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SOURCE_BYTES = 4 * MIB;

export interface WritePlan {
  /** As files.c names it. */
  readonly name: string;
  readonly what: string;
  readonly writeBytes: number;
  readonly batchBytes: number;
  readonly direct: boolean;
}

const plan = (
  name: string,
  what: string,
  writeBytes: number,
  batchBytes: number,
  direct: boolean,
): WritePlan => ({ name, what, writeBytes, batchBytes, direct });

export const WRITE_PLANS: readonly WritePlan[] = [
  plan('write-sync-1m', 'page cache, fdatasync per 1 MiB', 256 * KIB, MIB, false),
  plan('write-sync-8m', 'page cache, fdatasync per 8 MiB', 256 * KIB, 8 * MIB, false),
  plan('write-sync-64m', 'page cache, fdatasync per 64 MiB', 256 * KIB, 64 * MIB, false),
  plan('direct-256k-sync-8m', 'O_DIRECT 256 KiB, per 8 MiB', 256 * KIB, 8 * MIB, true),
  plan('direct-1m-sync-64m', 'O_DIRECT 1 MiB, per 64 MiB', MIB, 64 * MIB, true),
];

const memory = new WebAssembly.Memory({
  initial: SOURCE_BYTES / (64 * KIB),
  maximum: SOURCE_BYTES / (64 * KIB),
  shared: true,
});
const source = Buffer.from(memory.buffer).fill(0x5a);

/** Undefined: the file system refuses O_DIRECT. */
export function writeFile(
  directory: string,
  how: WritePlan,
  megabytes: number,
): Sample | undefined {
  const bytes = (Math.floor((megabytes * 1e6) / MIB) + 1) * MIB;
  const path = join(directory, `native-bench-${process.pid}`);
  const outputs = new OutputFiles(how.direct ? 'direct' : 'buffered');
  const output = outputs.create(path);
  try {
    if (how.direct && outputs.io !== 'direct') return undefined;
    const before = process.cpuUsage();
    const startedMs = performance.now();
    for (let at = 0, unsynced = 0; at < bytes; at += how.writeBytes) {
      const from = at % SOURCE_BYTES;
      outputs.write(output, [source.subarray(from, from + how.writeBytes)], at);
      unsynced += how.writeBytes;
      if (unsynced < how.batchBytes && at + how.writeBytes < bytes) continue;
      fs.fdatasyncSync(output.file);
      unsynced = 0;
    }
    const wallMs = performance.now() - startedMs;
    const { user, system } = process.cpuUsage(before);
    if (how.direct && outputs.io !== 'direct') return undefined;
    return sampleOf(how.name, bytes, (user + system) * 1e3, wallMs * 1e6);
  } finally {
    fs.closeSync(output.file);
    fs.rmSync(path, { force: true });
  }
}
