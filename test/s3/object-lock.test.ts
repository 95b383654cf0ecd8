/** Object Lock through the front door: what is locked stays, whoever asks, until it may go. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  type ObjectLockConfiguration,
  type ObjectLockRetention,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

let sluice: SluiceInside;
let client: S3Client;
let buckets = 0;
const HOUR_MS = 3_600_000;
const later = (ms: number): Date => new Date(Math.floor((Date.now() + ms) / 1000) * 1000);

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice);
});
afterAll(async () => {
  client.destroy();
  await sluice.idle();
  await sluice.close();
});

async function bucketOf(ObjectLockEnabledForBucket: boolean): Promise<string> {
  buckets += 1;
  const Bucket = `locks-${buckets}`;
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket }));
  return Bucket;
}

const configure = (Bucket: string, ObjectLockConfiguration: ObjectLockConfiguration) =>
  client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
const rule = (DefaultRetention: object): ObjectLockConfiguration => ({
  ObjectLockEnabled: 'Enabled',
  Rule: { DefaultRetention },
});

describe('the configuration of a bucket', () => {
  it('comes with the bucket, together with versioning, and takes a default', async () => {
    const Bucket = await bucketOf(true);
    const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket }));
    expect(Status).toBe('Enabled');
    const get = async () =>
      (await client.send(new GetObjectLockConfigurationCommand({ Bucket })))
        .ObjectLockConfiguration;
    expect(await get()).toEqual({ ObjectLockEnabled: 'Enabled' });
    await configure(Bucket, rule({ Mode: 'GOVERNANCE', Days: 2 }));
    expect(await get()).toEqual(rule({ Mode: 'GOVERNANCE', Days: 2 }));
    const suspended = new PutBucketVersioningCommand({
      Bucket,
      VersioningConfiguration: { Status: 'Suspended' },
    });
    await expectS3Error(client.send(suspended), 409, 'InvalidBucketState');
  });

  it('needs versioning', async () => {
    const Bucket = await bucketOf(false);
    const get = new GetObjectLockConfigurationCommand({ Bucket });
    await expectS3Error(client.send(get), 404, 'ObjectLockConfigurationNotFoundError');
    const put = (): Promise<unknown> => configure(Bucket, { ObjectLockEnabled: 'Enabled' });
    await expectS3Error(put(), 409, 'InvalidBucketState');
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    await put();
    expect((await client.send(get)).ObjectLockConfiguration?.ObjectLockEnabled).toBe('Enabled');
  });

  it.each([
    ['MalformedXML', { ObjectLockEnabled: 'Disabled' } as unknown as ObjectLockConfiguration],
    ['MalformedXML', rule({ Mode: 'abc', Days: 1 })],
    ['MalformedXML', rule({ Mode: 'GOVERNANCE' })],
    ['MalformedXML', rule({ Mode: 'GOVERNANCE', Days: 1, Years: 1 })],
    ['InvalidRetentionPeriod', rule({ Mode: 'GOVERNANCE', Days: 0 })],
    ['InvalidRetentionPeriod', rule({ Mode: 'GOVERNANCE', Years: -1 })],
  ])('%s', async (code, configuration) => {
    const Bucket = await bucketOf(true);
    await expectS3Error(configure(Bucket, configuration), 400, code);
  });
});

describe('retention', () => {
  const retain = (
    Bucket: string,
    Retention: ObjectLockRetention,
    BypassGovernanceRetention?: boolean,
  ) =>
    client.send(
      new PutObjectRetentionCommand({ Bucket, Key: 'k', Retention, BypassGovernanceRetention }),
    );
  const put = async (Bucket: string, more: object = {}): Promise<string | undefined> =>
    (await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...more }))).VersionId;
  const remove = (Bucket: string, VersionId?: string, BypassGovernanceRetention?: boolean) =>
    client.send(
      new DeleteObjectCommand({ Bucket, Key: 'k', VersionId, BypassGovernanceRetention }),
    );

  it('governance: is kept, extended, and given up only by those who may bypass it', async () => {
    const Bucket = await bucketOf(true);
    const VersionId = await put(Bucket);
    const get = new GetObjectRetentionCommand({ Bucket, Key: 'k' });
    await expectS3Error(client.send(get), 404, 'NoSuchObjectLockConfiguration');
    const first = { Mode: 'GOVERNANCE', RetainUntilDate: later(HOUR_MS) } as const;
    await retain(Bucket, first);
    expect((await client.send(get)).Retention).toEqual(first);
    await retain(Bucket, { ...first, RetainUntilDate: later(2 * HOUR_MS) });
    await expectS3Error(retain(Bucket, first), 403, 'AccessDenied');
    await retain(Bucket, first, true);
    const stricter = { ...first, Mode: 'COMPLIANCE' } as const;
    await expectS3Error(retain(Bucket, stricter), 403, 'AccessDenied');
    await expectS3Error(remove(Bucket, VersionId), 403, 'AccessDenied');
    expect((await remove(Bucket)).DeleteMarker).toBe(true);
    const Delete = { Objects: [{ Key: 'k', VersionId }] };
    const many = await client.send(new DeleteObjectsCommand({ Bucket, Delete }));
    expect(many.Errors?.map(({ Code }) => Code)).toEqual(['AccessDenied']);
    await remove(Bucket, VersionId, true);
  });

  it('compliance: nobody removes or shortens it, and it ends', async () => {
    const Bucket = await bucketOf(true);
    const until = { Mode: 'COMPLIANCE', RetainUntilDate: later(2500) } as const;
    const VersionId = await put(Bucket, {
      ObjectLockMode: until.Mode,
      ObjectLockRetainUntilDate: until.RetainUntilDate,
    });
    const weaker = { ...until, Mode: 'GOVERNANCE' } as const;
    await expectS3Error(retain(Bucket, weaker, true), 403, 'AccessDenied');
    await expectS3Error(remove(Bucket, VersionId, true), 403, 'AccessDenied');
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'k' }));
    expect(head).toMatchObject({
      ObjectLockMode: until.Mode,
      ObjectLockRetainUntilDate: until.RetainUntilDate,
    });
    await expect
      .poll(
        () =>
          remove(Bucket, VersionId).then(
            () => 'gone',
            () => 'kept',
          ),
        { timeout: 6000 },
      )
      .toBe('gone');
  });

  it('is what the bucket says for all that is written, however, unless they say more', async () => {
    const Bucket = await bucketOf(true);
    await configure(Bucket, rule({ Mode: 'GOVERNANCE', Days: 1 }));
    await put(Bucket);
    const CopySource = `${Bucket}/k`;
    await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
    const Key = 'parts';
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const part = { Bucket, Key, UploadId, PartNumber: 1 };
    const { ETag } = await client.send(new UploadPartCommand({ ...part, Body: 'x' }));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }),
    );
    for (const name of ['k', 'copy', Key]) {
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: name }));
      expect(head.ObjectLockMode).toBe('GOVERNANCE');
      const ms = (head.ObjectLockRetainUntilDate?.getTime() ?? 0) - Date.now();
      expect(Math.abs(ms - 24 * HOUR_MS)).toBeLessThan(60_000);
    }
    const until = later(HOUR_MS);
    await put(Bucket, { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until });
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'k' }));
    expect([head.ObjectLockMode, head.ObjectLockRetainUntilDate]).toEqual(['COMPLIANCE', until]);
  });

  it('is refused where it makes no sense', async () => {
    const plain = await bucketOf(false);
    await put(plain);
    const future = { Mode: 'GOVERNANCE', RetainUntilDate: later(HOUR_MS) } as const;
    await expectS3Error(retain(plain, future), 400, 'InvalidRequest');
    const asked = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: later(HOUR_MS) };
    await expectS3Error(put(plain, asked), 400, 'InvalidRequest');
    const Bucket = await bucketOf(true);
    await put(Bucket);
    const wrongMode = { ...future, Mode: 'governance' } as unknown as ObjectLockRetention;
    await expectS3Error(retain(Bucket, wrongMode), 400, 'MalformedXML');
    const past = { ...future, RetainUntilDate: later(-HOUR_MS) };
    await expectS3Error(retain(Bucket, past), 400, 'InvalidArgument');
    await expectS3Error(put(Bucket, { ObjectLockMode: 'GOVERNANCE' }), 400, 'InvalidArgument');
  });
});

describe('a legal hold', () => {
  it('keeps a version until it is lifted', async () => {
    const Bucket = await bucketOf(true);
    const put = new PutObjectCommand({
      Bucket,
      Key: 'k',
      Body: 'x',
      ObjectLockLegalHoldStatus: 'ON',
    });
    const { VersionId } = await client.send(put);
    const remove = new DeleteObjectCommand({
      Bucket,
      Key: 'k',
      VersionId,
      BypassGovernanceRetention: true,
    });
    await expectS3Error(client.send(remove), 403, 'AccessDenied');
    const hold = (Status: 'ON' | 'OFF') =>
      client.send(new PutObjectLegalHoldCommand({ Bucket, Key: 'k', LegalHold: { Status } }));
    await hold('OFF');
    const got = await client.send(new GetObjectLegalHoldCommand({ Bucket, Key: 'k' }));
    expect(got.LegalHold?.Status).toBe('OFF');
    await expectS3Error(hold('abc' as 'ON'), 400, 'MalformedXML');
    await client.send(remove);
    const plain = await bucketOf(false);
    await client.send(new PutObjectCommand({ Bucket: plain, Key: 'k', Body: 'x' }));
    const refused = new PutObjectLegalHoldCommand({
      Bucket: plain,
      Key: 'k',
      LegalHold: { Status: 'ON' },
    });
    await expectS3Error(client.send(refused), 400, 'InvalidRequest');
  });
});
