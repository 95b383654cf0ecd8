/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation: parse and render. */
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import type { Bucket } from '../../../src/objects/contract.ts';
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  headBucket,
} from '../../../src/s3/operations/bucket.ts';
import { listBuckets } from '../../../src/s3/operations/service.ts';
import { codeOf, headersOf, run, type Asked } from '../../support/scripted-objects.ts';

const bucket = (name: string, location = ''): Bucket => ({
  id: 'id',
  volume: 's3v',
  name,
  ownerId: 'owner-id',
  createdMs: Date.UTC(2026, 10, 23, 4, 20, 1, 250),
  location,
  configs: new Map(),
  replication: undefined,
});

const configuration = (inner: string): string =>
  '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
  `${inner}</CreateBucketConfiguration>`;

function create(asked: Partial<Asked> = {}, region?: string): ReturnType<typeof run> {
  const answers = { createBucket: Promise.resolve(bucket('bucket')) };
  return run(createBucket, { method: 'PUT', target: '/bucket', ...asked }, answers, { region });
}

describe('CreateBucket', () => {
  it('makes one without a document, and answers where it is', async () => {
    const { calls, response } = await create();
    expect(calls).toEqual([
      [
        'createBucket',
        {
          name: 'bucket',
          replication: undefined,
          configs: new Map(),
          location: '',
          ownerId: 'owner-id',
        },
      ],
    ]);
    expect(response).toMatchObject({ status: 200, headers: [['Location', '/bucket']] });
  });

  it('makes one with Object Lock, which has versions', async () => {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' };
    const { calls } = await create({ headers });
    const configs = new Map([
      ['versioning', 'Enabled'],
      ['object-lock', '{}'],
    ]);
    expect(calls[0]?.[1]).toMatchObject({ configs });
  });

  it('keeps the constraint and the replication it was asked for', async () => {
    const { calls } = await create({
      body: configuration('<LocationConstraint>eu-central-1</LocationConstraint>'),
      headers: { 'x-sluice-replication': 'rs-3-2-1024k' },
    });
    expect(calls[0]?.[1]).toMatchObject({
      location: 'eu-central-1',
      replication: 'rs-3-2-1024k',
    });
  });

  it.each([
    [{ target: '/ab' }, 'InvalidBucketName'],
    [{ target: `/${'a'.repeat(64)}` }, 'InvalidBucketName'],
    [{ target: '/Bucket' }, 'InvalidBucketName'],
    [{ target: '/a_b' }, 'InvalidBucketName'],
    [{ target: '/a..b' }, 'InvalidBucketName'],
    [{ target: '/foo.-bar' }, 'InvalidBucketName'],
    [{ target: '/foo-.bar' }, 'InvalidBucketName'],
    [{ target: '/-ab' }, 'InvalidBucketName'],
    [{ target: '/ab.' }, 'InvalidBucketName'],
    [{ target: '/192.168.5.4' }, 'InvalidBucketName'],
    [{ target: '/xn--bucket' }, 'InvalidBucketName'],
    [{ target: '/sthree-bucket' }, 'InvalidBucketName'],
    [{ target: '/bucket-s3alias' }, 'InvalidBucketName'],
    [{ target: '/bucket--ol-s3' }, 'InvalidBucketName'],
    [{ target: '/bucket--x-s3' }, 'InvalidBucketName'],
    [{ headers: { 'x-sluice-replication': 'four' } }, 'InvalidArgument'],
    [{ headers: { 'x-amz-acl': 'public-read' } }, 'InvalidBucketAclWithObjectOwnership'],
    [{ headers: { 'x-amz-object-ownership': 'Nobody' } }, 'InvalidArgument'],
    [{ body: '<Other/>' }, 'MalformedXML'],
    [{ body: Buffer.from([0x3c, 0xff]) }, 'MalformedXML'],
    [{ body: configuration('<Nonsense/>') }, 'MalformedXML'],
    [{ body: configuration('<Bucket><Type>Directory</Type></Bucket>') }, 'NotImplemented'],
    [
      { body: configuration('<LocationConstraint>a b</LocationConstraint>') },
      'InvalidLocationConstraint',
    ],
  ] as const)('refuses %j: %s', async (asked, code) => {
    expect(await codeOf(create(asked))).toBe(code);
  });

  it.each(['abc', 'a.b-c.0', `1${'a'.repeat(61)}z`])('likes the name %s', async (name) => {
    const { calls } = await create({ target: `/${name}` });
    expect(calls[0]?.[1]).toMatchObject({ name });
  });

  it.each([
    ['us-east-1', '', undefined],
    ['us-east-1', 'us-east-1', 'InvalidLocationConstraint'],
    ['us-east-1', 'eu-west-1', 'IllegalLocationConstraintException'],
    ['eu-west-1', '', 'IllegalLocationConstraintException'],
    ['eu-west-1', 'eu-west-1', undefined],
  ])('in region %s with constraint %j: %s', async (region, constraint, code) => {
    const body =
      constraint === ''
        ? ''
        : configuration(`<LocationConstraint>${constraint}</LocationConstraint>`);
    const running = create({ body }, region);
    if (code === undefined) expect((await running).response.status).toBe(200);
    else expect(await codeOf(running)).toBe(code);
  });
});

describe('a bucket', () => {
  it.each([
    ['', undefined, 'us-east-1', ''],
    ['', 'eu-west-1', 'eu-west-1', 'eu-west-1'],
    ['auto', undefined, 'auto', 'auto'],
  ])('made with %j in region %s is in %s', async (location, region, header, text) => {
    const answers = { bucket: bucket('b', location) };
    const head = await run(headBucket, { method: 'HEAD', target: '/b' }, answers, { region });
    expect(headersOf(head.response)['x-amz-bucket-region']).toBe(header);
    const asked = { target: '/b?location' };
    const { response } = await run(getBucketLocation, asked, answers, { region });
    expect(response.body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint ' +
        `xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${text}</LocationConstraint>`,
    );
  });

  it('is deleted with 204', async () => {
    const { calls, response } = await run(deleteBucket, { method: 'DELETE', target: '/b' });
    expect(calls).toEqual([['deleteBucket', 'b']]);
    expect(response).toEqual({ status: 204, headers: [], body: undefined });
  });
});

describe('ListBuckets', () => {
  const two = { buckets: [bucket('a'), bucket('b', 'eu')], truncated: false };

  it('names the owner and each bucket with its region', async () => {
    const { calls, response } = await run(listBuckets, { target: '/' }, { listBuckets: two });
    expect(calls[0]?.[1]).toMatchObject({
      prefix: '',
      after: '',
      limit: LIMITS.listBucketCount,
      ownerId: 'owner-id',
    });
    const created = '<CreationDate>2026-11-23T04:20:01.000Z</CreationDate>';
    expect(response.body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        '<Owner><ID>owner-id</ID><DisplayName>root</DisplayName></Owner><Buckets>' +
        `<Bucket><Name>a</Name>${created}<BucketRegion>us-east-1</BucketRegion></Bucket>` +
        `<Bucket><Name>b</Name>${created}<BucketRegion>eu</BucketRegion></Bucket>` +
        '</Buckets></ListAllMyBucketsResult>',
    );
  });

  it('goes on where a page ended', async () => {
    const page = { listBuckets: { ...two, truncated: true } };
    const first = await run(listBuckets, { target: '/?max-buckets=2&prefix=x' }, page);
    const body = first.response.body as string;
    expect(body).toContain('<Prefix>x</Prefix>');
    const token = /<ContinuationToken>(.*)<\/ContinuationToken>/.exec(body)?.[1] ?? '';
    const target = `/?continuation-token=${encodeURIComponent(token)}`;
    const second = await run(listBuckets, { target }, page);
    expect(second.calls[0]?.[1]).toMatchObject({ after: 'b' });
  });

  it('shows one region when asked', async () => {
    const target = '/?bucket-region=eu';
    const { response } = await run(listBuckets, { target }, { listBuckets: two });
    expect(response.body).toContain('<Name>b</Name>');
    expect(response.body).not.toContain('<Name>a</Name>');
  });

  it.each(['max-buckets=0', 'max-buckets=10001', 'max-buckets=x', 'continuation-token=x'])(
    'refuses %s',
    async (query) => {
      const running = run(listBuckets, { target: `/?${query}` }, { listBuckets: two });
      expect(await codeOf(running)).toBe('InvalidArgument');
    },
  );
});
