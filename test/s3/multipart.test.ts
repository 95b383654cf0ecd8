/** Multipart uploads: every error, listings, checksums of every kind, parts copied and read. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  type CompletedPart,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content, md5 } from '../support/content.ts';
import { headerOf } from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const MIB = 1024 * 1024;
const PART = content(5 * MIB);
const TAIL = content(1000, 3);
const Bucket = 'multipart';
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

interface Target {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

async function create(
  Key: string,
  more: Partial<CreateMultipartUploadCommandInput> = {},
): Promise<Target> {
  const { UploadId = '' } = await client.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ...more }),
  );
  return { Bucket, Key, UploadId };
}

async function part(target: Target, PartNumber: number, Body: Buffer | string, more = {}) {
  const done = await client.send(new UploadPartCommand({ ...target, PartNumber, Body, ...more }));
  const { ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 } =
    done;
  const sums = { ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 };
  return { PartNumber, ETag, ...sums } satisfies CompletedPart;
}

const complete = (
  target: Target,
  Parts: CompletedPart[],
  more: Partial<CompleteMultipartUploadCommandInput> = {},
) =>
  client.send(
    new CompleteMultipartUploadCommand({ ...target, MultipartUpload: { Parts }, ...more }),
  );
const head = (Key: string, more = {}) =>
  client.send(new HeadObjectCommand({ Bucket, Key, ...more }));

describe('a whole upload', () => {
  it('joins its parts, keeps its headers, and names its ETag by its parts', async () => {
    const target = await create('whole', {
      ContentType: 'text/x',
      Metadata: { a: 'b' },
      Tagging: 'k=v',
      StorageClass: 'STANDARD_IA',
      CacheControl: 'no-store',
    });
    const tail = await part(target, 7, TAIL);
    const first = await part(target, 2, PART);
    const done = await complete(target, [first, tail]);
    const etags = Buffer.from(md5(PART) + md5(TAIL), 'hex');
    expect(done.ETag).toBe(`"${md5(etags)}-2"`);
    expect(done).toMatchObject({ Bucket, Key: 'whole' });
    expect(done.Location).toBe(`${sluice.endpoint}/${Bucket}/whole`);
    const found = await client.send(new GetObjectCommand({ Bucket, Key: 'whole' }));
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    expect(bytes.equals(Buffer.concat([PART, TAIL]))).toBe(true);
    expect(found).toMatchObject({
      ContentType: 'text/x',
      Metadata: { a: 'b' },
      TagCount: 1,
      StorageClass: 'STANDARD_IA',
      CacheControl: 'no-store',
      ETag: done.ETag,
    });
    await expectS3Error(client.send(new ListPartsCommand(target)), 404, 'NoSuchUpload');
  });

  it('is idempotent: a repeated completion answers the same, a different one does not', async () => {
    const target = await create('repeated');
    const only = await part(target, 1, 'x');
    const done = await complete(target, [only]);
    expect((await complete(target, [only])).ETag).toBe(done.ETag);
    const other = complete(target, [{ ...only, ETag: md5(TAIL) }]);
    await expectS3Error(other, 404, 'NoSuchUpload');
    await client.send(new PutObjectCommand({ Bucket, Key: 'repeated', Body: 'newer' }));
    await expectS3Error(complete(target, [only]), 404, 'NoSuchUpload');
    expect((await head('repeated')).ContentLength).toBe(5);
  });

  it('takes the last upload of a part, and only the parts that are named', async () => {
    const target = await create('again');
    await part(target, 1, content(5 * MIB, 9));
    await part(target, 2, 'not this');
    const first = await part(target, 1, PART);
    const third = await part(target, 3, TAIL);
    await complete(target, [first, third]);
    expect((await head('again')).ContentLength).toBe(PART.length + TAIL.length);
  });

  it('may be one empty part', async () => {
    const target = await create('empty');
    const done = await complete(target, [await part(target, 1, '')]);
    expect(done.ETag).toBe(`"${md5(Buffer.from(md5(Buffer.alloc(0)), 'hex'))}-1"`);
    expect((await head('empty')).ContentLength).toBe(0);
  });

  it('is invisible until it is complete, and replaces what was there then', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'visible', Body: 'before' }));
    const target = await create('visible');
    const only = await part(target, 1, 'after!!');
    expect((await head('visible')).ContentLength).toBe(6);
    await complete(target, [only]);
    expect((await head('visible')).ContentLength).toBe(7);
  });
});

describe('endings that race', () => {
  it('completions of one upload all answer the same', async () => {
    const target = await create('race');
    const only = await part(target, 1, TAIL);
    const all = await Promise.all(Array.from({ length: 8 }, () => complete(target, [only])));
    expect(new Set(all.map(({ ETag }) => ETag)).size).toBe(1);
    expect((await head('race')).ETag).toBe(all[0]?.ETag);
  });

  it('a completion and an abort: one of them happens', async () => {
    for (const Key of ['end-1', 'end-2', 'end-3', 'end-4']) {
      const target = await create(Key);
      const only = await part(target, 1, TAIL);
      const [joined, dropped] = await Promise.allSettled([
        complete(target, [only]),
        client.send(new AbortMultipartUploadCommand(target)),
      ]);
      expect([joined.status, dropped.status].toSorted()).toEqual(['fulfilled', 'rejected']);
      if (joined.status === 'fulfilled') expect((await head(Key)).ContentLength).toBe(1000);
      else await expectS3Error(head(Key), 404, 'NotFound');
    }
  });
});

it('the longest key of the oddest characters has uploads like any other', async () => {
  for (const char of ['\0', '\u0001', '\u{10ffff}']) {
    const Key = char.repeat(1024 / Buffer.byteLength(char));
    const path = `/${Bucket}/${encodeURIComponent(Key)}`;
    const begun = await ask(sluice, { method: 'POST', path, query: { uploads: '' } });
    const uploadId = /<UploadId>(\w+)</.exec(begun.body.toString())?.[1] ?? '';
    const query = { uploadId, partNumber: '1' };
    await ask(sluice, { method: 'PUT', path, query, body: 'odd' });
    const listing = { uploads: '', prefix: Key, 'encoding-type': 'url' };
    const listed = await ask(sluice, { path: `/${Bucket}`, query: listing });
    expect(listed.body.toString()).toContain(`<UploadId>${uploadId}</UploadId>`);
    const body =
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>' +
      `<ETag>${md5(Buffer.from('odd'))}</ETag></Part></CompleteMultipartUpload>`;
    const wanted = { method: 'POST', path, query: { uploadId }, body };
    expect(await outcome(sluice, wanted)).toEqual([200, undefined]);
    expect((await ask(sluice, { path })).body.toString()).toBe('odd');
  }
});

describe('a completion is refused', () => {
  it('for wrong parts, and can be asked again', async () => {
    const target = await create('refused');
    const small = await part(target, 1, 'small');
    const second = await part(target, 2, TAIL);
    const cases: [CompletedPart[], string][] = [
      [[second, small], 'InvalidPartOrder'],
      [[small, small], 'InvalidPartOrder'],
      [[small, second], 'EntityTooSmall'],
      [[{ ...second, PartNumber: 3 }], 'InvalidPart'],
      [[{ ...second, ETag: small.ETag }], 'InvalidPart'],
      [[{ PartNumber: 1, ETag: 'nonsense' }], 'InvalidPart'],
      [[{ PartNumber: 10_001, ETag: 'x' }], 'InvalidArgument'],
      [[{ PartNumber: 0, ETag: 'x' }], 'InvalidArgument'],
    ];
    for (const [parts, code] of cases) await expectS3Error(complete(target, parts), 400, code);
    await expectS3Error(head('refused'), 404, 'NotFound');
    await complete(target, [second]);
  });

  it.each([
    ['', 'MissingRequestBodyError'],
    ['<CompleteMultipartUpload/>', 'MalformedXML'],
    ['<Complete/>', 'MalformedXML'],
    ['no xml', 'MalformedXML'],
    ['<CompleteMultipartUpload><Part/></CompleteMultipartUpload>', 'MalformedXML'],
    [
      '<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>y</ETag></Part></CompleteMultipartUpload>',
      'MalformedXML',
    ],
  ])('for the document %j', async (body, code) => {
    const { UploadId } = await create('document');
    const wanted = {
      method: 'POST',
      path: `/${Bucket}/document`,
      query: { uploadId: UploadId },
      body,
    };
    expect(await outcome(sluice, wanted)).toEqual([400, code]);
  });

  it('for another size than declared', async () => {
    const target = await create('sized');
    const only = await part(target, 1, TAIL);
    await expectS3Error(complete(target, [only], { MpuObjectSize: 999 }), 400, 'InvalidRequest');
    await complete(target, [only], { MpuObjectSize: 1000 });
  });

  it('for ETags without quotes: never', async () => {
    const target = await create('unquoted');
    const only = await part(target, 1, TAIL);
    await complete(target, [{ ...only, ETag: only.ETag?.replaceAll('"', '') }]);
  });
});

describe('no such upload', () => {
  it.each(['unknown', '..', 'a'.repeat(300), '00000000000000000000000000000000'])(
    '%.20s',
    async (UploadId) => {
      const target = { Bucket, Key: 'none', UploadId };
      await expectS3Error(part(target, 1, 'x'), 404, 'NoSuchUpload');
      await expectS3Error(complete(target, [{ PartNumber: 1, ETag: 'x' }]), 404, 'NoSuchUpload');
      await expectS3Error(client.send(new ListPartsCommand(target)), 404, 'NoSuchUpload');
      const abort = client.send(new AbortMultipartUploadCommand(target));
      await expectS3Error(abort, 404, 'NoSuchUpload');
    },
  );

  it('under another key, or after it was aborted', async () => {
    const target = await create('aborted');
    const only = await part(target, 1, 'x');
    await expectS3Error(part({ ...target, Key: 'other' }, 1, 'x'), 404, 'NoSuchUpload');
    const other = client.send(new AbortMultipartUploadCommand({ ...target, Key: 'other' }));
    await expectS3Error(other, 404, 'NoSuchUpload');
    await client.send(new AbortMultipartUploadCommand(target));
    const again = client.send(new AbortMultipartUploadCommand(target));
    await expectS3Error(again, 404, 'NoSuchUpload');
    await expectS3Error(part(target, 2, 'x'), 404, 'NoSuchUpload');
    await expectS3Error(complete(target, [only]), 404, 'NoSuchUpload');
  });

  it('in a bucket that does not exist', async () => {
    const target = { Bucket: 'no-such-bucket', Key: 'k', UploadId: 'u' };
    const begun = client.send(new CreateMultipartUploadCommand(target));
    await expectS3Error(begun, 404, 'NoSuchBucket');
    await expectS3Error(part(target, 1, 'x'), 404, 'NoSuchBucket');
  });
});

it.each(['0', '10001', '-1', 'x', '', '1.5', '99999999999'])('part number %j', async (number) => {
  const { UploadId } = await create('numbers');
  const wanted = {
    method: 'PUT',
    path: `/${Bucket}/numbers`,
    query: { uploadId: UploadId, partNumber: number },
    body: 'x',
  };
  expect(await outcome(sluice, wanted)).toEqual([400, 'InvalidArgument']);
});

describe('listing parts', () => {
  it('pages by number', async () => {
    const target = await create('parts');
    for (const number of [1, 3, 10_000]) await part(target, number, `part ${number}`);
    const all = await client.send(new ListPartsCommand(target));
    expect(all).toMatchObject({ ...target, IsTruncated: false, MaxParts: 1000 });
    expect(all.StorageClass).toBe('STANDARD');
    expect(all.Initiator?.ID).toBe(all.Owner?.ID);
    expect(all.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
      [1, 6],
      [3, 6],
      [10_000, 10],
    ]);
    const first = await client.send(new ListPartsCommand({ ...target, MaxParts: 2 }));
    expect(first).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '3', MaxParts: 2 });
    const PartNumberMarker = first.NextPartNumberMarker;
    const rest = await client.send(new ListPartsCommand({ ...target, PartNumberMarker }));
    expect(rest).toMatchObject({ IsTruncated: false, PartNumberMarker: '3' });
    expect(rest.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([10_000]);
  });
});

describe('listing uploads', () => {
  const Uploads = 'uploads-listed';
  const keys = ['a', 'a', 'b/1', 'b/1', 'b/2', 'c', 'd/x', 'é'];
  let ids: string[];
  beforeAll(async () => {
    await client.send(new CreateBucketCommand({ Bucket: Uploads }));
    ids = [];
    for (const key of keys) ids.push((await create(key, { Bucket: Uploads })).UploadId);
  });
  const list = (more = {}) =>
    client.send(new ListMultipartUploadsCommand({ Bucket: Uploads, ...more }));

  it('shows all, in order of key and then of start', async () => {
    const all = await list();
    expect(all.Uploads?.map(({ Key }) => Key)).toEqual(keys);
    expect(all.Uploads?.map(({ UploadId }) => UploadId)).toEqual(ids);
    expect(all).toMatchObject({ Bucket: Uploads, IsTruncated: false, MaxUploads: 1000 });
    expect(all.Uploads?.[0]).toMatchObject({ StorageClass: 'STANDARD' });
    expect(all.Uploads?.[0]?.Initiated).toBeInstanceOf(Date);
  });

  it.each([
    [{ Prefix: 'b/' }, ['b/1', 'b/1', 'b/2'], []],
    [{ Delimiter: '/' }, ['a', 'a', 'c', 'é'], ['b/', 'd/']],
    [{ Prefix: 'b', Delimiter: '/' }, [], ['b/']],
    [{ KeyMarker: 'b/1' }, ['b/2', 'c', 'd/x', 'é'], []],
    [{ UploadIdMarker: 'ignored' }, keys, []],
    [{ MaxUploads: 0 }, [], []],
  ])('%j', async (more, uploads, prefixes) => {
    const found = await list(more);
    expect((found.Uploads ?? []).map(({ Key }) => Key)).toEqual(uploads);
    expect((found.CommonPrefixes ?? []).map(({ Prefix }) => Prefix)).toEqual(prefixes);
  });

  it.each([
    [1, undefined],
    [3, undefined],
    [1, '/'],
    [2, '/'],
  ])('in pages of %i with delimiter %s', async (MaxUploads, Delimiter) => {
    const found: (string | undefined)[] = [];
    let markers = {};
    for (let turns = 0; turns < 20; turns += 1) {
      const page = await list({ MaxUploads, Delimiter, ...markers });
      found.push(...(page.Uploads ?? []).map(({ UploadId }) => UploadId));
      found.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix));
      if (page.IsTruncated !== true) break;
      markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    }
    const rolled = [ids[0], ids[1], 'b/', ids[5], 'd/', ids[7]];
    expect(found.toSorted()).toEqual((Delimiter === undefined ? ids : rolled).toSorted());
  });
});

const HASHES: Record<string, (bytes: Uint8Array) => string> = {
  SHA1: (bytes) => createHash('sha1').update(bytes).digest('base64'),
  SHA256: (bytes) => createHash('sha256').update(bytes).digest('base64'),
};

describe('checksums', () => {
  it.each([
    ['CRC32', 'COMPOSITE'],
    ['CRC32', 'FULL_OBJECT'],
    ['CRC32C', 'COMPOSITE'],
    ['CRC32C', 'FULL_OBJECT'],
    ['CRC64NVME', 'FULL_OBJECT'],
    ['SHA1', 'COMPOSITE'],
    ['SHA256', 'COMPOSITE'],
  ] as const)('%s %s', async (algorithm, type) => {
    const name = `Checksum${algorithm}` as const;
    const key = `sum-${algorithm}-${type}`;
    const made = await client.send(
      new CreateMultipartUploadCommand({
        Bucket,
        Key: key,
        ChecksumAlgorithm: algorithm,
        ChecksumType: type,
      }),
    );
    expect(made).toMatchObject({ ChecksumAlgorithm: algorithm, ChecksumType: type });
    const target = { Bucket, Key: key, UploadId: made.UploadId ?? '' };
    const parts = [
      await part(target, 1, PART, { ChecksumAlgorithm: algorithm }),
      await part(target, 2, TAIL, { ChecksumAlgorithm: algorithm }),
    ];
    const listed = await client.send(new ListPartsCommand(target));
    expect(listed).toMatchObject({ ChecksumAlgorithm: algorithm, ChecksumType: type });
    expect(listed.Parts?.map((one) => one[name])).toEqual(parts.map((one) => one[name]));

    // What the whole must be: the same bytes put at once, or the hash of the parts' hashes.
    const Body = Buffer.concat([PART, TAIL]);
    const once = await client.send(
      new PutObjectCommand({ Bucket, Key: 'once', Body, ChecksumAlgorithm: algorithm }),
    );
    const raw = Buffer.concat(parts.map((one) => Buffer.from(one[name] ?? '', 'base64')));
    const composite = await client.send(
      new PutObjectCommand({ Bucket, Key: 'raw', Body: raw, ChecksumAlgorithm: algorithm }),
    );
    const expected = type === 'COMPOSITE' ? `${composite[name]}-2` : once[name];
    if (type === 'COMPOSITE') {
      const hash = HASHES[algorithm]?.(raw);
      if (hash !== undefined) expect(`${hash}-2`).toBe(expected);
    }
    const wrong = complete(target, parts, { [name]: once[name]?.replace(/^./, '_') });
    await expect(wrong).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } });
    const done = await complete(target, parts, { [name]: expected, ChecksumType: type });
    expect(done).toMatchObject({ [name]: expected, ChecksumType: type });
    const found = await head(key, { ChecksumMode: 'ENABLED' });
    expect(found).toMatchObject({ [name]: expected, ChecksumType: type });
    expect((await head(key))[name]).toBeUndefined();
    const second = await head(key, { ChecksumMode: 'ENABLED', PartNumber: 2 });
    expect(second[name]).toBe(parts[1]?.[name]);
  });

  it.each([
    ['SHA1', 'FULL_OBJECT'],
    ['SHA256', 'FULL_OBJECT'],
    ['CRC64NVME', 'COMPOSITE'],
    ['MD4', 'COMPOSITE'],
    ['CRC32', 'HALF'],
  ])('%s %s does not exist', async (algorithm, type) => {
    const headers = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type };
    const wanted = { method: 'POST', path: `/${Bucket}/k`, query: { uploads: '' }, headers };
    expect(await outcome(sluice, wanted)).toEqual([400, 'InvalidRequest']);
  });

  it('of a part are verified, and a composite completion must name them', async () => {
    const target = await create('sum', { ChecksumAlgorithm: 'SHA256' });
    const wrong = part(target, 1, 'x', { ChecksumSHA256: HASHES['SHA256']?.(TAIL) });
    await expectS3Error(wrong, 400, 'BadDigest');
    const good = await part(target, 1, 'x', { ChecksumAlgorithm: 'SHA256' });
    const { PartNumber, ETag } = good;
    await expectS3Error(complete(target, [{ PartNumber, ETag }]), 400, 'InvalidRequest');
    const other = { ...good, ChecksumSHA256: HASHES['SHA256']?.(TAIL) };
    await expectS3Error(complete(target, [other]), 400, 'InvalidPart');
    await complete(target, [good]);
  });
});

describe('reading by part number', () => {
  beforeAll(async () => {
    const target = await create('read');
    await complete(target, [await part(target, 1, PART), await part(target, 5, TAIL)]);
    await client.send(new PutObjectCommand({ Bucket, Key: 'single', Body: 'single' }));
  });

  it('gives the part', async () => {
    const found = await client.send(new GetObjectCommand({ Bucket, Key: 'read', PartNumber: 5 }));
    expect(Buffer.from((await found.Body?.transformToByteArray()) ?? []).equals(TAIL)).toBe(true);
    const total = PART.length + TAIL.length;
    expect(found).toMatchObject({
      PartsCount: 2,
      ContentRange: `bytes ${PART.length}-${total - 1}/${total}`,
      ContentLength: TAIL.length,
    });
    expect(found.$metadata.httpStatusCode).toBe(206);
    const first = await head('read', { PartNumber: 1 });
    expect(first).toMatchObject({ PartsCount: 2, ContentLength: PART.length });
  });

  it('of a simple object there is one', async () => {
    const found = await head('single', { PartNumber: 1 });
    expect(found).toMatchObject({ ContentLength: 6, $metadata: { httpStatusCode: 206 } });
    expect(found.PartsCount).toBeUndefined();
  });

  it.each([
    ['read', { partNumber: '2' }, {}, 416, 'InvalidPartNumber'],
    ['read', { partNumber: '6' }, {}, 416, 'InvalidPartNumber'],
    ['single', { partNumber: '2' }, {}, 416, 'InvalidPartNumber'],
    ['read', { partNumber: '0' }, {}, 400, 'InvalidArgument'],
    ['read', { partNumber: 'x' }, {}, 400, 'InvalidArgument'],
    ['read', { partNumber: '1' }, { range: 'bytes=0-1' }, 400, 'InvalidRequest'],
  ])('%s %j %j answers %i %s', async (key, query, headers, status, code) => {
    const wanted = { path: `/${Bucket}/${key}`, query, headers };
    expect(await outcome(sluice, wanted)).toEqual([status, code]);
  });
});

describe('copied parts', () => {
  const source = content(11 * MIB, 5);
  beforeAll(async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'src/ä +', Body: source }));
  });
  const CopySource = `${Bucket}/${encodeURIComponent('src/ä +')}`;
  const copy = (target: Target, PartNumber: number, CopySourceRange?: string) =>
    client.send(
      new UploadPartCopyCommand({
        ...target,
        PartNumber,
        CopySource,
        ...(CopySourceRange && { CopySourceRange }),
      }),
    );

  it('whole and by range, joined with uploaded ones', async () => {
    const target = await create('copied');
    const whole = await copy(target, 1);
    expect(whole.CopyPartResult?.ETag).toBe(`"${md5(source)}"`);
    expect(whole.CopyPartResult?.LastModified).toBeInstanceOf(Date);
    const range = await copy(target, 2, `bytes=5-${5 * MIB + 4}`);
    const last = await copy(target, 3, `bytes=${source.length - 1}-${source.length - 1}`);
    await complete(target, [
      { PartNumber: 1, ETag: whole.CopyPartResult?.ETag },
      { PartNumber: 2, ETag: range.CopyPartResult?.ETag },
      { PartNumber: 3, ETag: last.CopyPartResult?.ETag },
    ]);
    const found = await client.send(new GetObjectCommand({ Bucket, Key: 'copied' }));
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    const expected = [source, source.subarray(5, 5 * MIB + 5), source.subarray(-1)];
    expect(bytes.equals(Buffer.concat(expected))).toBe(true);
  });

  it.each([
    [`bytes=0-${source.length}`, 'InvalidArgument'],
    [`bytes=${source.length}-${source.length + 1}`, 'InvalidArgument'],
    ['bytes=5-4', 'InvalidArgument'],
    ['bytes=5-', 'InvalidArgument'],
    ['bytes=-5', 'InvalidArgument'],
    ['0-5', 'InvalidArgument'],
    ['bytes=0-1,2-3', 'InvalidArgument'],
  ])('range %s is refused', async (range, code) => {
    const target = await create('ranged');
    await expectS3Error(copy(target, 1, range), 400, code);
  });

  it.each([
    [`/${Bucket}/none`, 404, 'NoSuchKey'],
    ['/no-such-bucket/k', 404, 'NoSuchBucket'],
    ['nonsense', 400, 'InvalidArgument'],
  ])('source %s answers %i %s', async (copySource, status, code) => {
    const { UploadId } = await create('sources');
    const wanted = {
      method: 'PUT',
      path: `/${Bucket}/sources`,
      query: { uploadId: UploadId, partNumber: '1' },
      headers: { 'x-amz-copy-source': copySource },
    };
    expect(await outcome(sluice, wanted)).toEqual([status, code]);
  });
});

it('a part must say how long it is, and match its digest', async () => {
  const { UploadId } = await create('lengths');
  const query = { uploadId: UploadId, partNumber: '1' };
  const wanted = { method: 'PUT', path: `/${Bucket}/lengths`, query };
  expect(await outcome(sluice, wanted)).toEqual([411, 'MissingContentLength']);
  const headers = { 'content-md5': Buffer.from(md5(TAIL), 'hex').toString('base64') };
  expect(await outcome(sluice, { ...wanted, headers, body: 'x' })).toEqual([400, 'BadDigest']);
  const done = await ask(sluice, { ...wanted, body: 'x' });
  expect(headerOf(done, 'etag')).toBe(`"${md5(Buffer.from('x'))}"`);
});
