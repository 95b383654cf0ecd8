/** Lifecycle through the front door: objects end by themselves, and answers foretell it. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

const DAY_MS = 1000;
const Bucket = 'aging';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ 'lifecycle-day-seconds': '1' });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const on = { Status: 'Enabled' as const };
async function configure(
  Rules: NonNullable<
    NonNullable<
      ConstructorParameters<
        typeof PutBucketLifecycleConfigurationCommand
      >[0]['LifecycleConfiguration']
    >['Rules']
  >,
): Promise<void> {
  const LifecycleConfiguration = { Rules };
  await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }));
}

it('every answer that speaks of an object says when it ends', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: 'a/before', Body: 'x' }));
  const plain = await client.send(new HeadObjectCommand({ Bucket, Key: 'a/before' }));
  expect(plain.Expiration).toBeUndefined();
  await configure([
    { ID: 'a rule', Filter: { Prefix: 'a/' }, ...on, Expiration: { Days: 1000 } },
    { ID: 'tags', Filter: { Tag: { Key: 't', Value: '1' } }, ...on, Expiration: { Days: 500 } },
  ]);
  const startMs = Date.now();
  const said = (text: string | undefined): [number, string] => {
    const [, date = '', id = ''] =
      /^expiry-date="([^"]+)", rule-id="([^"]+)"$/.exec(text ?? '') ?? [];
    return [Math.floor((Date.parse(date) - startMs) / DAY_MS), decodeURIComponent(id)];
  };
  const near = (text: string | undefined, days: number, id: string): void => {
    const [found, name] = said(text);
    expect(name).toBe(id);
    expect(Math.abs(found - days)).toBeLessThan(5);
  };
  const Key = 'a/key';
  near(
    (await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))).Expiration,
    1000,
    'a rule',
  );
  near((await client.send(new HeadObjectCommand({ Bucket, Key }))).Expiration, 1000, 'a rule');
  const got = await client.send(new GetObjectCommand({ Bucket, Key }));
  await got.Body?.transformToByteArray();
  near(got.Expiration, 1000, 'a rule');
  const tagged = await client.send(
    new PutObjectCommand({ Bucket, Key: 'b', Body: 'x', Tagging: 't=1' }),
  );
  near(tagged.Expiration, 500, 'tags');
  const other = await client.send(new PutObjectCommand({ Bucket, Key: 'c', Body: 'x' }));
  expect(other.Expiration).toBeUndefined();
  const copied = await client.send(
    new CopyObjectCommand({ Bucket, Key: 'd', CopySource: `${Bucket}/b` }),
  );
  near(copied.Expiration, 500, 'tags');
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const { ETag } = await client.send(
    new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' }),
  );
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const complete = new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload });
  near((await client.send(complete)).Expiration, 1000, 'a rule');
});

it('objects and uploads end by themselves', async () => {
  for (const Key of ['gone/1', 'gone/2', 'kept']) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  }
  await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'gone/upload' }));
  await configure([
    { ID: 'g', Filter: { Prefix: 'gone/' }, ...on, Expiration: { Days: 1 } },
    {
      ID: 'u',
      Filter: { Prefix: 'gone/' },
      ...on,
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
    },
  ]);
  const deadlineMs = Date.now() + 15_000;
  for (;;) {
    const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'gone/' }));
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    if (KeyCount === 0 && Uploads.length === 0) break;
    expect(Date.now()).toBeLessThan(deadlineMs);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await client.send(new HeadObjectCommand({ Bucket, Key: 'kept' }));
});
