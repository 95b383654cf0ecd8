/** Regions: none configured, any scope is good; one configured, only that one is. */
import {
  CreateBucketCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { codeOf, headerOf } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask } from '../support/signed-request.ts';

let free: SluiceProcess;
let strict: SluiceProcess;
const clients: S3Client[] = [];

beforeAll(async () => {
  [free, strict] = await Promise.all([
    startSluice(),
    startSluice({ arguments: ['--region', 'eu-central-1'] }),
  ]);
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await Promise.all([free.close(), strict.close()]);
});

function clientOf(sluice: SluiceProcess, region: string): S3Client {
  const client = s3Client(sluice, { region, followRegionRedirects: false });
  clients.push(client);
  return client;
}

describe('without a region', () => {
  it.each(['us-east-1', 'auto', 'minio', 'garage', 'eu-west-3'])(
    'people come with %s',
    async (region) => {
      const client = clientOf(free, region);
      const Bucket = `from-${region}`;
      await client.send(new CreateBucketCommand({ Bucket }));
      await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: region }));
      const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'k' }));
      expect(await (await fetch(url)).text()).toBe(region);
    },
  );

  it('a bucket keeps the LocationConstraint it was made with, and is served from anywhere', async () => {
    const Bucket = 'located';
    const maker = clientOf(free, 'sa-east-1');
    const LocationConstraint = 'sa-east-1';
    await maker.send(
      new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint } }),
    );
    const other = clientOf(free, 'us-east-1');
    const found = await other.send(new GetBucketLocationCommand({ Bucket }));
    expect(found.LocationConstraint).toBe(LocationConstraint);
    expect((await other.send(new HeadBucketCommand({ Bucket }))).BucketRegion).toBe('sa-east-1');
    await other.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
    const there = await other.send(new ListBucketsCommand({ BucketRegion: 'sa-east-1' }));
    expect(there.Buckets?.map(({ Name }) => Name)).toEqual([Bucket]);
  });
});

describe('with a region', () => {
  it('another scope is told the right one', async () => {
    const answer = await ask(strict, { path: '/', region: 'us-east-1' });
    expect([answer.status, codeOf(answer)]).toEqual([400, 'AuthorizationHeaderMalformed']);
    expect(answer.body.toString()).toContain('<Region>eu-central-1</Region>');
    expect(headerOf(answer, 'x-amz-bucket-region')).toBe('eu-central-1');
    const url = await getSignedUrl(
      clientOf(strict, 'us-east-1'),
      new GetObjectCommand({ Bucket: 'b-b', Key: 'k' }),
    );
    const presigned = await fetch(url);
    expect(presigned.status).toBe(400);
    expect(await presigned.text()).toContain('AuthorizationQueryParametersError');
  });

  it('an SDK that follows finds it', async () => {
    const config = { region: 'us-east-1', followRegionRedirects: true };
    const client = s3Client(strict, config);
    clients.push(client);
    const Bucket = 'followed';
    const Configuration = { LocationConstraint: 'eu-central-1' as const };
    await clientOf(strict, 'eu-central-1').send(
      new CreateBucketCommand({ Bucket, CreateBucketConfiguration: Configuration }),
    );
    // The SDK follows where S3 sends it: a refused HeadBucket names the region.
    const found = await client.send(new HeadBucketCommand({ Bucket }));
    expect(found.BucketRegion).toBe('eu-central-1');
  });

  it('buckets are made there and nowhere else', async () => {
    const client = clientOf(strict, 'eu-central-1');
    const make = (Bucket: string, LocationConstraint?: 'eu-central-1' | 'eu-west-1') =>
      client.send(
        new CreateBucketCommand({
          Bucket,
          ...(LocationConstraint && { CreateBucketConfiguration: { LocationConstraint } }),
        }),
      );
    await make('here', 'eu-central-1');
    const code = 'IllegalLocationConstraintException';
    await expectS3Error(make('there', 'eu-west-1'), 400, code);
    const bare = await ask(strict, { method: 'PUT', path: '/bare', region: 'eu-central-1' });
    expect([bare.status, codeOf(bare)]).toEqual([400, code]);
    const head = await client.send(new HeadBucketCommand({ Bucket: 'here' }));
    expect(head.BucketRegion).toBe('eu-central-1');
    for (const Bucket of ['there', 'bare']) {
      await expectS3Error(client.send(new HeadBucketCommand({ Bucket })), 404, 'NotFound');
    }
  });
});
