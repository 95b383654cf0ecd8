/** ListObjects, ListObjectsV2, ListParts, ListMultipartUploads: parse and render. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ListEntry, Listing } from '../../../src/objects/listing-contract.ts';
import type { Part, Upload } from '../../../src/objects/upload-contract.ts';
import {
  boundName,
  decodeToken,
  encodeToken,
  listObjects,
  listObjectsV2,
} from '../../../src/s3/operations/list-objects.ts';
import { listMultipartUploads, listParts } from '../../../src/s3/operations/list-uploads.ts';
import { codeOf, run } from '../../support/scripted-objects.ts';

const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const ETAG = 'd41d8cd98f00b204e9800998ecf8427e';
const MTIME = Date.UTC(2026, 10, 23, 4, 20, 1, 250);
const entry = (key: string, fields: Partial<ListEntry> = {}): ListEntry => ({
  key,
  size: 7,
  mtimeMs: MTIME,
  etag: ETAG,
  storageClass: 'STANDARD',
  ownerId: 'owner-id',
  ...fields,
});
const listing: Listing<ListEntry> = {
  entries: [
    entry('a b+c&d'),
    entry('é', { checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT' }, storageClass: 'GLACIER' }),
  ],
  prefixes: ['a/'],
  truncated: true,
  next: 'é',
};
const contents = (key: string, owner: string): string =>
  `<Contents><Key>${key}</Key><LastModified>2026-11-23T04:20:01.000Z</LastModified>` +
  `<ETag>&quot;${ETAG}&quot;</ETag><Size>7</Size>${owner}` +
  '<StorageClass>STANDARD</StorageClass></Contents>';
const OWNER = '<Owner><ID>owner-id</ID><DisplayName>root</DisplayName></Owner>';

describe('ListObjects', () => {
  it('renders the AWS document, url-encoded on request', async () => {
    const { response, calls } = await run(
      listObjects,
      { target: '/b?prefix=a&delimiter=%2F&marker=a+b&max-keys=3&encoding-type=url' },
      { list: listing },
    );
    expect(calls).toEqual([['list', 'b', { prefix: 'a', delimiter: '/', after: 'a b', limit: 3 }]]);
    expect(response.body).toBe(
      `${XML}<ListBucketResult ${NS}><Name>b</Name><Prefix>a</Prefix><Marker>a%20b</Marker>` +
        '<NextMarker>%C3%A9</NextMarker><MaxKeys>3</MaxKeys><Delimiter>/</Delimiter>' +
        '<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>' +
        contents('a%20b%2Bc%26d', OWNER) +
        '<Contents><Key>%C3%A9</Key><LastModified>2026-11-23T04:20:01.000Z</LastModified>' +
        `<ETag>&quot;${ETAG}&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>` +
        '<ChecksumType>FULL_OBJECT</ChecksumType><Size>7</Size>' +
        `${OWNER}<StorageClass>GLACIER</StorageClass></Contents>` +
        '<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>',
    );
  });

  it('gives NextMarker only with a delimiter', async () => {
    const { response } = await run(listObjects, { target: '/b' }, { list: listing });
    expect(response.body).not.toContain('NextMarker');
    expect(response.body).toContain('<Key>a b+c&amp;d</Key>');
  });
});

describe('ListObjectsV2', () => {
  it('renders the AWS document', async () => {
    const token = encodeToken('last');
    const { response, calls } = await run(
      listObjectsV2,
      { target: `/b?list-type=2&start-after=s&continuation-token=${encodeURIComponent(token)}` },
      { list: { ...listing, entries: [entry('k')], next: 'k' } },
    );
    expect(calls[0]?.[2]).toEqual({ prefix: '', delimiter: '', after: 'last', limit: 1000 });
    expect(response.body).toBe(
      `${XML}<ListBucketResult ${NS}><Name>b</Name><Prefix></Prefix><StartAfter>s</StartAfter>` +
        `<ContinuationToken>${token}</ContinuationToken>` +
        `<NextContinuationToken>${encodeToken('k')}</NextContinuationToken>` +
        '<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>' +
        contents('k', '') +
        '<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>',
    );
  });

  it('names the owner on request', async () => {
    const target = '/b?list-type=2&fetch-owner=true';
    const { response } = await run(listObjectsV2, { target }, { list: listing });
    expect(response.body).toContain(OWNER);
  });

  it('asks for no keys without asking the store, but the bucket must be there', async () => {
    const target = '/b?list-type=2&max-keys=0';
    const { response, calls } = await run(listObjectsV2, { target }, { list: listing });
    expect(calls).toEqual([]);
    expect(response.body).toContain('<KeyCount>0</KeyCount><MaxKeys>0</MaxKeys>');
    expect(response.body).toContain('<IsTruncated>false</IsTruncated>');
    const absent = run(listObjectsV2, { target }, { bucket: new Error('NoSuchBucket') });
    expect(await codeOf(absent)).toContain('NoSuchBucket');
  });

  for (const query of [
    'max-keys=x',
    'max-keys=-1',
    'max-keys=99999999999',
    'encoding-type=base64',
    'continuation-token=',
    'continuation-token=x',
    'continuation-token=MmFiYw==',
  ]) {
    it(`answers InvalidArgument to ${query}`, async () => {
      const running = run(listObjectsV2, { target: `/b?list-type=2&${query}` }, { list: listing });
      expect(await codeOf(running)).toBe('InvalidArgument');
    });
  }

  it('cuts max-keys at a thousand', async () => {
    const { calls } = await run(listObjects, { target: '/b?max-keys=5000' }, { list: listing });
    expect(calls[0]?.[2]).toMatchObject({ limit: 1000 });
  });

  it('round trips every key through a token', () => {
    const key = fc.string({ unit: 'binary', maxLength: 50 });
    fc.assert(
      fc.property(key, (text) => {
        expect(decodeToken(encodeToken(text))).toBe(text);
      }),
    );
  });

  it('cuts names that are longer than any key without changing what they select', () => {
    const tail = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 1030 }), tail, tail, (length, left, right) => {
        const name = 'a'.repeat(length) + left + 'z'.repeat(100);
        const cut = boundName(name);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(1028);
        const key = Buffer.from('a'.repeat(length) + right).subarray(0, 1024);
        const order = (text: string): number => Buffer.compare(key, Buffer.from(text));
        expect(order(cut)).toBe(order(name));
      }),
    );
    expect(boundName('short')).toBe('short');
  });
});

const upload: Upload = {
  bucket: 'b',
  key: 'k/é',
  uploadId: 'up1',
  initiatedMs: MTIME,
  ownerId: 'owner-id',
  storageClass: 'STANDARD',
  checksum: { algorithm: 'CRC32C', type: 'COMPOSITE' },
};
const PEOPLE =
  '<Initiator><ID>owner-id</ID><DisplayName>root</DisplayName></Initiator>' +
  '<Owner><ID>owner-id</ID><DisplayName>root</DisplayName></Owner>';

describe('ListParts', () => {
  const part: Part = {
    number: 4,
    size: 9,
    etag: ETAG,
    mtimeMs: MTIME,
    checksum: { algorithm: 'CRC32C', value: 'AAAAAA==' },
  };

  it('renders the AWS document', async () => {
    const { response, calls } = await run(
      listParts,
      { target: '/b/k%2F%C3%A9?uploadId=up1&part-number-marker=3&max-parts=1' },
      { listParts: { upload, parts: [part], truncated: true } },
    );
    expect(calls).toEqual([
      ['listParts', { bucket: 'b', key: 'k/é', uploadId: 'up1' }, { after: 3, limit: 1 }],
    ]);
    expect(response.body).toBe(
      `${XML}<ListPartsResult ${NS}><Bucket>b</Bucket><Key>k/é</Key><UploadId>up1</UploadId>` +
        `${PEOPLE}<StorageClass>STANDARD</StorageClass><PartNumberMarker>3</PartNumberMarker>` +
        '<NextPartNumberMarker>4</NextPartNumberMarker><MaxParts>1</MaxParts>' +
        '<IsTruncated>true</IsTruncated><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>' +
        '<ChecksumType>COMPOSITE</ChecksumType><Part><PartNumber>4</PartNumber>' +
        '<LastModified>2026-11-23T04:20:01.000Z</LastModified>' +
        `<ETag>&quot;${ETAG}&quot;</ETag><Size>9</Size><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>` +
        '</Part></ListPartsResult>',
    );
  });

  it('bounds the marker and asks for nothing when nothing is wanted', async () => {
    const parts = { upload, parts: [], truncated: false };
    const far = '/b/k?uploadId=up1&part-number-marker=2000000000';
    const { calls } = await run(listParts, { target: far }, { listParts: parts });
    expect(calls[0]?.[2]).toEqual({ after: 10_000, limit: 1000 });
    const none = await run(listParts, { target: '/b/k?uploadId=up1&max-parts=0' }, { upload });
    expect(none.calls.map(([method]) => method)).toEqual(['upload']);
    expect(none.response.body).toContain('<IsTruncated>false</IsTruncated>');
  });
});

describe('ListMultipartUploads', () => {
  const uploads: Listing<Upload> = {
    entries: [upload],
    prefixes: ['a/'],
    truncated: true,
    next: upload.key,
  };

  it('renders the AWS document', async () => {
    const { response, calls } = await run(
      listMultipartUploads,
      {
        target:
          '/b?uploads&delimiter=%2F&key-marker=x&upload-id-marker=y&max-uploads=2' +
          '&encoding-type=url',
      },
      { listUploads: uploads },
    );
    expect(calls[0]?.[2]).toEqual({
      prefix: '',
      delimiter: '/',
      keyMarker: 'x',
      uploadIdMarker: 'y',
      limit: 2,
    });
    expect(response.body).toBe(
      `${XML}<ListMultipartUploadsResult ${NS}><Bucket>b</Bucket><KeyMarker>x</KeyMarker>` +
        '<UploadIdMarker>y</UploadIdMarker><NextKeyMarker>k/%C3%A9</NextKeyMarker>' +
        '<NextUploadIdMarker>up1</NextUploadIdMarker><Delimiter>/</Delimiter><Prefix></Prefix>' +
        '<EncodingType>url</EncodingType><MaxUploads>2</MaxUploads>' +
        '<IsTruncated>true</IsTruncated>' +
        '<Upload><Key>k/%C3%A9</Key><UploadId>up1</UploadId>' +
        `${PEOPLE}<StorageClass>STANDARD</StorageClass>` +
        '<Initiated>2026-11-23T04:20:01.000Z</Initiated>' +
        '<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>' +
        '</Upload><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>' +
        '</ListMultipartUploadsResult>',
    );
  });

  it('goes on behind a common prefix without an upload id', async () => {
    const { response } = await run(
      listMultipartUploads,
      { target: '/b?uploads' },
      { listUploads: { ...uploads, next: 'z/' } },
    );
    expect(response.body).toContain(
      '<NextKeyMarker>z/</NextKeyMarker><NextUploadIdMarker></NextUploadIdMarker>',
    );
  });

  it('ignores an upload id marker without a key marker', async () => {
    const target = '/b?uploads&upload-id-marker=y';
    const { calls } = await run(listMultipartUploads, { target }, { listUploads: uploads });
    expect(calls[0]?.[2]).toMatchObject({ keyMarker: '', uploadIdMarker: '' });
  });
});
