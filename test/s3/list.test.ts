/** ListObjects and ListObjectsV2 against a plain model of what AWS documents. */
import {
  CreateBucketCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'listed';
const Many = 'listed-many';
const KEYS = [
  'a',
  'a/',
  'a//b',
  'a/b',
  'a/c/d',
  'a0',
  'asdf',
  'boo/bar',
  'boo/baz/xyzzy',
  'cquux/thud',
  'cquux/bla',
  'd e+f&g<h>',
  'd%2Fe',
  'x--y--1',
  'x--y--2',
  'x--z',
  'é',
  'e\u0301',
  '\u{10000}',
  '\uffee',
  '\ufeffbom',
  'zz',
];
const MANY = Array.from({ length: 2500 }, (_, index) => {
  const number = String(index).padStart(5, '0');
  return index % 5 === 0 ? `flat-${number}` : `dir-${index % 7}/${number}`;
});
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  for (const name of [Bucket, Many]) await client.send(new CreateBucketCommand({ Bucket: name }));
  const put = (name: string, Key: string) =>
    client.send(new PutObjectCommand({ Bucket: name, Key, Body: Key }));
  await Promise.all(KEYS.map((key) => put(Bucket, key)));
  const left = MANY.slice();
  const worker = async (): Promise<void> => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) await put(Many, key);
  };
  await Promise.all(Array.from({ length: 48 }, worker));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const bytewise = (left: string, right: string): number =>
  Buffer.compare(Buffer.from(left), Buffer.from(right));

interface Model {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly after?: string;
}

/** Keys and common prefixes in the order of their appearance, prefixes marked. */
function model(keys: readonly string[], { prefix = '', delimiter = '', after = '' }: Model) {
  const seen: string[] = [];
  for (const key of keys.toSorted(bytewise)) {
    if (!key.startsWith(prefix) || bytewise(key, after) <= 0) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const item = at < 0 ? key : `P:${key.slice(0, at + delimiter.length)}`;
    if (!seen.includes(item)) seen.push(item);
  }
  return seen;
}

type Page = {
  Contents?: { Key?: string | undefined }[] | undefined;
  CommonPrefixes?: { Prefix?: string | undefined }[] | undefined;
};
const items = (page: Page): string[] =>
  [
    ...(page.Contents ?? []).map(({ Key = '' }) => ({ name: Key, item: Key })),
    ...(page.CommonPrefixes ?? []).map(({ Prefix = '' }) => ({
      name: Prefix,
      item: `P:${Prefix}`,
    })),
  ]
    .toSorted((left, right) => bytewise(left.name, right.name))
    .map(({ item }) => item);

const list2 = (more: Partial<ListObjectsV2CommandInput> = {}) =>
  client.send(new ListObjectsV2Command({ Bucket, ...more }));
const list1 = (more: Partial<ListObjectsV2CommandInput> & { Marker?: string } = {}) =>
  client.send(new ListObjectsCommand({ Bucket, ...more }));

const SELECTIONS: readonly Model[] = [
  {},
  { prefix: 'a' },
  { prefix: 'a/' },
  { prefix: 'none' },
  { prefix: 'd%' },
  { delimiter: '/' },
  { prefix: 'a/', delimiter: '/' },
  { prefix: 'a', delimiter: '/' },
  { prefix: 'boo/ba', delimiter: '/' },
  { delimiter: 'a' },
  { delimiter: '--' },
  { prefix: 'x', delimiter: '--' },
  { delimiter: 'é' },
  { delimiter: '%' },
  { delimiter: ' ' },
  { prefix: 'é', delimiter: 'é' },
  { delimiter: 'none' },
  { prefix: '\ufeff' },
];

describe.each(SELECTIONS)('%j', ({ prefix, delimiter }) => {
  const chosen = {
    ...(prefix === undefined ? {} : { Prefix: prefix }),
    ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
  };
  const all = model(KEYS, { ...(prefix && { prefix }), ...(delimiter && { delimiter }) });

  it('at once, in both versions', async () => {
    const second = await list2(chosen);
    expect(items(second)).toEqual(all);
    expect(second).toMatchObject({ IsTruncated: false, KeyCount: all.length, MaxKeys: 1000 });
    expect(second.NextContinuationToken).toBeUndefined();
    expect(items(await list1(chosen))).toEqual(all);
  });

  it.each([1, 2, 3])('in pages of %i, in both versions', async (MaxKeys) => {
    const found: string[] = [];
    for await (const page of paginateListObjectsV2(
      { client, pageSize: MaxKeys },
      { Bucket, ...chosen },
    )) {
      const here = items(page);
      expect(here.length).toBe(page.KeyCount);
      if (page.IsTruncated) expect(here).toHaveLength(MaxKeys);
      found.push(...here);
    }
    expect(found).toEqual(all);

    const first: string[] = [];
    let Marker = '';
    for (;;) {
      const page = await list1({ ...chosen, MaxKeys, Marker });
      const here = items(page);
      first.push(...here);
      if (page.IsTruncated !== true) break;
      expect(here).toHaveLength(MaxKeys);
      const last = here.at(-1)?.replace(/^P:/, '') ?? '';
      // NextMarker only comes with a delimiter, and then it is the last thing listed.
      expect(page.NextMarker).toBe(delimiter === undefined ? undefined : last);
      Marker = last;
    }
    expect(first).toEqual(all);
  });
});

describe('a position', () => {
  const positions = ['a', 'a/', 'a/b', 'a/zz', 'boo/', 'boo/bar', 'nowhere', '\u{10ffff}', 'é'];
  it.each(positions)('start-after %j', async (StartAfter) => {
    const found = await list2({ StartAfter });
    expect(items(found)).toEqual(model(KEYS, { after: StartAfter }));
    expect(found.StartAfter).toBe(StartAfter);
    const marked = await list1({ Marker: StartAfter });
    expect(items(marked)).toEqual(model(KEYS, { after: StartAfter }));
    expect(marked.Marker).toBe(StartAfter);
  });

  it('inside a common prefix shows the rest of it; the prefix itself skips it', async () => {
    const inside = await list2({ StartAfter: 'boo/bar', Delimiter: '/' });
    expect(items(inside)[0]).toBe('P:boo/');
    const at = await list1({ Marker: 'boo/', Delimiter: '/' });
    expect(items(at)[0]).toBe('P:cquux/');
  });

  it('a token outweighs start-after', async () => {
    const first = await list2({ MaxKeys: 3 });
    const token = first.NextContinuationToken ?? '';
    const next = await list2({ ContinuationToken: token, StartAfter: 'zz', MaxKeys: 1000 });
    expect(items(next)).toEqual(model(KEYS, {}).slice(3));
    expect(next.ContinuationToken).toBe(token);
  });

  it('before the prefix is no position at all', async () => {
    expect(items(await list2({ Prefix: 'boo', StartAfter: 'a' }))).toEqual([
      'boo/bar',
      'boo/baz/xyzzy',
    ]);
    expect(items(await list2({ Prefix: 'boo', StartAfter: 'c' }))).toEqual([]);
  });
});

describe('max-keys', () => {
  it('0 lists nothing and is complete', async () => {
    const found = await list2({ MaxKeys: 0 });
    expect(found).toMatchObject({ IsTruncated: false, KeyCount: 0, MaxKeys: 0 });
    expect(await list1({ MaxKeys: 0 })).toMatchObject({ IsTruncated: false, MaxKeys: 0 });
  });

  it('beyond 1,000 is 1,000', async () => {
    const found = await client.send(new ListObjectsV2Command({ Bucket: Many, MaxKeys: 1001 }));
    expect(found).toMatchObject({ IsTruncated: true, KeyCount: 1000, MaxKeys: 1000 });
  });

  it.each(['-1', 'x', '1.5', '99999999999'])('%s is refused', async (value) => {
    for (const version of [{ 'list-type': '2' }, {}]) {
      const query = { ...version, 'max-keys': value };
      expect(await outcome(sluice, { path: `/${Bucket}`, query })).toEqual([
        400,
        'InvalidArgument',
      ]);
    }
  });

  it('empty means the default', async () => {
    const found = await ask(sluice, { path: `/${Bucket}`, query: { 'max-keys': '' } });
    expect(found.body.toString()).toContain('<MaxKeys>1000</MaxKeys>');
  });
});

describe('what a listing says', () => {
  it('of every object', async () => {
    const found = await list2({ Prefix: 'zz' });
    expect(found).toMatchObject({ Name: Bucket, Prefix: 'zz' });
    const [entry] = found.Contents ?? [];
    expect(entry).toMatchObject({ Key: 'zz', Size: 2, StorageClass: 'STANDARD' });
    expect(entry?.ETag).toBe('"25ed1bcb423b0b7200f485fc5ff71c8e"');
    expect(Math.abs(Date.now() - (entry?.LastModified?.getTime() ?? 0))).toBeLessThan(300_000);
    expect(entry?.Owner).toBeUndefined();
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'zz' }));
    expect(entry?.LastModified).toEqual(head.LastModified);
  });

  it('of owners: always in V1, when asked in V2', async () => {
    const owner = (await list2({ Prefix: 'zz', FetchOwner: true })).Contents?.[0]?.Owner;
    expect(owner?.ID).toBeTruthy();
    expect((await list1({ Prefix: 'zz' })).Contents?.[0]?.Owner).toEqual(owner);
  });

  it('url-encoded when asked', async () => {
    const query = { 'list-type': '2', 'encoding-type': 'url', prefix: 'd ', delimiter: '&' };
    const found = (await ask(sluice, { path: `/${Bucket}`, query })).body.toString();
    expect(found).toContain('<EncodingType>url</EncodingType>');
    expect(found).toContain('<Prefix>d%20</Prefix>');
    expect(found).toContain('<Delimiter>%26</Delimiter>');
    expect(found).toContain('<CommonPrefixes><Prefix>d%20e%2Bf%26</Prefix></CommonPrefixes>');
    const start = { ...query, delimiter: '', prefix: '', 'start-after': 'd e', 'max-keys': '1' };
    const after = (await ask(sluice, { path: `/${Bucket}`, query: start })).body.toString();
    expect(after).toContain('<StartAfter>d%20e</StartAfter>');
    expect(after).toContain('<Key>d%20e%2Bf%26g%3Ch%3E</Key>');
  });

  it('as XML when not: special characters escaped', async () => {
    const found = (await ask(sluice, { path: `/${Bucket}`, query: { prefix: 'd ' } })).body;
    expect(found.toString()).toContain('<Key>d e+f&amp;g&lt;h&gt;</Key>');
  });
});

it.each([
  ['encoding-type', 'base64', 'InvalidArgument'],
  ['continuation-token', 'made up', 'InvalidArgument'],
  ['continuation-token', '', 'InvalidArgument'],
])('%s=%j is refused', async (name, value, code) => {
  const query = { 'list-type': '2', [name]: value };
  expect(await outcome(sluice, { path: `/${Bucket}`, query })).toEqual([400, code]);
});

it('a missing bucket cannot be listed', async () => {
  const missing = client.send(new ListObjectsV2Command({ Bucket: 'no-such-bucket' }));
  await expectS3Error(missing, 404, 'NoSuchBucket');
});

describe('thousands of keys', () => {
  it.each([undefined, '/', '-'])('in pages, delimiter %s', async (Delimiter) => {
    const found: string[] = [];
    const input = { Bucket: Many, ...(Delimiter === undefined ? {} : { Delimiter }) };
    for await (const page of paginateListObjectsV2({ client, pageSize: 333 }, input)) {
      found.push(...items(page));
    }
    expect(found).toEqual(model(MANY, Delimiter === undefined ? {} : { delimiter: Delimiter }));
  });
});
