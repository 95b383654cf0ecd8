/** Versioning through the front door, as the SDK sees it. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { codeOf, headerOf, RawConnection, signHead } from '../support/raw-client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

let sluice: SluiceInside;
let client: S3Client;
let buckets = 0;

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice);
});
afterAll(async () => {
  client.destroy();
  await sluice.idle();
  await sluice.close();
});

async function bucketWith(status?: 'Enabled' | 'Suspended'): Promise<string> {
  buckets += 1;
  const Bucket = `versions-${buckets}`;
  await client.send(new CreateBucketCommand({ Bucket }));
  if (status !== undefined) await setStatus(Bucket, status);
  return Bucket;
}

async function setStatus(Bucket: string, Status: 'Enabled' | 'Suspended'): Promise<void> {
  await client.send(
    new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }),
  );
}

async function put(Bucket: string, Key: string, Body: string): Promise<string | undefined> {
  return (await client.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId;
}

async function get(Bucket: string, Key: string, VersionId?: string): Promise<string> {
  const got = await client.send(new GetObjectCommand({ Bucket, Key, VersionId }));
  return (await got.Body?.transformToString()) ?? '';
}

describe('the configuration', () => {
  it('is absent, then Enabled, then Suspended', async () => {
    const Bucket = await bucketWith();
    const status = async () =>
      (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status;
    expect(await status()).toBeUndefined();
    await setStatus(Bucket, 'Enabled');
    expect(await status()).toBe('Enabled');
    await setStatus(Bucket, 'Suspended');
    expect(await status()).toBe('Suspended');
  });

  it.each([
    ['MalformedXML', '<VersioningConfiguration><Status>On</Status></VersioningConfiguration>'],
    ['MalformedXML', '<VersioningConfiguration><State>Enabled</State></VersioningConfiguration>'],
    ['IllegalVersioningConfigurationException', '<VersioningConfiguration/>'],
    [
      'NotImplemented',
      '<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>',
    ],
  ])('%s', async (code, text) => {
    const Bucket = await bucketWith();
    const connection = await RawConnection.open(sluice.port);
    const { text: head } = await signHead(sluice, {
      method: 'PUT',
      port: sluice.port,
      path: `/${Bucket}`,
      query: { versioning: '' },
      headers: { 'content-length': String(text.length) },
      payload: Buffer.from(text),
    });
    expect(codeOf(await connection.request('PUT', head + text))).toBe(code);
    connection.destroy();
  });
});

describe('an object with versions', () => {
  it('is read by version, marked as deleted, and comes back', async () => {
    const Bucket = await bucketWith('Enabled');
    const first = await put(Bucket, 'k', 'one');
    const second = await put(Bucket, 'k', 'two');
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect([await get(Bucket, 'k'), await get(Bucket, 'k', first)]).toEqual(['two', 'one']);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'k' }));
    expect(head.VersionId).toBe(second);
    const deleted = await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
    expect(deleted.DeleteMarker).toBe(true);
    const missing = new GetObjectCommand({ Bucket, Key: 'k' });
    await expectS3Error(client.send(missing), 404, 'NoSuchKey');
    const marker = deleted.VersionId;
    const refused = new GetObjectCommand({ Bucket, Key: 'k', VersionId: marker });
    await expectS3Error(client.send(refused), 405, 'MethodNotAllowed');
    expect(await get(Bucket, 'k', second)).toBe('two');
    const list = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(list.KeyCount).toBe(0);
    await expectS3Error(client.send(new DeleteBucketCommand({ Bucket })), 409, 'BucketNotEmpty');
    const removal = new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: marker });
    const back = await client.send(removal);
    expect([back.DeleteMarker, back.VersionId]).toEqual([true, marker]);
    expect(await get(Bucket, 'k')).toBe('two');
    const unknown = '0'.repeat(32);
    const none = new GetObjectCommand({ Bucket, Key: 'k', VersionId: unknown });
    await expectS3Error(client.send(none), 404, 'NoSuchVersion');
    const nonsense = new GetObjectCommand({ Bucket, Key: 'k', VersionId: 'nonsense' });
    await expectS3Error(client.send(nonsense), 400, 'InvalidArgument');
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: unknown }));
    const versions = await client.send(new ListObjectVersionsCommand({ Bucket }));
    expect(versions.Versions?.map((version) => [version.VersionId, version.IsLatest])).toEqual([
      [second, true],
      [first, false],
    ]);
  });

  it('tells of a delete marker in the headers of a 404', async () => {
    const Bucket = await bucketWith('Enabled');
    const { VersionId } = await client.send(new DeleteObjectCommand({ Bucket, Key: 'never' }));
    const connection = await RawConnection.open(sluice.port);
    const path = `/${Bucket}/never`;
    const { text } = await signHead(sluice, { method: 'HEAD', port: sluice.port, path });
    const response = await connection.request('HEAD', text);
    expect(response.status).toBe(404);
    expect(headerOf(response, 'x-amz-delete-marker')).toBe('true');
    expect(headerOf(response, 'x-amz-version-id')).toBe(VersionId);
    connection.destroy();
  });

  it('keeps what was written before and while versioning was suspended as null', async () => {
    const Bucket = await bucketWith();
    expect(await put(Bucket, 'k', 'old')).toBeUndefined();
    await setStatus(Bucket, 'Enabled');
    const version = await put(Bucket, 'k', 'new');
    expect(await get(Bucket, 'k', 'null')).toBe('old');
    await setStatus(Bucket, 'Suspended');
    expect(await put(Bucket, 'k', 'null again')).toBe('null');
    expect(await get(Bucket, 'k', 'null')).toBe('null again');
    expect(await get(Bucket, 'k', version)).toBe('new');
    const marked = await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
    expect([marked.DeleteMarker, marked.VersionId]).toEqual([true, 'null']);
    const { Versions, DeleteMarkers } = await client.send(
      new ListObjectVersionsCommand({ Bucket }),
    );
    expect(Versions?.map(({ VersionId }) => VersionId)).toEqual([version]);
    expect(DeleteMarkers?.map(({ VersionId }) => VersionId)).toEqual(['null']);
  });

  it('is made by multipart uploads and copies, and copied from a version', async () => {
    const Bucket = await bucketWith('Enabled');
    const Key = 'k';
    const first = await put(Bucket, Key, 'first');
    await put(Bucket, Key, 'second');
    const made = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const { UploadId } = made;
    const part = { Bucket, Key, UploadId, PartNumber: 1 };
    await client.send(new UploadPartCommand({ ...part, Body: 'part' }));
    const CopySource = `${Bucket}/${Key}?versionId=${first}`;
    const copiedPart = await client.send(new UploadPartCopyCommand({ ...part, CopySource }));
    const completed = await client.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag: copiedPart.CopyPartResult?.ETag }] },
      }),
    );
    expect(await get(Bucket, Key, completed.VersionId)).toBe('first');
    const copy = await client.send(new CopyObjectCommand({ Bucket, Key, CopySource }));
    expect(copy.CopySourceVersionId).toBe(first);
    expect(copy.VersionId).toMatch(/^[0-9a-f]{32}$/);
    const again = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const abort = { Bucket, Key, UploadId: again.UploadId };
    await client.send(new AbortMultipartUploadCommand(abort));
    const { Versions } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    expect(Versions).toHaveLength(4);
  });

  it('has tags of its own for every version', async () => {
    const Bucket = await bucketWith('Enabled');
    const VersionId = await put(Bucket, 'k', 'one');
    await put(Bucket, 'k', 'two');
    const one = { Bucket, Key: 'k', VersionId };
    const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
    const tagged = await client.send(new PutObjectTaggingCommand({ ...one, Tagging }));
    expect(tagged.VersionId).toBe(VersionId);
    const tags = await client.send(new GetObjectTaggingCommand(one));
    expect(tags.TagSet).toEqual(Tagging.TagSet);
    const latest = await client.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }));
    expect(latest.TagSet).toEqual([]);
    await client.send(new DeleteObjectTaggingCommand(one));
    expect((await client.send(new GetObjectTaggingCommand(one))).TagSet).toEqual([]);
  });
});

describe('many versions', () => {
  it('are deleted together, markers named', async () => {
    const Bucket = await bucketWith('Enabled');
    const VersionId = await put(Bucket, 'a', 'x');
    await put(Bucket, 'b', 'x');
    const Objects = [{ Key: 'a', VersionId }, { Key: 'b' }, { Key: 'c', VersionId: 'nonsense' }];
    const { Deleted, Errors } = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
    );
    expect(Deleted).toContainEqual({ Key: 'a', VersionId });
    const marked = Deleted?.find(({ Key }) => Key === 'b');
    expect(marked).toMatchObject({ DeleteMarker: true });
    expect(marked?.DeleteMarkerVersionId).toMatch(/^[0-9a-f]{32}$/);
    expect(Errors?.map(({ Code }) => Code)).toEqual(['NoSuchVersion']);
  });

  it('are listed in pages, by prefix and delimiter', async () => {
    const Bucket = await bucketWith('Enabled');
    for (const Key of ['a', 'b/1', 'b/2', 'c']) {
      await put(Bucket, Key, '1');
      await put(Bucket, Key, '2');
    }
    const rolled = await client.send(new ListObjectVersionsCommand({ Bucket, Delimiter: '/' }));
    expect(rolled.CommonPrefixes).toEqual([{ Prefix: 'b/' }]);
    expect(rolled.Versions?.map(({ Key }) => Key)).toEqual(['a', 'a', 'c', 'c']);
    const keys: (string | undefined)[] = [];
    let KeyMarker: string | undefined;
    let VersionIdMarker: string | undefined;
    do {
      const page = await client.send(
        new ListObjectVersionsCommand({
          Bucket,
          MaxKeys: 3,
          Prefix: '',
          KeyMarker,
          VersionIdMarker,
        }),
      );
      keys.push(...(page.Versions ?? []).map(({ Key }) => Key));
      KeyMarker = page.NextKeyMarker;
      VersionIdMarker = page.NextVersionIdMarker;
    } while (KeyMarker !== undefined);
    expect(keys).toEqual(['a', 'a', 'b/1', 'b/1', 'b/2', 'b/2', 'c', 'c']);
  });
});
