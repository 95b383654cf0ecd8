/** Files of test data and their digests, without holding them in memory. */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';

const PIECE_BYTES = 4 * 1024 * 1024;

export function writeRandomFile(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  for (let left = bytes; left > 0; left -= PIECE_BYTES) {
    writeSync(file, randomBytes(Math.min(left, PIECE_BYTES)));
  }
  closeSync(file);
}

export function sha256File(path: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(PIECE_BYTES);
  const file = openSync(path, 'r');
  for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) {
    hash.update(piece.subarray(0, read));
  }
  closeSync(file);
  return hash.digest('hex');
}

/** Relative path → SHA-256 of every regular file below `directory`. */
export function treeDigests(directory: string): Map<string, string> {
  const digests = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() && statSync(path).isFile()) {
        digests.set(relative(directory, path), sha256File(path));
      }
    }
  };
  walk(directory);
  return digests;
}
