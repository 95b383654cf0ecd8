/** Event notifications through the front door: what happens in a bucket reaches webhook and file. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  type Event,
  GetBucketNotificationConfigurationCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

const Bucket = 'watched';
const HOOK = 'arn:sluice:sqs::hook:webhook';
const FILE = 'arn:sluice:sqs::file:file';
const received: string[] = [];
let refusals = 1;
let hook: Server;
let directory: string;
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  hook = createServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString()));
    request.on('end', () => {
      // The first attempt of all fails: nothing may be lost by that.
      response.statusCode = refusals > 0 ? 503 : 200;
      if (refusals > 0) refusals -= 1;
      else received.push(body);
      response.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  directory = mkdtempSync(join(tmpdir(), 'sluice-notification-'));
  const { port } = hook.address() as AddressInfo;
  sluice = await openSluice({
    'event-target': [
      `hook=http://127.0.0.1:${port}/events`,
      `file=${join(directory, 'events.json')}`,
    ],
    'lifecycle-day-seconds': '1',
  });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
  hook.closeAllConnections();
  hook.close();
  rmSync(directory, { recursive: true, force: true });
});

const subscribe = (...wishes: { QueueArn: string; Events: Event[]; Prefix?: string }[]) =>
  client.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: {
        QueueConfigurations: wishes.map(({ Prefix = '', ...rest }) => ({
          ...rest,
          Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: Prefix }] } },
        })),
      },
    }),
  );

interface Told {
  readonly eventName: string;
  readonly s3: { readonly object: { readonly key: string; readonly eTag?: string } };
}

function told(documents: readonly string[]): Told[] {
  return documents.flatMap((text) => (JSON.parse(text) as { Records?: Told[] }).Records ?? []);
}

async function until(done: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 15_000;
  while (!done()) {
    if (Date.now() > deadlineMs) throw new Error(`not in time: ${received.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

it('a configuration comes back, greeted with a test event', async () => {
  await subscribe({
    QueueArn: HOOK,
    Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:ObjectTagging:*'],
  });
  const found = await client.send(new GetBucketNotificationConfigurationCommand({ Bucket }));
  expect(found.QueueConfigurations?.[0]).toMatchObject({ QueueArn: HOOK });
  await until(() => received.length === 1);
  expect(JSON.parse(received[0] ?? '')).toMatchObject({ Event: 's3:TestEvent', Bucket });
});

describe('a configuration is refused', () => {
  it.each([
    [
      'an unknown target',
      [{ QueueArn: 'arn:sluice:sqs::none:webhook', Events: ['s3:ObjectCreated:*'] }],
    ],
    ['an unknown event', [{ QueueArn: HOOK, Events: ['s3:ObjectEaten'] }]],
    [
      'an overlap',
      [
        { QueueArn: HOOK, Events: ['s3:ObjectCreated:*'], Prefix: 'a' },
        { QueueArn: FILE, Events: ['s3:ObjectCreated:Put'], Prefix: 'ab' },
      ],
    ],
  ] as [string, { QueueArn: string; Events: Event[]; Prefix?: string }[]][])(
    'for %s',
    async (_, wishes) => {
      await expectS3Error(subscribe(...wishes), 400, 'InvalidArgument');
    },
  );
});

it('everything that happens to objects is told', async () => {
  received.length = 0;
  const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key: 'a b', Body: 'x' }));
  await client.send(new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/a%20b` }));
  const Tagging = { TagSet: [{ Key: 'k', Value: 'v' }] };
  await client.send(new PutObjectTaggingCommand({ Bucket, Key: 'c', Tagging }));
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'c' }));
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'm' }));
  const part = { Bucket, Key: 'm', UploadId, PartNumber: 1, Body: 'x' };
  const made = await client.send(new UploadPartCommand(part));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: made.ETag }] };
  const ending = { Bucket, Key: 'm', UploadId, MultipartUpload };
  await client.send(new CompleteMultipartUploadCommand(ending));
  const Objects = [{ Key: 'a b' }, { Key: 'm' }];
  await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  await until(() => told(received).length >= 7);
  expect(told(received).map(({ eventName, s3 }) => [eventName, s3.object.key])).toEqual([
    ['ObjectCreated:Put', 'a+b'],
    ['ObjectCreated:Copy', 'c'],
    ['ObjectTagging:Put', 'c'],
    ['ObjectRemoved:Delete', 'c'],
    ['ObjectCreated:CompleteMultipartUpload', 'm'],
    ['ObjectRemoved:Delete', 'a+b'],
    ['ObjectRemoved:Delete', 'm'],
  ]);
  expect(`"${told(received)[0]?.s3.object.eTag}"`).toBe(ETag);
});

it('a new ACL is told, and who gave it', async () => {
  await client.send(
    new PutBucketOwnershipControlsCommand({
      Bucket,
      OwnershipControls: { Rules: [{ ObjectOwnership: 'ObjectWriter' }] },
    }),
  );
  await subscribe({ QueueArn: HOOK, Events: ['s3:ObjectAcl:Put'] });
  await client.send(new PutObjectCommand({ Bucket, Key: 'shown', Body: 'x' }));
  received.length = 0;
  await client.send(new PutObjectAclCommand({ Bucket, Key: 'shown', ACL: 'public-read' }));
  await until(() => told(received).length > 0);
  const { ownerId } = sluice.credentials.rootOwner;
  expect(told(received)).toMatchObject([
    {
      eventName: 'ObjectAcl:Put',
      userIdentity: { principalId: ownerId },
      s3: { object: { key: 'shown' } },
    },
  ]);
});

it('what a lifecycle rule ends is told, to a file too', async () => {
  await subscribe({ QueueArn: FILE, Events: ['s3:LifecycleExpiration:*'] });
  await client.send(new PutObjectCommand({ Bucket, Key: 'old', Body: 'x' }));
  const Rules = [
    { ID: 'r', Filter: { Prefix: 'old' }, Status: 'Enabled' as const, Expiration: { Days: 1 } },
  ];
  const LifecycleConfiguration = { Rules };
  await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }));
  const lines = (): string[] =>
    readFileSync(join(directory, 'events.json'), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  await until(() => lines().length === 2);
  expect(told(lines()).map(({ eventName, s3 }) => [eventName, s3.object.key])).toEqual([
    ['LifecycleExpiration:Delete', 'old'],
  ]);
});
