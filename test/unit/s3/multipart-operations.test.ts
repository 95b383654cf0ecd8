/** The multipart operations and DeleteObjects: parse and render. */
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../src/base/s3-error.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import type { Part, Upload } from '../../../src/objects/upload-contract.ts';
import { deleteObjects } from '../../../src/s3/operations/delete-objects.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
  uploadPartCopy,
} from '../../../src/s3/operations/multipart.ts';
import { codeOf, headersOf, run } from '../../support/scripted-objects.ts';

const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const ETAG = 'd41d8cd98f00b204e9800998ecf8427e';
const MTIME = Date.UTC(2026, 10, 23, 4, 20, 1, 250);
const ADDRESS = { bucket: 'b', key: 'k', uploadId: 'up1' };
const part: Part = {
  number: 2,
  size: 9,
  etag: ETAG,
  mtimeMs: MTIME,
  checksum: { algorithm: 'SHA1', value: 'sum=' },
};

describe('CreateMultipartUpload', () => {
  const upload: Upload = {
    ...ADDRESS,
    initiatedMs: MTIME,
    ownerId: 'owner-id',
    storageClass: 'STANDARD',
    checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT' },
  };
  const create = (headers: Record<string, string>): ReturnType<typeof run> =>
    run(
      createMultipartUpload,
      { method: 'POST', target: '/b/k?uploads', headers },
      { createUpload: upload },
    );

  it('renders the AWS document', async () => {
    const { response, calls } = await create({
      'x-amz-checksum-algorithm': 'CRC32',
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-meta-a': 'b',
      'content-type': 'x/y',
    });
    expect(calls[0]?.[1]).toMatchObject({
      bucket: 'b',
      key: 'k',
      ownerId: 'owner-id',
      attributes: { headers: { 'content-type': 'x/y' }, metadata: { a: 'b' }, tags: {} },
      checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT' },
    });
    expect(headersOf(response)).toEqual({
      'Content-Type': 'application/xml',
      'x-amz-checksum-algorithm': 'CRC32',
      'x-amz-checksum-type': 'FULL_OBJECT',
    });
    expect(response.body).toBe(
      `${XML}<InitiateMultipartUploadResult ${NS}><Bucket>b</Bucket><Key>k</Key>` +
        '<UploadId>up1</UploadId></InitiateMultipartUploadResult>',
    );
  });

  it('chooses the type of checksum as AWS does, and refuses impossible pairs', async () => {
    const typeOf = async (algorithm: string): Promise<unknown> =>
      (await create({ 'x-amz-checksum-algorithm': algorithm })).calls[0]?.[1];
    expect(await typeOf('CRC64NVME')).toMatchObject({ checksum: { type: 'FULL_OBJECT' } });
    expect(await typeOf('crc32c')).toMatchObject({ checksum: { type: 'COMPOSITE' } });
    for (const [algorithm, type] of [
      ['SHA256', 'FULL_OBJECT'],
      ['CRC64NVME', 'COMPOSITE'],
      ['CRC32', 'PARTIAL'],
      ['', 'COMPOSITE'],
    ] as const) {
      const headers = {
        'x-amz-checksum-type': type,
        ...(algorithm === '' ? {} : { 'x-amz-checksum-algorithm': algorithm }),
      };
      expect(await codeOf(create(headers))).toBe('InvalidRequest');
    }
  });
});

describe('UploadPart and UploadPartCopy', () => {
  it('answer with the ETag and the checksum of the part', async () => {
    const { response, calls } = await run(
      uploadPart,
      { method: 'PUT', target: '/b/k?partNumber=2&uploadId=up1' },
      { putPart: part },
    );
    expect(calls[0]?.slice(1, 3)).toEqual([ADDRESS, 2]);
    expect(response.status).toBe(200);
    expect(headersOf(response)).toEqual({ ETag: `"${ETAG}"`, 'x-amz-checksum-sha1': 'sum=' });
  });

  it('copy a range of another object', async () => {
    const { response, calls, authorized } = await run(
      uploadPartCopy,
      {
        method: 'PUT',
        target: '/b/k?partNumber=2&uploadId=up1',
        headers: {
          'x-amz-copy-source': 'src/x',
          'x-amz-copy-source-range': 'bytes=5-9',
          'x-amz-copy-source-if-none-match': '"e"',
        },
      },
      { copyPart: part },
    );
    expect(calls[0]?.slice(1, 5)).toMatchObject([
      ADDRESS,
      2,
      { bucket: 'src', key: 'x', conditions: { ifNoneMatch: '"e"' } },
      { offset: 5, length: 5 },
    ]);
    expect(authorized).toEqual(['s3:GetObject src/x']);
    expect(response.body).toBe(
      `${XML}<CopyPartResult ${NS}><LastModified>2026-11-23T04:20:01.000Z</LastModified>` +
        `<ETag>&quot;${ETAG}&quot;</ETag><ChecksumSHA1>sum=</ChecksumSHA1></CopyPartResult>`,
    );
  });

  it('refuse part numbers and ranges that are none', async () => {
    for (const number of ['0', '10001', '-1', '1.5', 'x', '']) {
      const target = `/b/k?partNumber=${number}&uploadId=up1`;
      expect(await codeOf(run(uploadPart, { method: 'PUT', target }))).toBe('InvalidArgument');
    }
    for (const range of ['bytes=5-', 'bytes=-5', 'bytes=9-5', '5-9', 'bytes=1-99999999999999999']) {
      const target = '/b/k?partNumber=1&uploadId=up1';
      const headers = { 'x-amz-copy-source': 'src/x', 'x-amz-copy-source-range': range };
      const running = run(uploadPartCopy, { method: 'PUT', target, headers });
      expect(await codeOf(running)).toBe('InvalidArgument');
    }
  });
});

describe('CompleteMultipartUpload', () => {
  const complete = (
    body: string | Uint8Array,
    headers: Record<string, string> = {},
  ): ReturnType<typeof run> =>
    run(
      completeMultipartUpload,
      { method: 'POST', target: '/b/k?uploadId=up1', headers, body },
      {
        completeUpload: {
          etag: `${ETAG}-2`,
          size: 9,
          mtimeMs: MTIME,
          checksum: { algorithm: 'SHA1', type: 'COMPOSITE', value: 'sum=-2' },
        },
      },
    );
  const PART = `<Part><PartNumber>1</PartNumber><ETag>"${ETAG}"</ETag></Part>`;
  const list = (inner: string): string =>
    `<CompleteMultipartUpload ${NS}>${inner}</CompleteMultipartUpload>`;

  it('hands the list over as sent and renders the AWS document', async () => {
    const { response, calls } = await complete(
      list(
        `<Part><ETag>&quot;${ETAG}&quot;</ETag><PartNumber>2</PartNumber>` +
          `<ChecksumSHA1>c=</ChecksumSHA1></Part>${PART}`,
      ),
      {
        'x-amz-checksum-sha1': 'whole=',
        'x-amz-checksum-type': 'COMPOSITE',
        'x-amz-mp-object-size': '9',
        'if-match': '"old"',
      },
    );
    expect(calls[0]?.[1]).toEqual({
      ...ADDRESS,
      parts: [
        { number: 2, etag: ETAG, checksums: [{ algorithm: 'SHA1', value: 'c=' }] },
        { number: 1, etag: ETAG, checksums: [] },
      ],
      conditions: { ifMatch: '"old"', ifNoneMatch: undefined },
      checksum: { algorithm: 'SHA1', value: 'whole=' },
      checksumType: 'COMPOSITE',
      size: 9,
    });
    expect(response.body).toBe(
      `${XML}<CompleteMultipartUploadResult ${NS}><Location>http://localhost:9878/b/k</Location>` +
        `<Bucket>b</Bucket><Key>k</Key><ETag>&quot;${ETAG}-2&quot;</ETag>` +
        '<ChecksumSHA1>sum=-2</ChecksumSHA1><ChecksumType>COMPOSITE</ChecksumType>' +
        '</CompleteMultipartUploadResult>',
    );
  });

  const refused: [string, string][] = [
    ['MissingRequestBodyError', ''],
    ['MalformedXML', '<a/>'],
    ['MalformedXML', list('')],
    ['MalformedXML', list('<Part/>')],
    ['MalformedXML', list('<Part><PartNumber>1</PartNumber></Part>')],
    ['MalformedXML', list(`<Part><PartNumber>x</PartNumber><ETag>${ETAG}</ETag></Part>`)],
    ['MalformedXML', list('<Parts/>')],
    ['MalformedXML', list(PART.replace('</Part>', '<Size>1</Size></Part>'))],
    ['MalformedXML', list(PART.repeat(10_001))],
    ['MalformedXML', `<!DOCTYPE x [<!ENTITY e "1">]>${list(PART)}`],
    ['InvalidArgument', list(PART.replace('>1<', '>0<'))],
    ['InvalidArgument', list(PART.replace('>1<', '>10001<'))],
  ];
  for (const [code, body] of refused) {
    it(`answers ${code} to ${body.slice(0, 110)}`, async () => {
      expect(await codeOf(complete(body))).toBe(code);
    });
  }

  it('takes ten thousand parts with all that a client may send', async () => {
    const parts = Array.from(
      { length: 10_000 },
      (_, at) =>
        `<Part><PartNumber>${at + 1}</PartNumber><ETag>"${ETAG}"</ETag>` +
        `<ChecksumSHA256>${'a'.repeat(43)}=</ChecksumSHA256></Part>`,
    );
    const { calls } = await complete(list(parts.join('\n')));
    expect((calls[0]?.[1] as { parts: unknown[] } | undefined)?.parts).toHaveLength(10_000);
  });

  it('refuses a size that is none', async () => {
    const running = complete(list(PART), { 'x-amz-mp-object-size': '-1' });
    expect(await codeOf(running)).toBe('InvalidRequest');
  });
});

describe('AbortMultipartUpload', () => {
  it('answers 204', async () => {
    const target = '/b/k?uploadId=up1';
    const { response, calls } = await run(abortMultipartUpload, { method: 'DELETE', target });
    expect(response).toEqual({ status: 204, headers: [], body: undefined });
    expect(calls).toEqual([['abortUpload', ADDRESS]]);
  });
});

describe('DeleteObjects', () => {
  const MD5 = { 'content-md5': 'not verified here' };
  const remove = (
    inner: string | Uint8Array,
    headers: Record<string, string> = MD5,
    answers: Parameters<typeof run>[2] = {},
  ): ReturnType<typeof run> =>
    run(
      deleteObjects,
      {
        method: 'POST',
        target: '/b?delete',
        headers,
        body: typeof inner === 'string' ? `<Delete ${NS}>${inner}</Delete>` : inner,
      },
      answers,
    );

  it('reports each key', async () => {
    const asked = (versionId?: string, ifMatch?: string, ifMatchSize?: number): object => ({
      conditions: { ifMatch, ifMatchSize, ifMatchMtimeMs: undefined },
      versionId,
      bypassGovernance: false,
    });
    const { response, calls } = await remove(
      '<Object><Key> a&amp;/ </Key></Object>' +
        '<Object><Key>v</Key><VersionId>x</VersionId></Object>' +
        '<Object><Key>s</Key><Size>3</Size></Object>' +
        `<Object><Key>${'l'.repeat(1025)}</Key></Object>` +
        '<Object><Key>e</Key><VersionId>null</VersionId><ETag>"t"</ETag></Object>',
    );
    expect(calls).toEqual([
      ['delete', 'b', ' a&/ ', asked()],
      ['delete', 'b', 'v', asked('x')],
      ['delete', 'b', 's', asked(undefined, undefined, 3)],
      ['delete', 'b', 'e', asked('null', '"t"')],
    ]);
    const body = response.body as string;
    expect(body).toContain(`${XML}<DeleteResult ${NS}><Deleted><Key> a&amp;/ </Key></Deleted>`);
    expect(body).toContain('<Deleted><Key>v</Key><VersionId>x</VersionId></Deleted>');
    expect(body).toContain('<Deleted><Key>s</Key></Deleted>');
    expect(body).toContain('<Code>KeyTooLongError</Code>');
    expect(body).toContain('<Deleted><Key>e</Key><VersionId>null</VersionId></Deleted>');
  });

  it('reports errors alone when quiet', async () => {
    const keys = '<Quiet>true</Quiet><Object><Key>k</Key></Object>';
    const { response } = await remove(keys);
    expect(response.body).toBe(`${XML}<DeleteResult ${NS}></DeleteResult>`);
    const failed = await remove(keys, MD5, { delete: new S3Error('PreconditionFailed') });
    expect(failed.response.body).toContain('<Code>PreconditionFailed</Code>');
  });

  it('tells a store failure per key, and lets a broken invariant through', async () => {
    const key = '<Object><Key>k</Key></Object>';
    const { response } = await remove(key, MD5, { delete: new StoreError('unavailable', 'x') });
    expect(response.status).toBe(200);
    expect(response.body).toContain('<Code>InternalError</Code>');
    expect(await codeOf(remove(key, MD5, { delete: new Error('broken') }))).toContain('broken');
  });

  it('demands a digest of the document', async () => {
    const key = '<Object><Key>k</Key></Object>';
    expect(await codeOf(remove(key, {}))).toBe('InvalidRequest');
    expect(await codeOf(remove(key, { 'x-amz-checksum-algorithm': 'CRC32' }))).toBe(
      'InvalidRequest',
    );
    for (const headers of [
      { 'x-amz-checksum-crc32': 'AAAAAA==' },
      { 'x-amz-checksum-sha256': 'x' },
      { 'x-amz-trailer': 'x-amz-checksum-crc64nvme' },
    ]) {
      expect((await remove(key, headers)).calls).toHaveLength(1);
    }
  });

  it('refuses lists that are none, and touches nothing', async () => {
    const key = '<Object><Key>k</Key></Object>';
    const bad = [
      '',
      '<Quiet>true</Quiet>',
      '<Object><Key></Key></Object>',
      '<Object/>',
      '<Object><Key>&#xD800;</Key></Object>',
      '<Thing/>',
      key.repeat(1001),
      Buffer.from([
        ...Buffer.from('<Delete><Object><Key>'),
        0xff,
        ...Buffer.from('</Key></Object></Delete>'),
      ]),
    ];
    for (const body of bad) expect(await codeOf(remove(body))).toBe('MalformedXML');
    const absent = remove(key, MD5, { bucket: new S3Error('NoSuchBucket') });
    expect(await codeOf(absent)).toBe('NoSuchBucket');
    expect((await remove(key.repeat(1000))).calls).toHaveLength(1000);
  });
});
