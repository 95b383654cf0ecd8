/**
 * Records: every one comes back as it was, unknown fields survive, a flipped bit anywhere is
 * refused, and rows stay below the value bound.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assert } from '../../../src/base/assert.ts';
import { LIMITS } from '../../../src/base/limits.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import { decodeListEntry, decodeObject, encodeObject } from '../../../src/meta/object-codec.ts';
import * as codec from '../../../src/meta/record-codec.ts';
import type {
  BlobPage,
  BlobRef,
  Hold,
  ObjectRecord,
  PartRecord,
  SegmentRecord,
  StoredChunkRef,
} from '../../../src/meta/records.ts';

const ID = '0190c0ffee00aabbccddeeff00112233';
const chunk: StoredChunkRef = {
  id: ID,
  length: 240 * 1024 * 1024,
  layout: 'rs-10-4-1024k',
  nodes: Array.from({ length: 14 }, (_, node) => node),
};
const blob: BlobRef = {
  id: ID,
  size: chunk.length * 22,
  chunks: Array.from({ length: 22 }, () => chunk),
};
const hold: Hold = { ownerId: ID, blob, offset: 7, length: 99 };
const inline = {
  kind: 'inline' as const,
  bytes: Uint8Array.from({ length: 300 }, (_, at) => at % 256),
};
const object: ObjectRecord = {
  instanceId: ID,
  size: 5 * 1024 ** 4,
  mtimeMs: 1_795_000_000_123,
  etag: 'd41d8cd98f00b204e9800998ecf8427e',
  partCount: 10_000,
  storageClass: 'STANDARD_IA',
  ownerId: 'an ownér',
  headers: { 'content-type': 'text/plain; charset="utf-8"' },
  metadata: { 'with-ünicode': '\u0001 \\ "' },
  tags: { key: 'välue' },
  checksum: { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: 'AAAAAAAAAAA=' },
  uploadId: ID,
  data: { kind: 'hold', hold },
};
const part: PartRecord = {
  number: 10_000,
  size: inline.bytes.length,
  etag: object.etag,
  mtimeMs: 1,
  checksum: { algorithm: 'SHA256', value: 'x' },
  data: inline,
};

function refused(decode: (row: Uint8Array) => unknown, row: Uint8Array): boolean {
  try {
    decode(row);
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError);
    expect((error as StoreError).kind).toBe('corrupt');
    return true;
  }
}

function pageRow(page: BlobPage): Uint8Array {
  const [only] = codec.encodeBlobPages(page.segments);
  assert(only !== undefined, 'segments make a page');
  return only.value;
}

function flipped(row: Uint8Array, bit: number): Uint8Array {
  const damaged = row.slice();
  damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return damaged;
}

describe('object rows', () => {
  const variants: Record<string, ObjectRecord> = {
    'of a blob': object,
    'of inline bytes': { ...object, data: inline, partCount: 0 },
    'of no bytes': { ...object, data: { kind: 'inline', bytes: new Uint8Array() }, size: 0 },
    'of a version': { ...object, versionId: ID, deleteMarker: true },
    'of a composite': {
      ...object,
      data: {
        kind: 'hold',
        hold: { ...hold, blob: { id: ID, size: 1, pages: 1, starts: [0], depth: 1 } },
      },
    },
  };
  for (const [name, record] of Object.entries(variants)) {
    it(`${name} come back as they were`, () => {
      expect(decodeObject(encodeObject(record))).toEqual(record);
      const { checksum, deleteMarker, ...entry } = decodeListEntry(encodeObject(record));
      expect(record).toMatchObject(entry);
      expect(deleteMarker).toBe(record.deleteMarker ?? false);
      expect(checksum).toEqual({ algorithm: 'CRC64NVME', type: 'FULL_OBJECT' });
    });

    it(`${name} refuse every flipped bit`, () => {
      const row = encodeObject(record);
      for (let bit = 0; bit < row.length * 8; bit += 1) {
        if (!refused(decodeObject, flipped(row, bit))) expect.fail(`bit ${bit} went unnoticed`);
      }
    });
  }

  it('without a checksum have none', () => {
    const { checksum: _, ...plain } = object;
    expect(decodeObject(encodeObject(plain))).toEqual(plain);
    expect(decodeListEntry(encodeObject(plain)).checksum).toBeUndefined();
  });

  it('keep fields of a later version over a read and a rewrite', () => {
    const later = { ...object, lockMode: 'GOVERNANCE', replica: { of: 'x' } };
    const read = decodeObject(encodeObject(later));
    expect(decodeObject(encodeObject({ ...read, tags: {} }))).toEqual({ ...later, tags: {} });
  });

  it('of the largest inline body and metadata fit a value', () => {
    const record: ObjectRecord = {
      ...object,
      metadata: { m: '\u0001'.repeat(LIMITS.metadataBytes) },
      headers: { 'content-disposition': '\u0001'.repeat(LIMITS.metadataBytes) },
      tags: Object.fromEntries(
        Array.from({ length: LIMITS.tagCount }, (_, at) => [
          `${at}${'語'.repeat(LIMITS.tagKeyChars - 1)}`,
          '語'.repeat(LIMITS.tagValueChars),
        ]),
      ),
      data: { kind: 'inline', bytes: new Uint8Array(LIMITS.inlineBytes) },
    };
    expect(encodeObject(record).length).toBeLessThanOrEqual(LIMITS.rowValueBytes);
  });

  it('take any text', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    fc.assert(
      fc.property(
        fc.dictionary(text, text),
        fc.uint8Array({ maxLength: 64 }),
        (metadata, bytes) => {
          const record: ObjectRecord = { ...object, metadata, data: { kind: 'inline', bytes } };
          expect(decodeObject(encodeObject(record))).toEqual(record);
        },
      ),
    );
  });
});

describe('other rows', () => {
  const bucket = {
    id: ID,
    volume: 's3v',
    name: 'bucket',
    ownerId: 'root',
    createdMs: 1,
    location: '',
    state: 'open' as const,
  };
  const upload = {
    uploadId: ID,
    initiatedMs: 1,
    ownerId: 'root',
    storageClass: 'STANDARD',
    headers: {},
    metadata: { a: 'b' },
    tags: {},
    replication: 'xor-2-1-1024k',
  };
  const reclaim = { kind: 'holds' as const, holds: [hold] };
  const retired = { id: ID, volume: 's3v', name: 'bucket', deletedMs: 5 };
  const page = {
    segments: [
      { data: { kind: 'hold' as const, hold }, part: { number: 1, size: 99, etag: object.etag } },
      { data: inline, part: { number: 2, size: 300, etag: object.etag } },
      { data: inline, part: { number: 3, size: 300, etag: object.etag } },
    ],
  };
  const rows: [string, unknown, Uint8Array, (row: Uint8Array) => unknown][] = [
    ['bucket', bucket, codec.encodeBucket(bucket), codec.decodeBucket],
    ['upload', upload, codec.encodeUpload(upload), codec.decodeUpload],
    ['reclaim', reclaim, codec.encodeReclaim(reclaim), codec.decodeReclaim],
    ['config', { text: '{}' }, codec.encodeConfig({ text: '{}' }), codec.decodeConfig],
    ['retired', retired, codec.encodeRetired(retired), codec.decodeRetired],
    [
      'sharing',
      { ownerId: ID, createdMs: 5 },
      codec.encodeSharing({ ownerId: ID, createdMs: 5 }),
      codec.decodeSharing,
    ],
    ['state', { state: 'closed' }, codec.encodeState({ state: 'closed' }), codec.decodeState],
    ['part', part, codec.encodePart(part), codec.decodePart],
    ['page', page, pageRow(page), codec.decodeBlobPage],
  ];
  for (const [name, record, row, decode] of rows) {
    it(`${name} rows come back as they were and refuse damage`, () => {
      expect(decode(row)).toEqual(record);
      for (let bit = 0; bit < row.length * 8; bit += 1) {
        if (!refused(decode, flipped(row, bit))) expect.fail(`bit ${bit} went unnoticed`);
      }
      for (let length = 0; length < row.length; length += 1) {
        expect(refused(decode, row.subarray(0, length))).toBe(true);
      }
    });

    it(`${name} rows are not read as another kind`, () => {
      for (const [other, , , decodeOther] of rows) {
        if (other !== name) expect(refused(decodeOther, row)).toBe(true);
      }
    });
  }
});

describe('pages of a composite blob', () => {
  it('hold all segments in order, each page below the value bound', () => {
    const segments: SegmentRecord[] = Array.from({ length: 500 }, (_, at) => ({
      data: at === 499 ? inline : { kind: 'hold', hold: { ...hold, offset: at } },
      part: { number: at + 1, size: 99, etag: object.etag },
    }));
    const pages = codec.encodeBlobPages(segments);
    expect(pages.length).toBeGreaterThan(1);
    for (const { value } of pages) expect(value.length).toBeLessThanOrEqual(60 * 1024 + 100);
    const decoded = pages.map(({ value }) => codec.decodeBlobPage(value).segments);
    expect(decoded.flat()).toEqual(segments);
    expect(pages.map(({ segmentCount }) => segmentCount)).toEqual(
      decoded.map((page) => page.length),
    );
  });

  it('are none for no segments', () => {
    expect(codec.encodeBlobPages([])).toEqual([]);
  });
});
