/**
 * What this machine can do by itself in the same minute: one lane of OpenSSL's MD5, `dd` with
 * fdatasync, and a fixed loop of arithmetic and copying that stands for the machine when figures
 * of different machines are compared. Each is a floor or a ceiling that a result is divided by.
 */
import { execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MIB = 1024 * 1024;
const run = promisify(execFile);

/** MB/s (10^6 bytes) of wall time: one stream, one core, OpenSSL as Node brings it. */
export function md5Rate(bytes: number): number {
  const piece = Buffer.alloc(MIB);
  randomFillSync(piece);
  const hash = createHash('md5');
  const startedMs = performance.now();
  let done = 0;
  for (; done < bytes; done += piece.length) hash.update(piece);
  hash.digest();
  return done / 1e3 / (performance.now() - startedMs);
}

/** A file of random bytes in memory, so that `dd` is not held up by its source. */
function source(bytes: number): { readonly path: string; remove(): void } {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sluice-dd-'));
  const path = join(directory, 'source');
  const piece = Buffer.alloc(16 * MIB);
  randomFillSync(piece);
  const file = openSync(path, 'w');
  for (let at = 0; at < bytes; at += piece.length) {
    writeSync(file, piece, 0, Math.min(piece.length, bytes - at));
  }
  closeSync(file);
  return { path, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** MB/s of `dd bs=1M conv=fdatasync` into a new file in `directory`, sync included. */
export async function ddRate(directory: string, bytes: number): Promise<number> {
  const from = source(bytes);
  const target = mkdtempSync(join(directory, 'sluice-dd-'));
  try {
    const args = [`if=${from.path}`, `of=${join(target, 'written')}`, 'bs=1M', 'conv=fdatasync'];
    const startedMs = performance.now();
    await run('dd', args);
    return bytes / 1e3 / (performance.now() - startedMs);
  } finally {
    from.remove();
    rmSync(target, { recursive: true, force: true });
  }
}

const CALIBRATION_BYTES = 64 * MIB;

/**
 * CPU milliseconds of a fixed piece of work: MD5, a copy, and arithmetic in JavaScript. Compared
 * figures are divided by it, so that a slower machine is not taken for a slower program.
 */
export function calibrate(rounds = 3): number {
  let best = Number.POSITIVE_INFINITY;
  const piece = Buffer.alloc(MIB, 7);
  const copy = Buffer.alloc(MIB);
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    const hash = createHash('md5');
    let sum = 0;
    for (let done = 0; done < CALIBRATION_BYTES; done += MIB) {
      hash.update(piece);
      piece.copy(copy);
      for (let at = 0; at < MIB; at += 8) sum = (Math.imul(sum, 31) + (copy[at] ?? 0)) | 0;
    }
    piece[0] = hash.digest()[0] ?? sum;
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1e3);
  }
  return best;
}
