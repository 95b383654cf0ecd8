/** Ownership controls and the public access block: their documents, and what they do. */
import {
  CreateBucketCommand,
  DeleteBucketOwnershipControlsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  type ObjectOwnership,
  PutBucketAclCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error } from '../support/client.ts';
import { ALT, anonymously, MAIN, startTown, type Town } from '../support/identities.ts';
import { outcome } from '../support/signed-request.ts';

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
  Bucket = `public-${(count += 1)}`;
});

const create = (ownership?: ObjectOwnership, more: object = {}) =>
  main.send(
    new CreateBucketCommand({
      Bucket,
      ...(ownership === undefined ? {} : { ObjectOwnership: ownership }),
      ...more,
    }),
  );
async function ownership(): Promise<string | undefined> {
  const { OwnershipControls } = await main.send(new GetBucketOwnershipControlsCommand({ Bucket }));
  return OwnershipControls?.Rules?.[0]?.ObjectOwnership;
}
const setOwnership = (ObjectOwnership: ObjectOwnership) =>
  main.send(
    new PutBucketOwnershipControlsCommand({
      Bucket,
      OwnershipControls: { Rules: [{ ObjectOwnership }] },
    }),
  );
const put = (client: S3Client, Key = 'k', more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }));
const block = (flags: object) =>
  main.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: flags }));
const denied = (work: Promise<unknown>) => expectS3Error(work, 403, 'AccessDenied');
const door = () => ({
  port: town.sluice.port,
  accessKey: MAIN.accessKey,
  secretKey: MAIN.secretKey,
});
const everybody = () => {
  const statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject' };
  const Resource = `arn:aws:s3:::${Bucket}/*`;
  const Policy = JSON.stringify({ Statement: [{ ...statement, Resource }] });
  return main.send(new PutBucketPolicyCommand({ Bucket, Policy }));
};

describe('ownership controls', () => {
  it('are those of AWS today, and can be said when a bucket is made', async () => {
    await create();
    expect(await ownership()).toBe('BucketOwnerEnforced');
    for (const kind of ['ObjectWriter', 'BucketOwnerPreferred', 'BucketOwnerEnforced'] as const) {
      Bucket = `public-${(count += 1)}`;
      await create(kind);
      expect(await ownership()).toBe(kind);
    }
    Bucket = `public-${(count += 1)}`;
    await create('ObjectWriter', { ACL: 'public-read' });
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}`)).toEqual([200, undefined]);
    Bucket = `public-${(count += 1)}`;
    const wrong = create('BucketOwnerEnforced', { ACL: 'public-read' });
    await expectS3Error(wrong, 400, 'InvalidBucketAclWithObjectOwnership');
  });

  it('are changed and removed', async () => {
    await create();
    await setOwnership('ObjectWriter');
    expect(await ownership()).toBe('ObjectWriter');
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }));
    await expectS3Error(
      setOwnership('BucketOwnerEnforced'),
      400,
      'InvalidBucketAclWithObjectOwnership',
    );
    await main.send(new DeleteBucketOwnershipControlsCommand({ Bucket }));
    await expectS3Error(
      main.send(new GetBucketOwnershipControlsCommand({ Bucket })),
      404,
      'OwnershipControlsNotFoundError',
    );
    await put(main, 'k', { ACL: 'public-read' });
  });

  it('decide whose an object is', async () => {
    await create('BucketOwnerPreferred', { ACL: 'public-read-write' });
    const ownerOf = async (client: S3Client, Key: string): Promise<string | undefined> =>
      (await client.send(new GetObjectAclCommand({ Bucket, Key }))).Owner?.ID;
    await put(alt, 'mine');
    expect(await ownerOf(alt, 'mine')).toBe(ALT.id);
    await put(alt, 'given', { ACL: 'bucket-owner-full-control' });
    expect(await ownerOf(main, 'given')).toBe(MAIN.id);
    await denied(alt.send(new GetObjectCommand({ Bucket, Key: 'given' })));
    await denied(main.send(new GetObjectCommand({ Bucket, Key: 'mine' })));
    // Enforced from now on: everything is the bucket owner's.
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
    await setOwnership('BucketOwnerEnforced');
    await main.send(new GetObjectCommand({ Bucket, Key: 'mine' }));
    await denied(alt.send(new GetObjectCommand({ Bucket, Key: 'mine' })));
    expect(await ownerOf(main, 'mine')).toBe(MAIN.id);
  });

  it.each([
    '',
    'nonsense',
    '<OwnershipControls/>',
    '<OwnershipControls><Rule/></OwnershipControls>',
    '<OwnershipControls><Rule><ObjectOwnership>Me</ObjectOwnership></Rule></OwnershipControls>',
    '<OwnershipControls><Rule><Ownership>ObjectWriter</Ownership></Rule></OwnershipControls>',
  ])('%s is refused', async (body) => {
    await create();
    const wanted = { method: 'PUT', path: `/${Bucket}`, query: { ownershipControls: '' }, body };
    const code = body === '' ? 'MissingRequestBodyError' : 'MalformedXML';
    expect(await outcome(door(), wanted)).toEqual([400, code]);
    expect(await ownership()).toBe('BucketOwnerEnforced');
  });
});

describe('the public access block', () => {
  const none = {
    BlockPublicAcls: false,
    IgnorePublicAcls: false,
    BlockPublicPolicy: false,
    RestrictPublicBuckets: false,
  };
  const get = () => main.send(new GetPublicAccessBlockCommand({ Bucket }));

  it('is not there until it is put, and gone when it is deleted', async () => {
    await create();
    const code = 'NoSuchPublicAccessBlockConfiguration';
    await expectS3Error(get(), 404, code);
    await block({ BlockPublicAcls: true, RestrictPublicBuckets: true });
    expect((await get()).PublicAccessBlockConfiguration).toEqual({
      ...none,
      BlockPublicAcls: true,
      RestrictPublicBuckets: true,
    });
    await main.send(new DeletePublicAccessBlockCommand({ Bucket }));
    await expectS3Error(get(), 404, code);
    await main.send(new DeletePublicAccessBlockCommand({ Bucket }));
  });

  it.each([
    '<PublicAccessBlockConfiguration><BlockAll>true</BlockAll></PublicAccessBlockConfiguration>',
    '<PublicAccessBlockConfiguration><BlockPublicAcls>1</BlockPublicAcls></PublicAccessBlockConfiguration>',
    '<Anything/>',
  ])('%s is refused', async (body) => {
    await create();
    const wanted = { method: 'PUT', path: `/${Bucket}`, query: { publicAccessBlock: '' }, body };
    expect(await outcome(door(), wanted)).toEqual([400, 'MalformedXML']);
  });

  it('refuses ACLs for everybody', async () => {
    await create('ObjectWriter');
    await block({ BlockPublicAcls: true });
    for (const ACL of ['public-read', 'public-read-write', 'authenticated-read'] as const) {
      await denied(main.send(new PutBucketAclCommand({ Bucket, ACL })));
      await denied(put(main, 'k', { ACL }));
    }
    await put(main);
    await denied(main.send(new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'public-read' })));
    await denied(
      put(main, 'k', { GrantRead: 'uri=http://acs.amazonaws.com/groups/global/AllUsers' }),
    );
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
  });

  it('ignores ACLs for everybody', async () => {
    await create('ObjectWriter', { ACL: 'public-read' });
    await put(main, 'k', { ACL: 'public-read' });
    const read = () => alt.send(new GetObjectCommand({ Bucket, Key: 'k' }));
    await read();
    await block({ IgnorePublicAcls: true });
    await denied(read());
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}`)).toEqual([403, 'AccessDenied']);
    await block(none);
    await read();
  });

  it('refuses policies for everybody', async () => {
    await create();
    await block({ BlockPublicPolicy: true });
    await denied(everybody());
    await block(none);
    await everybody();
  });

  it('restricts policies for everybody to the owner', async () => {
    await create();
    await put(main);
    await everybody();
    await alt.send(new GetObjectCommand({ Bucket, Key: 'k' }));
    await block({ RestrictPublicBuckets: true });
    await denied(alt.send(new GetObjectCommand({ Bucket, Key: 'k' })));
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/k`)).toEqual([403, 'AccessDenied']);
    await main.send(new GetObjectCommand({ Bucket, Key: 'k' }));
  });
});

it('a bucket that its ACL opens is public', async () => {
  await create('ObjectWriter');
  const status = async (): Promise<boolean | undefined> =>
    (await main.send(new GetBucketPolicyStatusCommand({ Bucket }))).PolicyStatus?.IsPublic;
  expect(await status()).toBe(false);
  for (const ACL of ['public-read', 'authenticated-read'] as const) {
    await main.send(new PutBucketAclCommand({ Bucket, ACL }));
    expect(await status()).toBe(true);
  }
});
