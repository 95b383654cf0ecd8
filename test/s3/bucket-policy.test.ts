/** Bucket policies, identity policies and secondary permissions, through the front door. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectsCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error } from '../support/client.ts';
import {
  ADMIN,
  ALT,
  anonymously,
  MAIN,
  READER,
  startTown,
  type Town,
} from '../support/identities.ts';
import { ask, outcome } from '../support/signed-request.ts';

let town: Town;
let main: S3Client;
let alt: S3Client;
let Bucket: string;
let count = 0;

beforeAll(async () => {
  town = await startTown();
  main = town.client(MAIN);
  alt = town.client(ALT);
});
afterAll(() => town.close());
beforeEach(async () => {
  Bucket = `policy-${(count += 1)}`;
  await main.send(new CreateBucketCommand({ Bucket }));
});

type Json = Readonly<Record<string, unknown>>;

function policy(...statements: readonly Json[]): string {
  const filled = statements.map((one) => ({
    Effect: 'Allow',
    Principal: '*',
    Resource: `arn:aws:s3:::${Bucket}/*`,
    ...one,
  }));
  return JSON.stringify({ Version: '2012-10-17', Statement: filled });
}

const set = (...statements: readonly Json[]) =>
  main.send(new PutBucketPolicyCommand({ Bucket, Policy: policy(...statements) }));
const put = (client: S3Client, Key = 'k', more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello', ...more }));
const get = (client: S3Client, Key = 'k', more: object = {}) =>
  client.send(new GetObjectCommand({ Bucket, Key, ...more }));
const list = (client: S3Client, more: object = {}) =>
  client.send(new ListObjectsV2Command({ Bucket, ...more }));
const denied = (work: Promise<unknown>) => expectS3Error(work, 403, 'AccessDenied');
const bucketArn = () => `arn:aws:s3:::${Bucket}`;
const door = () => ({
  port: town.sluice.port,
  accessKey: MAIN.accessKey,
  secretKey: MAIN.secretKey,
});

describe('the policy of a bucket', () => {
  it('is kept as it was put', async () => {
    await expectS3Error(
      main.send(new GetBucketPolicyCommand({ Bucket })),
      404,
      'NoSuchBucketPolicy',
    );
    const text = ` ${policy({ Action: 's3:GetObject' })}\n`;
    const answer = await ask(door(), {
      method: 'PUT',
      path: `/${Bucket}`,
      query: { policy: '' },
      body: text,
    });
    expect(answer.status).toBe(204);
    const got = await ask(door(), { path: `/${Bucket}`, query: { policy: '' } });
    expect(got.body.toString()).toBe(text);
    await main.send(new DeleteBucketPolicyCommand({ Bucket }));
    await expectS3Error(
      main.send(new GetBucketPolicyCommand({ Bucket })),
      404,
      'NoSuchBucketPolicy',
    );
    await main.send(new DeleteBucketPolicyCommand({ Bucket }));
  });

  it.each([
    ['', "Policies must be valid JSON and the first byte must be '{'"],
    ['[]', "Policies must be valid JSON and the first byte must be '{'"],
    ['{"Statement":[]}', 'Could not parse the policy: Statement is empty!'],
    ['{"Version":"2012-10-17"}', 'Missing required field Statement'],
    [`{"Statement":[],"x":"${'x'.repeat(20 * 1024)}"}`, 'Policy exceeds the maximum allowed'],
  ])('%.40s is malformed', async (body, message) => {
    const wanted = { method: 'PUT', path: `/${Bucket}`, query: { policy: '' }, body };
    const answer = await ask(door(), wanted);
    expect(answer.status).toBe(400);
    expect(answer.body.toString()).toContain('<Code>MalformedPolicy</Code>');
    expect(answer.body.toString().replaceAll('&#x27;', "'")).toContain(message);
  });

  it('is its owner’s to read and to change, whatever it denies', async () => {
    await set({ Effect: 'Deny', Action: 's3:*', Resource: [bucketArn(), `${bucketArn()}/*`] });
    await denied(list(main));
    await denied(put(main));
    await denied(list(town.client(ADMIN)));
    await main.send(new GetBucketPolicyCommand({ Bucket }));
    await denied(alt.send(new GetBucketPolicyCommand({ Bucket })));
    await denied(alt.send(new DeleteBucketPolicyCommand({ Bucket })));
    await main.send(new DeleteBucketPolicyCommand({ Bucket }));
    await put(main);
  });

  it('survives a read by everybody, and is gone with its bucket', async () => {
    await set({ Action: 's3:GetObject' });
    await main.send(new DeleteBucketCommand({ Bucket }));
    await main.send(new CreateBucketCommand({ Bucket }));
    await expectS3Error(
      main.send(new GetBucketPolicyCommand({ Bucket })),
      404,
      'NoSuchBucketPolicy',
    );
  });
});

describe('what a policy allows', () => {
  it('everybody, and no more', async () => {
    await put(main);
    await set({ Action: 's3:GetObject' });
    await get(alt);
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/k`)).toEqual([200, undefined]);
    expect(await anonymously(town.sluice, 'HEAD', `/${Bucket}/k`)).toEqual([200, undefined]);
    const choosing = `/${Bucket}/k?response-content-type=text/html`;
    expect(await anonymously(town.sluice, 'GET', choosing)).toEqual([400, 'InvalidRequest']);
    // Who may not list learns nothing of what is not there.
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/no`)).toEqual([403, 'AccessDenied']);
    await denied(get(alt, 'no'));
    await expectS3Error(get(main, 'no'), 404, 'NoSuchKey');
    await denied(put(alt));
    await denied(list(alt));
    await set({ Action: 's3:GetObject' }, { Action: 's3:ListBucket', Resource: bucketArn() });
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/no`)).toEqual([404, 'NoSuchKey']);
  });

  it.each([
    ['an ARN', () => ({ AWS: `arn:aws:iam::${ALT.id}:user/${ALT.name}` })],
    ['an ARN without an account', () => ({ AWS: `arn:aws:iam:::user/${ALT.name}` })],
    ['an account', () => ({ AWS: [`arn:aws:iam::${ALT.id}:root`] })],
    ['an account’s id', () => ({ AWS: ALT.id })],
    ['a canonical id', () => ({ CanonicalUser: ALT.id })],
  ])('one principal by %s', async (_, principal) => {
    await put(main);
    await set({ Action: 's3:GetObject', Principal: principal() });
    await get(alt);
    await denied(get(town.client(READER)));
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/k`)).toEqual([403, 'AccessDenied']);
  });

  it('all but one principal', async () => {
    await put(main);
    const others = { NotPrincipal: { AWS: ALT.id }, Principal: undefined };
    await set({ Action: 's3:GetObject' }, { ...others, Effect: 'Deny', Action: 's3:GetObject' });
    await get(alt);
    await denied(get(main));
  });

  it('a prefix of a listing', async () => {
    const Condition = { StringLike: { 's3:prefix': 'home/*' } };
    await set({ Action: 's3:ListBucket', Resource: bucketArn(), Condition });
    await list(alt, { Prefix: 'home/alt' });
    await denied(list(alt));
    await denied(list(alt, { Prefix: 'other' }));
  });

  it('a home by a variable', async () => {
    const Resource = `${bucketArn()}/home/\${aws:username}/*`;
    await set({ Action: ['s3:PutObject', 's3:GetObject'], Resource });
    await put(alt, 'home/alt/x');
    await denied(put(alt, 'home/main/x'));
    expect(await anonymously(town.sluice, 'PUT', `/${Bucket}/home/x/y`, {}, 'x')).toEqual([
      403,
      'AccessDenied',
    ]);
  });

  it('tagged objects', async () => {
    await put(main, 'public', { Tagging: 'security=public' });
    await put(main, 'secret', { Tagging: 'security=secret' });
    const Condition = { StringEquals: { 's3:ExistingObjectTag/security': 'public' } };
    await set({ Action: ['s3:GetObject', 's3:GetObjectTagging'], Condition });
    await get(alt, 'public');
    await alt.send(new GetObjectTaggingCommand({ Bucket, Key: 'public' }));
    await denied(get(alt, 'secret'));
  });

  it('an address and a transport', async () => {
    await put(main);
    const near = { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } };
    await set({ Action: 's3:GetObject', Condition: near });
    await get(alt);
    await set(
      { Action: 's3:GetObject', Condition: near },
      {
        Effect: 'Deny',
        Action: 's3:*',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
    );
    await denied(get(alt));
    await denied(get(main));
  });

  it('each key of a deletion by itself', async () => {
    for (const key of ['a/1', 'b/1']) await put(main, key);
    await set({ Action: 's3:DeleteObject', Resource: `${bucketArn()}/a/*` });
    const Delete = { Objects: [{ Key: 'a/1' }, { Key: 'b/1' }, { Key: 'c' }] };
    const { Deleted, Errors } = await alt.send(new DeleteObjectsCommand({ Bucket, Delete }));
    expect(Deleted?.map(({ Key }) => Key)).toEqual(['a/1']);
    expect(Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([
      ['b/1', 'AccessDenied'],
      ['c', 'AccessDenied'],
    ]);
    const left = await list(main);
    expect(left.Contents?.map(({ Key }) => Key)).toEqual(['b/1']);
  });
});

describe('a request that does more than one thing', () => {
  it('needs a permission for tags', async () => {
    await set({ Action: 's3:PutObject' });
    await put(alt, 'plain');
    await denied(put(alt, 'tagged', { Tagging: 'a=b' }));
    await set({ Action: ['s3:PutObject', 's3:PutObjectTagging'] });
    await put(alt, 'tagged', { Tagging: 'a=b' });
    const Condition = { StringEquals: { 's3:RequestObjectTag/a': 'b' } };
    await set({ Action: 's3:PutObject', Condition });
    await put(alt, 'tagged', { Tagging: 'a=b' });
    await denied(put(alt, 'tagged', { Tagging: 'a=c' }));
  });

  it('needs both ends of a copy, and the tags that go along', async () => {
    const source = `${Bucket}-source`;
    await main.send(new CreateBucketCommand({ Bucket: source }));
    const from = { Bucket: source, Key: 'k' };
    await main.send(new PutObjectCommand({ ...from, Body: 'x', Tagging: 'a=b' }));
    const copy = (client: S3Client, more: object = {}) =>
      client.send(new CopyObjectCommand({ Bucket, Key: 'k', CopySource: `${source}/k`, ...more }));
    await set({ Action: 's3:PutObject' });
    await denied(copy(alt));
    const Policy = policy({ Action: 's3:GetObject', Resource: `arn:aws:s3:::${source}/*` });
    await main.send(new PutBucketPolicyCommand({ Bucket: source, Policy }));
    await denied(copy(alt));
    await copy(alt, { TaggingDirective: 'REPLACE' });
    await copy(main);
    const { TagCount } = await main.send(new HeadObjectCommand({ Bucket, Key: 'k' }));
    expect(TagCount).toBe(1);
    await denied(copy(alt, { ExpectedSourceBucketOwner: ALT.id, TaggingDirective: 'REPLACE' }));
  });

  it('can be demanded to speak of encryption', async () => {
    await set(
      { Action: 's3:PutObject' },
      {
        Effect: 'Deny',
        Action: 's3:PutObject',
        Condition: { Null: { 's3:x-amz-server-side-encryption': 'true' } },
      },
    );
    await denied(put(alt));
    await denied(put(main));
  });
});

describe('an upload in parts in another’s bucket', () => {
  it('is its initiator’s until it ends, and then the bucket owner’s', async () => {
    await set({ Action: 's3:PutObject' });
    const at = { Bucket, Key: 'big' };
    const { UploadId } = await alt.send(new CreateMultipartUploadCommand(at));
    const upload = { ...at, UploadId };
    const part = { ...upload, PartNumber: 1, Body: 'x' };
    const { ETag } = await alt.send(new UploadPartCommand(part));
    const { Initiator, Owner, Parts } = await alt.send(new ListPartsCommand(upload));
    expect([Initiator?.ID, Owner?.ID, Parts?.length]).toEqual([ALT.id, MAIN.id, 1]);
    await denied(town.client(READER).send(new ListPartsCommand(upload)));
    await denied(town.client(READER).send(new AbortMultipartUploadCommand(upload)));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await alt.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload }));
    await denied(get(alt, 'big'));
    await get(main, 'big');
    const next = await alt.send(new CreateMultipartUploadCommand(at));
    await alt.send(new AbortMultipartUploadCommand({ ...at, UploadId: next.UploadId }));
  });
});

describe('the status of a policy', () => {
  const isPublic = async (): Promise<boolean | undefined> =>
    (await main.send(new GetBucketPolicyStatusCommand({ Bucket }))).PolicyStatus?.IsPublic;

  it('tells whether everybody is let in', async () => {
    expect(await isPublic()).toBe(false);
    await set({ Action: 's3:GetObject' });
    expect(await isPublic()).toBe(true);
    await set({ Action: 's3:GetObject', Principal: { AWS: ALT.id } });
    expect(await isPublic()).toBe(false);
    const Condition = { IpAddress: { 'aws:SourceIp': '10.0.0.0/16' } };
    await set({ Action: 's3:GetObject', Condition });
    expect(await isPublic()).toBe(false);
  });
});

describe('users', () => {
  it('see and make their own buckets only', async () => {
    const names = (await alt.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name);
    expect(names).not.toContain(Bucket);
    await expectS3Error(alt.send(new CreateBucketCommand({ Bucket })), 409, 'BucketAlreadyExists');
    const own = `${Bucket}-alt`;
    await alt.send(new CreateBucketCommand({ Bucket: own }));
    const { Owner, Buckets } = await alt.send(new ListBucketsCommand({ Prefix: own }));
    expect(Owner).toEqual({ ID: ALT.id, DisplayName: 'alt' });
    expect(Buckets).toHaveLength(1);
    await denied(main.send(new DeleteBucketCommand({ Bucket: own })));
    await denied(main.send(new ListObjectsV2Command({ Bucket: own })));
  });

  it('with a policy of their own may do what it says, on their own buckets too', async () => {
    const reader = town.client(READER);
    const own = `${Bucket}-reader`;
    await reader.send(new CreateBucketCommand({ Bucket: own }));
    await reader.send(new ListObjectsV2Command({ Bucket: own }));
    await denied(reader.send(new PutObjectCommand({ Bucket: own, Key: 'k', Body: 'x' })));
    await put(main, 'k');
    await put(main, 'reader-secret');
    await denied(get(reader));
    await set({ Action: ['s3:GetObject', 's3:PutObject'] });
    await get(reader);
    await denied(get(reader, 'reader-secret'));
    // Across accounts both sides have to agree.
    await denied(put(reader));
    await put(alt);
  });

  it('who are administrators may do everything that nobody denied', async () => {
    const admin = town.client(ADMIN);
    await put(admin);
    await get(admin);
    await get(main);
    await admin.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'k' }] } }));
    await admin.send(new DeleteBucketCommand({ Bucket }));
  });

  it('may say whom they expect to own a bucket', async () => {
    await denied(list(main, { ExpectedBucketOwner: ALT.id }));
    await list(main, { ExpectedBucketOwner: MAIN.id });
  });
});

describe('ACLs where they do not count', () => {
  it('are refused by name, except for what is true anyway', async () => {
    await expectS3Error(
      put(main, 'k', { ACL: 'public-read' }),
      400,
      'AccessControlListNotSupported',
    );
    await put(main, 'k', { ACL: 'bucket-owner-full-control' });
    await expectS3Error(
      main.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' })),
      400,
      'AccessControlListNotSupported',
    );
    const headers = { 'x-amz-grant-full-control': `id=${MAIN.id}` };
    const wanted = { method: 'PUT', path: `/${Bucket}/k`, headers, body: 'x' };
    expect(await outcome(door(), wanted)).toEqual([200, undefined]);
  });

  it('objects are the bucket owner’s, whoever wrote them', async () => {
    await set({ Action: 's3:PutObject' });
    await put(alt);
    await get(main);
    await denied(get(alt));
    const { Contents } = await list(main, { FetchOwner: true });
    expect(Contents?.[0]?.Owner).toEqual({ ID: MAIN.id, DisplayName: 'main' });
  });
});
