/**
 * The users that public conformance suites are configured with (a main one, another, one of a
 * tenant, roots of accounts), and what those suites ask of ACLs and policies in their order of
 * steps. ACLs count by default here, as the suites expect of a server.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketAclCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  PutBucketAclCommand,
  PutBucketCorsCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { anonymously } from '../support/identities.ts';
import { BOUNDARY, formBody } from '../support/post-form.ts';
import { RawConnection } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const user = (id: string, name: string, email: string, accessKey: string, secretKey: string) => ({
  ...{ id, name, email },
  keys: [{ accessKey, secretKey }],
});

/** As the suites' own sample configuration names them. */
const MAIN = user(
  '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
  'M. Tester',
  'tester@ceph.com',
  '0555b35654ad1656d804',
  'h7GhxuBLTrlhVUyxSPUKUV8r/2EI4ngqJxD7iBdBYLhwluN30JaT3Q==',
);
const ALT = user(
  '56789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234',
  'john.doe',
  'john.doe@example.com',
  'NOPQRSTUVWXYZABCDEFG',
  'nopqrstuvwxyzabcdefghijklmnabcdefghijklm',
);
const TENANT = user(
  '9876543210abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
  'testx$tenanteduser',
  'tenanteduser@example.com',
  'HIJKLMNOPQRSTUVWXYZA',
  'opqrstuvwxyzabcdefghijklmnopqrstuvwxyzab',
);
const ROOT = user(
  'RGW11111111111111111',
  'account1',
  'account1@ceph.com',
  'AAAAAAAAAAAAAAAAAAaa',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
);

const ALL = 'http://acs.amazonaws.com/groups/global/AllUsers';

let folder: string;
let sluice: SluiceProcess;
const clients: S3Client[] = [];
let main: S3Client;
let alt: S3Client;
let Bucket: string;
let count = 0;

function clientOf({ keys: [key] }: typeof MAIN): S3Client {
  const { accessKey = '', secretKey = '' } = key ?? {};
  const client = s3Client({ endpoint: sluice.endpoint, accessKey, secretKey });
  clients.push(client);
  return client;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-suite-'));
  const file = join(folder, 'identities.json');
  writeFileSync(file, JSON.stringify({ users: [MAIN, ALT, TENANT, ROOT] }), { mode: 0o600 });
  const ownership = ['--default-object-ownership', 'ObjectWriter'];
  sluice = await startSluice({ arguments: ['--identities', file, ...ownership] });
  main = clientOf(MAIN);
  alt = clientOf(ALT);
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await sluice.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  Bucket = `suite-${(count += 1)}`;
  await main.send(new CreateBucketCommand({ Bucket }));
});

const denied = (work: Promise<unknown>) => expectS3Error(work, 403, 'AccessDenied');
const put = (client: S3Client, Key: string, more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'bar', ...more }));
const get = (client: S3Client, Key: string) => client.send(new GetObjectCommand({ Bucket, Key }));
const open = (ACL: 'private' | 'public-read' | 'public-read-write') =>
  main.send(new PutBucketAclCommand({ Bucket, ACL }));
const nobody = (method: string, Key = '') => anonymously(sluice, method, `/${Bucket}/${Key}`);

async function allow(...statements: readonly object[]): Promise<void> {
  const Resource = [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`];
  const filled = statements.map((one) => {
    return { Effect: 'Allow', Principal: { AWS: '*' }, Resource, ...one };
  });
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: filled });
  await main.send(new PutBucketPolicyCommand({ Bucket, Policy }));
}

it('every user is who he is configured to be', async () => {
  for (const one of [MAIN, ALT, TENANT, ROOT]) {
    const client = clientOf(one);
    const own = `own-${one.id.slice(0, 5).toLowerCase()}`;
    await client.send(new CreateBucketCommand({ Bucket: own }));
    const { Owner, Grants } = await client.send(new GetBucketAclCommand({ Bucket: own }));
    const person = { ID: one.id, DisplayName: one.name };
    expect(Owner).toEqual(person);
    const Grantee = { ...person, Type: 'CanonicalUser' };
    expect(Grants).toEqual([{ Grantee, Permission: 'FULL_CONTROL' }]);
  }
});

describe('a bucket', () => {
  it('of another is refused by name, of one’s own too', async () => {
    const make = (client: S3Client) => client.send(new CreateBucketCommand({ Bucket }));
    await expectS3Error(make(alt), 409, 'BucketAlreadyExists');
    await expectS3Error(make(main), 409, 'BucketAlreadyOwnedByYou');
  });

  it('that is gone is gone for everybody, and so is its object', async () => {
    await open('public-read');
    await put(main, 'foo', { ACL: 'public-read' });
    expect(await nobody('GET', 'foo')).toEqual([200, undefined]);
    await main.send(new DeleteObjectCommand({ Bucket, Key: 'foo' }));
    expect(await nobody('GET', 'foo')).toEqual([404, 'NoSuchKey']);
    await main.send(new DeleteBucketCommand({ Bucket }));
    expect(await nobody('GET', 'foo')).toEqual([404, 'NoSuchBucket']);
    expect(await nobody('DELETE', 'foo')).toEqual([404, 'NoSuchBucket']);
    await expectS3Error(get(main, 'foo'), 404, 'NoSuchBucket');
  });

  it.each([
    ['private', 'public-read', 200],
    ['public-read', 'private', 403],
  ] as const)('%s says nothing of its object, %s', async (bucket, ACL, status) => {
    await open(bucket);
    await put(main, 'foo', { ACL });
    expect((await nobody('GET', 'foo'))[0]).toBe(status);
  });

  it('has uploads of everybody who may write, each with its initiator', async () => {
    await open('public-read-write');
    const begin = (client: S3Client, Key: string) =>
      client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    await begin(main, 'multipart1');
    await begin(alt, 'multipart2');
    for (const client of [main, alt]) {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
      const people = Uploads.map(({ Initiator, Owner }) => [Initiator, Owner]);
      const [ours, theirs] = [MAIN, ALT].map(({ id, name }) => ({ ID: id, DisplayName: name }));
      expect(people).toEqual([
        [ours, ours],
        [theirs, theirs],
      ]);
    }
  });

  it('may be given away in grants, to be given back by who got them', async () => {
    const own = `${Bucket}-granted`;
    const id = `id=${ALT.id}`;
    const grants = { GrantRead: id, GrantWrite: id, GrantReadACP: id, GrantWriteACP: id };
    await main.send(new CreateBucketCommand({ Bucket: own, ...grants, GrantFullControl: id }));
    const { Grants = [] } = await main.send(new GetBucketAclCommand({ Bucket: own }));
    expect(Grants.map(({ Grantee, Permission }) => [Grantee?.DisplayName, Permission])).toEqual(
      ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'].map((one) => [ALT.name, one]),
    );
    await alt.send(new PutObjectCommand({ Bucket: own, Key: 'foo', Body: 'bar' }));
    await alt.send(new PutBucketAclCommand({ Bucket: own, ACL: 'public-read-write' }));
    await main.send(new HeadBucketCommand({ Bucket: own }));
  });
});

describe('an object', () => {
  it('is copied by who may read it, not by others', async () => {
    await put(main, 'foo123bar');
    const CopySource = `${Bucket}/foo123bar`;
    const theirs = `${Bucket}-alt`;
    await alt.send(new CreateBucketCommand({ Bucket: theirs }));
    const copy = (to: string) =>
      alt.send(new CopyObjectCommand({ Bucket: to, Key: 'bar321foo', CopySource }));
    await denied(copy(theirs));
    const Grantee = { Type: 'CanonicalUser' as const, ID: ALT.id };
    const Grants = [{ Grantee, Permission: 'FULL_CONTROL' as const }];
    const AccessControlPolicy = { Owner: { ID: MAIN.id, DisplayName: MAIN.name }, Grants };
    const acl = { Bucket, Key: 'foo123bar', AccessControlPolicy };
    await main.send(new PutObjectAclCommand(acl));
    await copy(theirs);
    await denied(copy(Bucket));
    await main.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy }));
    await copy(Bucket);
  });

  it('keeps its owner whoever puts its ACL, and the time of its writing', async () => {
    await open('public-read-write');
    await put(main, 'foo');
    const before = await main.send(new HeadObjectCommand({ Bucket, Key: 'foo' }));
    const grant = (Permission: 'FULL_CONTROL' | 'READ_ACP') => ({
      Bucket,
      Key: 'foo',
      AccessControlPolicy: {
        Owner: { ID: MAIN.id, DisplayName: MAIN.name },
        Grants: [{ Grantee: { Type: 'CanonicalUser' as const, ID: ALT.id }, Permission }],
      },
    });
    await main.send(new PutObjectAclCommand(grant('FULL_CONTROL')));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await alt.send(new PutObjectAclCommand(grant('READ_ACP')));
    const { Owner } = await alt.send(new GetObjectAclCommand({ Bucket, Key: 'foo' }));
    expect(Owner?.ID).toBe(MAIN.id);
    await main.send(new PutObjectAclCommand({ Bucket, Key: 'foo', ACL: 'private' }));
    const after = await main.send(new HeadObjectCommand({ Bucket, Key: 'foo' }));
    expect(after.LastModified).toEqual(before.LastModified);
  });

  it('is overwritten where everybody may write, and listed where everybody may read', async () => {
    await open('public-read-write');
    for (const Key of ['foo', 'bar']) await put(main, Key, { ACL: 'private' });
    await denied(get(alt, 'foo'));
    await put(alt, 'foo', { Body: 'fooput' });
    const { Contents = [] } = await alt.send(new ListObjectsCommand({ Bucket }));
    expect(Contents.map(({ Key }) => Key)).toEqual(['bar', 'foo']);
    await open('private');
    await denied(alt.send(new ListObjectsCommand({ Bucket })));
    await denied(put(alt, 'foo'));
  });

  it('of many parts has the ACL that it was begun with', async () => {
    const begun = { Bucket, Key: 'parts', ACL: 'public-read' as const };
    const { UploadId } = await main.send(new CreateMultipartUploadCommand(begun));
    const part = { Bucket, Key: 'parts', UploadId, PartNumber: 1, Body: 'x' };
    const { ETag } = await main.send(new UploadPartCommand(part));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await main.send(
      new CompleteMultipartUploadCommand({ Bucket, Key: 'parts', UploadId, MultipartUpload }),
    );
    await get(alt, 'parts');
    const { Grants } = await main.send(new GetObjectAclCommand({ Bucket, Key: 'parts' }));
    expect(Grants?.map(({ Grantee }) => Grantee?.URI ?? Grantee?.DisplayName)).toEqual([
      ALL,
      MAIN.name,
    ]);
  });

  it('is posted by nobody with an ACL, where everybody may write', async () => {
    const post = async (): Promise<number> => {
      const fields = [
        ['key', 'foo.txt'],
        ['acl', 'public-read'],
        ['Content-Type', 'text/plain'],
      ] as const;
      const body = formBody(fields, { content: 'bar' });
      const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
      const init = { method: 'POST', headers, body: new Uint8Array(body) };
      return (await fetch(`${sluice.endpoint}/${Bucket}`, init)).status;
    };
    expect(await post()).toBe(403);
    await open('public-read-write');
    expect(await post()).toBe(204);
    expect(await (await get(main, 'foo.txt')).Body?.transformToString()).toBe('bar');
  });

  it('is asked for with a body to come only when it may come', async () => {
    const expecting = async (): Promise<number> => {
      const connection = await RawConnection.open(sluice.port);
      const head =
        `PUT /${Bucket}/testobj HTTP/1.1\r\nHost: 127.0.0.1:${sluice.port}\r\n` +
        'Accept-Encoding: identity\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n';
      await connection.write(head);
      const waiting = connection.response('PUT');
      await new Promise((resolve) => setTimeout(resolve, 200));
      await connection.write('abc');
      const { interim, status } = await waiting;
      connection.destroy();
      return interim[0] ?? status;
    };
    expect(await expecting()).toBe(403);
    await open('public-read-write');
    expect(await expecting()).toBe(100);
  });
});

describe('a policy', () => {
  it('may want the bucket’s owner to get what others write', async () => {
    const header = { GrantFullControl: `id=${MAIN.id}` };
    const Condition = { StringEquals: { 's3:x-amz-grant-full-control': `id=${MAIN.id}` } };
    await allow({ Action: 's3:PutObject', Condition });
    await denied(put(alt, 'key1'));
    await put(alt, 'key1', header);
    const first = await alt.send(new GetObjectAclCommand({ Bucket, Key: 'key1' }));
    expect(first.Grants?.[0]?.Grantee?.ID).toBe(MAIN.id);
    await allow({ Action: 's3:PutObject' });
    await put(alt, 'key2');
    await denied(main.send(new GetObjectAclCommand({ Bucket, Key: 'key2' })));
    await denied(put(alt, 'key3', header));
  });

  it('may want a request to name its tags, its directive, its referer', async () => {
    const tag = { StringEquals: { 's3:RequestObjectTag/security': 'public' } };
    await allow({ Action: 's3:PutObject', Condition: tag });
    await denied(put(alt, 'testobj'));
    await put(alt, 'testobj', { Tagging: 'security=public' });
    const directive = { StringEquals: { 's3:x-amz-metadata-directive': 'COPY' } };
    await allow({ Action: 's3:GetObject' }, { Action: 's3:PutObject', Condition: directive });
    await put(main, 'public/foo');
    const copy = (MetadataDirective?: 'COPY') =>
      alt.send(
        new CopyObjectCommand({
          ...{ Bucket, Key: 'new_foo', CopySource: `${Bucket}/public/foo` },
          ...(MetadataDirective && { MetadataDirective }),
        }),
      );
    await copy('COPY');
    await denied(copy());
    const referer = { StringLikeIfExists: { 'aws:Referer': 'http://www.example.com/*' } };
    await allow({ Action: 's3:GetObject', Condition: referer });
    const from = (headers: Readonly<Record<string, string>>) =>
      anonymously(sluice, 'GET', `/${Bucket}/public/foo`, headers);
    expect((await from({}))[0]).toBe(200);
    expect((await from({ referer: 'http://www.example.com/index.html' }))[0]).toBe(200);
    expect((await from({ referer: 'http://example.com' }))[0]).toBe(403);
  });

  it('may keep its own owner from what it denies', async () => {
    await allow({ Effect: 'Deny', Action: 's3:GetBucketPublicAccessBlock' });
    await denied(main.send(new GetPublicAccessBlockCommand({ Bucket })));
  });

  it.each([
    [{ Principal: '*' }, true],
    [{ Principal: { AWS: 'arn:aws:iam::s3tenant1:root' } }, false],
    [{ Principal: '*', Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/32' } } }, false],
    [{ Effect: 'Deny', NotPrincipal: { AWS: 'arn:aws:iam::s3tenant1:root' } }, false],
  ])('%j is public: %s', async (statement, IsPublic) => {
    const status = async () => {
      const { PolicyStatus } = await main.send(new GetBucketPolicyStatusCommand({ Bucket }));
      return PolicyStatus?.IsPublic;
    };
    expect(await status()).toBe(false);
    const Principal = 'NotPrincipal' in statement ? { Principal: undefined } : {};
    await allow({ Action: 's3:ListBucket', ...Principal, ...statement });
    expect(await status()).toBe(IsPublic);
  });
});

it('rules of CORS are told to nobody who may read', async () => {
  await open('public-read');
  await put(main, 'foo', { ACL: 'public-read' });
  const CORSRules = [{ AllowedMethods: ['GET'], AllowedOrigins: ['*suffix'] }];
  await main.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
  const headers = { origin: 'foo.suffix' };
  const response = await fetch(`${sluice.endpoint}/${Bucket}/foo`, { headers });
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([
    200,
    'foo.suffix',
  ]);
});
