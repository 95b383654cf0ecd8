import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ListOptions } from '../../../src/objects/listing-contract.ts';
import { BUCKET, ObjectRoom, OWNER, PLAIN } from '../../support/object-room.ts';

const byBytes = (left: string, right: string): number =>
  Buffer.compare(Buffer.from(left), Buffer.from(right));

async function roomWith(keys: readonly string[], indexPartitions = 4): Promise<ObjectRoom> {
  const room = await ObjectRoom.open({ indexPartitions });
  await room.createBucket();
  await Promise.all(keys.map((key) => room.put(key, key)));
  return room;
}

/** What a listing is, said simply: every name once, in order, cut at the limit. */
function expected(
  keys: readonly string[],
  options: ListOptions,
): { names: string[]; more: boolean } {
  const { prefix, delimiter, after, limit } = options;
  const rolled = (key: string): string => {
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    return at < 0 ? key : key.slice(0, at + delimiter.length);
  };
  const isPrefix = after.startsWith(prefix) && rolled(after) === after && after.endsWith(delimiter);
  const names = keys
    .filter((key) => key.startsWith(prefix) && byBytes(key, after) > 0)
    .filter((key) => !(delimiter !== '' && isPrefix && key.startsWith(after)))
    .map(rolled);
  const unique = [...new Set(names)].toSorted(byBytes);
  return { names: unique.slice(0, limit), more: limit > 0 && unique.length > limit };
}

describe('listing objects', () => {
  const key = fc.string({
    unit: fc.constantFrom('a', 'b', '/', '-', 'é', '𝄞', '\uffee'),
    minLength: 1,
    maxLength: 6,
  });

  it('equals the simple definition for any keys, prefix, delimiter, marker and limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 25 }),
        fc.oneof(
          fc.constant(''),
          key.map((text) => [...text].slice(0, 2).join('')),
        ),
        fc.constantFrom('', '/', '-', 'a/', 'é'),
        fc.oneof(fc.constant(''), key),
        fc.integer({ min: 0, max: 8 }),
        async (keys, prefix, delimiter, after, limit) => {
          const room = await roomWith(keys);
          const options = { prefix, delimiter, after, limit };
          const listing = room.store.list(BUCKET, options);
          const names = [...listing.entries.map((entry) => entry.key), ...listing.prefixes];
          const want = expected(keys, options);
          expect(names.toSorted(byBytes)).toEqual(want.names);
          expect(listing.entries.map((entry) => entry.key)).toEqual(
            listing.entries.map((entry) => entry.key).toSorted(byBytes),
          );
          expect(listing.truncated).toBe(want.more);
          expect(listing.next).toBe(want.more ? want.names.at(-1) : undefined);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('pages of any size add up to the whole', async () => {
    const keys = ['a', 'b/1', 'b/2', 'b/3', 'c', 'd/', 'd/x', 'e', 'f/1', 'g'];
    const room = await roomWith(keys);
    for (let limit = 1; limit <= 8; limit += 1) {
      const names: string[] = [];
      let after = '';
      for (;;) {
        const page = room.store.list(BUCKET, { prefix: '', delimiter: '/', after, limit });
        names.push(...[...page.entries.map((entry) => entry.key), ...page.prefixes].toSorted());
        if (!page.truncated) break;
        after = page.next ?? '';
      }
      expect(names).toEqual(['a', 'b/', 'c', 'd/', 'e', 'f/', 'g']);
    }
  });

  it('tells size, ETag, class and owner without reading the object', async () => {
    const room = await roomWith(['k']);
    const { entries } = room.store.list(BUCKET, LIST);
    const { head } = room.store.read(BUCKET, 'k', { conditions: {} });
    expect(entries).toEqual([
      {
        key: 'k',
        size: 1,
        mtimeMs: head.mtimeMs,
        etag: head.etag,
        storageClass: PLAIN.storageClass,
        ownerId: OWNER,
        checksum: undefined,
      },
    ]);
  });

  it('skips a common prefix with one seek', async () => {
    const keys = Array.from({ length: 500 }, (_, n) => `p${n % 5}/${n}`);
    const room = await roomWith(keys, 1);
    let rows = 0;
    const scan = room.meta.scan.bind(room.meta);
    room.meta.scan = (partition, options) => {
      const page = scan(partition, options);
      rows += page.rows.length;
      return page;
    };
    const listing = room.store.list(BUCKET, { ...LIST, delimiter: '/' });
    expect(listing.prefixes).toEqual(['p0/', 'p1/', 'p2/', 'p3/', 'p4/']);
    expect(rows).toBeLessThan(30);
  });

  it('takes markers and prefixes longer than any key', async () => {
    const room = await roomWith(['a', 'z']);
    const long = 'm'.repeat(5000);
    expect(room.store.list(BUCKET, { ...LIST, prefix: long }).entries).toEqual([]);
    const { entries } = room.store.list(BUCKET, { ...LIST, after: long });
    expect(entries.map((entry) => entry.key)).toEqual(['z']);
  });
});

const LIST = { prefix: '', delimiter: '', after: '', limit: 1000 };

describe('listing uploads', () => {
  it('is by key, then by time, with both markers and a delimiter', async () => {
    const room = await roomWith([], 4);
    const ids: Record<string, string[]> = {};
    for (const key of ['b', 'a/1', 'b', 'a/2', 'c']) {
      room.clock.ms += 1;
      (ids[key] ??= []).push((await room.createUpload(key)).uploadId);
    }
    const names = (options: object): (string | undefined)[] => {
      const defaults = { prefix: '', delimiter: '', keyMarker: '', uploadIdMarker: '', limit: 100 };
      const listing = room.store.listUploads(BUCKET, { ...defaults, ...options });
      return [...listing.entries.map(({ uploadId }) => uploadId), ...listing.prefixes];
    };
    const [b1, b2] = ids['b'] as [string, string];
    const [a1, a2] = [ids['a/1']?.[0], ids['a/2']?.[0]];
    const c = ids['c']?.[0];
    expect(names({})).toEqual([a1, a2, b1, b2, c]);
    expect(names({ keyMarker: 'b' })).toEqual([c]);
    expect(names({ keyMarker: 'b', uploadIdMarker: b1 })).toEqual([b2, c]);
    expect(names({ uploadIdMarker: b1 })).toEqual([a1, a2, b1, b2, c]);
    expect(names({ delimiter: '/' })).toEqual([b1, b2, c, 'a/']);
    expect(names({ delimiter: '/', keyMarker: 'a/' })).toEqual([b1, b2, c]);
    expect(names({ prefix: 'a/' })).toEqual([a1, a2]);
    const page = room.store.listUploads(BUCKET, {
      prefix: '',
      delimiter: '',
      keyMarker: '',
      uploadIdMarker: '',
      limit: 3,
    });
    expect(page).toMatchObject({ truncated: true, next: 'b' });
  });
});
