import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { S3Error } from '../../../src/base/s3-error.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import type { EncryptionRequest } from '../../../src/objects/encryption-contract.ts';
import { content, md5 } from '../../support/content.ts';
import { memoryBody } from '../../support/memory-body.ts';
import type { MemoryChunkStore } from '../../support/memory-chunk-store.ts';
import { BUCKET, ObjectRoom, OWNER, PLAIN } from '../../support/object-room.ts';

const KIB = 1024;
const { signal } = new AbortController();

const KEY_A = { key: new Uint8Array(randomBytes(32)) };
const KEY_B = { key: new Uint8Array(randomBytes(32)) };

const MODES = {
  plain: undefined,
  s3: { mode: 'AES256' },
  blue: { mode: 'aws:kms', keyId: 'blue', context: undefined, bucketKey: false },
  red: { mode: 'aws:kms', keyId: 'red', context: 'e30=', bucketKey: true },
  a: { mode: 'customer', customerKey: KEY_A },
  b: { mode: 'customer', customerKey: KEY_B },
} as const satisfies Readonly<Record<string, EncryptionRequest | undefined>>;

type Mode = keyof typeof MODES;
const NAMES = Object.keys(MODES) as Mode[];

function keyOf(mode: Mode): { key: Uint8Array } | undefined {
  const request: EncryptionRequest | undefined = MODES[mode];
  return request?.mode === 'customer' ? request.customerKey : undefined;
}

let room: ObjectRoom;
beforeEach(async () => {
  room = await ObjectRoom.open();
  await room.createBucket();
});

async function put(key: string, bytes: Uint8Array, mode: Mode, lengthMin?: number) {
  const body = memoryBody(room.arena, bytes);
  const form = lengthMin === undefined ? {} : { lengthMin, payloadLength: bytes.length + 20 };
  const shown = { ...body, plan: { ...body.plan, ...form } };
  return await room.store.put(
    {
      bucket: BUCKET,
      key,
      ownerId: OWNER,
      attributes: PLAIN,
      conditions: {},
      checksumAlgorithm: undefined,
      encryption: MODES[mode],
      signal,
    },
    shown,
  );
}

const get = (key: string, mode: Mode, range?: { first: number; last: number }) =>
  room.get(key, { customerKey: keyOf(mode), range });

const chunkBytes = (): number =>
  [...room.chunks.ids].reduce((sum, id) => sum + (room.chunks.lengthOf(id) ?? 0), 0);

const SIZES = [
  0,
  1,
  13,
  16 * KIB,
  16 * KIB + 1,
  65_520,
  65_521,
  256 * KIB,
  262_080,
  262_081,
  300 * KIB,
  512 * KIB,
  524_160,
  524_161,
  1024 * KIB,
  1_500_001,
];

describe('encrypted bytes', () => {
  it.each(SIZES)('of %i come back whole and in ranges, in every mode', async (size) => {
    const bytes = content(size);
    for (const mode of NAMES) {
      await put(mode, bytes, mode);
      expect((await get(mode, mode)).equals(bytes)).toBe(true);
      for (const [first, last] of [
        [0, 0],
        [size - 1, size - 1],
        [65_519, 65_520],
        [65_000, 200_000],
        [size >> 1, size - 1],
      ] as const) {
        if (first < 0 || first > last || last >= size) continue;
        const part = await get(mode, mode, { first, last });
        expect(part.equals(bytes.subarray(first, last + 1))).toBe(true);
      }
    }
    expect(room.arena.freeCount).toBe(room.arena.blockCount);
  });

  it.each([16 * KIB + 1, 100 * KIB, 256 * KIB, 512 * KIB, 700 * KIB, 1024 * KIB, 1_310_410])(
    'of %i come back when only their end told their length',
    async (size) => {
      const bytes = content(size);
      for (const short of [0, 20, 20 * KIB]) {
        await put('form', bytes, 'blue', Math.max(0, size - short));
        expect((await get('form', 'blue')).equals(bytes)).toBe(true);
      }
      expect(room.arena.freeCount).toBe(room.arena.blockCount);
    },
  );

  it('stand nowhere in the clear, inline, packed or striped', async () => {
    const bytes = Buffer.alloc(700 * KIB, 'a pattern nobody else writes ');
    for (const size of [100, 10 * KIB, 100 * KIB, 700 * KIB]) {
      for (const mode of NAMES) await put(`${mode}${size}`, bytes.subarray(0, size), mode);
    }
    const stored = [...room.chunks.ids].filter((id) =>
      room.chunks.bytesOf(id)?.includes('a pattern nobody'),
    );
    // Of the plain ones only.
    expect(stored.length).toBe(3);
  });

  it('have an MD5 as ETag with SSE-S3, and something opaque otherwise', async () => {
    const bytes = content(1000);
    expect((await put('k', bytes, 's3')).etag).toBe(md5(bytes));
    for (const mode of ['blue', 'a'] as const) {
      const { etag } = await put('k', bytes, mode);
      expect(etag).toMatch(/^[0-9a-f]{32}$/);
      expect(etag).not.toBe(md5(bytes));
    }
  });

  it('are found by no key, or a key of another kind', async () => {
    await expect(put('k', content(10), 'plain')).resolves.toBeDefined();
    const request: EncryptionRequest = { ...MODES.blue, keyId: 'missing' };
    const body = memoryBody(room.arena, content(10));
    await expect(
      room.store.put(
        {
          bucket: BUCKET,
          key: 'k',
          ownerId: OWNER,
          attributes: PLAIN,
          conditions: {},
          checksumAlgorithm: undefined,
          encryption: request,
          signal,
        },
        body,
      ),
    ).rejects.toMatchObject({ code: 'KMS.NotFoundException' });
  });
});

describe('a customer key', () => {
  it('is asked for by everything that reads, and by nothing that has none', async () => {
    await put('a', content(100 * KIB), 'a');
    await put('p', content(10), 'plain');
    const read = (key: string, mode: Mode) => () =>
      room.store.read(BUCKET, key, { conditions: {}, customerKey: keyOf(mode) });
    expect(read('a', 'a')).not.toThrow();
    expect(code(read('a', 'plain'))).toBe('InvalidRequest');
    expect(code(read('a', 'b'))).toBe('AccessDenied');
    expect(code(read('p', 'a'))).toBe('InvalidRequest');
    await expect(room.copy('a', 'c')).rejects.toMatchObject({ code: 'InvalidRequest' });
    const wrong = { bucket: BUCKET, key: 'a', conditions: {}, customerKey: KEY_B };
    await expect(room.copy('a', 'c', { source: wrong })).rejects.toMatchObject({
      code: 'AccessDenied',
    });
  });
});

function code(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
  return 'none';
}

describe('copies', () => {
  it.each([100, 100 * KIB, 700 * KIB])(
    'of %i bytes from every mode to every mode',
    async (size) => {
      const bytes = content(size);
      for (const from of NAMES) await put(`from-${from}`, bytes, from);
      for (const from of NAMES) {
        for (const to of NAMES) {
          const before = chunkBytes();
          const source = {
            bucket: BUCKET,
            key: `from-${from}`,
            conditions: {},
            customerKey: keyOf(from),
          };
          const result = await room.copy('', 'to', { source, encryption: MODES[to] });
          expect(result.encryption?.mode).toBe((MODES[to] as EncryptionRequest | undefined)?.mode);
          expect((await get('to', to)).equals(bytes)).toBe(true);
          if (to === 'plain' || to === 's3') {
            // A shared copy keeps the ETag of its source.
            expect(result.etag).toBe(md5(bytes));
          } else {
            expect(result.etag).not.toBe(md5(bytes));
          }
          // Under the same key not a byte is written.
          if (from === to) expect(chunkBytes()).toBe(before);
          await room.delete('to');
          await room.reclaim();
        }
      }
      expect(room.arena.freeCount).toBe(room.arena.blockCount);
    },
  );

  it('outlive their source, which the same bytes belong to', async () => {
    await put('k', content(100 * KIB), 'blue');
    const encryption = MODES.blue;
    await room.copy('k', 'c', { encryption });
    await room.delete('k');
    await room.reclaim();
    expect((await get('c', 'blue')).equals(content(100 * KIB))).toBe(true);
    await room.delete('c');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
  });

  it('leave nothing when the source cannot be opened', async () => {
    await put('k', content(700 * KIB), 's3');
    const before = room.chunks.ids.length;
    damage(room.chunks, 300_000);
    await expect(room.copy('k', 'c')).rejects.toThrow(StoreError);
    expect(room.chunks.ids.length).toBe(before);
    expect(room.arena.freeCount).toBe(room.arena.blockCount);
  });
});

describe('parts', () => {
  const MIB5 = 5 * 1024 * KIB;

  async function begin(mode: Mode) {
    const options = { bucket: BUCKET, key: 'big', ownerId: OWNER, attributes: PLAIN };
    const create = { ...options, checksum: undefined, encryption: MODES[mode] };
    const { uploadId } = await room.store.createUpload(create);
    return { bucket: BUCKET, key: 'big', uploadId };
  }

  it.each(NAMES)('under %s: uploaded, copied from every mode, joined, read', async (mode) => {
    room = await ObjectRoom.open({ chunkBytesMax: 8 * 1024 * KIB });
    await room.createBucket();
    const address = await begin(mode);
    const key = keyOf(mode);
    const pieces = [content(MIB5, 1)];
    const first = await room.store.putPart(
      address,
      1,
      memoryBody(room.arena, content(MIB5, 1)),
      signal,
      key,
    );
    const parts = [{ number: 1, etag: first.etag, checksums: [] }];
    for (const [index, from] of NAMES.entries()) {
      const last = index === NAMES.length - 1;
      const bytes = content(last ? 100 : MIB5 + 70_000, index + 2);
      await put(`s-${from}`, bytes, from);
      const range = last ? undefined : { offset: 65_000, length: MIB5 };
      const source = { bucket: BUCKET, key: `s-${from}`, conditions: {}, customerKey: keyOf(from) };
      const part = await room.store.copyPart(address, index + 2, source, range, signal, key);
      parts.push({ number: index + 2, etag: part.etag, checksums: [] });
      pieces.push(last ? bytes : bytes.subarray(65_000, 65_000 + MIB5));
    }
    const { etag } = await room.complete(address, parts, { customerKey: key });
    expect(etag).toMatch(/^[0-9a-f]{32}-7$/);
    const whole = Buffer.concat(pieces);
    expect((await get('big', mode)).equals(whole)).toBe(true);
    const range = { first: MIB5 - 10, last: 2 * MIB5 + 10 };
    const middle = whole.subarray(range.first, range.last + 1);
    expect((await get('big', mode, range)).equals(middle)).toBe(true);
    const byPart = await room.get('big', { partNumber: 7, customerKey: key });
    expect(byPart.equals(pieces[6] ?? Buffer.alloc(0))).toBe(true);
    expect(room.arena.freeCount).toBe(room.arena.blockCount);
  });

  it('need the key that the upload was begun with, and only then one', async () => {
    const sealed = await begin('a');
    const open = await begin('s3');
    const part = (address: typeof open, mode: Mode) =>
      room.store.putPart(address, 1, memoryBody(room.arena, content(100)), signal, keyOf(mode));
    await expect(part(sealed, 'plain')).rejects.toMatchObject({ code: 'InvalidRequest' });
    await expect(part(sealed, 'b')).rejects.toMatchObject({
      code: 'InvalidRequest',
      message: /did not match the ones used originally/,
    });
    await expect(part(open, 'a')).rejects.toMatchObject({ code: 'InvalidRequest' });
    const { etag } = await part(sealed, 'a');
    const list = [{ number: 1, etag, checksums: [] }];
    await expect(room.complete(sealed, list, { customerKey: KEY_B })).rejects.toMatchObject({
      code: 'InvalidRequest',
    });
    await room.complete(sealed, list);
    expect((await get('big', 'a')).equals(content(100))).toBe(true);
  });

  it('of a slice of a small object keep to the slice', async () => {
    await put('small', content(1000), 's3');
    const address = await begin('s3');
    const source = { bucket: BUCKET, key: 'small', conditions: {} };
    const range = { offset: 100, length: 50 };
    const { etag } = await room.store.copyPart(address, 1, source, range, signal);
    await room.complete(address, [{ number: 1, etag, checksums: [] }]);
    expect((await get('big', 's3')).equals(content(1000).subarray(100, 150))).toBe(true);
    // A copy of a copy of a slice.
    const next = await begin('s3');
    const again = { bucket: BUCKET, key: 'big', conditions: {} };
    const inner = { offset: 10, length: 20 };
    const copied = await room.store.copyPart(next, 1, again, inner, signal);
    await room.complete(next, [{ number: 1, etag: copied.etag, checksums: [] }]);
    expect((await get('big', 's3')).equals(content(1000).subarray(110, 130))).toBe(true);
  });
});

/** Turns one bit of the only chunk around. */
function damage(chunks: MemoryChunkStore, at: number): void {
  for (const id of chunks.ids) {
    const bytes = chunks.bytesOf(id);
    if (bytes !== undefined && at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ 1;
  }
}

describe('what was changed on the disk', () => {
  it('ends the read before a byte of its segment, and frees every block', async () => {
    room = await ObjectRoom.open({ chunkBytesMax: 8 * 1024 * KIB });
    await room.createBucket();
    const bytes = content(1_500_000);
    await put('k', bytes, 'blue');
    damage(room.chunks, 300_000);
    const { blocks } = room.store.read(BUCKET, 'k', { conditions: {} });
    let seen = 0;
    const reading = (async () => {
      for await (const block of blocks(signal)) {
        const expected = bytes.subarray(seen, seen + block.length);
        expect(Buffer.from(block.bytes).equals(expected)).toBe(true);
        seen += block.length;
        block.release();
      }
    })();
    await expect(reading).rejects.toThrow(/segment 4 of/);
    expect(seen).toBeLessThanOrEqual(4 * 65_520);
    expect(room.arena.freeCount).toBe(room.arena.blockCount);
    // A range elsewhere never looks at it.
    const range = { first: 1_000_000, last: 1_000_100 };
    expect((await get('k', 'blue', range)).equals(bytes.subarray(1_000_000, 1_000_101))).toBe(true);
  });
});

describe('sealed leaves through a crash', () => {
  it('are readable when they were acknowledged, and gone when they were not', async () => {
    await put('k', content(700 * KIB), 'blue');
    await put('small', content(100), 'a');
    const cut = memoryBody(room.arena, content(700 * KIB), { cutAfter: 300 * KIB });
    const options = { bucket: BUCKET, key: 'cut', ownerId: OWNER, attributes: PLAIN };
    const rest = { conditions: {}, checksumAlgorithm: undefined, encryption: MODES.blue, signal };
    await expect(room.store.put({ ...options, ...rest }, cut)).rejects.toMatchObject({
      code: 'IncompleteBody',
    });
    const count = room.chunks.ids.length;
    await room.reopen();
    expect((await get('k', 'blue')).equals(content(700 * KIB))).toBe(true);
    expect((await get('small', 'a')).equals(content(100))).toBe(true);
    expect(room.chunks.ids.length).toBe(count);
    await room.store.scrubOrphans();
    expect((await get('k', 'blue')).equals(content(700 * KIB))).toBe(true);
    await room.delete('k');
    await room.reclaim();
    expect(room.chunks.ids).toEqual([]);
  });
});
