/**
 * The metadata contract as a suite: every implementation of `MetaStore` passes it unchanged.
 * Nothing here knows an engine.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.ts';
import type { Check, MetaStore, Partition, Rev, Row, Write } from '../../src/meta/meta-store.ts';
import { MemoryMetaStore } from '../support/memory-meta-store.ts';

export interface OpenedStore {
  readonly store: MetaStore;
  /** Closes and opens the same data again; absent: the store keeps nothing. */
  readonly reopen?: () => Promise<MetaStore>;
  readonly dispose: () => Promise<void>;
}

const P = 'o/partition/0' as Partition;
const OTHER = 'o/partition/1' as Partition;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, 'latin1'));
const put = (key: Uint8Array, value: Uint8Array = text('v')): Write => ({
  kind: 'put',
  key,
  value,
});
const remove = (key: Uint8Array): Write => ({ kind: 'delete', key });
const keysOf = (rows: readonly Row[]): string[] =>
  rows.map((row) => Buffer.from(row.key).toString('latin1'));

export function metaStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} keeps the metadata contract`, () => {
    let opened: OpenedStore;
    let store: MetaStore;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.dispose());

    const write = async (...writes: Write[]): Promise<void> => {
      expect(await store.commit({ partition: P, checks: [], writes })).toBe('committed');
    };
    const revOf = (key: Uint8Array): Rev => {
      const row = store.get(P, key);
      if (row === undefined) throw new Error('row expected');
      return row.rev;
    };

    reads();
    commits();
    boundsAndModel();

    function reads(): void {
      it('gets what was put, as an own copy', async () => {
        const value = text('first');
        await write(put(text('k'), value));
        value.fill(0);
        const row = store.get(P, text('k'));
        expect(Buffer.from(row?.value ?? []).toString()).toBe('first');
        row?.value.fill(0x2a);
        expect(Buffer.from(store.get(P, text('k'))?.value ?? []).toString()).toBe('first');
        expect(store.get(P, text('other'))).toBeUndefined();
        expect(store.get(OTHER, text('k'))).toBeUndefined();
      });

      it('keeps an earlier value intact while later ones are read and written', async () => {
        await write(put(text('a'), text('A'.repeat(40_000))), put(text('b'), text('B'.repeat(50))));
        const first = store.get(P, text('a'));
        store.get(P, text('b'));
        await write(put(text('a'), text('C'.repeat(40_000))));
        store.get(P, text('a'));
        expect(Buffer.from(first?.value ?? []).toString()).toBe('A'.repeat(40_000));
      });

      it('scans in byte order', async () => {
        const keys = [
          bytes(0xff),
          bytes(0),
          bytes(0x61, 0),
          bytes(0x61),
          bytes(0x61, 0xff),
          bytes(0x62),
        ];
        await write(...keys.map((key) => put(key)));
        const { rows, more } = store.scan(P, { prefix: bytes(), limit: 100 });
        const sorted = [...keys].sort((left, right) => Buffer.compare(left, right));
        expect(rows.map((row) => [...row.key])).toEqual(sorted.map((key) => [...key]));
        expect(more).toBe(false);
      });

      it('starts behind `after`, whether that row exists or not', async () => {
        await write(put(text('a')), put(text('b')), put(text('d')));
        const from = (after: Uint8Array): string[] =>
          keysOf(store.scan(P, { prefix: bytes(), after, limit: 10 }).rows);
        expect(from(text('a'))).toEqual(['b', 'd']);
        expect(from(text('aa'))).toEqual(['b', 'd']);
        expect(from(text('b'))).toEqual(['d']);
        expect(from(text('d'))).toEqual([]);
        expect(from(bytes(0xff, 0xff))).toEqual([]);
        expect(from(bytes())).toEqual(['a', 'b', 'd']);
      });

      it('keeps to the prefix, up to 0xff', async () => {
        await write(
          ...['p', 'pa', 'p\xff', 'p\xff\xff', 'p\xff\xff\x01', 'q', 'o\xff'].map((key) =>
            put(text(key)),
          ),
        );
        const from = (prefix: string, after?: string): string[] =>
          keysOf(
            store.scan(P, {
              prefix: text(prefix),
              after: after === undefined ? undefined : text(after),
              limit: 10,
            }).rows,
          );
        expect(from('p')).toEqual(['p', 'pa', 'p\xff', 'p\xff\xff', 'p\xff\xff\x01']);
        expect(from('p\xff')).toEqual(['p\xff', 'p\xff\xff', 'p\xff\xff\x01']);
        expect(from('p\xff\xff')).toEqual(['p\xff\xff', 'p\xff\xff\x01']);
        expect(from('p', 'a')).toEqual(from('p'));
        expect(from('p', 'p\xff')).toEqual(['p\xff\xff', 'p\xff\xff\x01']);
        expect(from('p', 'q')).toEqual([]);
        expect(from('\xff')).toEqual([]);
      });

      it('never shows rows of a neighbouring partition', async () => {
        const names = ['a', 'a/', 'a0', 'b'] as Partition[];
        for (const partition of names) {
          const writes = [put(bytes(0), text(partition)), put(bytes(0xff), text(partition))];
          await store.commit({ partition, checks: [], writes });
        }
        for (const partition of names) {
          const { rows } = store.scan(partition, { prefix: bytes(), limit: 10 });
          expect(rows.map((row) => Buffer.from(row.value).toString())).toEqual([
            partition,
            partition,
          ]);
        }
      });

      it('says exactly whether more rows match', async () => {
        await write(...['a', 'b', 'c'].map((key) => put(text(key))));
        const page = (limit: number): [number, boolean] => {
          const { rows, more } = store.scan(P, { prefix: bytes(), limit });
          return [rows.length, more];
        };
        expect(page(2)).toEqual([2, true]);
        expect(page(3)).toEqual([3, false]);
        expect(page(4)).toEqual([3, false]);
      });

      it('lists partitions in byte order, exclusive `after`', async () => {
        for (const partition of ['m/2', 'buckets', 'm/1', 'm'] as Partition[]) {
          const writes = [put(text('x')), put(text('y'))];
          await store.commit({ partition, checks: [], writes });
        }
        expect(store.partitions(undefined, 10)).toEqual(['buckets', 'm', 'm/1', 'm/2']);
        expect(store.partitions('m', 1)).toEqual(['m/1']);
        expect(store.partitions('m/', 10)).toEqual(['m/1', 'm/2']);
        expect(store.partitions('m/2', 10)).toEqual([]);
        const writes = [remove(text('x')), remove(text('y'))];
        await store.commit({ partition: 'm' as Partition, checks: [], writes });
        expect(store.partitions(undefined, 10)).toEqual(['buckets', 'm/1', 'm/2']);
      });
    }

    function commits(): void {
      it('changes the rev with every write of a row, even of the same value', async () => {
        const revs = new Set<Rev>();
        for (let round = 0; round < 5; round += 1) {
          await write(put(text('k'), text('same')));
          revs.add(revOf(text('k')));
        }
        await write(remove(text('k')));
        await write(put(text('k'), text('same')));
        revs.add(revOf(text('k')));
        expect(revs.size).toBe(6);
      });

      it('writes all or nothing', async () => {
        await write(put(text('a'), text('old')), put(text('b'), text('old')));
        const stale = revOf(text('a'));
        await write(put(text('a'), text('new')));
        const checks: Check[] = [
          { key: text('b'), rev: revOf(text('b')) },
          { key: text('a'), rev: stale },
          { key: text('c'), rev: 'absent' },
        ];
        const writes = [put(text('b'), text('lost')), put(text('c')), remove(text('a'))];
        // The failing check first, in the middle and last.
        for (const order of [checks, [...checks].reverse(), [checks[1], checks[0], checks[2]]]) {
          const result = await store.commit({ partition: P, checks: order as Check[], writes });
          expect(result).toBe('conflict');
          expect(Buffer.from(store.get(P, text('a'))?.value ?? []).toString()).toBe('new');
          expect(Buffer.from(store.get(P, text('b'))?.value ?? []).toString()).toBe('old');
          expect(store.get(P, text('c'))).toBeUndefined();
        }
        const fresh = checks.map((check) =>
          check.rev === stale ? { key: check.key, rev: revOf(text('a')) } : check,
        );
        expect(await store.commit({ partition: P, checks: fresh, writes })).toBe('committed');
        expect(keysOf(store.scan(P, { prefix: bytes(), limit: 10 }).rows)).toEqual(['b', 'c']);
      });

      it('holds an absent check only while the row is absent', async () => {
        const create = {
          partition: P,
          checks: [{ key: text('k'), rev: 'absent' as const }],
          writes: [put(text('k'))],
        };
        expect(await store.commit(create)).toBe('committed');
        expect(await store.commit(create)).toBe('conflict');
        await write(remove(text('k')));
        expect(await store.commit(create)).toBe('committed');
      });

      it('fails a rev check on a deleted row', async () => {
        await write(put(text('k')));
        const rev = revOf(text('k'));
        await write(remove(text('k')));
        const checks = [{ key: text('k'), rev }];
        expect(await store.commit({ partition: P, checks, writes: [put(text('k'))] })).toBe(
          'conflict',
        );
        expect(store.get(P, text('k'))).toBeUndefined();
      });

      it('answers a commit of checks alone', async () => {
        await write(put(text('k')));
        const check = (rev: Rev | 'absent'): Promise<string> =>
          store.commit({ partition: P, checks: [{ key: text('k'), rev }], writes: [] });
        expect(await check(revOf(text('k')))).toBe('committed');
        expect(await check('absent')).toBe('conflict');
      });

      it('allows deleting what is not there, beside other writes', async () => {
        await write(remove(text('none')), put(text('k')), remove(text('none too')));
        expect(store.get(P, text('k'))).toBeDefined();
      });

      it('lets exactly one of many racing commits win', async () => {
        await write(put(text('k'), text('start')));
        const rev = revOf(text('k'));
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            store.commit({
              partition: P,
              checks: [{ key: text('k'), rev }],
              writes: [put(text('k'), text(`winner ${index}`)), put(text(`mark ${index}`))],
            }),
          ),
        );
        const winner = results.indexOf('committed');
        expect(results.filter((result) => result === 'committed')).toHaveLength(1);
        expect(Buffer.from(store.get(P, text('k'))?.value ?? []).toString()).toBe(
          `winner ${winner}`,
        );
        const marks = store.scan(P, { prefix: text('mark'), limit: 100 }).rows;
        expect(keysOf(marks)).toEqual([`mark ${winner}`]);
      });

      it('shows a commit to every read after its promise', async () => {
        for (let round = 0; round < 50; round += 1) {
          store.get(P, text('k'));
          await write(put(text('k'), text(`${round}`)));
          expect(Buffer.from(store.get(P, text('k'))?.value ?? []).toString()).toBe(`${round}`);
        }
      });

      it('counts rows', async () => {
        await write(put(text('a')), put(text('b')));
        expect(store.stats().rows).toBe(2);
        expect(store.stats().bytes).toBeGreaterThan(0);
      });

      it('keeps everything over a reopen, with new revs', async () => {
        if (opened.reopen === undefined) return;
        await write(put(text('a'), text('kept')), put(text('b')));
        const rev = revOf(text('a'));
        store = await opened.reopen();
        const row = store.get(P, text('a'));
        expect(Buffer.from(row?.value ?? []).toString()).toBe('kept');
        expect(row?.rev).toBe(rev);
        await write(put(text('a')));
        expect(revOf(text('a'))).not.toBe(rev);
      });
    }

    function boundsAndModel(): void {
      it('takes rows at the bounds and refuses rows beyond them', async () => {
        const key = new Uint8Array(LIMITS.rowKeyBytes).fill(7);
        const value = new Uint8Array(LIMITS.rowValueBytes).fill(9);
        await write(put(key, value));
        expect(store.get(P, key)?.value).toHaveLength(LIMITS.rowValueBytes);
        const many = Array.from({ length: LIMITS.commitWrites }, (_, at) =>
          put(bytes(1, at >> 8, at & 255)),
        );
        await write(...many);
        const refuse = async (...writes: Write[]): Promise<void> => {
          await expect(store.commit({ partition: P, checks: [], writes })).rejects.toThrow();
        };
        await refuse(put(new Uint8Array(LIMITS.rowKeyBytes + 1)));
        await refuse(put(bytes()));
        await refuse(put(text('k'), bytes()));
        await refuse(put(text('k'), new Uint8Array(LIMITS.rowValueBytes + 1)));
        await refuse(put(text('k')), remove(text('k')));
        await refuse(...many, put(text('k')));
        expect(() => store.scan(P, { prefix: bytes(), limit: LIMITS.scanRows + 1 })).toThrow();
        expect(store.get(P, text('k'))).toBeUndefined();
        await write(put(text('k')));
      });

      it('does what the memory twin does', async () => {
        const keyByte = fc.constantFrom(0, 1, 0x61, 0xff);
        const key = fc
          .uint8Array({ minLength: 1, maxLength: 3 })
          .map((raw) => raw.map((at) => [0, 1, 0x61, 0xff][at % 4] ?? 0));
        const step = fc.record({
          keys: fc.uniqueArray(key, { minLength: 1, maxLength: 4, selector: (raw) => raw.join() }),
          kinds: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
          check: fc.option(fc.tuple(key, fc.boolean())),
        });
        await fc.assert(
          fc.asyncProperty(
            fc.array(step, { maxLength: 12 }),
            keyByte,
            async (steps, prefixByte) => {
              const partition = `model/${Math.random()}` as Partition;
              const twin = new MemoryMetaStore();
              for (const { keys, kinds, check } of steps) {
                const writes = keys.map((at, index) => (kinds[index] ? put(at) : remove(at)));
                const both = [store, twin].map((target) => {
                  const found = check && target.get(partition, check[0])?.rev;
                  const rev: Check['rev'] = check?.[1] ? (found ?? 'absent') : 'absent';
                  const checks = check ? [{ key: check[0], rev }] : [];
                  return target.commit({ partition, checks, writes });
                });
                const [result, expected] = await Promise.all(both);
                expect(result).toBe(expected);
              }
              for (const prefix of [bytes(), bytes(prefixByte)]) {
                for (const after of [undefined, bytes(prefixByte), bytes(prefixByte, 0xff)]) {
                  const scan = { prefix, after, limit: 3 };
                  const [page, expected] = [
                    store.scan(partition, scan),
                    twin.scan(partition, scan),
                  ];
                  expect(keysOf(page.rows)).toEqual(keysOf(expected.rows));
                  expect(page.more).toBe(expected.more);
                }
              }
            },
          ),
          { numRuns: 40 },
        );
      });
    }
  });
}
