/** Pieces land where they should, and `auto` picks the way round the page cache only for disks. */
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accessFor, writeAllOf } from '../../../src/chunks/file-bytes.ts';

describe('file bytes', () => {
  it('pieces written in one call equal pieces written one by one', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-bytes-'));
    const path = join(directory, 'file');
    const pieces = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 9 });
    try {
      fc.assert(
        fc.property(pieces, fc.nat(5000), (written, position) => {
          const file = openSync(path, 'w');
          writeAllOf(file, written, position);
          closeSync(file);
          const payload = Buffer.concat(written);
          const expected = Buffer.concat([Buffer.alloc(payload.length && position), payload]);
          expect(readFileSync(path).equals(expected)).toBe(true);
        }),
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('auto means buffered without a sync and without a disk; what was said is kept', () => {
    expect(accessFor('auto', tmpdir(), false)).toBe('buffered');
    expect(accessFor('direct', tmpdir(), false)).toBe('direct');
    expect(accessFor('buffered', tmpdir(), true)).toBe('buffered');
    // Linux mounts memory here, everywhere; other systems have no such folder.
    if (existsSync('/dev/shm')) expect(accessFor('auto', '/dev/shm', true)).toBe('buffered');
    expect(accessFor('auto', '/proc', true)).toBe('direct');
  });
});
