/** Lifecycle rules: what they mean, held against a slow twin, and the walk that carries them out. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { coveringPrefixes } from '../../../src/objects/lifecycle.ts';
import {
  expiryOf,
  type LifecycleConfiguration,
  type LifecycleRule,
  type LifecycleSubject,
} from '../../../src/objects/lifecycle-rules.ts';
import { BUCKET, ObjectRoom } from '../../support/object-room.ts';
import { failureCode } from '../../support/s3-failure.ts';

const DAY = 86_400_000;

function rule(fields: Partial<LifecycleRule>): LifecycleRule {
  return { ID: 'r', Status: 'Enabled', Transition: [], NoncurrentVersionTransition: [], ...fields };
}

/** Every condition spelt out, one object at a time; time by counting days up. */
function slowExpiry(
  { Rule }: LifecycleConfiguration,
  subject: LifecycleSubject,
): { ruleId: string; dueMs: number } | undefined {
  const all = Rule.flatMap((one) => {
    const filter = one.Filter?.And ?? one.Filter ?? {};
    const tags = one.Filter?.And?.Tag ?? (one.Filter?.Tag === undefined ? [] : [one.Filter.Tag]);
    const holds = [
      one.Status === 'Enabled',
      subject.key.indexOf(one.Prefix ?? filter.Prefix ?? '') === 0,
      !(subject.size <= (filter.ObjectSizeGreaterThan ?? -1)),
      !(subject.size >= (filter.ObjectSizeLessThan ?? Infinity)),
      ...tags.map(({ Key, Value }) => new Map(Object.entries(subject.tags)).get(Key) === Value),
    ];
    const { Days, Date: date } = one.Expiration ?? {};
    if (holds.includes(false) || (Days ?? date) === undefined) return [];
    let dueMs = date === undefined ? 0 : Date.parse(date);
    if (Days !== undefined) while (dueMs < subject.mtimeMs + Days * DAY) dueMs += DAY;
    return [{ ruleId: one.ID ?? '', dueMs }];
  });
  const first = Math.min(...all.map(({ dueMs }) => dueMs));
  return all.find(({ dueMs }) => dueMs === first);
}

const prefix = fc.constantFrom('', 'a', 'a/', 'a/b', 'b');
const tag = fc.record({ Key: fc.constantFrom('k', 'l'), Value: fc.constantFrom('1', '2') });
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const sizes = {
  ObjectSizeGreaterThan: maybe(fc.nat(3)),
  ObjectSizeLessThan: maybe(fc.nat(5)),
};
const anyRule: fc.Arbitrary<LifecycleRule> = fc
  .record({
    ID: fc.string(),
    Status: fc.constantFrom('Enabled' as const, 'Disabled' as const),
    where: fc.oneof(
      fc.record({ Prefix: prefix }),
      fc.record({ Filter: fc.record({ Prefix: prefix }) }),
      fc.record({ Filter: fc.record({ Tag: tag }) }),
      fc.record({ Filter: fc.record(sizes) }),
      fc.record({
        Filter: fc.record({
          And: fc.record({ Prefix: maybe(prefix), Tag: fc.array(tag, { maxLength: 2 }), ...sizes }),
        }),
      }),
    ),
    Expiration: fc.oneof(
      fc.record({ Days: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ Date: fc.nat(30).map((day) => new Date(day * DAY).toISOString()) }),
      fc.constant({ ExpiredObjectDeleteMarker: true }),
    ),
  })
  .map(({ where, ...rest }) => rule({ ...rest, ...where }));
const subject: fc.Arbitrary<LifecycleSubject> = fc.record({
  key: fc.constantFrom('a', 'a/b/c', 'b', 'c'),
  size: fc.nat(6),
  mtimeMs: fc.nat(10 * DAY),
  tags: fc.dictionary(fc.constantFrom('k', 'l'), fc.constantFrom('1', '2')),
});

it('the expiry of an object is what the slow twin says', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 4 }), subject, (Rule, one) => {
      expect(expiryOf({ Rule }, one, DAY)).toEqual(slowExpiry({ Rule }, one));
    }),
  );
});

it('the farthest expiry can still be written as a date', () => {
  const Rule = [rule({ Prefix: '', Expiration: { Days: 2_147_483_647 } })];
  const one = { key: 'k', size: 0, mtimeMs: 0, tags: {} };
  const { dueMs = Number.NaN } = expiryOf({ Rule }, one, DAY) ?? {};
  expect(new Date(dueMs).toISOString()).toBe('+275760-09-13T00:00:00.000Z');
});

it('covering prefixes hold every prefix and none inside another', () => {
  fc.assert(
    fc.property(fc.array(prefix, { minLength: 1 }), (prefixes) => {
      const covering = coveringPrefixes(prefixes.map((Prefix) => rule({ Prefix })));
      for (const one of prefixes) {
        expect(covering.filter((wider) => one.startsWith(wider))).toHaveLength(1);
      }
    }),
  );
});

describe('the walk', () => {
  let room: ObjectRoom;
  beforeEach(async () => {
    room = await ObjectRoom.open({ indexPartitions: 3 });
    await room.createBucket();
  });
  afterEach(async () => {
    await room.store.close();
  });

  const configure = (...rules: Partial<LifecycleRule>[]): Promise<void> => {
    const text = JSON.stringify({ Rule: rules.map(rule) });
    return room.store.configureBucket(BUCKET, 'lifecycle', () => text);
  };
  const walk = () => room.store.runLifecycle(room.clock.now());
  const keys = (): string[] =>
    room.store
      .list(BUCKET, { prefix: '', delimiter: '', after: '', limit: 1000 })
      .entries.map(({ key }) => key);
  const days = (count: number): void => void (room.clock.ms += count * DAY);

  it('marks objects with versions; older ones and lone markers end by their own rules', async () => {
    await room.store.configureBucket(BUCKET, 'versioning', () => 'Enabled');
    const shown = (): string[] => {
      const options = { prefix: '', delimiter: '', keyMarker: '', versionIdMarker: '', limit: 100 };
      return room.store
        .listVersions(BUCKET, options)
        .entries.map(({ key, deleteMarker }) => (deleteMarker ? `${key}!` : key));
    };
    for (const key of ['a', 'a', 'a', 'a', 'b', 'kept']) await room.put(key, 'x');
    await configure(
      { Prefix: 'a', Expiration: { Days: 1 } },
      {
        Prefix: 'a',
        NoncurrentVersionExpiration: { NoncurrentDays: 3, NewerNoncurrentVersions: 1 },
      },
    );
    days(2);
    await walk();
    expect(shown()).toEqual(['a!', 'a', 'a', 'a', 'a', 'b', 'kept']);
    await room.delete('b');
    days(2);
    await walk();
    // Three were replaced four days ago; the newest, two days ago, is the one allowed.
    expect(shown()).toEqual(['a!', 'a', 'b!', 'b', 'kept']);
    await configure(
      { NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
      { Expiration: { ExpiredObjectDeleteMarker: true } },
    );
    days(3);
    await walk();
    expect(shown()).toEqual(['kept']);
  });

  it('ends what is old enough, and nothing before its day', async () => {
    for (let n = 0; n < 450; n += 1) await room.put(`old/${n}`, 'x');
    await room.put('kept/1', 'x');
    await configure({ Prefix: 'old/', Expiration: { Days: 2 } });
    days(1);
    expect(await walk()).toEqual({ objects: 0, uploads: 0 });
    days(2);
    await room.put('old/new', 'x');
    expect(await walk()).toEqual({ objects: 450, uploads: 0 });
    expect(keys()).toEqual(['kept/1', 'old/new']);
    expect(await walk()).toEqual({ objects: 0, uploads: 0 });
    days(3);
    expect(await walk()).toEqual({ objects: 1, uploads: 0 });
  });

  it('by date, size and tags', async () => {
    await room.put('small', 'x');
    await room.put('large', 'x'.repeat(100));
    await room.put('tagged', 'x');
    await room.store.setTags(BUCKET, 'tagged', { temp: 'yes', more: 'than that' });
    const past = new Date(room.clock.ms - DAY).toISOString();
    const Tag = { Key: 'temp', Value: 'yes' };
    await configure(
      { Filter: { ObjectSizeGreaterThan: 99 }, Expiration: { Date: past } },
      { Filter: { Tag }, Expiration: { Date: past } },
      { Status: 'Disabled', Filter: {}, Expiration: { Date: past } },
    );
    expect(await walk()).toEqual({ objects: 2, uploads: 0 });
    expect(keys()).toEqual(['small']);
  });

  it('spares what was overwritten while it walked, and gives back the rest', async () => {
    await room.put('big', 'x'.repeat(600_000));
    await room.put('replaced', 'x');
    await configure({ Prefix: '', Expiration: { Days: 1 } });
    days(3);
    const [report] = await Promise.all([walk(), room.put('replaced', 'new')]);
    expect(report.objects).toBeGreaterThan(0);
    expect(keys()).toEqual(['replaced']);
    expect((await room.get('replaced')).toString()).toBe('new');
    expect(await room.reclaim()).toBeGreaterThan(0);
  });

  it('aborts uploads by age and prefix, and no other', async () => {
    const old = await room.createUpload('tmp/a');
    const other = await room.createUpload('keep/a');
    await room.putPart(old, 1, 'x');
    await configure({
      Prefix: 'tmp/',
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
    });
    expect(await walk()).toEqual({ objects: 0, uploads: 0 });
    days(2);
    const young = await room.createUpload('tmp/b');
    expect(await walk()).toEqual({ objects: 0, uploads: 1 });
    expect(await failureCode(() => room.store.upload(old))).toBe('NoSuchUpload');
    expect(room.store.upload(other).key).toBe('keep/a');
    expect(room.store.upload(young).key).toBe('tmp/b');
  });

  it('walks again when rules change, without another day', async () => {
    await room.put('a', 'x');
    await configure({ Prefix: 'b', Expiration: { Date: '2001-01-01T00:00:00Z' } });
    expect(await walk()).toEqual({ objects: 0, uploads: 0 });
    await configure({ Prefix: 'a', Expiration: { Date: '2001-01-01T00:00:00Z' } });
    expect(await walk()).toEqual({ objects: 1, uploads: 0 });
  });
});
