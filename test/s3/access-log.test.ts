/** Access logs of buckets: lines in S3's format, delivered as objects where they are wanted. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketLoggingCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';
import { ask } from '../support/signed-request.ts';

const Bucket = 'logged';
const TargetBucket = 'the-logs';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ 'access-log-seconds': '1' });
  client = s3Client(sluice);
  for (const name of [Bucket, TargetBucket]) {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  }
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const FIELDS =
  /^(\S+) (\S+) \[([^\]]+)\] (\S+) (\S+) (\S+) (\S+) (\S+) "([^"]*)" (\d+) (\S+) (\S+) (\S+) (\d+) (\d+) "([^"]*)" "([^"]*)" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)$/;

async function lines(Prefix: string, count: number): Promise<string[][]> {
  const deadlineMs = Date.now() + 15_000;
  for (;;) {
    const { Contents = [] } = await client.send(
      new ListObjectsV2Command({ Bucket: TargetBucket, Prefix }),
    );
    const found: string[] = [];
    for (const { Key } of Contents) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: TargetBucket, Key }));
      found.push(...((await Body?.transformToString()) ?? '').split('\n').filter(Boolean));
    }
    if (found.length >= count) {
      return found.map((line) => {
        const match = FIELDS.exec(line);
        expect(match, line).not.toBeNull();
        return [...(match ?? [])].slice(1);
      });
    }
    if (Date.now() > deadlineMs) throw new Error(`only ${found.length} lines`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

it('lines come as objects below the prefix', async () => {
  const LoggingEnabled = { TargetBucket, TargetPrefix: 'log/' };
  await client.send(
    new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: { LoggingEnabled } }),
  );
  await client.send(new PutObjectCommand({ Bucket, Key: 'a b', Body: '12345' }));
  const range = { Bucket, Key: 'a b', Range: 'bytes=1-2' };
  await (await client.send(new GetObjectCommand(range))).Body?.transformToByteArray();
  await ask(sluice, {
    path: `/${Bucket}/none`,
    headers: { 'user-agent': 'say "hi"', referer: 'http://there' },
  });
  const found = await lines('log/', 4);
  const owner = sluice.credentials.rootOwner.ownerId;
  for (const fields of found) {
    expect(fields.slice(0, 2)).toEqual([owner, Bucket]);
    expect(fields[2]).toMatch(/^\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
    expect(fields.slice(3, 5)).toEqual(['127.0.0.1', owner]);
  }
  expect(found.map((fields) => [fields[6], fields[7], ...fields.slice(9, 13)])).toEqual([
    ['REST.PUT.LOGGING_STATUS', '-', '200', '-', '-', '-'],
    ['REST.PUT.OBJECT', 'a%20b', '200', '-', '-', '5'],
    ['REST.GET.OBJECT', 'a%20b', '206', '-', '2', '5'],
    ['REST.GET.OBJECT', 'none', '404', 'NoSuchKey', expect.stringMatching(/^\d+$/), '-'],
  ]);
  expect(found[3]?.[8]).toBe(`GET /${Bucket}/none HTTP/1.1`);
  expect(found[3]?.slice(15, 17)).toEqual(['http://there', 'say %22hi%22']);
  expect(found[3]?.slice(19, 22)).toEqual(['SigV4', '-', 'AuthHeader']);
});

it('a line of what nobody signed names nobody', async () => {
  const LoggingEnabled = { TargetBucket, TargetPrefix: 'nobody/' };
  const BucketLoggingStatus = { LoggingEnabled };
  await client.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus }));
  await fetch(`${sluice.endpoint}/${Bucket}/none`);
  const found = (await lines('nobody/', 2)).find((fields) => fields[7] === 'none');
  expect([found?.[4], found?.[9], found?.[10]]).toEqual(['-', '403', 'AccessDenied']);
  expect(found?.slice(19, 22)).toEqual(['-', '-', '-']);
});

it('a partitioned prefix names owner, region, bucket and day', async () => {
  const LoggingEnabled = {
    TargetBucket,
    TargetPrefix: 'p/',
    TargetObjectKeyFormat: { PartitionedPrefix: { PartitionDateSource: 'EventTime' as const } },
  };
  await client.send(
    new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: { LoggingEnabled } }),
  );
  const { ownerId } = sluice.credentials.rootOwner;
  const day = new Date().toISOString().slice(0, 8).replaceAll('-', '/');
  await lines(`p/${ownerId}/us-east-1/${Bucket}/${day}`, 1);
});

it('many lines come in objects of bounded size', async () => {
  const LoggingEnabled = { TargetBucket, TargetPrefix: 'many/' };
  await client.send(
    new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: { LoggingEnabled } }),
  );
  const Key = 'k'.repeat(900);
  const asked = 700;
  for (let from = 0; from < asked; from += 50) {
    const gets = Array.from({ length: 50 }, () => ask(sluice, { path: `/${Bucket}/${Key}` }));
    await Promise.all(gets);
  }
  const found = await lines('many/', asked);
  expect(found.filter((fields) => fields[7] === Key)).toHaveLength(asked);
});
