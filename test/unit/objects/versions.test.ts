/**
 * Versions of keys against a plain model: a list of versions per key, newest first. Whatever is
 * done, reads, listings and the bytes that are left agree with it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../src/base/s3-error.ts';
import type { VersionEntry } from '../../../src/objects/listing-contract.ts';
import { BUCKET, ObjectRoom } from '../../support/object-room.ts';
import { failureCode } from '../../support/s3-failure.ts';

interface Version {
  readonly id: string;
  /** Undefined: a delete marker. */
  readonly text: string | undefined;
}

type Step =
  | { readonly kind: 'put'; readonly key: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'remove'; readonly key: string; readonly at: number }
  | { readonly kind: 'versioning'; readonly status: 'Enabled' | 'Suspended' }
  | { readonly kind: 'tick' };

const KEYS = ['a', 'a/b', 'a/b/c', 'b\0', 'b\0\0', 'é'];
/** Large enough not to be inline: its bytes have to be given back. */
const body = (text: string): Buffer => Buffer.alloc(20_000, text);

const key = fc.constantFrom(...KEYS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('remove' as const), key, at: fc.nat(5) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('versioning' as const),
      status: fc.constantFrom('Enabled' as const, 'Suspended' as const),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'tick' as const }) },
);

class Model {
  status: 'Enabled' | 'Suspended' | undefined;
  readonly keys = new Map<string, Version[]>();

  of(name: string): Version[] {
    return this.keys.get(name) ?? [];
  }

  add(name: string, version: Version): void {
    const others = this.of(name).filter(({ id }) => id !== 'null' || version.id !== 'null');
    this.keys.set(name, [version, ...others]);
  }

  remove(name: string, id: string): void {
    this.keys.set(
      name,
      this.of(name).filter((version) => version.id !== id),
    );
  }
}

async function run(room: ObjectRoom, steps: readonly Step[]): Promise<Model> {
  const model = new Model();
  let count = 0;
  for (const one of steps) {
    if (one.kind === 'tick') {
      room.clock.ms += 1;
    } else if (one.kind === 'versioning') {
      await room.store.configureBucket(BUCKET, 'versioning', () => one.status);
      model.status = one.status;
    } else if (one.kind === 'put') {
      const text = String.fromCharCode(65 + (count++ % 26));
      const { versionId } = await room.put(one.key, body(text));
      expect(versionId === undefined).toBe(model.status === undefined);
      expect(versionId === 'null').toBe(model.status === 'Suspended');
      model.add(one.key, { id: versionId ?? 'null', text });
    } else if (one.kind === 'delete') {
      const result = await room.store.delete(BUCKET, one.key, { conditions: {} });
      expect(result.deleteMarker).toBe(model.status !== undefined);
      if (model.status === undefined) model.keys.delete(one.key);
      else model.add(one.key, { id: result.versionId ?? '', text: undefined });
    } else {
      const version = model.of(one.key)[one.at];
      const id = version?.id ?? 'f'.repeat(32);
      const options = { conditions: {}, versionId: id };
      const result = await room.store.delete(BUCKET, one.key, options);
      expect(result).toEqual({
        versionId: id,
        deleteMarker: version !== undefined && version.text === undefined,
      });
      model.remove(one.key, id);
    }
  }
  return model;
}

function code(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof S3Error ? error.code : String(error);
  }
}

function check(room: ObjectRoom, model: Model): void {
  const listed: [string, string, boolean, boolean][] = [];
  for (const name of [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    const versions = model.of(name);
    for (const [index, { id, text }] of versions.entries()) {
      listed.push([name, id, index === 0, text === undefined]);
      const read = (): unknown =>
        room.store.read(BUCKET, name, { conditions: {}, versionId: id }).head.size;
      expect(code(read)).toBe(text === undefined ? 'MethodNotAllowed' : 'none');
    }
    const latest = versions[0]?.text;
    const found = code(() => room.store.read(BUCKET, name, { conditions: {} }));
    expect(found).toBe(latest === undefined ? 'NoSuchKey' : 'none');
  }
  for (const limit of [1, 2, 1000]) {
    expect(listAll(room, limit).map(shown)).toEqual(listed);
  }
  const visible = room.store.list(BUCKET, { prefix: '', delimiter: '', after: '', limit: 1000 });
  expect(visible.entries.map((entry) => entry.key)).toEqual(
    listed.filter(([, , isLatest, marker]) => isLatest && !marker).map(([name]) => name),
  );
}

const shown = (entry: VersionEntry): [string, string, boolean, boolean] => [
  entry.key,
  entry.versionId,
  entry.isLatest,
  entry.deleteMarker,
];

function listAll(room: ObjectRoom, limit: number): VersionEntry[] {
  const all: VersionEntry[] = [];
  let keyMarker = '';
  let versionIdMarker = '';
  for (;;) {
    const options = { prefix: '', delimiter: '', keyMarker, versionIdMarker, limit };
    const page = room.store.listVersions(BUCKET, options);
    all.push(...page.entries);
    if (!page.truncated) return all;
    keyMarker = page.next ?? '';
    versionIdMarker = page.nextVersionId ?? '';
  }
}

describe('versions', () => {
  it('are what the model says, and their bytes go with them', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const room = await ObjectRoom.open({ indexPartitions: 2 });
        await room.createBucket();
        const model = await run(room, steps);
        check(room, model);
        for (const [name, versions] of model.keys) {
          for (const { id, text } of versions) {
            if (text === undefined) continue;
            const got = await room.get(name, { versionId: id });
            expect(got.equals(body(text))).toBe(true);
          }
        }
        for (const [name, versions] of model.keys) {
          for (const { id } of versions) {
            await room.store.delete(BUCKET, name, { conditions: {}, versionId: id });
          }
        }
        await room.reclaim();
        expect(room.chunks.ids).toEqual([]);
        await room.store.deleteBucket(BUCKET);
      }),
      { numRuns: 60 },
    );
  });

  it('outlive the orphan scrub after a restart', async () => {
    const room = await ObjectRoom.open();
    await room.createBucket();
    await room.store.configureBucket(BUCKET, 'versioning', () => 'Enabled');
    const ids: (string | undefined)[] = [];
    for (const text of 'abc') ids.push((await room.put('k', body(text))).versionId);
    room.clock.ms += 100_000;
    await room.reopen();
    await room.store.scrubOrphans();
    for (const [index, versionId] of ids.entries()) {
      const got = await room.get('k', { versionId });
      expect(got.equals(body('abc'[index] ?? ''))).toBe(true);
    }
  });

  it('are copied and tagged one by one', async () => {
    const room = await ObjectRoom.open();
    await room.createBucket();
    await room.store.configureBucket(BUCKET, 'versioning', () => 'Enabled');
    const first = (await room.put('k', body('x'))).versionId ?? '';
    await room.put('k', body('y'));
    const source = { bucket: BUCKET, key: 'k', versionId: first, conditions: {} };
    const copied = await room.copy('k', 'k', { source });
    expect(copied).toMatchObject({ sourceVersionId: first });
    expect((await room.get('k')).equals(body('x'))).toBe(true);
    await room.store.setTags(BUCKET, 'k', { a: '1' }, first);
    expect(room.store.tags(BUCKET, 'k', first)).toEqual({ tags: { a: '1' }, versionId: first });
    expect(room.store.tags(BUCKET, 'k').tags).toEqual({});
    const read = (versionId: string) => () =>
      room.store.read(BUCKET, 'k', { conditions: {}, versionId });
    expect(await failureCode(async () => read('0'.repeat(32))())).toBe('NoSuchVersion');
    expect(await failureCode(async () => read('nonsense')())).toBe('InvalidArgument');
  });
});
