/**
 * Row keys: decoding gives back what was encoded, and the byte order of row keys is the byte
 * order of the S3 keys, prefixes and positions included.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import * as keyspace from '../../../src/meta/keyspace.ts';
import type { Partition } from '../../../src/meta/meta-store.ts';

const order = (left: Uint8Array, right: Uint8Array): number =>
  Math.sign(Buffer.compare(left, right));
const byteOrder = (left: string, right: string): number =>
  order(Buffer.from(left), Buffer.from(right));
const startsWith = (rowKey: Uint8Array, prefix: Uint8Array): boolean =>
  Buffer.compare(rowKey.subarray(0, prefix.length), prefix) === 0;

/** Keys around every boundary: NULs, the group length, high code points. */
const unit = fc.constantFrom('\0', '\u0001', 'a', '/', '\u007f', 'é', '\uffff', '😀');
const key = fc.oneof(
  fc.array(unit, { minLength: 1, maxLength: 6 }).map((units) => units.join('')),
  fc
    .tuple(fc.constantFrom('\0', 'a'), fc.integer({ min: 60, max: 132 }), unit)
    .map(([first, count, last]) => first.repeat(count) + last),
);
const id = fc
  .array(fc.constantFrom(...'0123456789abcdef'.split('')), { minLength: 32, maxLength: 32 })
  .map((digits) => digits.join(''));
const ZERO = '0'.repeat(32);

describe('object rows', () => {
  it('round trip and keep byte order', () => {
    fc.assert(
      fc.property(key, key, (left, right) => {
        expect(keyspace.decodeObjectKey(keyspace.objectKey(left))).toBe(left);
        const rows = order(keyspace.objectKey(left), keyspace.objectKey(right));
        expect(rows).toBe(byteOrder(left, right));
      }),
    );
  });

  it('have a position behind each prefix and before the next key', () => {
    fc.assert(
      fc.property(key, key, (prefix, other) => {
        const behind = keyspace.objectsBehind(prefix);
        const before = order(keyspace.objectKey(other), behind) < 0;
        expect(before).toBe(other.startsWith(prefix) || byteOrder(other, prefix) < 0);
      }),
    );
  });
});

describe('upload rows', () => {
  it('round trip and order by key, then by id', () => {
    fc.assert(
      fc.property(key, id, key, id, (left, leftId, right, rightId) => {
        const rowKey = keyspace.uploadKey(left, leftId);
        expect(keyspace.decodeUploadKey(rowKey)).toEqual({ key: left, uploadId: leftId });
        const expected = byteOrder(left, right) || byteOrder(leftId, rightId);
        expect(order(rowKey, keyspace.uploadKey(right, rightId))).toBe(expected);
      }),
    );
  });

  it('are found by exactly the prefixes of their key', () => {
    fc.assert(
      fc.property(key, key, (prefix, other) => {
        const scan = keyspace.uploadScan(prefix);
        const rowKey = keyspace.uploadKey(other, ZERO);
        const behindAfter = scan.after === undefined || order(rowKey, scan.after) > 0;
        expect(startsWith(rowKey, scan.prefix) && behindAfter).toBe(other.startsWith(prefix));
      }),
      { numRuns: 500 },
    );
    expect(keyspace.uploadScan('')).toEqual({ prefix: Uint8Array.of(0x75), after: undefined });
  });

  it('are positioned behind a marker, a key and a prefix', () => {
    fc.assert(
      fc.property(key, id, key, id, (marker, markerId, other, otherId) => {
        const rowKey = keyspace.uploadKey(other, otherId);
        const behind = (position: Uint8Array): boolean => order(rowKey, position) > 0;
        const keys = byteOrder(other, marker);
        expect(behind(keyspace.uploadsAfter(marker, ''))).toBe(keys > 0);
        const ids = byteOrder(otherId, markerId);
        expect(behind(keyspace.uploadsAfter(marker, markerId))).toBe(
          keys > 0 || (keys === 0 && ids > 0),
        );
        expect(behind(keyspace.uploadsBehind(marker))).toBe(keys > 0 && !other.startsWith(marker));
      }),
      { numRuns: 500 },
    );
  });

  it('fit a row key for every S3 key, also one of NULs', () => {
    const longest = keyspace.uploadKey('\0'.repeat(LIMITS.keyBytes), ZERO);
    expect(longest.length).toBeLessThanOrEqual(LIMITS.rowKeyBytes);
    expect(keyspace.decodeUploadKey(longest).key).toHaveLength(LIMITS.keyBytes);
  });
});

describe('other rows', () => {
  it('order reclaim rows by due time', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), id, fc.maxSafeNat(), (due, reclaimId, other) => {
        const rowKey = keyspace.reclaimKey(due, reclaimId);
        expect(keyspace.decodeReclaimKey(rowKey)).toEqual({ dueMs: due, id: reclaimId });
        if (due === other) return;
        expect(order(rowKey, keyspace.reclaimKey(other, ZERO))).toBe(Math.sign(due - other));
      }),
    );
  });

  it('order parts and pages by number', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffff), (left, right) => {
        expect(keyspace.decodePartKey(keyspace.partKey(left))).toBe(left);
        expect(order(keyspace.partKey(left), keyspace.partKey(right))).toBe(
          Math.sign(left - right),
        );
        expect(keyspace.decodePageKey(keyspace.pageKey(left * 65_537))).toBe(left * 65_537);
        const pages = order(keyspace.pageKey(left * 9), keyspace.pageKey(right * 9));
        expect(pages).toBe(Math.sign(left - right));
      }),
    );
  });

  it('name buckets by volume and name', () => {
    const rowKey = keyspace.bucketKey('s3v', 'my.bucket');
    expect(keyspace.decodeBucketKey(rowKey)).toEqual({ volume: 's3v', name: 'my.bucket' });
    expect(startsWith(rowKey, keyspace.bucketPrefix('s3v'))).toBe(true);
    expect(startsWith(rowKey, keyspace.bucketPrefix('s3'))).toBe(false);
    expect(() => keyspace.bucketKey('a\0b', 'c')).toThrow();
  });
});

describe('partitions', () => {
  it('name what they hold', () => {
    const bucketId = 'ab'.repeat(16);
    const addresses: [Partition, keyspace.PartitionAddress | undefined][] = [
      [keyspace.BUCKETS, { kind: 'buckets' }],
      [keyspace.indexPartition(bucketId, 7), { kind: 'index', bucketId, number: 7 }],
      [keyspace.partsPartition(bucketId), { kind: 'parts', uploadId: bucketId }],
      [keyspace.blobPartition(bucketId), { kind: 'blob', blobId: bucketId }],
      ['p/../0' as Partition, undefined],
      [`o/${bucketId}` as Partition, undefined],
    ];
    for (const [partition, address] of addresses) {
      expect(keyspace.partitionAddress(partition)).toEqual(address);
    }
    expect(() => keyspace.partsPartition('../etc')).toThrow();
  });

  it('spread keys evenly and stably', () => {
    const bucketId = 'ab'.repeat(16);
    const counts = new Map<string, number>();
    for (let at = 0; at < 4000; at += 1) {
      const partition = keyspace.indexPartitionOf(bucketId, `photos/${at}.jpg`, 4);
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    }
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
    // A change of this value would lose every stored object of a partitioned bucket.
    expect(keyspace.indexPartitionOf(bucketId, 'a', 1000)).toBe(
      `o/${bucketId}/${0x550d7456 % 1000}`,
    );
  });
});
