/** What a datanode thread does with a batch, run without the thread. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
    service.serve([requests.map((request, id) => [id, request] as const)], (replies) =>
      messages.push(replies),
    );
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
