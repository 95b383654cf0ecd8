import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { PipelineServer } from '../../../native-bench/pipeline-server.ts';
import { multipartPut, type PayloadMode as AnyMode } from '../../../perf/bulk-load.ts';
import { type Answer, Connection } from '../../../perf/connection.ts';
import { chunkHashes, sign, signedChunks, unsignedTrailer } from '../../../perf/sign.ts';
import { crc32, crc32c, crc64nvme } from '../../../src/wasm/crc.ts';
import { compile, pathOf } from './compiled.ts';

/** The trailer's checksum is said apart here. */
type PayloadMode = Exclude<AnyMode, 'unsigned-trailer-crc64nvme'>;

const programs = await compile('pipeline');
const hashes = await xxhash();

const KIB = 1024;
const MIB = 1024 * KIB;
const UNIT = 4 * KIB;
const CHUNK = 64 * KIB;

afterAll(() => programs?.remove());

const roundUp = (length: number): number => Math.ceil(length / UNIT) * UNIT;

/** What the three columns of a body hold, by definition. */
function columnsOf(data: Buffer): Buffer[] {
  const columns: Buffer[][] = [[], [], []];
  for (let at = 0; at < data.length; at += 2 * MIB) {
    const left = data.subarray(at, at + MIB);
    const right = data.subarray(at + MIB, at + 2 * MIB);
    columns[0]?.push(left);
    columns[1]?.push(right);
    columns[2]?.push(Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0))));
  }
  return columns.map((cells) => Buffer.concat(cells));
}

/** The shard with this data: names say the order of arrival, not the request. */
function shardOf(folder: string, column: Buffer): Buffer | undefined {
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name)))
    .find((file) => file.subarray(UNIT, UNIT + column.length).equals(column));
}

function expectShards(server: PipelineServer, data: Buffer): void {
  for (const [index, column] of columnsOf(data).entries()) {
    const file = shardOf(server.directories[index] ?? '', column);
    expect(file, `column ${index}`).toBeDefined();
    if (file === undefined) continue;
    const table = UNIT + roundUp(column.length);
    const sums = Math.ceil(column.length / CHUNK);
    for (let sum = 0; sum < sums; sum += 1) {
      const block = column.subarray(sum * CHUNK, (sum + 1) * CHUNK);
      expect(file.readBigUInt64LE(table + sum * 8)).toBe(hashes.h64Raw(block));
    }
    expect(file.length).toBe(table + roundUp(sums * 8));
    expect(file.toString('latin1', 0, 8)).toBe('CEILING1');
    expect(file.readBigUInt64LE(16)).toBe(BigInt(column.length));
  }
}

/** The checksum of a trailer is a parameter of its own here. */
type Mode = Exclude<PayloadMode, 'unsigned-trailer-crc64nvme'>;

describe.skipIf(programs === undefined)('the pipeline in C', () => {
  let server: PipelineServer;
  beforeEach(async () => {
    const medium = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    server = await PipelineServer.start(pathOf(programs, 'pipeline'), medium);
  });
  afterEach(() => server.stop());

  /** `spoil` changes the pieces of the body on their way. */
  async function put(
    mode: Mode,
    data: Buffer,
    key: string,
    spoil: (pieces: Uint8Array[]) => void = () => {},
    checksum: 'crc32' | 'crc32c' | 'crc64nvme' = 'crc32',
  ): Promise<Answer> {
    const hash = createHash('sha256').update(data).digest('hex');
    const framed = { 'x-amz-decoded-content-length': String(data.length) };
    const trailer = { 'x-amz-trailer': `x-amz-checksum-${checksum}` };
    const path = `/b/${key}`;
    const plain = { 'signed-chunks': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', signed: hash };
    const other = { unsigned: 'UNSIGNED-PAYLOAD', 'unsigned-trailer': TRAILER };
    const signed = sign(server.keys, {
      method: 'PUT',
      host: `127.0.0.1:${server.port}`,
      path,
      query: '',
      payloadHash: { ...plain, ...other }[mode],
      headers: mode === 'unsigned-trailer' ? { ...framed, ...trailer } : framed,
    });
    const bytes = Buffer.alloc(checksum === 'crc64nvme' ? 8 : 4);
    if (checksum === 'crc64nvme') bytes.writeBigUInt64BE(crc64nvme(data));
    else bytes.writeUInt32BE(checksum === 'crc32' ? crc32(data) : crc32c(data));
    const line = `x-amz-checksum-${checksum}:${bytes.toString('base64')}`;
    const bodies: Record<Mode, () => readonly Uint8Array[]> = {
      unsigned: () => [data],
      signed: () => [data],
      'signed-chunks': () => signedChunks(data, CHUNK, chunkHashes(data, CHUNK), signed),
      'unsigned-trailer': () => unsignedTrailer(data, CHUNK, line),
    };
    const pieces = bodies[mode]().map((piece) => Uint8Array.from(piece));
    spoil(pieces);
    const connection = await Connection.open(server.port);
    try {
      return await connection.request('PUT', path, signed.headers, pieces);
    } finally {
      connection.close();
    }
  }
  const TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  const MODES: readonly Mode[] = ['unsigned', 'signed', 'signed-chunks', 'unsigned-trailer'];

  it.each(MODES)('stores what it acknowledges: %s, streams of unequal length', async (mode) => {
    const lengths = [1, 63, 64 * KIB, 256 * KIB, MIB, MIB + 1, 2 * MIB, 3 * MIB + 77, 5 * MIB - 1];
    const bodies = lengths.map((length) => randomBytes(length));
    const answers = await Promise.all(bodies.map((data, n) => put(mode, data, `k${n}`)));
    for (const [index, data] of bodies.entries()) {
      expect(answers[index]?.status).toBe(200);
      const md5 = createHash('md5').update(data).digest('hex');
      expect(answers[index]?.head).toContain(`etag: "${md5}"`);
      expectShards(server, data);
    }
  });

  it('stores the same past the page cache, or where O_DIRECT is refused', async () => {
    const direct = await PipelineServer.start(pathOf(programs, 'pipeline'), tmpdir(), 'direct');
    try {
      const options = { port: direct.port, keys: direct.keys, bucket: 'b', streams: 3 };
      const load = { mode: 'signed-chunks', partBytes: MIB + 12_345, partsPerStream: 2 } as const;
      await multipartPut({ ...options, ...load });
      for (const [column, folder] of direct.directories.entries()) {
        const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
        expect(files.map((file) => file.toString('latin1', 0, 8))).toEqual(
          Array.from({ length: 6 }, () => 'CEILING1'),
        );
        const lengths = [MIB, 12_345, MIB].map(BigInt);
        for (const file of files) expect(file.readBigUInt64LE(16)).toBe(lengths[column]);
      }
    } finally {
      await direct.stop();
    }
  });

  it('stores an empty body', async () => {
    const answer = await put('unsigned', Buffer.alloc(0), 'empty');
    expect(answer.head).toContain('etag: "d41d8cd98f00b204e9800998ecf8427e"');
  });

  it.each(['crc32', 'crc32c', 'crc64nvme'] as const)('verifies a trailer of %s', async (name) => {
    const data = randomBytes(300_000);
    expect((await put('unsigned-trailer', data, 'good', undefined, name)).status).toBe(200);
    const spoil = (pieces: Uint8Array[]): void => {
      const piece = pieces[4];
      if (piece !== undefined) piece[1000] = (piece[1000] ?? 0) ^ 1;
    };
    expect((await put('unsigned-trailer', data, 'bad', spoil, name)).status).toBe(400);
  });

  it('refuses a chunk that was changed, a wrong link and a wrong payload hash', async () => {
    const data = randomBytes(300_000);
    const spoil =
      (index: number, at: number) =>
      (pieces: Uint8Array[]): void => {
        const piece = pieces[index];
        if (piece !== undefined) piece[at] = (piece[at] ?? 0) ^ 1;
      };
    // Piece 3 is the second chunk's head, 4 its bytes; hex digits stay hex digits.
    expect((await put('signed-chunks', data, 'a', spoil(4, 5))).status).toBe(403);
    expect((await put('signed-chunks', data, 'b', spoil(3, 40))).status).toBe(403);
    expect((await put('signed', data, 'c', spoil(0, 5))).status).toBe(400);
    expect((await put('signed-chunks', data, 'd')).status).toBe(200);
  });

  it('outlives clients that go away in the middle', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      const connection = await Connection.open(server.port);
      const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
      const pending = connection.request('PUT', `/b/gone${turn}`, headers, [randomBytes(3 * MIB)]);
      void pending.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, turn % 5));
      connection.close();
    }
    const data = randomBytes(3 * MIB);
    expect((await put('unsigned', data, 'after')).status).toBe(200);
    expectShards(server, data);
  });

  it.each(MODES)('takes the load of the generator: %s', async (mode) => {
    const options = { port: server.port, keys: server.keys, bucket: 'b', mode };
    const load = { ...options, streams: 9, partBytes: 3 * MIB + 4096, partsPerStream: 3 };
    const result = await multipartPut(load);
    expect(result.latencies.length).toBe(27);
    const files = readdirSync(server.directories[2] ?? '');
    expect(files.length).toBe(27);
  });
});
