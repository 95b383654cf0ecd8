/**
 * The bounds of the metadata contract, asserted by every store before it touches anything. They
 * are what a RADOS omap engine can do; breaking one is a programmer error.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { Commit, Scan } from './meta-store.ts';

export function assertCommit(commit: Commit): void {
  const { partition, checks, writes } = commit;
  assert(partition.length > 0 && !partition.includes('\0'), 'partition name');
  assert(writes.length <= LIMITS.commitWrites, `${writes.length} writes in one commit`);
  assert(checks.length + writes.length > 0, 'a commit checks or writes something');
  for (const check of checks) assertKey(check.key);
  const keys = new Set<string>();
  for (const write of writes) {
    assertKey(write.key);
    if (write.kind === 'put') assertValue(write.value);
    keys.add(Buffer.from(write.key).toString('latin1'));
  }
  assert(keys.size === writes.length, 'each row is written at most once in a commit');
}

export function assertScan(scan: Scan): void {
  assert(Number.isInteger(scan.limit) && scan.limit > 0, 'scan limit is positive');
  assert(scan.limit <= LIMITS.scanRows, `scan of ${scan.limit} rows`);
}

function assertKey(key: Uint8Array): void {
  assert(key.length > 0 && key.length <= LIMITS.rowKeyBytes, `row key of ${key.length} bytes`);
}

function assertValue(value: Uint8Array): void {
  assert(value.length > 0, 'no empty values');
  assert(value.length <= LIMITS.rowValueBytes, `value of ${value.length} bytes`);
}
