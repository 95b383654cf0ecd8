/** Who may do what with versions, locks, renames, posted forms and websites. */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAclCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutBucketWebsiteCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  RenameObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error } from '../support/client.ts';
import { ALT, anonymously, MAIN, startTown, type Town } from '../support/identities.ts';
import { BOUNDARY, formBody } from '../support/post-form.ts';
import { RawConnection } from '../support/raw-client.ts';

let town: Town;
let main: S3Client;
let alt: S3Client;
let Bucket: string;
let count = 0;

beforeAll(async () => {
  town = await startTown('--domain', 'example.com');
  main = town.client(MAIN);
  alt = town.client(ALT);
});
afterAll(() => town.close());
beforeEach(() => {
  Bucket = `versions-${(count += 1)}`;
});

const denied = (work: Promise<unknown>) => expectS3Error(work, 403, 'AccessDenied');

/** Everybody may do this with objects whose keys begin so. */
async function allow(Action: string | readonly string[], prefix = ''): Promise<void> {
  const Resource = [`arn:aws:s3:::${Bucket}/${prefix}*`, `arn:aws:s3:::${Bucket}`];
  const statement = { Effect: 'Allow', Principal: '*', Action, Resource };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await main.send(new PutBucketPolicyCommand({ Bucket, Policy }));
}

async function put(Key: string, Body = 'x', more: object = {}): Promise<string | undefined> {
  const done = await main.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
  return done.VersionId;
}

async function versioned(more: object = {}): Promise<void> {
  await main.send(new CreateBucketCommand({ Bucket, ...more }));
  const VersioningConfiguration = { Status: 'Enabled' as const };
  await main.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
}

describe('a version', () => {
  it('is read by who may read versions, not by who may read objects', async () => {
    await versioned();
    const old = await put('k', 'old');
    await put('k', 'new');
    await allow('s3:GetObject');
    const path = `/${Bucket}/k`;
    expect(await anonymously(town.sluice, 'GET', path)).toEqual([200, undefined]);
    const of = `${path}?versionId=${old}`;
    expect(await anonymously(town.sluice, 'GET', of)).toEqual([403, 'AccessDenied']);
    await allow('s3:GetObjectVersion');
    expect(await anonymously(town.sluice, 'GET', of)).toEqual([200, undefined]);
    expect(await anonymously(town.sluice, 'GET', path)).toEqual([403, 'AccessDenied']);
  });

  it('that nobody ever made says nothing to who may not list', async () => {
    await versioned();
    await put('k');
    await allow('s3:GetObjectVersion');
    for (const id of ['nonsense', 'null', 'f'.repeat(32)]) {
      const of = `/${Bucket}/k?versionId=${id}`;
      expect(await anonymously(town.sluice, 'GET', of)).toEqual([403, 'AccessDenied']);
    }
    await allow(['s3:GetObjectVersion', 's3:ListBucket']);
    const absent = `/${Bucket}/k?versionId=${'f'.repeat(32)}`;
    expect((await anonymously(town.sluice, 'GET', absent))[0]).toBe(404);
  });

  it('is copied by who may read it', async () => {
    await versioned();
    const old = await put('k', 'old');
    await allow(['s3:GetObject', 's3:PutObject']);
    const copy = (query: string): Promise<unknown> =>
      alt.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k${query}` }));
    await copy('');
    await denied(copy(`?versionId=${old}`));
    await allow(['s3:GetObjectVersion', 's3:PutObject']);
    await copy(`?versionId=${old}`);
  });

  it('is removed by who may remove versions', async () => {
    await versioned();
    const old = await put('k');
    await allow('s3:DeleteObject');
    const remove = (VersionId: string | undefined): Promise<unknown> =>
      alt.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId }));
    await denied(remove(old));
    await remove(undefined);
    const Delete = { Objects: [{ Key: 'k', VersionId: old }, { Key: 'k' }] };
    const { Deleted, Errors } = await alt.send(new DeleteObjectsCommand({ Bucket, Delete }));
    expect(Deleted?.map(({ VersionId }) => VersionId)).toEqual([undefined]);
    expect(Errors?.map(({ Code, VersionId }) => [Code, VersionId])).toEqual([
      ['AccessDenied', old],
    ]);
    await allow('s3:DeleteObjectVersion');
    await remove(old);
  });

  it('is listed with its owner, by who may list versions', async () => {
    await versioned({ ObjectOwnership: 'ObjectWriter' });
    await allow(['s3:PutObject', 's3:ListBucket']);
    await put('k');
    await alt.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'theirs' }));
    await denied(alt.send(new ListObjectVersionsCommand({ Bucket })));
    const { Versions } = await main.send(new ListObjectVersionsCommand({ Bucket }));
    const owners = Versions?.map(({ Owner }) => [Owner?.ID, Owner?.DisplayName]);
    expect(owners).toEqual([
      [ALT.id, ALT.name],
      [MAIN.id, MAIN.name],
    ]);
  });

  it('has an ACL of its own', async () => {
    await versioned({ ObjectOwnership: 'ObjectWriter' });
    const VersionId = await put('k', 'old');
    await put('k', 'new');
    const ACL = 'public-read' as const;
    await main.send(new PutObjectAclCommand({ Bucket, Key: 'k', VersionId, ACL }));
    const of = (query: string): Promise<unknown> =>
      anonymously(town.sluice, 'GET', `/${Bucket}/k${query}`);
    expect(await of(`?versionId=${VersionId}`)).toEqual([200, undefined]);
    expect(await of('')).toEqual([403, 'AccessDenied']);
    const grants = async (id: string | undefined): Promise<number | undefined> =>
      (await main.send(new GetObjectAclCommand({ Bucket, Key: 'k', VersionId: id }))).Grants
        ?.length;
    expect([await grants(VersionId), await grants(undefined)]).toEqual([2, 1]);
    const absent = new GetObjectAclCommand({ Bucket, Key: 'k', VersionId: 'f'.repeat(32) });
    await expectS3Error(main.send(absent), 404, 'NoSuchVersion');
  });
});

it('retention in governance mode is bypassed by who may, and only then', async () => {
  await main.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  const RetainUntilDate = new Date(Date.now() + 3_600_000);
  const lock = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: RetainUntilDate };
  const VersionId = await put('k', 'x', lock);
  await allow(['s3:DeleteObjectVersion', 's3:PutObjectRetention']);
  const BypassGovernanceRetention = true;
  const one = { Bucket, Key: 'k', VersionId, BypassGovernanceRetention };
  const Delete = { Objects: [{ Key: 'k', VersionId }] };
  const shorter = { Mode: 'GOVERNANCE' as const, RetainUntilDate: new Date(Date.now() + 60_000) };
  await denied(alt.send(new DeleteObjectCommand(one)));
  await denied(alt.send(new PutObjectRetentionCommand({ ...one, Retention: shorter })));
  const list = new DeleteObjectsCommand({ Bucket, Delete, BypassGovernanceRetention });
  expect((await alt.send(list)).Errors?.[0]?.Code).toBe('AccessDenied');
  await allow(['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention']);
  expect((await alt.send(list)).Errors).toBeUndefined();
});

it('of what is not there who may list is told so, and may change nothing', async () => {
  await versioned();
  await allow('s3:ListBucket');
  const tags = (query = ''): Promise<unknown> =>
    anonymously(town.sluice, 'DELETE', `/${Bucket}/none?tagging${query}`);
  expect(await tags()).toEqual([404, 'NoSuchKey']);
  expect(await tags(`&versionId=${'f'.repeat(32)}`)).toEqual([404, 'NoSuchVersion']);
  await put('none');
  expect(await tags()).toEqual([403, 'AccessDenied']);
});

it('a rename takes the right to remove the old key', async () => {
  await main.send(new CreateBucketCommand({ Bucket }));
  await put('old');
  await allow(['s3:PutObject', 's3:GetObject']);
  const rename = (): Promise<unknown> =>
    alt.send(new RenameObjectCommand({ Bucket, Key: 'new', RenameSource: 'old' }));
  await denied(rename());
  await allow(['s3:PutObject', 's3:GetObject', 's3:DeleteObject']);
  await rename();
});

it('nobody posts a form but where everybody may', async () => {
  await main.send(new CreateBucketCommand({ Bucket }));
  await allow('s3:PutObject', 'inbox/');
  const post = async (key: string): Promise<number> => {
    const body = formBody([['key', key]], { content: 'posted' });
    const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
    const init = { method: 'POST', headers, body: new Uint8Array(body) };
    return (await fetch(`${town.sluice.endpoint}/${Bucket}`, init)).status;
  };
  expect([await post('inbox/letter'), await post('elsewhere')]).toEqual([204, 403]);
});

it('a website shows strangers what everybody may read', async () => {
  await main.send(new CreateBucketCommand({ Bucket }));
  const WebsiteConfiguration = { IndexDocument: { Suffix: 'index.html' } };
  await main.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }));
  await put('public/index.html', 'welcome');
  await put('secret/index.html', 'secret');
  await allow('s3:GetObject', 'public/');
  const visit = async (path: string): Promise<string> => {
    const connection = await RawConnection.open(town.sluice.port);
    const host = `${Bucket}.s3-website.example.com`;
    const answer = await connection.request('GET', `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    connection.destroy();
    return `${answer.status} ${answer.body.toString().includes('welcome')}`;
  };
  expect(await visit('/public/')).toBe('200 true');
  expect(await visit('/secret/')).toBe('403 false');
  expect(await visit('/absent')).toBe('403 false');
});
