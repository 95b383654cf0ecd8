/** Buckets: names, places, owners, listings, and when they may go; replication of their own. */
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  paginateListBuckets,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { codeOf, headerOf } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const create = (Bucket: string) => client.send(new CreateBucketCommand({ Bucket }));
const remove = (Bucket: string) => client.send(new DeleteBucketCommand({ Bucket }));

describe('a name', () => {
  it.each(['abc', 'a-b', 'a.b', '1-2', 'x'.repeat(63), 'a'.repeat(3), '1.2.3.four'])(
    '%s is taken',
    async (name) => {
      expect((await create(name)).Location).toBe(`/${name}`);
      await remove(name);
    },
  );

  it.each([
    'ab',
    'x'.repeat(64),
    'Upper',
    'under_score',
    '-dash',
    'dash-',
    '.dot',
    'dot.',
    'a..b',
    '192.168.0.1',
    'xn--abc',
    'sthree-abc',
    'abc-s3alias',
    'abc--ol-s3',
    'abc.mrap',
    'abc--x-s3',
    'sp%20ace',
    'a%2Fb',
    '%C3%A4%C3%A4%C3%A4',
    '..',
    '%00abc',
  ])('%.20s is refused', async (name) => {
    expect(await outcome(sluice, { method: 'PUT', path: `/${name}` })).toEqual([
      400,
      'InvalidBucketName',
    ]);
  });

  it.each(['ab', 'Upper', '..', 'a%2Fb'])('%s is not there either', async (name) => {
    expect(await outcome(sluice, { path: `/${name}` })).toEqual([404, 'NoSuchBucket']);
    expect((await ask(sluice, { method: 'HEAD', path: `/${name}` })).status).toBe(404);
  });
});

describe('a bucket', () => {
  it('cannot be made twice', async () => {
    await create('twice');
    await expectS3Error(create('twice'), 409, 'BucketAlreadyOwnedByYou');
    const many = await Promise.allSettled(Array.from({ length: 8 }, () => create('raced')));
    expect(many.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is found by HEAD, with and without a slash', async () => {
    await create('head');
    const found = await client.send(new HeadBucketCommand({ Bucket: 'head' }));
    expect(found.BucketRegion).toBe('us-east-1');
    const slash = await ask(sluice, { method: 'HEAD', path: '/head/' });
    expect([slash.status, headerOf(slash, 'x-amz-bucket-region')]).toEqual([200, 'us-east-1']);
    const missing = client.send(new HeadBucketCommand({ Bucket: 'not-there' }));
    await expectS3Error(missing, 404, 'NotFound');
  });

  it('goes only when it is empty, and can come again', async () => {
    await create('coming');
    await client.send(new PutObjectCommand({ Bucket: 'coming', Key: 'k', Body: 'x' }));
    await expectS3Error(remove('coming'), 409, 'BucketNotEmpty');
    const found = await client.send(new GetObjectCommand({ Bucket: 'coming', Key: 'k' }));
    expect(await found.Body?.transformToString()).toBe('x');
    await client.send(new DeleteObjectCommand({ Bucket: 'coming', Key: 'k' }));
    expect((await remove('coming')).$metadata.httpStatusCode).toBe(204);
    await expectS3Error(remove('coming'), 404, 'NoSuchBucket');
    const gone = client.send(new ListObjectsV2Command({ Bucket: 'coming' }));
    await expectS3Error(gone, 404, 'NoSuchBucket');
    await create('coming');
    const empty = await client.send(new ListObjectsV2Command({ Bucket: 'coming' }));
    expect(empty.KeyCount).toBe(0);
  });

  it('goes with the uploads that run in it', async () => {
    const target = { Bucket: 'uploading', Key: 'k' };
    await create('uploading');
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
    const part = { ...target, UploadId, PartNumber: 1, Body: 'x' };
    await client.send(new UploadPartCommand(part));
    await remove('uploading');
    await create('uploading');
    const left = await client.send(new ListMultipartUploadsCommand({ Bucket: 'uploading' }));
    expect(left.Uploads ?? []).toEqual([]);
    await expectS3Error(client.send(new UploadPartCommand(part)), 404, 'NoSuchUpload');
    const abort = client.send(new AbortMultipartUploadCommand({ ...target, UploadId }));
    await expectS3Error(abort, 404, 'NoSuchUpload');
  });
});

describe('the place of a bucket', () => {
  const configuration = (inner: string): string =>
    `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</CreateBucketConfiguration>`;

  it('is us-east-1 when nothing was said', async () => {
    await create('placeless');
    const found = await ask(sluice, { path: '/placeless', query: { location: '' } });
    expect(found.body.toString()).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>',
    );
  });

  it('is kept', async () => {
    const body = configuration('<LocationConstraint>eu-north-7</LocationConstraint>');
    expect((await ask(sluice, { method: 'PUT', path: '/placed', body })).status).toBe(200);
    const found = await client.send(new GetBucketLocationCommand({ Bucket: 'placed' }));
    expect(found.LocationConstraint).toBe('eu-north-7');
    const head = await client.send(new HeadBucketCommand({ Bucket: 'placed' }));
    expect(head.BucketRegion).toBe('eu-north-7');
  });

  it.each([
    ['no xml', 400, 'MalformedXML'],
    ['<Other/>', 400, 'MalformedXML'],
    [configuration('<What/>'), 400, 'MalformedXML'],
    [
      configuration('<LocationConstraint>a b</LocationConstraint>'),
      400,
      'InvalidLocationConstraint',
    ],
    [configuration('<Bucket><Type>Directory</Type></Bucket>'), 501, 'NotImplemented'],
  ])('%.70j answers %i %s', async (body, status, code) => {
    const wanted = { method: 'PUT', path: '/misplaced', body };
    expect(await outcome(sluice, wanted)).toEqual([status, code]);
    expect((await ask(sluice, { method: 'HEAD', path: '/misplaced' })).status).toBe(404);
  });

  it('of a missing bucket is not told', async () => {
    const missing = client.send(new GetBucketLocationCommand({ Bucket: 'not-there' }));
    await expectS3Error(missing, 404, 'NoSuchBucket');
  });
});

it.each([
  ['x-amz-acl', 'public-read-write', 400, 'InvalidBucketAclWithObjectOwnership'],
  ['x-amz-grant-full-control', 'id=x', 400, 'InvalidBucketAclWithObjectOwnership'],
])('%s: %s answers %i %s and makes nothing', async (name, value, status, code) => {
  const wanted = { method: 'PUT', path: '/unbuilt', headers: { [name]: value } };
  expect(await outcome(sluice, wanted)).toEqual([status, code]);
  expect((await ask(sluice, { method: 'HEAD', path: '/unbuilt' })).status).toBe(404);
});

describe('listing buckets', () => {
  const names = Array.from({ length: 7 }, (_, index) => `page-${index}`);
  beforeAll(async () => {
    await Promise.all(names.map(create));
  });

  it('shows all in order, with owner and dates', async () => {
    const all = await client.send(new ListBucketsCommand({}));
    const found = (all.Buckets ?? []).map(({ Name = '' }) => Name);
    expect(found).toEqual(found.toSorted());
    expect(found).toEqual(expect.arrayContaining(names));
    expect(all.Owner?.ID).toBeTruthy();
    expect(all.Buckets?.[0]?.CreationDate).toBeInstanceOf(Date);
    expect(all.ContinuationToken).toBeUndefined();
  });

  it.each([1, 2, 3, 7])('in pages of %i below a prefix', async (MaxBuckets) => {
    const found: (string | undefined)[] = [];
    const input = { MaxBuckets, Prefix: 'page-' };
    for await (const page of paginateListBuckets({ client }, input)) {
      expect(page.Prefix).toBe('page-');
      expect(page.Buckets?.length).toBeLessThanOrEqual(MaxBuckets);
      found.push(...(page.Buckets ?? []).map(({ Name }) => Name));
    }
    expect(found).toEqual(names);
  });

  it.each([
    ['max-buckets', '0'],
    ['max-buckets', '10001'],
    ['max-buckets', 'x'],
    ['continuation-token', 'made up'],
  ])('%s=%s is refused', async (name, value) => {
    const wanted = { path: '/', query: { [name]: value } };
    expect(await outcome(sluice, wanted)).toEqual([400, 'InvalidArgument']);
  });
});

it.each(['PUT', 'POST', 'DELETE', 'HEAD'])('the service has no %s', async (method) => {
  expect((await ask(sluice, { method, path: '/' })).status).toBe(405);
});

describe('replication of a bucket', () => {
  const make = (name: string, replication: string) =>
    ask(sluice, {
      method: 'PUT',
      path: `/${name}`,
      headers: { 'x-sluice-replication': replication },
    });

  it.each(['one', 'two', 'three', 'xor-2-1-1024k'])('%s', async (replication) => {
    const Bucket = `repl-${replication}`;
    expect((await make(Bucket, replication)).status).toBe(200);
    for (const size of [300_000, 3_000_000]) {
      const Body = content(size);
      await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body }));
      const found = await client.send(new GetObjectCommand({ Bucket, Key: 'k' }));
      const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
      expect(bytes.equals(Body)).toBe(true);
    }
  });

  it.each([
    ['rs-3-2-1024k', /5 datanodes/],
    ['rs-10-4-1024k', /14 datanodes/],
    ['raid-5', /Known are: one/],
  ])('%s is refused with what is needed', async (replication, message) => {
    const found = await make('repl-refused', replication);
    expect([found.status, codeOf(found)]).toEqual([400, 'InvalidArgument']);
    expect(found.body.toString()).toMatch(message);
    expect((await ask(sluice, { method: 'HEAD', path: '/repl-refused' })).status).toBe(404);
  });
});
