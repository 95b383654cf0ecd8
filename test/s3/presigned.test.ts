/** Presigned requests of the AWS SDK through the front door: every verb, with no header signed. */
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSluice, type SluiceProcess } from '../support/server.ts';

const SOON = { expiresIn: 60 };

const Bucket = 'presigned';
/** Everything that a path and a query must not confuse (`fetch` itself would resolve `..`). */
const Key = "a b+c/ä&=?%'()*!~//\u{1f600}";

let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = new S3Client({
    endpoint: sluice.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: sluice.accessKey, secretAccessKey: sluice.secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await client.send(new CreateBucketCommand({ Bucket }));
});

afterAll(async () => {
  client.destroy();
  await sluice.close();
});

describe('a presigned request', () => {
  it('puts, gets, heads and deletes, its headers in the query', async () => {
    const put = await getSignedUrl(
      client,
      new PutObjectCommand({
        Bucket,
        Key,
        Metadata: { colour: 'blue' },
        Tagging: 'a=1&b=2',
        StorageClass: 'STANDARD_IA',
      }),
      SOON,
    );
    expect(put).toContain('x-amz-meta-colour=blue');
    const stored = await fetch(put, { method: 'PUT', body: 'hello' });
    expect(await stored.text()).toBe('');
    expect(stored.status).toBe(200);

    const overridden = { ResponseContentDisposition: 'attachment; filename="a.txt"' };
    const get = await fetch(
      await getSignedUrl(client, new GetObjectCommand({ Bucket, Key, ...overridden }), SOON),
    );
    expect(await get.text()).toBe('hello');
    expect(get.headers.get('x-amz-meta-colour')).toBe('blue');
    expect(get.headers.get('x-amz-tagging-count')).toBe('2');
    expect(get.headers.get('x-amz-storage-class')).toBe('STANDARD_IA');
    expect(get.headers.get('content-disposition')).toBe('attachment; filename="a.txt"');

    const head = await getSignedUrl(client, new HeadObjectCommand({ Bucket, Key }), SOON);
    expect((await fetch(head, { method: 'HEAD' })).headers.get('content-length')).toBe('5');
    // Signed for one verb, it is good for no other.
    expect((await fetch(head, { method: 'DELETE' })).status).toBe(403);

    const gone = await getSignedUrl(client, new DeleteObjectCommand({ Bucket, Key }), SOON);
    expect((await fetch(gone, { method: 'DELETE' })).status).toBe(204);
    expect((await fetch(head, { method: 'HEAD' })).status).toBe(404);
  });

  it('holds the body to the checksum that was signed', async () => {
    const Body = { Bucket, Key: 'checked', ChecksumCRC32: 'NhCmhg==' };
    const url = await getSignedUrl(client, new PutObjectCommand(Body), SOON);
    const wrong = await fetch(url, { method: 'PUT', body: 'other' });
    expect(wrong.status).toBe(400);
    expect(await wrong.text()).toContain('<Code>BadDigest</Code>');
    expect((await fetch(url, { method: 'PUT', body: 'hello' })).status).toBe(200);
  });

  it('is refused with one character changed, and says what was signed', async () => {
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'k' }), SOON);
    const answer = await fetch(url.replace('/k?', '/j?'));
    expect(answer.status).toBe(403);
    const text = await answer.text();
    expect(text).toContain('<Code>SignatureDoesNotMatch</Code>');
    expect(text).toContain(`<CanonicalRequest>GET&#xA;/${Bucket}/j&#xA;`);
  });
});
