/**
 * Encryption through the front door: what each method answers, who may read what it wrote, and how
 * requests that contradict themselves are refused.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content, md5 } from '../support/content.ts';
import { formBody, post, signedV4 } from '../support/post-form.ts';
import { codeOf, headerOf } from '../support/raw-client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'encrypted';
const KIB = 1024;
const MIB = 1024 * KIB;
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ 'kms-key': ['testkey-1', 'testkey-2'] });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.idle();
  await sluice.close();
});

interface CustomerHeaders {
  readonly SSECustomerAlgorithm: string;
  readonly SSECustomerKey: string;
  readonly SSECustomerKeyMD5: string;
}

function customer(key: Uint8Array = randomBytes(32)): CustomerHeaders {
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: Buffer.from(key).toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  };
}

const A = customer();
const B = customer();

const sourceOf = (one: Partial<CustomerHeaders>) => ({
  CopySourceSSECustomerAlgorithm: one.SSECustomerAlgorithm,
  CopySourceSSECustomerKey: one.SSECustomerKey,
  CopySourceSSECustomerKeyMD5: one.SSECustomerKeyMD5,
});

const put = (Key: string, Body: Buffer | string, how: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...how }));
const head = (Key: string, how: Partial<GetObjectCommandInput> = {}) =>
  client.send(new HeadObjectCommand({ Bucket, Key, ...how }));
const get = (Key: string, how: Partial<GetObjectCommandInput> = {}) =>
  client.send(new GetObjectCommand({ Bucket, Key, ...how }));
async function bytesOf(Key: string, how: Partial<GetObjectCommandInput> = {}): Promise<Buffer> {
  const { Body } = await get(Key, how);
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

const S3 = { ServerSideEncryption: 'AES256' } as const;
const KMS = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'testkey-1' } as const;

const WAYS = { S3, KMS, C: A } as const;

describe.each(Object.entries(WAYS))('%s', (name, how) => {
  const reading = name === 'C' ? A : {};

  it.each([1, 13, KIB, 100 * KIB, MIB, 3 * MIB + 17])('of %i bytes', async (size) => {
    const bytes = content(size);
    const Key = `${name}-${size}`;
    const written = await put(Key, bytes, { ...how, ChecksumAlgorithm: 'SHA256' });
    const read = await get(Key, { ...reading, ChecksumMode: 'ENABLED' });
    const looked = await head(Key, reading);
    for (const answer of [written, read, looked]) {
      expect(answer.ServerSideEncryption).toBe(
        'ServerSideEncryption' in how ? how.ServerSideEncryption : undefined,
      );
      expect(answer.SSEKMSKeyId).toBe(name === 'KMS' ? 'testkey-1' : undefined);
      expect(answer.SSECustomerAlgorithm).toBe(name === 'C' ? 'AES256' : undefined);
      expect(answer.SSECustomerKeyMD5).toBe(name === 'C' ? A.SSECustomerKeyMD5 : undefined);
      expect(answer.ETag === `"${md5(bytes)}"`).toBe(name === 'S3');
    }
    expect(read.ChecksumSHA256).toBe(createHash('sha256').update(bytes).digest('base64'));
    expect(looked.ContentLength).toBe(size);
    expect(Buffer.from((await read.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true);
    const last = Math.min(size - 1, 70_000);
    const first = Math.min(last, 65_000);
    const part = await bytesOf(Key, { ...reading, Range: `bytes=${first}-${last}` });
    expect(part.equals(bytes.subarray(first, last + 1))).toBe(true);
  });

  it('of nothing at all', async () => {
    await put(`${name}-empty`, '', how);
    expect(await bytesOf(`${name}-empty`, reading)).toEqual(Buffer.alloc(0));
    expect((await head(`${name}-empty`, reading)).ContentLength).toBe(0);
  });

  it('in a form', async () => {
    const prefix = 'x-amz-server-side-encryption';
    const fields: [string, string][] = {
      S3: [[prefix, 'AES256']],
      KMS: [
        [prefix, 'aws:kms'],
        [`${prefix}-aws-kms-key-id`, 'testkey-1'],
      ],
      C: [
        [`${prefix}-customer-algorithm`, 'AES256'],
        [`${prefix}-customer-key`, A.SSECustomerKey],
        [`${prefix}-customer-key-md5`, A.SSECustomerKeyMD5],
      ],
    }[name] as [string, string][];
    for (const size of [10, 100 * KIB, 2 * MIB]) {
      const bytes = content(size);
      const Key = `${name}-form-${size}`;
      const all: [string, string][] = [['key', Key], ...fields];
      const conditions = [
        { bucket: Bucket },
        ...all.map(([field]) => ['starts-with', `$${field}`, '']),
      ];
      const signed = signedV4(sluice, { conditions });
      const body = formBody([...all, ...signed], { content: bytes });
      const answer = await post(sluice, `/${Bucket}`, body);
      expect([answer.status, codeOf(answer)]).toEqual([204, undefined]);
      const said = name === 'C' ? `${prefix}-customer-algorithm` : prefix;
      expect(headerOf(answer, said)).toBe(fields[0]?.[1]);
      expect((await bytesOf(Key, reading)).equals(bytes)).toBe(true);
    }
  });

  it('in parts, of which one is copied, and one is sent twice', async () => {
    const Key = `${name}-parts`;
    const address = { Bucket, Key };
    const whole = content(11 * MIB + 7);
    await put('for-part', whole.subarray(0, 6 * MIB), how);
    const { UploadId, ...created } = await client.send(
      new CreateMultipartUploadCommand({ ...address, ...how }),
    );
    expect(created.ServerSideEncryption ?? created.SSECustomerAlgorithm).toBe(
      'ServerSideEncryption' in how ? how.ServerSideEncryption : 'AES256',
    );
    const copied = await client.send(
      new UploadPartCopyCommand({
        ...address,
        ...reading,
        ...sourceOf(reading),
        UploadId,
        PartNumber: 1,
        CopySource: `${Bucket}/for-part`,
        CopySourceRange: `bytes=0-${5 * MIB - 1}`,
      }),
    );
    const part = async (PartNumber: number, from: number, to: number) =>
      await client.send(
        new UploadPartCommand({
          ...address,
          ...reading,
          UploadId,
          PartNumber,
          Body: whole.subarray(from, to),
        }),
      );
    await part(2, 0, 100);
    const second = await part(2, 5 * MIB, 10 * MIB);
    const third = await part(3, 10 * MIB, whole.length);
    expect(second.SSEKMSKeyId).toBe(name === 'KMS' ? 'testkey-1' : undefined);
    expect(second.SSECustomerKeyMD5).toBe(name === 'C' ? A.SSECustomerKeyMD5 : undefined);
    const done = await client.send(
      new CompleteMultipartUploadCommand({
        ...address,
        ...reading,
        UploadId,
        MultipartUpload: {
          Parts: [copied.CopyPartResult, second, third].map((one, index) => ({
            PartNumber: index + 1,
            ETag: one?.ETag,
          })),
        },
      }),
    );
    expect(done.ServerSideEncryption).toBe(
      'ServerSideEncryption' in how ? how.ServerSideEncryption : undefined,
    );
    expect((await bytesOf(Key, reading)).equals(whole)).toBe(true);
    for (const [first, last] of [
      [0, 0],
      [5 * MIB - 1, 5 * MIB + 1],
      [whole.length - 5, whole.length - 1],
      [65_000, 10 * MIB + 5],
    ] as const) {
      const range = await bytesOf(Key, { ...reading, Range: `bytes=${first}-${last}` });
      expect(range.equals(whole.subarray(first, last + 1))).toBe(true);
    }
    const third3 = await bytesOf(Key, { ...reading, PartNumber: 3 });
    expect(third3.equals(whole.subarray(10 * MIB))).toBe(true);
  });
});

describe('copies', () => {
  const KINDS = {
    plain: {},
    S3,
    KMS,
    KMS2: { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'testkey-2' },
    A,
    B,
  } as const;
  const keys = (kind: string): Partial<CustomerHeaders> => ({ A, B })[kind] ?? {};

  describe.each([13, 20 * KIB, 2 * MIB])('of %i bytes', (size) => {
    it.each(Object.keys(KINDS))('from %s to all', async (from) => {
      const bytes = content(size);
      const how = KINDS[from as keyof typeof KINDS];
      await put('source', bytes, { ...how, Metadata: { kept: 'yes' } });
      for (const [to, target] of Object.entries(KINDS)) {
        const copy = { Bucket, Key: `copy-${to}`, CopySource: `${Bucket}/source` };
        const answer = await client.send(
          new CopyObjectCommand({ ...copy, ...target, ...sourceOf(keys(from)) }),
        );
        const read = await get(`copy-${to}`, keys(to));
        const got = Buffer.from((await read.Body?.transformToByteArray()) ?? []);
        expect([from, to, got.equals(bytes)]).toEqual([from, to, true]);
        expect(read.Metadata).toEqual({ kept: 'yes' });
        for (const one of [answer, read]) {
          const method = 'ServerSideEncryption' in target ? target.ServerSideEncryption : undefined;
          expect(one.ServerSideEncryption).toBe(method);
          expect(one.SSECustomerKeyMD5).toBe(keys(to).SSECustomerKeyMD5);
        }
        expect(read.ETag).toBe(answer.CopyObjectResult?.ETag);
        const isMd5 = to === 'plain' || to === 'S3';
        expect(read.ETag === `"${md5(bytes)}"`).toBe(isMd5);
      }
    });
  });

  it('of an object of parts to another key become one piece, with a checksum of the whole', async () => {
    const address = { Bucket, Key: 'of-parts' };
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ ...address, ChecksumAlgorithm: 'SHA256' }),
    );
    const bytes = content(5 * MIB + 10);
    const parts = [];
    for (const [index, Body] of [bytes.subarray(0, 5 * MIB), bytes.subarray(5 * MIB)].entries()) {
      const PartNumber = index + 1;
      const part = { ...address, UploadId, PartNumber, Body, ChecksumAlgorithm: 'SHA256' } as const;
      const { ETag, ChecksumSHA256 } = await client.send(new UploadPartCommand(part));
      parts.push({ PartNumber, ETag, ChecksumSHA256 });
    }
    const MultipartUpload = { Parts: parts };
    await client.send(
      new CompleteMultipartUploadCommand({ ...address, UploadId, MultipartUpload }),
    );
    const copy = { Bucket, Key: 'of-one', CopySource: `${Bucket}/of-parts`, ...S3 };
    const { CopyObjectResult: result } = await client.send(new CopyObjectCommand(copy));
    expect(result?.ETag).toBe(`"${md5(bytes)}"`);
    expect(result?.ChecksumSHA256).toBe(createHash('sha256').update(bytes).digest('base64'));
    expect(result?.ChecksumType).toBe('FULL_OBJECT');
    expect((await bytesOf('of-one')).equals(bytes)).toBe(true);
  });

  it('onto itself may change the encryption, and nothing but it', async () => {
    await put('itself', 'hello');
    const copy = { Bucket, Key: 'itself', CopySource: `${Bucket}/itself` };
    await expectS3Error(client.send(new CopyObjectCommand(copy)), 400, 'InvalidRequest');
    await client.send(new CopyObjectCommand({ ...copy, ...S3 }));
    expect((await head('itself')).ServerSideEncryption).toBe('AES256');
    expect((await bytesOf('itself')).toString()).toBe('hello');
  });

  it('need the key of their source, and refuse one that it has not', async () => {
    await put('source', 'hello', A);
    const copy = { Bucket, Key: 'copy', CopySource: `${Bucket}/source` };
    const send = (more: object) => client.send(new CopyObjectCommand({ ...copy, ...more }));
    await expectS3Error(send({}), 400, 'InvalidRequest');
    await expectS3Error(send(sourceOf(B)), 403, 'AccessDenied');
    await put('source', 'hello');
    await expectS3Error(send(sourceOf(A)), 400, 'InvalidRequest');
  });
});

describe('an object under a customer key', () => {
  it('is shown to that key only', async () => {
    await put('c', 'secret', A);
    // The SDK has no name for an error without a document.
    await expectS3Error(head('c'), 400, 'Unknown');
    await expectS3Error(head('c', B), 403, 'Unknown');
    await expectS3Error(get('c'), 400, 'InvalidRequest');
    await expectS3Error(get('c', B), 403, 'AccessDenied');
    for (const read of [head, get]) await expect(read('c', A)).resolves.toBeDefined();
    const attributes = (more: object) => {
      const wanted = { Bucket, Key: 'c', ObjectAttributes: ['ObjectSize' as const], ...more };
      return client.send(new GetObjectAttributesCommand(wanted));
    };
    await expectS3Error(attributes({}), 400, 'InvalidRequest');
    expect((await attributes(A)).ObjectSize).toBe(6);
  });

  it('keeps its versions under their own keys', async () => {
    const versioned = 'encrypted-versions';
    await client.send(new CreateBucketCommand({ Bucket: versioned }));
    await client.send(
      new PutBucketVersioningCommand({
        Bucket: versioned,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    );
    const write = (Body: string, how: object) =>
      client.send(new PutObjectCommand({ Bucket: versioned, Key: 'k', Body, ...how }));
    const read = async (VersionId: string | undefined, how: object) => {
      const wanted = { Bucket: versioned, Key: 'k', VersionId, ...how };
      return await (await client.send(new GetObjectCommand(wanted))).Body?.transformToString();
    };
    const first = await write('one', A);
    const second = await write('two', KMS);
    await write('three', B);
    expect(await read(first.VersionId, A)).toBe('one');
    expect(await read(second.VersionId, {})).toBe('two');
    expect(await read(undefined, B)).toBe('three');
    await expectS3Error(read(undefined, A), 403, 'AccessDenied');
    await expectS3Error(read(first.VersionId, {}), 400, 'InvalidRequest');
  });

  it('is refused to keys that are none', async () => {
    const prefix = 'x-amz-server-side-encryption-customer';
    const algorithm = { [`${prefix}-algorithm`]: 'AES256' };
    const key = { [`${prefix}-key`]: A.SSECustomerKey };
    const digest = { [`${prefix}-key-md5`]: A.SSECustomerKeyMD5 };
    const short = Buffer.alloc(31);
    const shortMd5 = createHash('md5').update(short).digest('base64');
    const cases: [Record<string, string>, string, RegExp][] = [
      [{ ...key, ...digest }, 'InvalidArgument', /must provide a valid encryption algorithm/],
      [{ ...algorithm, ...digest }, 'InvalidArgument', /must provide an appropriate secret key/],
      [{ ...algorithm, ...key }, 'InvalidArgument', /client calculated MD5 of the secret key/],
      [
        { ...algorithm, ...key, [`${prefix}-key-md5`]: B.SSECustomerKeyMD5 },
        'InvalidArgument',
        /did not match the hash that was provided/,
      ],
      [
        {
          ...algorithm,
          [`${prefix}-key`]: short.toString('base64'),
          [`${prefix}-key-md5`]: shortMd5,
        },
        'InvalidArgument',
        /secret key was invalid for the specified algorithm/,
      ],
      [
        { [`${prefix}-algorithm`]: 'AES512', ...key, ...digest },
        'InvalidEncryptionAlgorithmError',
        /valid value is AES256/,
      ],
    ];
    for (const [headers, code, message] of cases) {
      for (const method of ['PUT', 'GET']) {
        const body = method === 'PUT' ? { body: 'x' } : {};
        const answer = await ask(sluice, { method, path: `/${Bucket}/c`, headers, ...body });
        expect([answer.status, codeOf(answer)]).toEqual([400, code]);
        const text = answer.body.toString();
        expect(text).toMatch(message);
        expect(text).not.toContain(A.SSECustomerKey);
      }
    }
  });
});

describe('requests that contradict themselves', () => {
  const sse = 'x-amz-server-side-encryption';
  const c = {
    [`${sse}-customer-algorithm`]: 'AES256',
    [`${sse}-customer-key`]: A.SSECustomerKey,
    [`${sse}-customer-key-md5`]: A.SSECustomerKeyMD5,
  };
  const kmsKey = { [`${sse}-aws-kms-key-id`]: 'testkey-1' };

  it.each([
    ['a customer key and SSE-S3', { ...c, [sse]: 'AES256' }, 400, 'InvalidArgument'],
    ['a customer key and SSE-KMS', { ...c, [sse]: 'aws:kms' }, 400, 'InvalidArgument'],
    ['SSE-S3 and a KMS key', { [sse]: 'AES256', ...kmsKey }, 400, 'InvalidArgument'],
    ['a KMS key alone', kmsKey, 400, 'InvalidArgument'],
    ['a method that there is not', { [sse]: 'aes:kms' }, 400, 'InvalidArgument'],
    ['a method that is not built', { [sse]: 'aws:kms:dsse' }, 501, 'NotImplemented'],
    [
      'a context that is none',
      { [sse]: 'aws:kms', [`${sse}-context`]: 'e' },
      400,
      'InvalidArgument',
    ],
    ['a list as context', { [sse]: 'aws:kms', [`${sse}-context`]: 'W10=' }, 400, 'InvalidArgument'],
    [
      'a context without KMS',
      { [sse]: 'AES256', [`${sse}-context`]: 'e30=' },
      400,
      'InvalidArgument',
    ],
    [
      'a bucket key that is no word',
      { [sse]: 'aws:kms', [`${sse}-bucket-key-enabled`]: 'x' },
      400,
      'InvalidArgument',
    ],
    [
      'a key that there is not',
      { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: 'nobody' },
      400,
      'KMS.NotFoundException',
    ],
  ])('%s', async (_, headers, status, code) => {
    const path = `/${Bucket}/contradicts`;
    expect(await outcome(sluice, { method: 'PUT', path, headers, body: 'x' })).toEqual([
      status,
      code,
    ]);
    const create = { method: 'POST', path, query: { uploads: '' }, headers };
    expect(await outcome(sluice, create)).toEqual([status, code]);
    const copy = { ...headers, 'x-amz-copy-source': `/${Bucket}/plain` };
    await put('plain', 'x');
    expect(await outcome(sluice, { method: 'PUT', path, headers: copy })).toEqual([status, code]);
    await expectS3Error(head('contradicts'), 404, 'NotFound');
  });

  it('reads that say how to encrypt', async () => {
    await put('read', 'x', KMS);
    const path = `/${Bucket}/read`;
    for (const headers of [{ [sse]: 'aws:kms', ...kmsKey }, { [sse]: 'AES256' }, kmsKey]) {
      expect(await outcome(sluice, { path, headers })).toEqual([400, 'InvalidArgument']);
      expect((await ask(sluice, { method: 'HEAD', path, headers })).status).toBe(400);
    }
    expect(await outcome(sluice, { path, headers: c })).toEqual([400, 'InvalidRequest']);
  });

  it('parts that say otherwise than the upload', async () => {
    const address = { Bucket, Key: 'parts' };
    const begin = async (how: object) =>
      (await client.send(new CreateMultipartUploadCommand({ ...address, ...how }))).UploadId;
    const upload = (UploadId: string | undefined, how: object) =>
      client.send(
        new UploadPartCommand({ ...address, UploadId, PartNumber: 1, Body: 'x', ...how }),
      );
    const withKey = await begin(A);
    await expectS3Error(upload(withKey, {}), 400, 'InvalidRequest');
    await expectS3Error(upload(withKey, B), 400, 'InvalidRequest');
    const withKms = await begin(KMS);
    await expectS3Error(upload(withKms, A), 400, 'InvalidRequest');
    // Clients that repeat what the upload began with are heard; the upload's key is used.
    const query = { uploadId: withKms ?? '', partNumber: '1' };
    const again = (headers: Record<string, string>) =>
      ask(sluice, { method: 'PUT', path: `/${Bucket}/parts`, query, headers, body: 'x' });
    const heard = await again({ [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: 'testkey-2' });
    expect(heard.status).toBe(200);
    expect(headerOf(heard, `${sse}-aws-kms-key-id`)).toBe('testkey-1');
    expect(codeOf(await again({ [sse]: 'AES256' }))).toBe('InvalidArgument');
    const complete = (headers: Record<string, string>) =>
      ask(sluice, {
        method: 'POST',
        path: `/${Bucket}/parts`,
        query: { uploadId: withKms ?? '' },
        headers,
        body:
          '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>' +
          `<ETag>${headerOf(heard, 'etag')}</ETag></Part></CompleteMultipartUpload>`,
      });
    expect(codeOf(await complete({ [sse]: 'AES256' }))).toBe('InvalidArgument');
    expect(codeOf(await complete(c))).toBe('InvalidRequest');
    // Said twice, because an answer may be lost.
    for (let times = 0; times < 2; times += 1) {
      const done = await complete({ [sse]: 'aws:kms' });
      expect([done.status, headerOf(done, sse)]).toEqual([200, 'aws:kms']);
    }
    for (const UploadId of [withKey]) {
      await client.send(new AbortMultipartUploadCommand({ ...address, UploadId }));
    }
  });
});

describe('SSE-KMS', () => {
  it('keeps the longest context, key name and metadata with the largest body in a row', async () => {
    const pairs = JSON.stringify({ a: 'x'.repeat(2000) });
    const account = 'y'.repeat(1900);
    const written = await put('full', content(16 * KIB), {
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: `arn:aws:kms:${account}:1:alias/testkey-1`,
      SSEKMSEncryptionContext: Buffer.from(pairs).toString('base64'),
      Metadata: { a: '"'.repeat(2040) },
      ContentDisposition: '"'.repeat(1900),
      Tagging: Array.from({ length: 10 }, (_, n) => `${n}=${'%C3%BC'.repeat(200)}`).join('&'),
    });
    expect(written.SSEKMSKeyId).toContain(account);
    expect((await bytesOf('full')).equals(content(16 * KIB))).toBe(true);
    const longer = Buffer.from(JSON.stringify({ a: 'x'.repeat(2100) })).toString('base64');
    const refused = put('k', 'x', { ...KMS, SSEKMSEncryptionContext: longer });
    await expectS3Error(refused, 400, 'InvalidArgument');
  });

  it('tells the context and the bucket key, and the ARN of a key that nobody named', async () => {
    const SSEKMSEncryptionContext = Buffer.from('{"team":"blue"}').toString('base64');
    const how = { ServerSideEncryption: 'aws:kms', BucketKeyEnabled: true } as const;
    const written = await put('k', 'x', { ...how, SSEKMSEncryptionContext });
    expect(written.SSEKMSEncryptionContext).toBe(SSEKMSEncryptionContext);
    expect(written.BucketKeyEnabled).toBe(true);
    expect(written.SSEKMSKeyId).toMatch(/^arn:aws:kms:us-east-1:000000000000:key\/[0-9a-f-]{36}$/);
    const looked = await head('k');
    expect(looked.BucketKeyEnabled).toBe(true);
    expect(looked.SSEKMSKeyId).toBe(written.SSEKMSKeyId);
    expect((await bytesOf('k')).toString()).toBe('x');
    // The ARN names the key as well.
    const again = await put('k', 'y', { ...how, SSEKMSKeyId: written.SSEKMSKeyId });
    expect(again.SSEKMSKeyId).toBe(written.SSEKMSKeyId);
    expect((await bytesOf('k')).toString()).toBe('y');
  });
});
