/** An object store over memory twins, with the few calls that tests make again and again. */
import { silentLog } from '../../src/base/log.ts';
import type { DataKeys } from '../../src/crypto/data-keys.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { Arena } from '../../src/memory/arena.ts';
import type { MetaStore } from '../../src/meta/meta-store.ts';
import type {
  Conditions,
  CopyOptions,
  CopySource,
  ObjectAttributes,
  ObjectStore,
  PutResult,
  ReadOptions,
} from '../../src/objects/contract.ts';
import type { UploadAddress } from '../../src/objects/upload-contract.ts';
import type { Maintenance } from '../../src/objects/maintenance.ts';
import { openObjects } from '../../src/objects/object-store.ts';
import { memoryBodies } from './memory-bodies.ts';
import { memoryBody, type MemoryBodyOptions } from './memory-body.ts';
import { MemoryChunkStore } from './memory-chunk-store.ts';
import { memoryKeys } from './memory-keys.ts';
import { MemoryMetaStore } from './memory-meta-store.ts';

export const GRACE_MS = 1000;
export const OWNER = 'owner';
export const BUCKET = 'bucket';

export const PLAIN: ObjectAttributes = {
  headers: { 'content-type': 'text/plain' },
  metadata: {},
  tags: {},
  storageClass: 'STANDARD',
};

export class TestClock {
  ms = 1_700_000_000_000;
  now(): number {
    return this.ms;
  }
}

/** Blocks of 256 KiB; chunks of two blocks, so that a body of a MiB has several. */
const CHUNK_BYTES = 512 * 1024;

export interface RoomOptions {
  readonly indexPartitions?: number;
  readonly meta?: MetaStore;
  readonly chunkBytesMax?: number;
}

export class ObjectRoom {
  readonly clock: TestClock = new TestClock();
  readonly arena: Arena = new Arena(32 * 1024 * 1024);
  readonly keys: DataKeys = memoryKeys();
  readonly chunks: MemoryChunkStore;
  readonly meta: MetaStore;
  readonly #indexPartitions: number;
  store: ObjectStore & Maintenance;

  private constructor(options: RoomOptions) {
    const { arena, clock } = this;
    const { chunkBytesMax = CHUNK_BYTES } = options;
    this.chunks = new MemoryChunkStore({ arena, clock, chunkBytesMax });
    this.meta = options.meta ?? new MemoryMetaStore();
    this.#indexPartitions = options.indexPartitions ?? 1;
    this.store = undefined as unknown as ObjectStore & Maintenance;
  }

  static async open(options: RoomOptions = {}): Promise<ObjectRoom> {
    const room = new ObjectRoom(options);
    await room.reopen();
    return room;
  }

  /** As after a kill: nothing that was only in memory survives. */
  async reopen(): Promise<void> {
    this.chunks.crash();
    this.clock.ms += 1;
    const engine: Engine = {
      meta: this.meta,
      chunks: this.chunks,
      indexPartitions: this.#indexPartitions,
      replication: 'one',
      close: async () => {},
    };
    this.store = await openObjects({
      engine,
      arena: this.arena,
      keys: this.keys,
      bodies: memoryBodies(this.arena),
      clock: this.clock,
      log: silentLog,
      reclaimGraceMs: GRACE_MS,
      uploadDays: 7,
      timers: false,
    });
  }

  async createBucket(name: string = BUCKET): Promise<void> {
    await this.store.createBucket({ name, ownerId: OWNER, location: '', replication: undefined });
  }

  async put(
    key: string,
    bytes: Uint8Array | string,
    options: { bucket?: string; conditions?: Conditions; body?: MemoryBodyOptions } = {},
  ): Promise<PutResult> {
    return await this.store.put(
      {
        bucket: options.bucket ?? BUCKET,
        key,
        ownerId: OWNER,
        attributes: PLAIN,
        conditions: options.conditions ?? {},
        checksumAlgorithm: undefined,
        signal: new AbortController().signal,
      },
      memoryBody(this.arena, Buffer.from(bytes), options.body),
    );
  }

  async get(
    key: string,
    options: Partial<ReadOptions> = {},
    bucket: string = BUCKET,
  ): Promise<Buffer> {
    const read = this.store.read(bucket, key, { conditions: {}, ...options });
    if (read.inline !== undefined) return Buffer.from(read.inline);
    const pieces: Buffer[] = [];
    for await (const block of read.blocks(new AbortController().signal)) {
      pieces.push(Buffer.from(block.bytes));
      block.release();
    }
    return Buffer.concat(pieces);
  }

  async delete(key: string, conditions: Conditions = {}): Promise<void> {
    await this.store.delete(BUCKET, key, { conditions });
  }

  async copy(from: string, to: string, options: Partial<CopyOptions> = {}): Promise<PutResult> {
    return await this.store.copy({
      source: { bucket: BUCKET, key: from, conditions: {} },
      bucket: BUCKET,
      key: to,
      ownerId: OWNER,
      headersAndMetadata: undefined,
      tags: undefined,
      storageClass: undefined,
      conditions: {},
      signal: new AbortController().signal,
      ...options,
    });
  }

  async createUpload(
    key: string,
    checksum?: Parameters<ObjectStore['createUpload']>[0]['checksum'],
  ): Promise<UploadAddress> {
    const bucket = BUCKET;
    const options = { bucket, key, ownerId: OWNER, attributes: PLAIN, checksum };
    const { uploadId } = await this.store.createUpload(options);
    return { bucket, key, uploadId };
  }

  async putPart(
    address: UploadAddress,
    number: number,
    bytes: Uint8Array | string,
    options?: MemoryBodyOptions,
  ): Promise<{ number: number; etag: string; checksums: { algorithm: 'CRC32'; value: string }[] }> {
    const body = memoryBody(this.arena, Buffer.from(bytes), options);
    const { signal } = new AbortController();
    const { etag, checksum } = await this.store.putPart(address, number, body, signal);
    const value = checksum?.value;
    return { number, etag, checksums: value ? [{ algorithm: 'CRC32', value }] : [] };
  }

  async copyPart(
    address: UploadAddress,
    number: number,
    key: string,
    range?: { offset: number; length: number },
  ): Promise<{ number: number; etag: string; checksums: [] }> {
    const source: CopySource = { bucket: BUCKET, key, conditions: {} };
    const { signal } = new AbortController();
    const { etag } = await this.store.copyPart(address, number, source, range, signal);
    return { number, etag, checksums: [] };
  }

  async complete(
    address: UploadAddress,
    parts: Parameters<ObjectStore['completeUpload']>[0]['parts'],
    options: Partial<Parameters<ObjectStore['completeUpload']>[0]> = {},
  ): Promise<PutResult> {
    const rest = { conditions: {}, checksum: undefined, checksumType: undefined, size: undefined };
    const { signal } = new AbortController();
    return await this.store.completeUpload({ ...address, parts, ...rest, ...options }, signal);
  }

  /** Lets the grace time pass and works off what is due. */
  async reclaim(): Promise<number> {
    this.clock.ms += GRACE_MS + 1;
    return await this.store.runReclaim(this.clock.ms);
  }
}
