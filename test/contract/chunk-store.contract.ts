/** What every ChunkStore must do: the suite is the specification. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChunkRef, ChunkStore, Replication } from '../../src/chunks/chunk-store.ts';
import type { Arena } from '../../src/memory/arena.ts';

export interface OpenedChunkStore {
  readonly store: ChunkStore;
  readonly arena: Arena;
  close(): Promise<void>;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Around every boundary of blocks, cells, stripes and the packed limit. */
export const LENGTHS: readonly number[] = [
  1,
  4096,
  16 * KIB + 1,
  256 * KIB - 1,
  256 * KIB,
  256 * KIB + 1,
  512 * KIB,
  512 * KIB + 1,
  MIB - 1,
  MIB + 1,
  2 * MIB,
  2 * MIB + 1,
  3 * MIB,
  5 * MIB + 3,
];

export async function writeChunk(
  { store, arena }: Pick<OpenedChunkStore, 'store' | 'arena'>,
  replication: Replication,
  payload: Uint8Array,
): Promise<ChunkRef> {
  const writer = await store.create(replication, payload.length);
  for (let at = 0; at < payload.length; at += arena.blockBytes) {
    const piece = payload.subarray(at, at + arena.blockBytes);
    const block = await arena.acquire('ingest');
    block.capacity.set(piece);
    block.setWindow(0, piece.length);
    await writer.write(block);
  }
  return writer.seal();
}

export async function readChunk(
  store: ChunkStore,
  ref: ChunkRef,
  offset = 0,
  length: number = ref.length - offset,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const block of store.read(ref, { offset, length })) {
    pieces.push(Buffer.from(block.bytes));
    block.release();
  }
  return Buffer.concat(pieces);
}

export async function listChunks(store: ChunkStore): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const shards of store.list(Number.MAX_SAFE_INTEGER)) {
    for (const shard of shards) found.add(shard.chunk);
  }
  return found;
}

export function chunkStoreContract(
  name: string,
  replication: Replication,
  open: () => Promise<OpenedChunkStore>,
): void {
  describe(`chunk store: ${name}, ${replication}`, () => {
    let opened: OpenedChunkStore;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      expect(opened.arena.freeCount).toBe(opened.arena.blockCount);
      expect(opened.store.stats().openWriters).toBe(0);
      await opened.close();
    });

    it('reads back what was sealed, whole and in ranges, and not before', async () => {
      for (const length of LENGTHS) {
        const payload = randomBytes(length);
        const ref = await writeChunk(opened, replication, payload);
        expect(ref.length).toBe(length);
        expect((await readChunk(opened.store, ref)).equals(payload), `${length}`).toBe(true);
        for (let round = 0; round < 4; round += 1) {
          const offset = Math.floor(Math.random() * length);
          const part = 1 + Math.floor(Math.random() * (length - offset));
          const got = await readChunk(opened.store, ref, offset, part);
          expect(got.equals(payload.subarray(offset, offset + part)), `${offset}+${part}`).toBe(
            true,
          );
        }
      }
    });

    it('lists sealed chunks until they are deleted, and deletes twice without complaint', async () => {
      const refs: ChunkRef[] = [];
      for (const length of [5000, 600 * KIB]) {
        refs.push(await writeChunk(opened, replication, randomBytes(length)));
      }
      const listed = await listChunks(opened.store);
      for (const { id } of refs) expect(listed.has(id)).toBe(true);
      await opened.store.delete(refs);
      await opened.store.delete(refs);
      expect((await listChunks(opened.store)).size).toBe(0);
      for (const ref of refs) await expect(readChunk(opened.store, ref)).rejects.toThrow();
    });

    it('an aborted chunk leaves nothing, wherever it was', async () => {
      for (const length of [5000, 3 * MIB]) {
        for (const written of [0, Math.min(length, opened.arena.blockBytes)]) {
          const writer = await opened.store.create(replication, length);
          if (written > 0) {
            const block = await opened.arena.acquire('ingest');
            block.setWindow(0, written);
            await writer.write(block);
          }
          await writer.abort();
          await writer.abort();
        }
      }
      expect((await listChunks(opened.store)).size).toBe(0);
    });

    it('a reader that leaves early gives all blocks back', async () => {
      const ref = await writeChunk(opened, replication, randomBytes(5 * MIB));
      for await (const block of opened.store.read(ref, { offset: 0, length: ref.length })) {
        block.release();
        break;
      }
      expect(opened.arena.freeCount).toBe(opened.arena.blockCount);
    });

    it('writes and reads many at once', async () => {
      const payloads = Array.from({ length: 24 }, (_, index) => randomBytes(1 + index * 90_001));
      const refs = await Promise.all(
        payloads.map((payload) => writeChunk(opened, replication, payload)),
      );
      const back = await Promise.all(refs.map((ref) => readChunk(opened.store, ref)));
      for (const [index, payload] of payloads.entries()) {
        expect(back[index]?.equals(payload)).toBe(true);
      }
    });
  });
}
