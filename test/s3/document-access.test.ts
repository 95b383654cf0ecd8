/**
 * What policies say of the words in a request's document, of what a request means beyond its name,
 * and of requests that take so long that who was let in at their head is a stranger at their end.
 */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketPolicyCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error } from '../support/client.ts';
import { ALT, anonymously, BUILDER, MAIN, startTown, type Town } from '../support/identities.ts';
import { BOUNDARY, formBody } from '../support/post-form.ts';
import { codeOf, type Keys, RawConnection, signHead } from '../support/raw-client.ts';

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
beforeEach(() => {
  Bucket = `document-${(count += 1)}`;
});

const denied = (work: Promise<unknown>) => expectS3Error(work, 403, 'AccessDenied');
const create = (more: object = {}) => main.send(new CreateBucketCommand({ Bucket, ...more }));
const put = (client: S3Client, Key = 'k', more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }));

type Json = Readonly<Record<string, unknown>>;

async function set(...statements: readonly Json[]): Promise<void> {
  const Resource = [`arn:aws:s3:::${Bucket}/*`, `arn:aws:s3:::${Bucket}`];
  const Statement = statements.map((one) => {
    return { Effect: 'Allow', Principal: '*', Resource, ...one };
  });
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await main.send(new PutBucketPolicyCommand({ Bucket, Policy }));
}

describe('tags in a document', () => {
  const tag = (client: S3Client, Value: string, Key = 'class') =>
    client.send(
      new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet: [{ Key, Value }] } }),
    );

  it('are what conditions on the tags of a request speak of', async () => {
    await create();
    await put(main);
    const Condition = { StringEquals: { 's3:RequestObjectTag/class': 'public' } };
    await set({ Action: 's3:PutObjectTagging', Condition });
    await tag(alt, 'public');
    await denied(tag(alt, 'secret'));
    const Keys = { 'ForAnyValue:StringEquals': { 's3:RequestObjectTagKeys': 'owner' } };
    const all = { Action: 's3:PutObjectTagging' };
    await set(all, { ...all, Effect: 'Deny', Condition: Keys });
    await tag(alt, 'secret');
    await denied(tag(alt, 'eve', 'owner'));
    await denied(tag(main, 'eve', 'owner'));
  });

  it('say nothing to who is refused anyway, be they as wrong as they may', async () => {
    await create();
    await put(main);
    const tags = (body: string): Promise<unknown> =>
      anonymously(town.sluice, 'PUT', `/${Bucket}/k?tagging`, {}, body);
    expect(await tags('nonsense')).toEqual([403, 'AccessDenied']);
    const Condition = { StringEquals: { 's3:RequestObjectTag/class': 'public' } };
    await set({ Action: 's3:PutObjectTagging', Condition });
    expect(await tags('nonsense')).toEqual([403, 'AccessDenied']);
    await set({ Action: 's3:PutObjectTagging' });
    expect(await tags('nonsense')).toEqual([400, 'MalformedXML']);
  });

  it('in a posted form need their permission too', async () => {
    await create();
    const post = async (...fields: readonly [string, string][]): Promise<number> => {
      const body = formBody([['key', 'posted'], ...fields], { content: 'x' });
      const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
      const init = { method: 'POST', headers, body: new Uint8Array(body) };
      return (await fetch(`${town.sluice.endpoint}/${Bucket}`, init)).status;
    };
    const tagged = (value: string): [string, string] => [
      'tagging',
      `<Tagging><TagSet><Tag><Key>class</Key><Value>${value}</Value></Tag></TagSet></Tagging>`,
    ];
    await set({ Action: 's3:PutObject' });
    expect([await post(), await post(tagged('public'))]).toEqual([204, 403]);
    const Condition = { StringEquals: { 's3:RequestObjectTag/class': 'public' } };
    await set({ Action: ['s3:PutObject', 's3:PutObjectTagging'], Condition });
    expect([await post(tagged('public')), await post(tagged('secret'))]).toEqual([204, 403]);
  });
});

it('retention and legal hold in a document are what conditions on locks speak of', async () => {
  await create({ ObjectLockEnabledForBucket: true });
  await put(main);
  const locks = { Action: ['s3:PutObjectRetention', 's3:PutObjectLegalHold'] };
  const deny = (Condition: Json) => ({ ...locks, Effect: 'Deny', Condition });
  await set(
    locks,
    deny({ StringEquals: { 's3:object-lock-mode': 'COMPLIANCE' } }),
    deny({ NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '10' } }),
    deny({ StringEquals: { 's3:object-lock-legal-hold': 'ON' } }),
  );
  const retain = (Mode: 'GOVERNANCE' | 'COMPLIANCE', days: number) => {
    const RetainUntilDate = new Date(Date.now() + days * 86_400_000);
    const Retention = { Mode, RetainUntilDate };
    return alt.send(new PutObjectRetentionCommand({ Bucket, Key: 'k', Retention }));
  };
  await denied(retain('COMPLIANCE', 1));
  await denied(retain('GOVERNANCE', 11));
  await retain('GOVERNANCE', 10);
  const hold = (Status: 'ON' | 'OFF') =>
    alt.send(new PutObjectLegalHoldCommand({ Bucket, Key: 'k', LegalHold: { Status } }));
  await denied(hold('ON'));
  await hold('OFF');
});

describe('a new bucket', () => {
  it('is made where its maker may, and with what he may', async () => {
    const builder = town.client(BUILDER);
    const make = (more: object) => builder.send(new CreateBucketCommand({ Bucket, ...more }));
    const at = (LocationConstraint: 'eu-west-3' | 'eu-north-1') => ({
      CreateBucketConfiguration: { LocationConstraint },
    });
    await denied(make(at('eu-north-1')));
    await denied(make({ ...at('eu-west-3'), ObjectLockEnabledForBucket: true }));
    const Tags = [{ Key: 'a', Value: 'b' }];
    await denied(make({ CreateBucketConfiguration: { LocationConstraint: 'eu-west-3', Tags } }));
    await make(at('eu-west-3'));
    Bucket += '-here';
    await make({});
  });
});

describe('who may not read an object', () => {
  it('can not ask what its ETag is by writing or removing it', async () => {
    await create();
    const { ETag = '' } = await put(main);
    await set({ Action: ['s3:PutObject', 's3:DeleteObject'] });
    for (const IfMatch of [ETag, '"0123456789abcdef0123456789abcdef"']) {
      await denied(put(alt, 'k', { IfMatch }));
      await denied(alt.send(new DeleteObjectCommand({ Bucket, Key: 'k', IfMatch })));
      const Delete = { Objects: [{ Key: 'k', ETag: IfMatch }] };
      const { Errors } = await alt.send(new DeleteObjectsCommand({ Bucket, Delete }));
      expect(Errors?.[0]?.Code).toBe('AccessDenied');
    }
    await expectS3Error(put(alt, 'k', { IfNoneMatch: '*' }), 412, 'PreconditionFailed');
    await set({ Action: ['s3:PutObject', 's3:GetObject'] });
    await put(alt, 'k', { IfMatch: ETag });
  });

  it('is not shown its tags and locks among its headers', async () => {
    await create({ ObjectLockEnabledForBucket: true });
    await put(main, 'k', { Tagging: 'a=b', ObjectLockLegalHoldStatus: 'ON' });
    const head = async (client: S3Client) => {
      const seen = await client.send(new HeadObjectCommand({ Bucket, Key: 'k' }));
      return [seen.TagCount, seen.ObjectLockLegalHoldStatus];
    };
    await set({ Action: 's3:GetObject' });
    expect([await head(main), await head(alt)]).toEqual([
      [1, 'ON'],
      [undefined, undefined],
    ]);
    await set({ Action: ['s3:GetObject', 's3:GetObjectTagging'] });
    expect(await head(alt)).toEqual([1, undefined]);
    await set({ Action: ['s3:GetObject', 's3:GetObjectLegalHold'] });
    expect(await head(alt)).toEqual([undefined, 'ON']);
  });
});

it('a copy’s source is the same however it was written', async () => {
  await create();
  await put(main, 'public/a b');
  await put(main, 'secret/a');
  const Condition = { StringLike: { 's3:x-amz-copy-source': `${Bucket}/secret/*` } };
  const all = { Action: ['s3:GetObject', 's3:PutObject'] };
  await set(all, { ...all, Effect: 'Deny', Condition });
  const copy = (CopySource: string) =>
    alt.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
  await copy(`${Bucket}/public/a%20b`);
  for (const source of [`${Bucket}/secret/a`, `/${Bucket}/secret/a`, `${Bucket}/s%65cret/a`]) {
    await denied(copy(source));
  }
});

describe('the policy of a bucket', () => {
  it('is never for others to see or to change, whom it may let do everything else', async () => {
    await create();
    await set({ Action: 's3:*' });
    const strange = (work: Promise<unknown>) => expectS3Error(work, 405, 'MethodNotAllowed');
    await strange(alt.send(new GetBucketPolicyCommand({ Bucket })));
    await strange(alt.send(new PutBucketPolicyCommand({ Bucket, Policy: '{}' })));
    await strange(alt.send(new DeleteBucketPolicyCommand({ Bucket })));
    await main.send(new DeleteBucketPolicyCommand({ Bucket }));
    await denied(alt.send(new GetBucketPolicyCommand({ Bucket })));
  });

  it('lets in nobody by leaving him out', async () => {
    await create();
    const statement = { Principal: undefined, NotPrincipal: { AWS: ALT.id } };
    const allow = set({ ...statement, Action: 's3:GetObject' });
    await expectS3Error(allow, 400, 'MalformedPolicy');
    await set({ ...statement, Effect: 'Deny', Action: 's3:GetObject' });
  });
});

describe('a document that takes its time', () => {
  /** Sends the head and all but the last byte; then `meanwhile`; then the rest. */
  async function slowly(
    keys: Keys,
    path: string,
    query: Readonly<Record<string, string>>,
    body: string,
    meanwhile: () => Promise<unknown>,
  ): Promise<[number, string | undefined]> {
    const payload = Buffer.from(body);
    const { port } = town.sluice;
    const connection = await RawConnection.open(port);
    const headers = { 'content-length': String(payload.length) };
    const { text } = await signHead(keys, { method: 'PUT', port, path, query, headers, payload });
    await connection.write(Buffer.concat([Buffer.from(text), payload.subarray(0, -1)]));
    // It was let in: nothing comes back yet.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await meanwhile();
    await connection.write(payload.subarray(-1));
    const response = await connection.response('PUT');
    connection.destroy();
    return [response.status, codeOf(response)];
  }

  it('is refused when the bucket is another’s by then', async () => {
    await create();
    const Policy = JSON.stringify({
      Statement: {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
      },
    });
    const outcome = await slowly(MAIN, `/${Bucket}`, { policy: '' }, Policy, async () => {
      await main.send(new DeleteBucketCommand({ Bucket }));
      await alt.send(new CreateBucketCommand({ Bucket }));
    });
    expect(outcome).toEqual([403, 'AccessDenied']);
    await expectS3Error(
      alt.send(new GetBucketPolicyCommand({ Bucket })),
      404,
      'NoSuchBucketPolicy',
    );
  });

  it('is refused when the right to it was taken back by then', async () => {
    await create();
    await put(main);
    await set({ Action: 's3:PutObjectTagging' });
    const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
    const outcome = await slowly(ALT, `/${Bucket}/k`, { tagging: '' }, tags, () =>
      main.send(new DeleteBucketPolicyCommand({ Bucket })),
    );
    expect(outcome).toEqual([403, 'AccessDenied']);
    const { TagSet } = await main.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }));
    expect(TagSet).toEqual([]);
  });
});
