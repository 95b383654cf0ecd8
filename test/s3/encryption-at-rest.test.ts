/**
 * What encryption leaves behind: nothing of the content in the data folder, no key of a customer
 * anywhere, no key at all in a log, and after a restart everything can be read again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutBucketLoggingCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { codeOf } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask } from '../support/signed-request.ts';

const Bucket = 'at-rest';
const KIB = 1024;
const KEY = randomBytes(32);
const C = {
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: KEY.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(KEY).digest('base64'),
};
const WAYS = {
  plain: {},
  s3: { ServerSideEncryption: 'AES256' },
  kms: { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'blue' },
  customer: C,
} as const;
type Way = keyof typeof WAYS;
/** Inline, packed, striped, several stripes. */
const SIZES = [100, 10 * KIB, 100 * KIB, 600 * KIB, 3 * 1024 * KIB];

/** Says in each 32 bytes which way it was written. */
const patternOf = (way: Way): string => `<<${way} was here, and can be found>>`;
const contentOf = (way: Way, size: number): Buffer => Buffer.alloc(size, patternOf(way));

let directory: string;
let server: SluiceProcess;
let client: S3Client;

async function start(): Promise<void> {
  const words = ['--kms-key', 'blue', '--log-level', 'trace', '--access-log-seconds', '1'];
  server = await startSluice({ directory, arguments: words });
  client = s3Client(server);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-at-rest-'));
  await start();
  for (const name of [Bucket, 'logs']) {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  }
  const LoggingEnabled = { TargetBucket: 'logs', TargetPrefix: '' };
  const BucketLoggingStatus = { LoggingEnabled };
  await client.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus }));
  for (const way of Object.keys(WAYS) as Way[]) await write(way);
});
afterAll(async () => {
  client.destroy();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

async function write(way: Way): Promise<void> {
  for (const size of SIZES) {
    const Body = contentOf(way, size);
    await client.send(new PutObjectCommand({ Bucket, Key: `${way}-${size}`, Body, ...WAYS[way] }));
  }
  const address = { Bucket, Key: `${way}-parts` };
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ ...address, ...WAYS[way] }),
  );
  const key = way === 'customer' ? C : {};
  const Body = contentOf(way, 200 * KIB);
  const part = { ...address, ...key, UploadId, PartNumber: 1, Body };
  const { ETag } = await client.send(new UploadPartCommand(part));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  await client.send(new CompleteMultipartUploadCommand({ ...address, UploadId, MultipartUpload }));
}

/** Files of the data folder in which a text stands. */
function filesWith(text: string | Buffer): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}

it('wrong keys, wrong signatures and keys in addresses are refused and leave no trace', async () => {
  const prefix = 'x-amz-server-side-encryption-customer';
  const headers = {
    [`${prefix}-algorithm`]: 'AES256',
    [`${prefix}-key`]: C.SSECustomerKey,
    [`${prefix}-key-md5`]: C.SSECustomerKeyMD5,
  };
  const path = `/${Bucket}/customer-100`;
  const wrong = { ...server, secretKey: 'x'.repeat(40) };
  expect(codeOf(await ask(wrong, { path, headers }))).toBe('SignatureDoesNotMatch');
  expect(codeOf(await ask(server, { path: `/${Bucket}/plain-100`, headers }))).toBe(
    'InvalidRequest',
  );
  const bad = { ...headers, [`${prefix}-key-md5`]: 'AAAAAAAAAAAAAAAAAAAAAA==' };
  expect(codeOf(await ask(server, { path, headers: bad }))).toBe('InvalidArgument');
  const none = await ask(server, { path: `/${Bucket}/none`, headers, query: headers });
  expect(none.status).toBe(404);
});

it('no log tells a key, at whatever level', async () => {
  await expect
    .poll(() => filesWith('REST.GET.OBJECT').length, { timeout: 10_000 })
    .toBeGreaterThan(0);
  const log = server.logs();
  expect(log).toContain('customer-100');
  for (const secret of [C.SSECustomerKey, C.SSECustomerKeyMD5, KEY.toString('hex')]) {
    expect(log).not.toContain(secret);
    expect(log).not.toContain(encodeURIComponent(secret));
    // Access logs are objects of this store, in the clear.
    expect(filesWith(encodeURIComponent(secret))).toEqual([]);
  }
  const { master, keys } = JSON.parse(readFileSync(join(directory, 'keyring.json'), 'utf8')) as {
    master: { key: string }[];
    keys: { key: string }[];
  };
  expect([master.length, keys.length]).toEqual([1, 1]);
  for (const { key } of [...master, ...keys]) expect(log).not.toContain(key);
});

it('nothing of what is encrypted can be found on the disk, nor a key of a customer', async () => {
  client.destroy();
  await server.kill('SIGTERM');
  expect(filesWith(patternOf('plain')).length).toBeGreaterThan(1);
  for (const way of ['s3', 'kms', 'customer'] as const) {
    expect(filesWith(patternOf(way))).toEqual([]);
    expect(filesWith(patternOf(way).slice(3, 20))).toEqual([]);
  }
  for (const key of [KEY, KEY.toString('base64'), KEY.toString('hex'), C.SSECustomerKeyMD5]) {
    expect(filesWith(key)).toEqual([]);
  }
  expect(statSync(join(directory, 'keyring.json')).mode & 0o777).toBe(0o600);
});

it('and after a restart all of it is there', async () => {
  await start();
  for (const way of Object.keys(WAYS) as Way[]) {
    const key = way === 'customer' ? C : {};
    for (const [name, size] of [
      ...SIZES.map((n) => [n, n] as const),
      ['parts', 200 * KIB] as const,
    ]) {
      const Key = `${way}-${name}`;
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...key }));
      const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
      expect([Key, bytes.equals(contentOf(way, size))]).toEqual([Key, true]);
    }
  }
});
