/** DeleteObjects: many keys, each with its own outcome, and a body that must prove itself. */
import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'delete-many';
const KEYS = ['a', 'b/c', 'd e', 'é&<>', 'line\nbreak'];
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});
beforeEach(async () => {
  await Promise.all(
    KEYS.map((Key) => client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))),
  );
});

const remove = (keys: readonly string[], more = {}) =>
  client.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: { Objects: keys.map((Key) => ({ Key })), ...more },
    }),
  );
async function left(): Promise<number> {
  const found = await client.send(new ListObjectsV2Command({ Bucket }));
  return found.KeyCount ?? -1;
}

const md5 = (text: string): string => createHash('md5').update(text).digest('base64');
const DOCUMENT = '<Delete><Object><Key>a</Key></Object></Delete>';

function post(body: string, headers: Record<string, string> = { 'content-md5': md5(body) }) {
  return { method: 'POST', path: `/${Bucket}`, query: { delete: '' }, headers, body };
}

describe('keys', () => {
  it('are deleted, present or not, and named in the answer', async () => {
    const found = await remove([...KEYS, 'never-was']);
    expect(found.Errors ?? []).toEqual([]);
    const names = (found.Deleted ?? []).map(({ Key }) => Key);
    expect(names.toSorted()).toEqual([...KEYS, 'never-was'].toSorted());
    expect(await left()).toBe(0);
  });

  it('are not named when the answer shall be quiet', async () => {
    const found = await remove([...KEYS, 'never-was'], { Quiet: true });
    expect([found.Deleted ?? [], found.Errors ?? []]).toEqual([[], []]);
    expect(await left()).toBe(0);
  });

  it('may be 1,000 and no more', async () => {
    const many = Array.from({ length: 1001 }, (_, index) => `many-${index}`);
    await expectS3Error(remove([...KEYS, ...many]), 400, 'MalformedXML');
    expect(await left()).toBe(KEYS.length);
    const found = await remove([...KEYS, ...many.slice(0, 995)]);
    expect(found.Deleted).toHaveLength(1000);
    expect(await left()).toBe(0);
  });

  it('may come twice', async () => {
    const found = await remove(['a', 'a']);
    expect(found.Errors ?? []).toEqual([]);
    expect(await left()).toBe(KEYS.length - 1);
  });

  it('that fail do so each for itself', async () => {
    const found = await client.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: {
          Quiet: true,
          Objects: [
            { Key: 'a' },
            { Key: 'b/c', ETag: '"other"' },
            { Key: 'd e', VersionId: 'abc' },
            { Key: 'x'.repeat(1025) },
          ],
        },
      }),
    );
    expect((found.Errors ?? []).map(({ Key = '', Code }) => [Key.slice(0, 5), Code])).toEqual([
      ['b/c', 'PreconditionFailed'],
      ['d e', 'NoSuchVersion'],
      ['xxxxx', 'KeyTooLongError'],
    ]);
    expect(await left()).toBe(KEYS.length - 1);
  });

  it('may be named by references that XML 1.0 does not have', async () => {
    await ask(sluice, { method: 'PUT', path: `/${Bucket}/%01a%1Fb`, body: 'x' });
    expect(await left()).toBe(KEYS.length + 1);
    const body = '<Delete><Object><Key>&#x1;a&#31;b</Key></Object></Delete>';
    const found = await ask(sluice, post(body));
    expect(found.body.toString()).toContain('<Deleted><Key>&#x1;a&#x1F;b</Key></Deleted>');
    expect(await left()).toBe(KEYS.length);
  });

  it('keep the white space of their names', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: ' a ', Body: 'x' }));
    const body = '<Delete><Object>\n <Key> a </Key>\n</Object></Delete>';
    const found = await ask(sluice, post(body));
    expect(found.body.toString()).toContain('<Deleted><Key> a </Key></Deleted>');
    expect(await left()).toBe(KEYS.length);
  });
});

describe('the document', () => {
  const [space, declaration] = [
    '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    '<?xml version="1.0" encoding="UTF-8"?>',
  ];
  it.each([
    ['with a namespace', DOCUMENT.replace('<Delete>', space)],
    ['with a declaration', `${declaration}\n${DOCUMENT}`],
    ['with a byte order mark', `\ufeff${DOCUMENT}`],
    ['with character references', DOCUMENT.replace('>a<', '>&#97;<')],
    ['with CDATA', DOCUMENT.replace('>a<', '><![CDATA[a]]><')],
  ])('%s is read', async (_, body) => {
    expect(await outcome(sluice, post(body))).toEqual([200, undefined]);
    expect(await left()).toBe(KEYS.length - 1);
  });

  it.each([
    ['', 'MissingRequestBodyError'],
    ['no xml', 'MalformedXML'],
    ['<Delete>', 'MalformedXML'],
    ['<Delete></Delete>', 'MalformedXML'],
    ['<Other><Object><Key>a</Key></Object></Other>', 'MalformedXML'],
    ['<Delete><Object></Object></Delete>', 'MalformedXML'],
    ['<Delete><Object><Key></Key></Object></Delete>', 'MalformedXML'],
    ['<Delete><Object><Key>a</Key><What/></Object></Delete>', 'MalformedXML'],
    [`${DOCUMENT}${DOCUMENT}`, 'MalformedXML'],
    [`<!DOCTYPE d [<!ENTITY e "a">]>${DOCUMENT.replace('>a<', '>&e;<')}`, 'MalformedXML'],
  ])('%j is refused', async (body, code) => {
    expect(await outcome(sluice, post(body))).toEqual([400, code]);
    expect(await left()).toBe(KEYS.length);
  });

  it('needs a digest', async () => {
    const expected = [400, 'InvalidRequest'];
    expect(await outcome(sluice, post(DOCUMENT, {}))).toEqual(expected);
    expect(await left()).toBe(KEYS.length);
  });

  it.each([
    ['content-md5', md5('other'), 'BadDigest'],
    ['content-md5', 'nonsense', 'InvalidDigest'],
    ['x-amz-checksum-crc32', 'AAAAAA==', 'BadDigest'],
    ['x-amz-checksum-sha256', md5('other'), 'InvalidRequest'],
  ])('%s: %s is not that of the body', async (name, value, code) => {
    expect(await outcome(sluice, post(DOCUMENT, { [name]: value }))).toEqual([400, code]);
    expect(await left()).toBe(KEYS.length);
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
    'may be proven by %s',
    async (ChecksumAlgorithm) => {
      const Delete = { Objects: [{ Key: 'a' }] };
      await client.send(new DeleteObjectsCommand({ Bucket, Delete, ChecksumAlgorithm }));
      expect(await left()).toBe(KEYS.length - 1);
    },
  );
});

it('a missing bucket is told', async () => {
  const Delete = { Objects: [{ Key: 'a' }] };
  const missing = client.send(new DeleteObjectsCommand({ Bucket: 'no-such-bucket', Delete }));
  await expectS3Error(missing, 404, 'NoSuchBucket');
});
