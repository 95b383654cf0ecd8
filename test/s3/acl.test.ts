/** ACLs through the front door: canned, by headers and by documents, on buckets and objects. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketAclCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  type Grant,
  ListObjectsCommand,
  ListObjectsV2Command,
  type ObjectCannedACL,
  type Permission,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error } from '../support/client.ts';
import {
  ALT,
  anonymously,
  MAIN,
  startTown,
  type TestUser,
  type Town,
} from '../support/identities.ts';
import { outcome } from '../support/signed-request.ts';

let town: Town;
let main: S3Client;
let alt: S3Client;
let Bucket: string;
let count = 0;

beforeAll(async () => {
  town = await startTown('--default-object-ownership', 'ObjectWriter');
  main = town.client(MAIN);
  alt = town.client(ALT);
});
afterAll(() => town.close());
beforeEach(async () => {
  Bucket = `acl-${(count += 1)}`;
  await main.send(new CreateBucketCommand({ Bucket }));
});

const ALL = 'http://acs.amazonaws.com/groups/global/AllUsers';
const AUTHENTICATED = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers';

/** Grants in one line each. */
function lines(grants: readonly Grant[] | undefined): string[] {
  return (grants ?? []).map(({ Grantee, Permission }) => {
    const { DisplayName, ID, URI } = Grantee ?? {};
    return `${URI ?? DisplayName ?? ID ?? ''} ${Permission ?? ''}`;
  });
}

async function bucketAcl(client = main): Promise<string[]> {
  return lines((await client.send(new GetBucketAclCommand({ Bucket }))).Grants);
}

async function objectAcl(Key = 'k', client = main): Promise<string[]> {
  return lines((await client.send(new GetObjectAclCommand({ Bucket, Key }))).Grants);
}

const put = (client: S3Client, Key = 'k', more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello', ...more }));
const get = (client: S3Client, Key = 'k') => client.send(new GetObjectCommand({ Bucket, Key }));
const list = (client: S3Client) => client.send(new ListObjectsV2Command({ Bucket }));
const denied = (work: Promise<unknown>) => expectS3Error(work, 403, 'AccessDenied');
const grantee = (user: TestUser) => ({ Type: 'CanonicalUser' as const, ID: user.id });
const owner = { ID: MAIN.id, DisplayName: MAIN.name };

describe('a new bucket', () => {
  it('is its owner’s alone', async () => {
    const { Owner, Grants } = await main.send(new GetBucketAclCommand({ Bucket }));
    expect(Owner).toEqual(owner);
    expect(Grants).toEqual([
      {
        Grantee: { DisplayName: 'main', ID: MAIN.id, Type: 'CanonicalUser' },
        Permission: 'FULL_CONTROL',
      },
    ]);
    await put(main);
    await denied(get(alt));
    await denied(list(alt));
    await denied(put(alt));
    await denied(alt.send(new GetBucketAclCommand({ Bucket })));
    for (const target of [`/${Bucket}`, `/${Bucket}/k`, `/${Bucket}/absent`, `/${Bucket}?acl`]) {
      expect(await anonymously(town.sluice, 'GET', target)).toEqual([403, 'AccessDenied']);
    }
    expect(await anonymously(town.sluice, 'GET', '/missing')).toEqual([404, 'NoSuchBucket']);
    expect(await anonymously(town.sluice, 'GET', '/')).toEqual([403, 'AccessDenied']);
    expect(await anonymously(town.sluice, 'PUT', '/fresh')).toEqual([403, 'AccessDenied']);
  });
});

describe('a canned ACL of a bucket', () => {
  it.each([
    ['private', ['main FULL_CONTROL']],
    ['public-read', [`${ALL} READ`, 'main FULL_CONTROL']],
    ['public-read-write', [`${ALL} READ`, `${ALL} WRITE`, 'main FULL_CONTROL']],
    ['authenticated-read', [`${AUTHENTICATED} READ`, 'main FULL_CONTROL']],
  ] as const)('%s', async (ACL, grants) => {
    await main.send(new PutBucketAclCommand({ Bucket, ACL }));
    expect(await bucketAcl()).toEqual(grants);
    const fresh = `${Bucket}-canned`;
    await main.send(new CreateBucketCommand({ Bucket: fresh, ACL }));
    const { Grants } = await main.send(new GetBucketAclCommand({ Bucket: fresh }));
    expect(lines(Grants)).toEqual(grants);
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
    expect(await bucketAcl()).toEqual(['main FULL_CONTROL']);
  });

  it('public-read lets everybody list, and learn what is not there', async () => {
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }));
    await put(main);
    expect((await list(alt)).KeyCount).toBe(1);
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}`)).toEqual([200, undefined]);
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/absent`)).toEqual([404, 'NoSuchKey']);
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/k`)).toEqual([403, 'AccessDenied']);
    await denied(put(alt));
  });

  it('public-read-write lets everybody write; who wrote owns', async () => {
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' }));
    await put(alt, 'theirs');
    await denied(get(main, 'theirs'));
    expect(await objectAcl('theirs', alt)).toEqual(['alt FULL_CONTROL']);
    await put(main, 'ours');
    await denied(alt.send(new DeleteObjectCommand({ Bucket, Key: 'ours' })));
    await alt.send(new DeleteObjectCommand({ Bucket, Key: 'theirs' }));
    await put(alt, 'theirs');
    await main.send(new DeleteObjectCommand({ Bucket, Key: 'theirs' }));
    const wrote = await anonymously(town.sluice, 'PUT', `/${Bucket}/nobody`, {}, 'x');
    expect(wrote).toEqual([200, undefined]);
    const begun = await anonymously(town.sluice, 'POST', `/${Bucket}/big?uploads`);
    expect(begun).toEqual([403, 'AccessDenied']);
    await put(alt, 'shown');
    const { Contents } = await main.send(new ListObjectsCommand({ Bucket, Prefix: 'sh' }));
    expect(Contents?.[0]?.Owner).toEqual({ ID: ALT.id, DisplayName: 'alt' });
  });
});

describe('a canned ACL of an object', () => {
  it.each([
    ['private', false, false],
    ['public-read', true, true],
    ['authenticated-read', true, false],
    ['bucket-owner-full-control', false, false],
  ] as const)('%s', async (ACL, others, nobody) => {
    for (const how of ['put', 'acl', 'copy', 'multipart'] as const) {
      const Key = `${ACL}-${how}`;
      await write(how, Key, ACL);
      const got = await get(alt, Key).then(
        () => true,
        () => false,
      );
      expect([how, got]).toEqual([how, others]);
      const [status] = await anonymously(town.sluice, 'GET', `/${Bucket}/${Key}`);
      expect([how, status]).toEqual([how, nobody ? 200 : 403]);
    }
  });

  async function write(
    how: 'put' | 'acl' | 'copy' | 'multipart',
    Key: string,
    ACL: ObjectCannedACL,
  ): Promise<void> {
    if (how === 'put') {
      await put(main, Key, { ACL });
    } else if (how === 'acl') {
      await put(main, Key);
      await main.send(new PutObjectAclCommand({ Bucket, Key, ACL }));
    } else if (how === 'copy') {
      await put(main, 'source', { ACL: 'public-read' });
      await main.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/source`, ACL }));
    } else {
      const { UploadId } = await main.send(new CreateMultipartUploadCommand({ Bucket, Key, ACL }));
      const part = { Bucket, Key, UploadId, PartNumber: 1 };
      const { ETag } = await main.send(new UploadPartCommand({ ...part, Body: 'x' }));
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      const complete = { Bucket, Key, UploadId, MultipartUpload };
      await main.send(new CompleteMultipartUploadCommand(complete));
    }
  }

  it('is not copied', async () => {
    await put(main, 'source', { ACL: 'public-read' });
    const copy = { Bucket, Key: 'copy', CopySource: `${Bucket}/source` };
    await main.send(new CopyObjectCommand(copy));
    expect(await objectAcl('copy')).toEqual(['main FULL_CONTROL']);
    expect(await objectAcl('source')).toEqual([`${ALL} READ`, 'main FULL_CONTROL']);
  });

  it('can give the bucket owner what another wrote', async () => {
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' }));
    await put(alt, 'read', { ACL: 'bucket-owner-read' });
    expect(await objectAcl('read', alt)).toEqual(['alt FULL_CONTROL', 'main READ']);
    await get(main, 'read');
    await denied(main.send(new GetObjectAclCommand({ Bucket, Key: 'read' })));
    await put(alt, 'full', { ACL: 'bucket-owner-full-control' });
    expect(await objectAcl('full')).toEqual(['alt FULL_CONTROL', 'main FULL_CONTROL']);
    await main.send(new PutObjectAclCommand({ Bucket, Key: 'full', ACL: 'public-read' }));
    expect(await objectAcl('full', alt)).toEqual([`${ALL} READ`, 'alt FULL_CONTROL']);
  });
});

describe('grants in headers', () => {
  it('are all that there is', async () => {
    const id = `id=${ALT.id}`;
    await put(main, 'k', {
      GrantRead: id,
      GrantReadACP: `id="${ALT.id}", uri="${AUTHENTICATED}"`,
      GrantWriteACP: `emailAddress="${MAIN.email.toUpperCase()}"`,
      GrantFullControl: `uri=${ALL}`,
    });
    expect((await objectAcl()).sort()).toEqual(
      [
        `${ALL} FULL_CONTROL`,
        'alt READ',
        'alt READ_ACP',
        `${AUTHENTICATED} READ_ACP`,
        'main WRITE_ACP',
      ].sort(),
    );
  });

  it.each([
    ['x-amz-grant-read', 'id=nobody', 'InvalidArgument'],
    ['x-amz-grant-read', 'emailAddress=no@example.com', 'UnresolvableGrantByEmailAddress'],
    ['x-amz-grant-read', 'uri=http://example.com', 'InvalidArgument'],
    ['x-amz-grant-read', 'name=main', 'InvalidArgument'],
    ['x-amz-grant-write-acp', '', 'InvalidArgument'],
    ['x-amz-acl', 'public', 'InvalidArgument'],
  ])('%s: %s is %s', async (name, value, code) => {
    const headers = { [name]: value };
    const path = `/${Bucket}/k`;
    const door = { port: town.sluice.port, accessKey: MAIN.accessKey, secretKey: MAIN.secretKey };
    const wrote = await outcome(door, { method: 'PUT', path, headers, body: 'x' });
    expect(wrote).toEqual([400, code]);
    const bucket = await outcome(door, {
      method: 'PUT',
      path: `/${Bucket}`,
      query: { acl: '' },
      headers,
    });
    expect(bucket).toEqual([400, code]);
    await expectS3Error(get(main), 404, 'NoSuchKey');
  });

  it('and a canned ACL exclude each other', async () => {
    const both = put(main, 'k', { ACL: 'private', GrantRead: `id=${ALT.id}` });
    await expectS3Error(both, 400, 'InvalidRequest');
  });
});

describe('a policy where ACLs count', () => {
  const allow = (more: object) => {
    const Resource = `arn:aws:s3:::${Bucket}/*`;
    const one = { Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource, ...more };
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [one] });
    return main.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  };
  const full = `id=${MAIN.id}`;

  it('lets set an ACL who allows it, or who allows to write on terms about it', async () => {
    await allow({});
    await put(alt, 'plain');
    await denied(put(alt, 'k', { GrantFullControl: full }));
    await denied(put(alt, 'k', { ACL: 'public-read' }));
    await allow({ Action: ['s3:PutObject', 's3:PutObjectAcl'] });
    await put(alt, 'k', { GrantFullControl: full });
    await allow({ Condition: { StringEquals: { 's3:x-amz-grant-full-control': full } } });
    await put(alt, 'k', { GrantFullControl: full });
    expect(await objectAcl('k', main)).toEqual(['main FULL_CONTROL']);
    await denied(put(alt, 'k', { GrantFullControl: `id=${ALT.id}` }));
  });

  it('speaks for the bucket owner’s objects only', async () => {
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' }));
    await put(alt, 'theirs');
    await put(main, 'ours');
    await allow({ Action: 's3:GetObject' });
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/ours`)).toEqual([200, undefined]);
    const theirs = `/${Bucket}/theirs`;
    expect(await anonymously(town.sluice, 'GET', theirs)).toEqual([403, 'AccessDenied']);
    await allow({ Effect: 'Deny', Action: 's3:GetObject' });
    await denied(get(alt, 'theirs'));
  });
});

describe('an ACL in a document', () => {
  it.each([
    ['READ', ['list']],
    ['WRITE', ['put']],
    ['READ_ACP', ['read acl']],
    ['WRITE_ACP', ['write acl']],
    ['FULL_CONTROL', ['list', 'put', 'read acl', 'write acl']],
  ] as const)('%s on a bucket', async (Permission: Permission, may: readonly string[]) => {
    const Grants = [
      { Grantee: grantee(MAIN), Permission: 'FULL_CONTROL' as const },
      { Grantee: grantee(ALT), Permission },
    ];
    const AccessControlPolicy = { Owner: owner, Grants };
    await main.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy }));
    expect(await bucketAcl()).toEqual(['main FULL_CONTROL', `alt ${Permission}`]);
    const works: Readonly<Record<string, () => Promise<unknown>>> = {
      list: () => list(alt),
      put: () => put(alt),
      'read acl': () => alt.send(new GetBucketAclCommand({ Bucket })),
      'write acl': () => alt.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy })),
    };
    for (const [name, work] of Object.entries(works)) {
      if (may.includes(name)) await work();
      else await denied(work());
    }
  });

  it('by e-mail address and for groups, on an object', async () => {
    await put(main);
    const Grants = [
      {
        Grantee: { Type: 'AmazonCustomerByEmail' as const, EmailAddress: ALT.email },
        Permission: 'READ' as const,
      },
      { Grantee: { Type: 'Group' as const, URI: ALL }, Permission: 'READ_ACP' as const },
    ];
    const AccessControlPolicy = { Owner: owner, Grants };
    await main.send(new PutObjectAclCommand({ Bucket, Key: 'k', AccessControlPolicy }));
    expect(await objectAcl()).toEqual([`${ALL} READ_ACP`, 'alt READ']);
    await get(alt);
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/k?acl`)).toEqual([200, undefined]);
    expect(await anonymously(town.sluice, 'GET', `/${Bucket}/k`)).toEqual([403, 'AccessDenied']);
  });

  it('can take the owner’s own rights, but never the right to give them back', async () => {
    await put(main);
    const AccessControlPolicy = { Owner: owner, Grants: [] };
    await main.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy }));
    expect(await bucketAcl()).toEqual([]);
    await get(main);
    await denied(put(main, 'other'));
    await main.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
    await put(main, 'other');
  });

  const NS = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
  const ownerXml = `<Owner><ID>${MAIN.id}</ID></Owner>`;
  const grantXml = (inner: string, type: string, permission: string): string =>
    `<Grant><Grantee ${NS} xsi:type="${type}">${inner}</Grantee>` +
    `<Permission>${permission}</Permission></Grant>`;
  const document = (list: string, owned = ownerXml): string =>
    `<AccessControlPolicy>${owned}<AccessControlList>${list}</AccessControlList></AccessControlPolicy>`;

  it.each([
    ['nonsense', 400, 'MalformedACLError'],
    ['<AccessControlPolicy/>', 400, 'MalformedACLError'],
    [document('', ''), 400, 'MalformedACLError'],
    [document('<Grant/>'), 400, 'MalformedACLError'],
    [
      document(grantXml(`<ID>${ALT.id}</ID>`, 'CanonicalUser', 'EVERYTHING')),
      400,
      'MalformedACLError',
    ],
    [document(grantXml(`<ID>${ALT.id}</ID>`, 'Person', 'READ')), 400, 'MalformedACLError'],
    [document(grantXml('<URI>http://x</URI>', 'Group', 'READ')), 400, 'InvalidArgument'],
    [document(grantXml('<ID>nobody</ID>', 'CanonicalUser', 'READ')), 400, 'InvalidArgument'],
    [
      document(grantXml('<EmailAddress>x@y.zz</EmailAddress>', 'AmazonCustomerByEmail', 'READ')),
      400,
      'UnresolvableGrantByEmailAddress',
    ],
    [document('', `<Owner><ID>${ALT.id}</ID></Owner>`), 403, 'AccessDenied'],
    ['', 400, 'MissingSecurityHeader'],
  ])('%.90s is %i %s and changes nothing', async (body, status, code) => {
    await put(main);
    const door = { port: town.sluice.port, accessKey: MAIN.accessKey, secretKey: MAIN.secretKey };
    for (const path of [`/${Bucket}`, `/${Bucket}/k`]) {
      const answer = await outcome(door, { method: 'PUT', path, query: { acl: '' }, body });
      expect(answer).toEqual([status, code]);
    }
    expect([await bucketAcl(), await objectAcl()]).toEqual([
      ['main FULL_CONTROL'],
      ['main FULL_CONTROL'],
    ]);
  });

  it('and one in headers exclude each other', async () => {
    const door = { port: town.sluice.port, accessKey: MAIN.accessKey, secretKey: MAIN.secretKey };
    const wanted = { method: 'PUT', path: `/${Bucket}`, query: { acl: '' }, body: document('') };
    const headers = { 'x-amz-acl': 'private' };
    expect(await outcome(door, { ...wanted, headers })).toEqual([400, 'UnexpectedContent']);
  });
});
