/** Virtual-host style addresses below `--domain`, and a server that checks no signature. */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent, get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { RawConnection } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask } from '../support/signed-request.ts';

let sluice: SluiceProcess;
let open: SluiceProcess;
let client: S3Client;
/** Every name is this machine. */
const httpAgent = new Agent({
  keepAlive: true,
  lookup: (_host, options, found) => {
    if (options.all === true) found(null, [{ address: '127.0.0.1', family: 4 }]);
    else found(null, '127.0.0.1', 4);
  },
});

beforeAll(async () => {
  [sluice, open] = await Promise.all([
    startSluice({ arguments: ['--domain', 's3g.internal', '--domain', 'deep.s3g.internal'] }),
    startSluice({ arguments: ['--insecure'] }),
  ]);
  client = hosted('s3g.internal');
});
afterAll(async () => {
  client.destroy();
  httpAgent.destroy();
  await Promise.all([sluice.close(), open.close()]);
});

function hosted(domain: string): S3Client {
  return new S3Client({
    endpoint: `http://${domain}:${sluice.port}`,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: sluice.accessKey, secretAccessKey: sluice.secretKey },
    requestHandler: new NodeHttpHandler({ httpAgent }),
  });
}

describe('a bucket below the domain', () => {
  const Bucket = 'virtual';
  it('is served as it is in the path', async () => {
    await client.send(new CreateBucketCommand({ Bucket }));
    for (const Key of ['k', 'a/b c+ä', 'virtual/k', '..']) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
      const found = await client.send(new GetObjectCommand({ Bucket, Key }));
      expect(await found.Body?.transformToString()).toBe(Key);
    }
    const path = await ask(sluice, { path: `/${Bucket}/virtual/k` });
    expect(path.body.toString()).toBe('virtual/k');
    const listed = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['..', 'a/b c+ä', 'k', 'virtual/k']);
    const CopySource = `${Bucket}/k`;
    await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
    const Objects = ['k', 'a/b c+ä', 'virtual/k', '..', 'copy'].map((Key) => ({ Key }));
    await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    await client.send(new DeleteBucketCommand({ Bucket }));
  });

  it('may have dots in its name; the longest domain counts', async () => {
    const deep = hosted('deep.s3g.internal');
    await client.send(new CreateBucketCommand({ Bucket: 'with.dots' }));
    expect((await client.send(new HeadBucketCommand({ Bucket: 'with.dots' }))).BucketRegion).toBe(
      'us-east-1',
    );
    await deep.send(new CreateBucketCommand({ Bucket: 'deeper' }));
    const all = await client.send(new ListBucketsCommand({}));
    expect(all.Buckets?.map(({ Name }) => Name)).toEqual(['deeper', 'with.dots']);
    deep.destroy();
  });

  it('is presigned', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'signed' }));
    await client.send(new PutObjectCommand({ Bucket: 'signed', Key: 'k', Body: 'hello' }));
    const command = new GetObjectCommand({ Bucket: 'signed', Key: 'k' });
    const url = await getSignedUrl(client, command, { expiresIn: 60 });
    expect(new URL(url).hostname).toBe('signed.s3g.internal');
    const text = await new Promise<string>((resolve, reject) => {
      get(url, { agent: httpAgent }, (response) => {
        let body = '';
        response.on('data', (data: Buffer) => (body += data.toString()));
        response.on('end', () => resolve(body));
      }).on('error', reject);
    });
    expect(text).toBe('hello');
  });
});

describe('a server without security', () => {
  it('takes any key and any signature', async () => {
    const stranger = { ...open, accessKey: 'WHOEVER', secretKey: 'whatever' };
    const anyone = s3Client(stranger);
    await anyone.send(new CreateBucketCommand({ Bucket: 'open' }));
    const target = { Bucket: 'open', Key: 'k' };
    await anyone.send(new PutObjectCommand({ ...target, Body: 'x'.repeat(200_000) }));
    const found = await anyone.send(new GetObjectCommand(target));
    expect((await found.Body?.transformToString())?.length).toBe(200_000);
    anyone.destroy();
  });

  it('and none at all', async () => {
    const put = await fetch(`${open.endpoint}/open/plain`, { method: 'PUT', body: 'plain' });
    expect(put.status).toBe(200);
    expect(await (await fetch(`${open.endpoint}/open/plain`)).text()).toBe('plain');
    const connection = await RawConnection.open(open.port);
    const bare = await connection.request('GET', `GET /open/plain HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(bare.body.toString()).toBe('plain');
    connection.destroy();
  });

  it('still holds bodies to their digests', async () => {
    const headers = { 'content-md5': 'rL0Y20zC+Fzt72VPzMSk2A==' };
    const put = await fetch(`${open.endpoint}/open/wrong`, { method: 'PUT', body: 'x', headers });
    expect(put.status).toBe(400);
    expect(await put.text()).toContain('<Code>BadDigest</Code>');
  });
});

it('a secure server takes neither a stranger nor nobody', async () => {
  const stranger = await ask({ ...sluice, accessKey: 'WHOEVER' }, { path: '/' });
  expect(stranger.body.toString()).toContain('<Code>InvalidAccessKeyId</Code>');
  const forger = await ask({ ...sluice, secretKey: 'whatever' }, { path: '/' });
  expect(forger.body.toString()).toContain('<Code>SignatureDoesNotMatch</Code>');
  const answerTo = async (path: string): Promise<string> => {
    const nobody = await fetch(`${sluice.endpoint}${path}`);
    return `${nobody.status} ${/<Code>(\w+)/.exec(await nobody.text())?.[1] ?? ''}`;
  };
  for (const path of ['/', '/with.dots', '/signed/k', '/with.dots?analytics']) {
    expect([path, await answerTo(path)]).toEqual([path, '403 AccessDenied']);
  }
  // Names of buckets are public, as on AWS.
  expect(await answerTo('/none')).toBe('404 NoSuchBucket');
});
