/** Default encryption of buckets: the document both ways, and what it does to all that is written. */
import { createHash, randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketEncryptionCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  type S3Client,
  type ServerSideEncryptionRule,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { formBody, post, signedV4 } from '../support/post-form.ts';
import { headerOf } from '../support/raw-client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';
import { outcome } from '../support/signed-request.ts';

const Bucket = 'by-default';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ 'kms-key': ['testkey-1'] });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.idle();
  await sluice.close();
});
beforeEach(async () => {
  await client.send(new DeleteBucketEncryptionCommand({ Bucket }));
});

const configure = (rule: ServerSideEncryptionRule) =>
  client.send(
    new PutBucketEncryptionCommand({
      Bucket,
      ServerSideEncryptionConfiguration: { Rules: [rule] },
    }),
  );
const configuration = async () => {
  const answer = await client.send(new GetBucketEncryptionCommand({ Bucket }));
  return answer.ServerSideEncryptionConfiguration?.Rules;
};
const put = (how: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'hello', ...how }));

const S3: ServerSideEncryptionRule = {
  ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
};
const KMS: ServerSideEncryptionRule = {
  ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'testkey-1' },
  BucketKeyEnabled: true,
};

function customer() {
  const key = randomBytes(32);
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  };
}

describe('the configuration', () => {
  it('is not there until it is put, and not after it was deleted', async () => {
    const code = 'ServerSideEncryptionConfigurationNotFoundError';
    await expectS3Error(configuration(), 404, code);
    await configure(S3);
    expect(await configuration()).toEqual([{ ...S3, BucketKeyEnabled: false }]);
    await configure(KMS);
    expect(await configuration()).toEqual([KMS]);
    await client.send(new DeleteBucketEncryptionCommand({ Bucket }));
    await expectS3Error(configuration(), 404, code);
  });

  const rule = (inner: string): string =>
    `<ServerSideEncryptionConfiguration><Rule>${inner}</Rule></ServerSideEncryptionConfiguration>`;
  const apply = (inner: string): string =>
    rule(`<ApplyServerSideEncryptionByDefault>${inner}</ApplyServerSideEncryptionByDefault>`);
  const algorithm = (word: string): string => `<SSEAlgorithm>${word}</SSEAlgorithm>`;

  it.each([
    ['no rule', '<ServerSideEncryptionConfiguration/>', 400, 'MalformedXML'],
    ['an empty rule', rule(''), 400, 'MalformedXML'],
    ['another root', '<Encryption/>', 400, 'MalformedXML'],
    ['no algorithm', apply(''), 400, 'MalformedXML'],
    ['an unknown algorithm', apply(algorithm('ROT13')), 400, 'MalformedXML'],
    ['two algorithms', apply(algorithm('AES256').repeat(2)), 400, 'MalformedXML'],
    ['two layers', apply(algorithm('aws:kms:dsse')), 501, 'NotImplemented'],
    [
      'a key id that would be two headers',
      apply(
        `${algorithm('aws:kms')}<KMSMasterKeyID>arn:aws:kms:&#13;&#10;x:y:key/testkey-1</KMSMasterKeyID>`,
      ),
      400,
      'InvalidArgument',
    ],
    [
      'a KMS key without KMS',
      apply(`${algorithm('AES256')}<KMSMasterKeyID>a</KMSMasterKeyID>`),
      400,
      'InvalidArgument',
    ],
    [
      'a misspelt element',
      apply(`${algorithm('aws:kms')}<KmsKeyId>a</KmsKeyId>`),
      400,
      'MalformedXML',
    ],
    ['nothing', '', 400, 'MissingRequestBodyError'],
  ])('with %s is refused', async (_, body, status, code) => {
    await configure(S3);
    const wanted = { method: 'PUT', path: `/${Bucket}`, query: { encryption: '' }, body };
    expect(await outcome(sluice, wanted)).toEqual([status, code]);
    expect(await configuration()).toEqual([{ ...S3, BucketKeyEnabled: false }]);
  });
});

describe('what a bucket encrypts by default', () => {
  it.each([
    ['SSE-S3', S3, 'AES256', undefined],
    ['SSE-KMS', KMS, 'aws:kms', 'testkey-1'],
  ])('is put, posted, copied and uploaded in parts under %s', async (_, rule, method, keyId) => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'before', Body: 'before' }));
    await configure(rule);
    const written = await put();
    expect([written.ServerSideEncryption, written.SSEKMSKeyId]).toEqual([method, keyId]);
    expect(written.BucketKeyEnabled).toBe(keyId === undefined ? undefined : true);

    const fields = [['key', 'posted']] as [string, string][];
    const conditions = [{ bucket: Bucket }, ['starts-with', '$key', '']];
    const form = formBody([...fields, ...signedV4(sluice, { conditions })], { content: 'hello' });
    const posted = await post(sluice, `/${Bucket}`, form);
    expect(headerOf(posted, 'x-amz-server-side-encryption')).toBe(method);

    const copy = { Bucket, Key: 'copied', CopySource: `${Bucket}/before` };
    const copied = await client.send(new CopyObjectCommand(copy));
    expect([copied.ServerSideEncryption, copied.SSEKMSKeyId]).toEqual([method, keyId]);

    const address = { Bucket, Key: 'joined' };
    const { UploadId, ServerSideEncryption } = await client.send(
      new CreateMultipartUploadCommand(address),
    );
    expect(ServerSideEncryption).toBe(method);
    const piece = { ...address, UploadId, PartNumber: 1, Body: 'hello' };
    const { ETag } = await client.send(new UploadPartCommand(piece));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await client.send(
      new CompleteMultipartUploadCommand({ ...address, UploadId, MultipartUpload }),
    );

    for (const [Key, text] of Object.entries({
      k: 'hello',
      posted: 'hello',
      copied: 'before',
      joined: 'hello',
    })) {
      const read = await client.send(new GetObjectCommand({ Bucket, Key }));
      expect([Key, read.ServerSideEncryption, read.SSEKMSKeyId]).toEqual([Key, method, keyId]);
      expect(await read.Body?.transformToString()).toBe(text);
    }
    // What was there before stays as it was.
    const before = await client.send(new HeadObjectCommand({ Bucket, Key: 'before' }));
    expect(before.ServerSideEncryption).toBeUndefined();
  });

  it('gives way to what a request says', async () => {
    await configure(KMS);
    expect((await put({ ServerSideEncryption: 'AES256' })).ServerSideEncryption).toBe('AES256');
    expect((await put(customer())).SSECustomerAlgorithm).toBe('AES256');
    const own = await put({ ServerSideEncryption: 'aws:kms', BucketKeyEnabled: false });
    expect(own.SSEKMSKeyId).toMatch(/^arn:aws:kms:/);
    expect(own.BucketKeyEnabled).toBeUndefined();
    expect((await put({ ServerSideEncryption: 'aws:kms' })).BucketKeyEnabled).toBe(true);
  });

  it('fails when its key is not there', async () => {
    await configure({
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'gone' },
    });
    await expectS3Error(put(), 400, 'KMS.NotFoundException');
  });

  it('may leave out customer keys', async () => {
    await configure({ ...S3, BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] } });
    expect((await configuration())?.[0]?.BlockedEncryptionTypes?.EncryptionType).toEqual(['SSE-C']);
    await expectS3Error(put(customer()), 403, 'AccessDenied');
    await configure({ ...S3, BlockedEncryptionTypes: { EncryptionType: ['NONE'] } });
    await expect(put(customer())).resolves.toBeDefined();
  });
});
