/** PutObject, GetObject, HeadObject, DeleteObject, CopyObject, tagging: parse and render. */
import { describe, expect, it } from 'vitest';
import type { ObjectHead, PutResult, ReadResult } from '../../../src/objects/contract.ts';
import { deleteObject, getObject, parseRange } from '../../../src/s3/operations/get-object.ts';
import { copyObject, putObject } from '../../../src/s3/operations/put-object.ts';
import {
  deleteObjectTagging,
  getObjectTagging,
  putObjectTagging,
} from '../../../src/s3/operations/tagging.ts';
import { codeOf, headersOf, run } from '../../support/scripted-objects.ts';

const ETAG = 'd41d8cd98f00b204e9800998ecf8427e';
const MTIME = Date.UTC(2026, 10, 23, 4, 20, 1, 250);
const put: PutResult = {
  etag: ETAG,
  size: 5,
  mtimeMs: MTIME,
  checksum: { algorithm: 'CRC32C', type: 'FULL_OBJECT', value: 'AAAAAA==' },
  versionId: undefined,
};
const head: ObjectHead = {
  key: 'k',
  size: 10,
  mtimeMs: MTIME,
  etag: `${ETAG}-3`,
  partCount: 3,
  checksum: { algorithm: 'SHA256', type: 'COMPOSITE', value: 'abc=-3' },
  ownerId: 'owner-id',
  headers: { 'content-type': 'text/plain', 'cache-control': 'no-store', expires: 'soon' },
  metadata: { colour: 'blue', __proto__x: 'kept' },
  tags: { a: '1', b: '2' },
  storageClass: 'STANDARD_IA',
  versionId: undefined,
};
const read = (fields: Partial<ReadResult> = {}): ReadResult => ({
  head,
  range: { offset: 0, length: 10 },
  partial: false,
  inline: Buffer.from('0123456789'),
  parts: () => ({ parts: [], truncated: false }),
  blocks: () => {
    throw new Error('inline');
  },
  ...fields,
});

describe('PutObject', () => {
  it('hands everything the headers say to the store', async () => {
    const { response, calls } = await run(
      putObject,
      {
        method: 'PUT',
        target: '/b/a%2Fb',
        headers: {
          'content-type': 'image/png',
          'content-encoding': 'aws-chunked,gzip',
          'x-amz-meta-colour': 'blue',
          'x-amz-meta-__proto__': 'kept',
          'x-amz-tagging': 'k1=v%201&k2=v+2&k3',
          'x-amz-storage-class': 'STANDARD_IA',
          'x-amz-sdk-checksum-algorithm': 'crc32c',
          'x-amz-trailer': 'x-amz-checksum-crc32c',
          'if-none-match': '*',
        },
      },
      { put },
    );
    expect(calls[0]?.[1]).toMatchObject({
      bucket: 'b',
      key: 'a/b',
      ownerId: 'owner-id',
      conditions: { ifNoneMatch: '*', ifMatch: undefined },
      checksumAlgorithm: 'CRC32C',
      attributes: {
        headers: { 'content-type': 'image/png', 'content-encoding': 'gzip' },
        tags: { k1: 'v 1', k2: 'v 2', k3: '' },
        storageClass: 'STANDARD_IA',
      },
    });
    const options = calls[0]?.[1] as { attributes: { metadata: object } } | undefined;
    expect(Object.entries(options?.attributes.metadata ?? {})).toEqual([
      ['colour', 'blue'],
      ['__proto__', 'kept'],
    ]);
    expect(response.status).toBe(200);
    expect(headersOf(response)).toEqual({
      ETag: `"${ETAG}"`,
      'x-amz-checksum-crc32c': 'AAAAAA==',
      'x-amz-checksum-type': 'FULL_OBJECT',
    });
  });

  const refused: [string, Record<string, string>][] = [
    ['MetadataTooLarge', { 'x-amz-meta-a': 'x'.repeat(2048) }],
    ['MetadataTooLarge', { 'content-disposition': 'x'.repeat(2048) }],
    ['InvalidStorageClass', { 'x-amz-storage-class': 'FAST' }],
    ['NotImplemented', { 'x-amz-server-side-encryption': 'aws:kms:dsse' }],
    ['AccessControlListNotSupported', { 'x-amz-acl': 'public-read' }],
    ['InvalidArgument', { 'x-amz-object-lock-mode': 'GOVERNANCE' }],
    ['NotImplemented', { 'if-none-match': `"${ETAG}"` }],
    ['InvalidRequest', { 'x-amz-sdk-checksum-algorithm': 'CRC32' }],
    ['InvalidRequest', { 'x-amz-sdk-checksum-algorithm': 'MD5' }],
    [
      'InvalidRequest',
      {
        'x-amz-sdk-checksum-algorithm': 'CRC32',
        'x-amz-checksum-sha1': '2jmj7l5rSw0yVb/vlWAYkK/YBwk=',
      },
    ],
    ['InvalidTag', { 'x-amz-tagging': 'a=1&a=2' }],
    ['InvalidTag', { 'x-amz-tagging': 'aws:x=1' }],
    ['InvalidTag', { 'x-amz-tagging': `a=${'x'.repeat(257)}` }],
    ['InvalidTag', { 'x-amz-tagging': `${'x'.repeat(129)}=1` }],
    ['InvalidTag', { 'x-amz-tagging': 'a=%3C' }],
    ['InvalidArgument', { 'x-amz-tagging': 'a=%' }],
    ['BadRequest', { 'x-amz-tagging': 'abcdefghijk'.split('').join('&') }],
  ];
  for (const [code, headers] of refused) {
    it(`answers ${code} to ${JSON.stringify(headers).slice(0, 70)}`, async () => {
      expect(await codeOf(run(putObject, { method: 'PUT', target: '/b/k', headers }))).toBe(code);
    });
  }
});

describe('GetObject and HeadObject', () => {
  it('send every stored header', async () => {
    const { response } = await run(getObject, { target: '/b/k' }, { read: read() });
    expect(response.status).toBe(200);
    expect(headersOf(response)).toEqual({
      'Last-Modified': 'Mon, 23 Nov 2026 04:20:01 GMT',
      ETag: `"${ETAG}-3"`,
      'Accept-Ranges': 'bytes',
      'Content-Type': 'text/plain',
      'Cache-Control': 'no-store',
      Expires: 'soon',
      'x-amz-meta-colour': 'blue',
      'x-amz-meta-__proto__x': 'kept',
      'x-amz-tagging-count': '2',
      'x-amz-storage-class': 'STANDARD_IA',
    });
    expect(Buffer.from(response.body as Uint8Array).toString()).toBe('0123456789');
  });

  it('frame a range, and send no checksum of the whole with it', async () => {
    const { response, calls } = await run(
      getObject,
      { target: '/b/k', headers: { range: 'bytes=2-4', 'x-amz-checksum-mode': 'ENABLED' } },
      {
        read: read({ partial: true, range: { offset: 2, length: 3 }, inline: Buffer.from('234') }),
      },
    );
    expect(calls[0]?.[3]).toMatchObject({ range: { first: 2, last: 4 } });
    expect(response.status).toBe(206);
    expect(headersOf(response)).toMatchObject({ 'Content-Range': 'bytes 2-4/10' });
    expect(headersOf(response)).not.toHaveProperty('x-amz-checksum-sha256');
  });

  it('send checksums when asked to, and the count of parts with a part', async () => {
    const headers = { 'x-amz-checksum-mode': 'enabled' };
    const whole = await run(getObject, { target: '/b/k', headers }, { read: read() });
    expect(headersOf(whole.response)).toMatchObject({
      'x-amz-checksum-sha256': 'abc=-3',
      'x-amz-checksum-type': 'COMPOSITE',
    });
    expect(headersOf(whole.response)).not.toHaveProperty('x-amz-mp-parts-count');
    const part = await run(
      getObject,
      { target: '/b/k?partNumber=2', headers },
      { read: read({ partial: true, partChecksum: { algorithm: 'SHA256', value: 'part=' } }) },
    );
    expect(headersOf(part.response)).toMatchObject({
      'x-amz-mp-parts-count': '3',
      'x-amz-checksum-sha256': 'part=',
    });
  });

  it('let the query override headers, but not forge one', async () => {
    const { response } = await run(
      getObject,
      {
        target:
          '/b/k?response-content-type=a%2Fb&response-expires=never' +
          '&response-content-disposition=x%0d%0aSet-Cookie:%20y',
      },
      { read: read() },
    );
    expect(headersOf(response)).toMatchObject({
      'Content-Type': 'a/b',
      Expires: 'never',
      'Content-Disposition': 'x  Set-Cookie: y',
    });
  });

  it('HEAD has the length and no body', async () => {
    const { response } = await run(getObject, { method: 'HEAD', target: '/b/k' }, { read: read() });
    expect(response).toMatchObject({ status: 200, body: undefined, contentLength: 10 });
  });

  it('pass conditions on, and ignore unreadable dates', async () => {
    const headers = {
      'if-match': '"a"',
      'if-none-match': '"b"',
      'if-modified-since': 'Mon, 23 Nov 2026 04:20:01 GMT',
      'if-unmodified-since': 'yesterday',
    };
    const { calls } = await run(getObject, { target: '/b/k', headers }, { read: read() });
    expect(calls[0]?.[3]).toMatchObject({
      conditions: {
        ifMatch: '"a"',
        ifNoneMatch: '"b"',
        ifModifiedSinceMs: Date.UTC(2026, 10, 23, 4, 20, 1),
        ifUnmodifiedSinceMs: undefined,
      },
    });
  });

  const refused: [string, string, Record<string, string>][] = [
    ['InvalidArgument', '/b/k?versionId=', {}],
    ['InvalidArgument', '/b/k?partNumber=0', {}],
    ['InvalidArgument', '/b/k?partNumber=10001', {}],
    ['InvalidArgument', '/b/k?partNumber=x', {}],
    ['InvalidRequest', '/b/k?partNumber=1', { range: 'bytes=0-1' }],
    ['InvalidArgument', '/b/k', { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }],
    ['InvalidArgument', '/b/k', { 'x-amz-server-side-encryption': 'AES256' }],
  ];
  for (const [code, target, headers] of refused) {
    it(`answers ${code} to ${target} ${JSON.stringify(headers)}`, async () => {
      expect(await codeOf(run(getObject, { target, headers }, { read: read() }))).toBe(code);
    });
  }

  it('parse one range and ignore the rest, as AWS does', () => {
    const cases: [string | undefined, unknown][] = [
      ['bytes=0-0', { first: 0, last: 0 }],
      ['bytes=5-', { first: 5, last: undefined }],
      ['bytes=-7', { suffix: 7 }],
      ['bytes=-0', { suffix: 0 }],
      ['bytes=5-4', undefined],
      ['bytes=-', undefined],
      ['bytes=0-1,3-4', undefined],
      ['items=0-1', undefined],
      ['bytes=a-b', undefined],
      [undefined, undefined],
    ];
    for (const [value, range] of cases) expect(parseRange(value)).toEqual(range);
  });
});

describe('DeleteObject', () => {
  it('answers 204, condition included', async () => {
    const headers = { 'if-match': '"x"' };
    const asked = { method: 'DELETE', target: '/b/k?versionId=v1', headers };
    const plain = { versionId: undefined, deleteMarker: false };
    const { response, calls } = await run(deleteObject, asked, { delete: plain });
    expect(response).toEqual({ status: 204, headers: [], body: undefined });
    const conditions = { ifMatch: '"x"' };
    const options = { conditions, versionId: 'v1', bypassGovernance: false };
    expect(calls).toEqual([['delete', 'b', 'k', options]]);
    const marker = { versionId: 'v2', deleteMarker: true };
    const marked = await run(deleteObject, asked, { delete: marker });
    expect(marked.response.headers).toEqual([
      ['x-amz-delete-marker', 'true'],
      ['x-amz-version-id', 'v2'],
    ]);
  });

  it('deletes nothing on a condition that says nothing', async () => {
    const headers = { 'x-amz-if-match-size': 'five' };
    const deleting = run(deleteObject, { method: 'DELETE', target: '/b/k', headers });
    expect(await codeOf(deleting)).toBe('InvalidArgument');
    const version = run(deleteObject, { method: 'DELETE', target: '/b/k?versionId=' });
    expect(await codeOf(version)).toBe('InvalidArgument');
  });
});

describe('CopyObject', () => {
  const copy = (target: string, headers: Record<string, string>): ReturnType<typeof run> =>
    run(copyObject, { method: 'PUT', target, headers }, { copy: put });

  it('copies everything by default and answers with the AWS document', async () => {
    const { response, calls, authorized } = await copy('/b/k', {
      'x-amz-copy-source': '/src/a%2Fb+c%2Bd?versionId=null',
      'x-amz-copy-source-if-match': '"x"',
      'if-none-match': '*',
    });
    expect(calls.find(([method]) => method === 'copy')?.[1]).toMatchObject({
      source: { bucket: 'src', key: 'a/b c+d', conditions: { ifMatch: '"x"' } },
      bucket: 'b',
      key: 'k',
      headersAndMetadata: undefined,
      tags: undefined,
      storageClass: undefined,
      conditions: { ifNoneMatch: '*' },
    });
    expect(authorized).toEqual(['s3:GetObject src/a/b c+d']);
    expect(response.body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        '<LastModified>2026-11-23T04:20:01.000Z</LastModified>' +
        `<ETag>&quot;${ETAG}&quot;</ETag>` +
        '<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C><ChecksumType>FULL_OBJECT</ChecksumType>' +
        '</CopyObjectResult>',
    );
  });

  it('replaces metadata and tags when told to', async () => {
    const { calls } = await copy('/b/k', {
      'x-amz-copy-source': 'b/k',
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-tagging-directive': 'REPLACE',
      'x-amz-meta-a': 'b',
    });
    expect(calls.find(([method]) => method === 'copy')?.[1]).toMatchObject({
      headersAndMetadata: {
        headers: { 'content-type': 'binary/octet-stream' },
        metadata: { a: 'b' },
      },
      tags: {},
    });
  });

  const source = { 'x-amz-copy-source': 'b/k' };
  const refused: [string, Record<string, string>][] = [
    ['InvalidRequest', source],
    ['InvalidRequest', { ...source, 'x-amz-tagging-directive': 'REPLACE' }],
    ['InvalidArgument', { ...source, 'x-amz-metadata-directive': 'MERGE' }],
    ['InvalidArgument', { 'x-amz-copy-source': 'bucket-only' }],
    ['InvalidArgument', { 'x-amz-copy-source': '/b/' }],
    ['InvalidArgument', { 'x-amz-copy-source': 'b/%zz' }],
    ['InvalidArgument', { 'x-amz-copy-source': 'b/x?versionId=' }],
    ['InvalidArgument', { 'x-amz-copy-source': 'b/x?acl' }],
    ['KeyTooLongError', { 'x-amz-copy-source': `b/${'x'.repeat(1025)}` }],
    ['InvalidRequest', { 'x-amz-copy-source': 'b/x', 'x-amz-checksum-algorithm': 'MD4' }],
  ];
  for (const [code, headers] of refused) {
    it(`answers ${code} to ${JSON.stringify(headers).slice(0, 80)}`, async () => {
      expect(await codeOf(copy('/b/k', headers))).toBe(code);
    });
  }
});

describe('object tagging', () => {
  it('renders the set', async () => {
    const { response } = await run(
      getObjectTagging,
      { target: '/b/k?tagging' },
      { tags: { tags: { 'a&b': '<1>', c: '' }, versionId: undefined } },
    );
    expect(response.body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>' +
        '<Tag><Key>a&amp;b</Key><Value>&lt;1&gt;</Value></Tag>' +
        '<Tag><Key>c</Key><Value></Value></Tag></TagSet></Tagging>',
    );
  });

  const tagging = (tags: string): ReturnType<typeof run> =>
    run(
      putObjectTagging,
      {
        method: 'PUT',
        target: '/b/k?tagging',
        body: `<Tagging><TagSet>${tags}</TagSet></Tagging>`,
      },
      { setTags: { tags: {}, versionId: 'v' } },
    );

  it('replaces the set and deletes it', async () => {
    const { calls, response } = await tagging('<Tag><Key>a</Key><Value> x </Value></Tag>');
    expect(calls).toEqual([['setTags', 'b', 'k', { a: ' x ' }, undefined]]);
    expect([response.status, response.headers]).toEqual([200, [['x-amz-version-id', 'v']]]);
    const asked = { method: 'DELETE', target: '/b/k?tagging&versionId=v' };
    const answers = { setTags: { tags: {}, versionId: 'v' } };
    const deleted = await run(deleteObjectTagging, asked, answers);
    expect(deleted.calls).toEqual([['setTags', 'b', 'k', {}, 'v']]);
    expect(deleted.response.status).toBe(204);
  });

  it('refuses documents that are none', async () => {
    expect(await codeOf(tagging('<Tag><Key>a</Key></Tag>'))).toBe('MalformedXML');
    expect(await codeOf(tagging('<Tag><Key>a</Key><Key>b</Key></Tag>'))).toBe('MalformedXML');
    expect(await codeOf(tagging('<Label/>'))).toBe('MalformedXML');
    const twice = '<Tag><Key>a</Key><Value/></Tag>'.repeat(2);
    expect(await codeOf(tagging(twice))).toBe('InvalidTag');
    const empty = run(putObjectTagging, { method: 'PUT', target: '/b/k?tagging' });
    expect(await codeOf(empty)).toBe('MissingRequestBodyError');
  });
});
