/** What a datanode thread does with a batch, run without the thread. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  DatanodeReply,
  DatanodeRequest,
  ListedPage,
} from '../../../src/chunks/datanode-protocol.ts';
import { DatanodeService } from '../../../src/chunks/datanode-service.ts';
import { encodeHeader, entryBytesOf, headerSeed } from '../../../src/chunks/shard-format.ts';
import { Arena, type Block } from '../../../src/memory/arena.ts';

const LENGTH = 10_000;

/** Path of an open descriptor of this process. */
function targetOf(file: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${file}`);
  } catch {
    return undefined;
  }
}

describe('datanode service', () => {
  let directory: string;
  let arena: Arena;
  let service: DatanodeService;
  let source: Block;
  let scratch: Block;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-service-'));
    writeFileSync(join(directory, 'id.json'), '{"id":"unit"}');
    arena = new Arena(4 * 1024 * 1024);
    service = open();
    source = await arena.acquire('ingest');
    scratch = await arena.acquire('ingest');
    source.setWindow(0, LENGTH);
    source.bytes.set(randomBytes(LENGTH));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function open(volumeBytes = 1 << 20): DatanodeService {
    const { memory } = arena;
    return new DatanodeService({
      directory,
      memory,
      id: 'unit',
      durable: true,
      volumeBytes,
      io: 'buffered',
    });
  }

  /** The answers, message by message. */
  function serve(...requests: DatanodeRequest[]): (readonly DatanodeReply[])[] {
    const messages: (readonly DatanodeReply[])[] = [];
    let left = 1;
    service.serve([requests.map((request, id) => [id, request] as const)], (batch) => {
      left -= batch.finished;
      messages.push(
        batch.replies.map((reply) =>
          typeof reply === 'number' ? { id: reply, ok: true, value: undefined } : reply,
        ),
      );
    });
    // The front end counts on it: a batch is finished once, with its last answer.
    expect(left).toBe(requests.some(({ kind }) => kind === 'close') ? left : 0);
    return messages;
  }

  function append(chunk: string): DatanodeRequest {
    return {
      kind: 'append',
      header: {
        kind: 'entry',
        chunk,
        column: 0,
        layout: 'one',
        cellBytes: 12_288,
        dataLength: LENGTH,
        chunkLength: LENGTH,
        entryBytes: entryBytesOf(LENGTH),
      },
      terms: [{ coefficient: 1, spans: [[source.offset, LENGTH]] }],
      scratch: scratch.base,
    };
  }

  function read(chunk: string, volume: number, offset: number): DatanodeRequest {
    const place = { volume, offset };
    const span = { at: 0, length: LENGTH, target: scratch.base };
    return { kind: 'read', place, chunk, column: 0, dataLength: LENGTH, ...span };
  }

  const chunkOf = (index: number): string => index.toString(16).padStart(32, '0');

  it('answers reads first, what must be durable after the group commit', () => {
    serve(append(chunkOf(1)));
    const [first, second] = serve(append(chunkOf(2)), read(chunkOf(1), 1, 0), append(chunkOf(3)));
    expect(first).toEqual([{ id: 1, ok: true, value: undefined }]);
    const entryBytes = entryBytesOf(LENGTH);
    expect(second).toEqual([
      { id: 0, ok: true, value: [1, entryBytes] },
      { id: 2, ok: true, value: [1, 2 * entryBytes] },
    ]);
    scratch.setWindow(0, LENGTH);
    serve(read(chunkOf(3), 1, 2 * entryBytes));
    expect(Buffer.from(scratch.bytes).equals(Buffer.from(source.bytes))).toBe(true);
  });

  it('writes of one batch go to the file together, and fail together', () => {
    const shard = `${chunkOf(1)}.0`;
    const spans = [[source.base, 65_536]] as const;
    const write = (at: number): DatanodeRequest => ({
      kind: 'write',
      shard,
      at,
      spans,
      gather: true,
    });
    expect(serve(write(0), write(65_536)).flat()).toMatchObject([{ ok: true }, { ok: true }]);
    const path = join(directory, 'shards', shard.slice(30, 32), shard);
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(4096 + 2 * 65_536);
    const stored = Buffer.from(source.capacity.subarray(0, 65_536));
    expect(bytes.subarray(4096, 4096 + 65_536).equals(stored)).toBe(true);
    expect(bytes.subarray(4096 + 65_536).equals(stored)).toBe(true);

    // From here on the descriptor takes no writes.
    const open = readdirSync('/proc/self/fd').find((file) => targetOf(file) === path);
    closeSync(Number(open));
    expect(openSync(path, 'r')).toBe(Number(open));
    const failed = { ok: false, failure: 'unavailable' };
    expect(serve(write(2 * 65_536), write(3 * 65_536)).flat()).toMatchObject([failed, failed]);
    expect(serve(write(4 * 65_536)).flat()).toMatchObject([failed]);
    expect(serve({ kind: 'abort', shard }).flat()).toMatchObject([{ ok: true }]);
    expect(existsSync(path)).toBe(false);
  });

  it('a close makes durable what its batch holds, and is answered last', () => {
    const messages = serve({ kind: 'close' }, append(chunkOf(1)));
    expect(messages.flat().map(({ id, ok }) => [id, ok])).toEqual([
      [1, true],
      [0, true],
    ]);
  });

  it('never answers for entries of a volume that was removed meanwhile', () => {
    serve(append(chunkOf(1)));
    rmSync(join(directory, 'volumes'), { recursive: true });
    const [[refused] = []] = serve(append(chunkOf(2)));
    expect(refused).toMatchObject({ ok: false, failure: 'unavailable' });
    // The next volume is a new one.
    const [[accepted] = []] = serve(append(chunkOf(3)));
    expect(accepted).toMatchObject({ ok: true, value: [2, 0] });
    rmSync(directory, { recursive: true });
    const [[lost] = []] = serve(append(chunkOf(4)));
    expect(lost).toMatchObject({ ok: false, failure: 'lost' });
  });

  it('more volumes than descriptors: each entry is found and deleted', () => {
    // Each entry fills its volume.
    service = open(1);
    const count = 150;
    for (let index = 1; index <= count; index += 1) serve(append(chunkOf(index)));
    for (let index = 1; index <= count; index += 1) {
      const [[reply] = []] = serve(read(chunkOf(index), index, 0));
      expect(reply?.ok, `${index}`).toBe(true);
    }
    const deletions = Array.from({ length: count }, (_, index): DatanodeRequest => ({
      kind: 'delete',
      chunk: chunkOf(index + 1),
      column: 0,
      place: { volume: index + 1, offset: 0 },
    }));
    expect(
      serve(...deletions)
        .flat()
        .every(({ ok }) => ok),
    ).toBe(true);
    const [[page] = []] = serve({ kind: 'list', cursor: undefined });
    expect(page).toMatchObject({ ok: true, value: { shards: [], cursor: undefined } });
  });

  it('bytes of a payload never pass for an entry, also where the header is damaged', () => {
    // What a client makes who knows the format, and every id but the datanode's.
    const { header } = append(chunkOf(7)) as Extract<DatanodeRequest, { kind: 'append' }>;
    const forged = encodeHeader(header, Buffer.alloc(8), headerSeed(''));
    source.bytes.set(forged);
    source.bytes.set(forged, 4096);
    serve(append(chunkOf(1)), append(chunkOf(2)));
    service = open();
    const volume = join(directory, 'volumes', '00000001.vol');
    const bytes = readFileSync(volume);
    bytes.fill(0, 0, 4096);
    writeFileSync(volume, bytes);
    const [[page] = []] = serve({ kind: 'list', cursor: undefined });
    const shards = page?.ok === true ? (page.value as ListedPage).shards : [];
    expect(shards.map(({ chunk }) => chunk)).toEqual([chunkOf(2)]);
  });
});
