import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { content, md5 } from '../../support/content.ts';
import { BUCKET, GRACE_MS, ObjectRoom } from '../../support/object-room.ts';
import { failure, failureCode } from '../../support/s3-failure.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 86_400_000;

let room: ObjectRoom;

beforeEach(async () => {
  room = await ObjectRoom.open();
  await room.createBucket();
});

function multipartEtag(parts: readonly Uint8Array[]): string {
  const hash = createHash('md5');
  for (const part of parts) hash.update(md5(part), 'hex');
  return `${hash.digest('hex')}-${parts.length}`;
}

function partitionsLike(prefix: string): string[] {
  return room.meta.partitions(undefined, 1000).filter((name) => name.startsWith(prefix));
}

async function everythingGoes(): Promise<void> {
  for (const { key } of room.store.list(BUCKET, LIST_ALL).entries) await room.delete(key);
  while ((await room.reclaim()) > 0);
  expect(room.chunks.ids).toEqual([]);
  expect(partitionsLike('m/')).toEqual([]);
  expect(partitionsLike('p/')).toEqual([]);
  expect(room.arena.freeCount).toBe(room.arena.blockCount);
}

const LIST_ALL = { prefix: '', delimiter: '', after: '', limit: 1000 };

describe('a completed upload', () => {
  const bytes = [content(5 * MIB, 1), content(5 * MIB + 7, 2), content(9, 3)];

  async function upload(): Promise<void> {
    const address = await room.createUpload('big');
    const parts = [];
    // Out of order, with gaps, one of them twice.
    parts[2] = await room.putPart(address, 20, bytes[2] ?? '');
    await room.putPart(address, 2, content(3 * MIB, 9));
    parts[0] = await room.putPart(address, 2, bytes[0] ?? '');
    parts[1] = await room.putPart(address, 5, bytes[1] ?? '');
    await room.putPart(address, 7, content(100 * KIB));
    const put = await room.complete(address, parts);
    expect(put.etag).toBe(multipartEtag(bytes));
    expect(put.size).toBe(10 * MIB + 16);
  }

  it('reads back whole, in ranges and by part', async () => {
    await upload();
    const whole = Buffer.concat(bytes);
    expect((await room.get('big')).equals(whole)).toBe(true);
    for (const [first, last] of [
      [0, 0],
      [5 * MIB - 1, 5 * MIB],
      [10 * MIB + 6, 10 * MIB + 7],
      [10 * MIB + 10, 10 * MIB + 15],
    ] as const) {
      const read = await room.get('big', { range: { first, last } });
      expect(read.equals(whole.subarray(first, last + 1))).toBe(true);
    }
    for (const [number, part] of [
      [2, bytes[0]],
      [5, bytes[1]],
      [20, bytes[2]],
    ] as const) {
      expect((await room.get('big', { partNumber: number })).equals(part as Buffer)).toBe(true);
    }
    const error = await failure(() => room.get('big', { partNumber: 7 }));
    expect(error.code).toBe('InvalidPartNumber');
    expect(error.fields['ActualPartCount']).toBe('3');
    const { head } = room.store.read(BUCKET, 'big', { conditions: {} });
    expect(head).toMatchObject({ partCount: 3, headers: { 'content-type': 'text/plain' } });
  });

  it('loses the parts it does not name, and only them', async () => {
    await upload();
    expect(room.chunks.ids.length).toBeGreaterThan(21);
    await room.store.runReclaim(room.clock.ms);
    // 10 chunks of 512 KiB, 11 for the 7 bytes more; the last part is inline.
    expect(room.chunks.ids).toHaveLength(21);
    expect(partitionsLike('p/')).toEqual([]);
    expect((await room.get('big')).equals(Buffer.concat(bytes))).toBe(true);
    await everythingGoes();
  });

  it('answers a repeated Complete with the same result', async () => {
    const address = await room.createUpload('k');
    const part = await room.putPart(address, 1, 'abc');
    const [first, second] = await Promise.all([
      room.complete(address, [part]),
      room.complete(address, [part]),
    ]);
    expect(second).toEqual(first);
    const wrong = { ...part, etag: md5(Buffer.from('x')) };
    expect(await failureCode(() => room.complete(address, [wrong]))).toBe('NoSuchUpload');
    await room.put('k', 'other');
    expect(await failureCode(() => room.complete(address, [part]))).toBe('NoSuchUpload');
  });

  it('replaces the object that was there, under its precondition', async () => {
    await room.put('k', content(100 * KIB));
    const address = await room.createUpload('k');
    const part = await room.putPart(address, 1, content(200 * KIB));
    const taken = { conditions: { ifNoneMatch: '*' } };
    expect(await failureCode(() => room.complete(address, [part], taken))).toBe(
      'PreconditionFailed',
    );
    await room.complete(address, [part]);
    await room.reclaim();
    expect(room.chunks.ids).toHaveLength(1);
    await everythingGoes();
  });
});

describe('what Complete refuses', () => {
  it('parts out of order, unknown, too small or with another ETag', async () => {
    const address = await room.createUpload('k');
    const one = await room.putPart(address, 1, content(100 * KIB));
    const two = await room.putPart(address, 2, content(6 * MIB));
    const three = await room.putPart(address, 3, 'end');
    const complete = (...parts: (typeof one)[]): Promise<string> =>
      failureCode(() => room.complete(address, parts));
    expect(await complete(two, one)).toBe('InvalidPartOrder');
    expect(await complete(two, two)).toBe('InvalidPartOrder');
    expect(await complete()).toBe('MalformedXML');
    expect(await complete(two, { ...three, number: 4 })).toBe('InvalidPart');
    expect(await complete({ ...two, etag: one.etag })).toBe('InvalidPart');
    const small = await failure(() => room.complete(address, [one, two]));
    expect(small.code).toBe('EntityTooSmall');
    expect(small.fields).toEqual({
      ProposedSize: '102400',
      MinSizeAllowed: '5242880',
      PartNumber: '1',
      ETag: one.etag,
    });
    expect(await failureCode(() => room.complete(address, [two, three], { size: 5 }))).toBe(
      'InvalidRequest',
    );
    // Nothing was changed by all that.
    expect((await room.complete(address, [two, three])).size).toBe(6 * MIB + 3);
  });

  it('checksums that differ', async () => {
    const address = await room.createUpload('k', { algorithm: 'CRC32', type: 'FULL_OBJECT' });
    const [a, b] = [content(5 * MIB, 1), content(77, 2)];
    const one = await room.putPart(address, 1, a, { checksum: 'crc32' });
    const two = await room.putPart(address, 2, b, { checksum: 'crc32' });
    const forged = { ...two, checksums: one.checksums };
    expect(await failureCode(() => room.complete(address, [one, forged]))).toBe('InvalidPart');
    const wrong = { checksum: { algorithm: 'CRC32', value: 'AAAAAA==' } } as const;
    expect(await failureCode(() => room.complete(address, [one, two], wrong))).toBe('BadDigest');
    const value = Buffer.alloc(4);
    value.writeUInt32BE(crc32(Buffer.concat([a, b])));
    const right = { checksum: { algorithm: 'CRC32', value: value.toString('base64') } } as const;
    const put = await room.complete(address, [one, two], right);
    expect(put.checksum).toEqual({ ...right.checksum, type: 'FULL_OBJECT' });
    const part = room.store.read(BUCKET, 'k', { conditions: {}, partNumber: 2 });
    expect(part.partChecksum).toEqual(two.checksums[0]);
  });

  it('a composite upload whose list names no checksums', async () => {
    const address = await room.createUpload('k', { algorithm: 'SHA256', type: 'COMPOSITE' });
    const bytes = content(77);
    const part = await room.putPart(address, 1, bytes, { checksum: 'sha256' });
    const bare = { ...part, checksums: [] };
    expect(await failureCode(() => room.complete(address, [bare]))).toBe('InvalidRequest');
    const sha = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();
    const value = sha(bytes).toString('base64');
    const named = { ...part, checksums: [{ algorithm: 'SHA256', value } as const] };
    const put = await room.complete(address, [named]);
    const composite = `${sha(sha(bytes)).toString('base64')}-1`;
    expect(put.checksum).toEqual({ algorithm: 'SHA256', type: 'COMPOSITE', value: composite });
  });
});

describe('aborted uploads', () => {
  it('lose their parts and refuse new ones', async () => {
    const address = await room.createUpload('k');
    await room.putPart(address, 1, content(100 * KIB));
    await room.putPart(address, 1, content(101 * KIB));
    await room.store.abortUpload(address);
    expect(await failureCode(() => room.store.abortUpload(address))).toBe('NoSuchUpload');
    expect(await failureCode(() => room.putPart(address, 2, 'x'))).toBe('NoSuchUpload');
    await room.store.runReclaim(room.clock.ms);
    await everythingGoes();
  });

  it('a part that is committed when the upload is already gone leaves nothing', async () => {
    const address = await room.createUpload('k');
    const commit = room.meta.commit.bind(room.meta);
    room.meta.commit = async (options) => {
      if (options.partition.startsWith('p/')) {
        room.meta.commit = commit;
        await room.store.abortUpload(address);
        expect(await room.store.runReclaim(room.clock.ms)).toBe(1);
      }
      return await commit(options);
    };
    const work = (): Promise<unknown> => room.putPart(address, 1, content(600 * KIB));
    expect(await failureCode(work)).toBe('NoSuchUpload');
    await everythingGoes();
  });

  it('happens by itself after the days allowed', async () => {
    const address = await room.createUpload('k');
    await room.putPart(address, 1, content(100 * KIB));
    const nowMs = room.clock.ms;
    expect(await room.store.abortStaleUploads(nowMs + 7 * DAY_MS - 1)).toBe(0);
    expect(await room.store.abortStaleUploads(nowMs + 7 * DAY_MS)).toBe(1);
    expect(await failureCode(() => room.store.upload(address))).toBe('NoSuchUpload');
    await room.reclaim();
    await everythingGoes();
  });

  it('an id that never was is no upload', async () => {
    const address = { bucket: BUCKET, key: 'k', uploadId: '../x' };
    expect(await failureCode(() => room.store.upload(address))).toBe('NoSuchUpload');
    const other = await room.createUpload('other');
    expect(await failureCode(() => room.store.upload({ ...other, key: 'k' }))).toBe('NoSuchUpload');
  });
});

describe('copied parts', () => {
  it('share whole sources and ranges, of simple, inline and multipart objects', async () => {
    const large = content(6 * MIB, 1);
    const small = content(1000, 2);
    await room.put('large', large);
    await room.put('small', small);
    const stored = room.chunks.ids.length;
    const address = await room.createUpload('joined');
    const parts = [
      await room.copyPart(address, 1, 'large'),
      await room.copyPart(address, 2, 'large', { offset: MIB - 3, length: 5 * MIB + 1 }),
      await room.copyPart(address, 3, 'small', { offset: 10, length: 100 }),
    ];
    expect(parts[0]?.etag).toBe(md5(large));
    await room.complete(address, parts);
    const joined = Buffer.concat([
      large,
      large.subarray(MIB - 3, 6 * MIB - 2),
      small.subarray(10, 110),
    ]);
    expect((await room.get('joined')).equals(joined)).toBe(true);
    expect(room.chunks.ids).toHaveLength(stored);
    await room.delete('large');
    await room.delete('small');
    await room.reclaim();
    expect((await room.get('joined')).equals(joined)).toBe(true);
    await everythingGoes();
  });

  it('of copies of copies stay correct and shallow', async () => {
    let bytes: Buffer = content(6 * MIB, 1);
    await room.put('0', bytes);
    for (let level = 1; level <= 8; level += 1) {
      const address = await room.createUpload(String(level));
      const tail = content(100 + level, level);
      // The copied range crosses the seam of the level below.
      const copied = { offset: 5, length: bytes.length - 5 };
      const parts = [
        await room.copyPart(address, 1, String(level - 1), copied),
        await room.putPart(address, 2, tail),
      ];
      await room.complete(address, parts);
      bytes = Buffer.concat([bytes.subarray(5), tail]);
      expect((await room.get(String(level))).equals(bytes)).toBe(true);
      if (level > 1) await room.delete(String(level - 1));
      await room.reclaim();
    }
    expect((await room.get('8')).equals(bytes)).toBe(true);
    await everythingGoes();
  });

  it('refuse ranges outside the source', async () => {
    await room.put('small', 'abc');
    const address = await room.createUpload('k');
    const outside = { offset: 2, length: 2 };
    const work = (): Promise<unknown> => room.copyPart(address, 1, 'small', outside);
    expect(await failureCode(work)).toBe('InvalidArgument');
  });

  it('of a copied multipart object read by part number', async () => {
    const [a, b] = [content(5 * MIB, 1), content(50, 2)];
    const address = await room.createUpload('k');
    await room.complete(address, [
      await room.putPart(address, 1, a),
      await room.putPart(address, 2, b),
    ]);
    const copy = await room.copy('k', 'copy');
    expect(copy.etag).toBe(multipartEtag([a, b]));
    await room.delete('k');
    await room.reclaim();
    expect((await room.get('copy', { partNumber: 2 })).equals(b)).toBe(true);
    await everythingGoes();
  });
});

describe('listing parts', () => {
  it('is in order, paged, and knows the upload', async () => {
    const address = await room.createUpload('k', { algorithm: 'CRC32', type: 'COMPOSITE' });
    for (const number of [10, 2, 300]) {
      await room.putPart(address, number, `part ${number}`, { checksum: 'crc32' });
    }
    const first = room.store.listParts(address, { after: 0, limit: 2 });
    expect(first.parts.map(({ number }) => number)).toEqual([2, 10]);
    expect(first.truncated).toBe(true);
    expect(first.parts[0]?.checksum?.algorithm).toBe('CRC32');
    expect(first.upload).toMatchObject({ key: 'k', checksum: { algorithm: 'CRC32' } });
    const second = room.store.listParts(address, { after: 10, limit: 2 });
    expect(second.parts.map(({ size }) => size)).toEqual([8]);
    expect(second.truncated).toBe(false);
  });
});

describe('a bucket with only uploads', () => {
  it('can be deleted; the uploads go with it', async () => {
    const address = await room.createUpload('k');
    await room.putPart(address, 1, content(100 * KIB));
    await room.store.deleteBucket(BUCKET);
    room.clock.ms += GRACE_MS + 1;
    await room.store.runReclaim(room.clock.ms);
    expect(room.chunks.ids).toEqual([]);
    expect(room.meta.partitions(undefined, 10)).toEqual([]);
  });
});
