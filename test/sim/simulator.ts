/**
 * A seeded life of an object store: random work by several clients at once, clean faults, deaths
 * at any step, restarts on what the dead left, a scrub in the background; checked against the
 * model all along. Nothing here knows how the store works.
 */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { S3Error } from '../../src/base/s3-error.ts';
import type { DataKeys } from '../../src/crypto/data-keys.ts';
import { Arena } from '../../src/memory/arena.ts';
import type { Conditions, ObjectStore } from '../../src/objects/contract.ts';
import type { EncryptionRequest } from '../../src/objects/encryption-contract.ts';
import type { Maintenance } from '../../src/objects/maintenance.ts';
import { openObjects } from '../../src/objects/object-store.ts';
import { md5 } from '../support/content.ts';
import { memoryBodies } from '../support/memory-bodies.ts';
import { memoryBody } from '../support/memory-body.ts';
import { MemoryChunkStore } from '../support/memory-chunk-store.ts';
import { memoryKeys } from '../support/memory-keys.ts';
import { MemoryMetaStore } from '../support/memory-meta-store.ts';
import { GRACE_MS, OWNER, PLAIN, TestClock } from '../support/object-room.ts';
import { Fate, MortalChunkStore, MortalMetaStore, nextTurn } from './faults.ts';
import { joined, lengthOf, ModelBucket, render, slice, somewhere } from './model.ts';
import type { Bytes, ModelUpload, ObjectState, Possible } from './model.ts';
import { Random } from './random.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PART_MIN = 5 * MIB;
const BUCKETS = ['alpha', 'beta'];
const KEYS = ['a', 'b', 'b/1', 'b/2', 'c/x/y', 'd', 'é'];
/** A large object that copied parts come from; written once for each bucket. */
const QUARRY = 'quarry';
const SIZES = [0, 5, 16 * KIB, 16 * KIB + 1, 200 * KIB, 512 * KIB + 1, MIB + 3];

export interface SimulationOptions {
  readonly seed: number;
  readonly steps: number;
}

export class Simulation {
  readonly #random: Random;
  readonly #clock = new TestClock();
  readonly #keys: DataKeys = memoryKeys();
  readonly #arena = new Arena(16 * MIB);
  readonly #meta = new MemoryMetaStore();
  readonly #chunks: MemoryChunkStore;
  readonly #indexPartitions: number;
  readonly #buckets = new Map(BUCKETS.map((name) => [name, undefined as ModelBucket | undefined]));
  #fate: Fate;
  #store!: ObjectStore & Maintenance;
  #background: Promise<unknown> = Promise.resolve();
  deaths = 0;
  acknowledged = 0;

  constructor({ seed }: SimulationOptions) {
    this.#random = new Random(seed);
    this.#indexPartitions = 1 + this.#random.below(3);
    const random = this.#random.bytes;
    const twins = { arena: this.#arena, clock: this.#clock, chunkBytesMax: 512 * KIB, random };
    this.#chunks = new MemoryChunkStore(twins);
    this.#fate = new Fate(this.#random, 0, 0);
  }

  static async run(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options);
    await simulation.#start();
    simulation.#behind(simulation.#store.scrubOrphans());
    for (let step = 0; step < options.steps; step += 1) {
      await simulation.#step();
      if (simulation.#fate.isDead) await simulation.#restart();
    }
    await simulation.#end();
    return simulation;
  }

  // life and death

  async #start(spared = false): Promise<void> {
    this.#clock.ms += 1 + this.#random.below(GRACE_MS);
    for (;;) {
      this.#fate = new Fate(this.#random, 20 + this.#random.below(200), 1);
      if (spared) this.#fate.spare();
      try {
        this.#store = await openObjects({
          engine: {
            meta: new MortalMetaStore(this.#meta, this.#fate),
            chunks: new MortalChunkStore(this.#chunks, this.#fate),
            indexPartitions: this.#indexPartitions,
            replication: 'one',
            close: async () => {},
          },
          arena: this.#arena,
          keys: this.#keys,
          bodies: memoryBodies(this.#arena),
          clock: this.#clock,
          log: silentLog,
          reclaimGraceMs: GRACE_MS,
          uploadDays: 7,
          random: this.#random.bytes,
          timers: false,
        });
        break;
      } catch (error) {
        // It may die or fail while it opens, as often as it likes.
        if (error instanceof Error && error.name === 'StoreError') continue;
        throw error;
      }
    }
  }

  async #restart(spared = false): Promise<void> {
    if (this.#fate.isDead) this.deaths += 1;
    this.#fate.isDead = true;
    await this.#background;
    expect(this.#arena.freeCount).toBe(this.#arena.blockCount);
    this.#chunks.crash();
    await this.#start(spared);
    await this.#resolve();
    this.#behind(this.#store.scrubOrphans());
  }

  /** While clients are at it, the grace time ends for all that was replaced before. */
  async #passGrace(): Promise<void> {
    for (let turns = this.#random.below(12); turns > 0; turns -= 1) await nextTurn();
    this.#clock.ms += GRACE_MS + 1;
    await this.#store.runReclaim(this.#clock.ms);
  }

  /** Lets something run beside the clients. It may die. */
  #behind(work: Promise<unknown>): void {
    const ended = work.then(
      () => {},
      () => {},
    );
    this.#background = Promise.all([this.#background, ended]);
  }

  /** After a death: what was not acknowledged happened or did not; look which, and hold to it. */
  async #resolve(): Promise<void> {
    for (const name of BUCKETS) {
      const model = this.#buckets.get(name);
      const exists = this.#outcome(() => this.#store.bucket(name)) !== undefined;
      if (model === undefined) {
        expect(exists, `bucket ${name} was never made`).toBe(false);
        continue;
      }
      if (!model.isCertain && !exists) this.#buckets.set(name, undefined);
      else expect(exists, `bucket ${name}`).toBe(true);
      if (!exists) continue;
      model.isCertain = true;
      for (const key of model.objects.keys()) await this.#resolveKey(model, key);
      for (const upload of model.uploads.values()) this.#resolveUpload(model, upload);
    }
  }

  async #resolveKey(model: ModelBucket, key: string): Promise<void> {
    const possible = model.possible(key);
    const head = this.#outcome(() => this.#store.read(model.name, key, { conditions: {} }))?.head;
    const found = possible.find((state) => state?.etag === head?.etag);
    const names = possible.map((state) => state?.etag);
    expect(names, `${model.name}/${key}`).toContain(head?.etag);
    model.objects.set(key, [found]);
    if (found !== undefined && this.#random.chance(20)) await this.#check(model, key, found);
  }

  #resolveUpload(model: ModelBucket, upload: ModelUpload): void {
    const address = { bucket: model.name, key: upload.key, uploadId: upload.uploadId };
    const list = this.#outcome(() => this.#store.listParts(address, { after: 0, limit: 1000 }));
    if (list === undefined) {
      expect(upload.isCertain, `upload ${upload.uploadId} is there`).toBe(false);
      model.uploads.delete(upload.uploadId);
      return;
    }
    upload.isCertain = true;
    const etags = new Map(list.parts.map(({ number, etag }) => [number, etag]));
    for (const [number, possible] of upload.parts) {
      const found = possible.find((part) => part?.etag === etags.get(number));
      expect(possible.map((part) => part?.etag)).toContain(etags.get(number));
      upload.parts.set(number, [found]);
    }
  }

  // one step

  async #step(): Promise<void> {
    this.#clock.ms += this.#random.below(GRACE_MS / 4);
    if (this.#random.chance(15)) this.#behind(this.#store.runReclaim(this.#clock.ms));
    if (this.#random.chance(3)) this.#behind(this.#store.scrubOrphans());
    if (this.#random.chance(20)) this.#behind(this.#passGrace());
    const clients = 1 + this.#random.below(4);
    const taken = new Set<string>();
    const work: Promise<void>[] = [];
    for (let client = 0; client < clients; client += 1) {
      const job = this.#choose(taken);
      if (job !== undefined) work.push(job());
    }
    await Promise.all(work);
  }

  #choose(taken: Set<string>): (() => Promise<void>) | undefined {
    const random = this.#random;
    const name = random.pick(BUCKETS) ?? '';
    const model = this.#buckets.get(name);
    if (model === undefined || (random.chance(2) && !taken.has(name))) {
      const isBusy = [...taken].some((target) => target.startsWith(name));
      if (isBusy) return undefined;
      for (const key of [...KEYS, QUARRY, '']) taken.add(`${name}/${key}`);
      return model === undefined ? () => this.#createBucket(name) : () => this.#deleteBucket(model);
    }
    if (!model.isCertain) return undefined;
    const uploads = [...model.uploads.values()].filter(({ isCertain }) => isCertain);
    const upload = random.chance(50) ? random.pick(uploads) : undefined;
    const key = upload?.key ?? random.pick(KEYS) ?? '';
    const target = `${name}/${key}`;
    if (taken.has(target)) return undefined;
    taken.add(target);
    if (upload !== undefined) return this.#chooseForUpload(model, upload, taken);
    const source = this.#pickSource(model, taken, key);
    const dice = random.below(100);
    if (dice < 35) return () => this.#put(model, key);
    if (dice < 50) return () => this.#delete(model, key);
    if (dice < 70 && source === undefined) return undefined;
    if (dice < 65) return () => this.#copy(model, key, source ?? '');
    if (dice < 70 && source !== QUARRY) return () => this.#move(model, key, source ?? '');
    if (dice < 75) return () => this.#createUpload(model, key);
    if (dice < 80) return () => this.#setTags(model, key);
    if (dice < 90) return async () => this.#list(model, taken);
    const state = model.certain(key);
    return state && (() => this.#check(model, key, state));
  }

  #chooseForUpload(
    model: ModelBucket,
    upload: ModelUpload,
    taken: Set<string>,
  ): (() => Promise<void>) | undefined {
    const dice = this.#random.below(100);
    const source = this.#pickSource(model, taken, upload.key);
    if (dice < 30) return () => this.#putPart(model, upload);
    if (dice < 65)
      return source === undefined ? undefined : () => this.#copyPart(model, upload, source);
    if (dice < 85) return () => this.#complete(model, upload);
    if (dice < 90) return () => this.#abort(model, upload);
    return () => this.#raceForUpload(model, upload);
  }

  /** A key that nobody changes in this step. */
  #pickSource(model: ModelBucket, taken: Set<string>, not: string): string | undefined {
    const isFree = (key: string): boolean => key !== not && !taken.has(`${model.name}/${key}`);
    const keys = model.certainKeys().filter(isFree);
    const key = this.#random.chance(40) && keys.includes(QUARRY) ? QUARRY : this.#random.pick(keys);
    if (key !== undefined && key !== QUARRY) taken.add(`${model.name}/${key}`);
    return key;
  }

  /**
   * Runs one call. `done`: it was acknowledged. `refused`: an S3 error or a clean fault, nothing
   * may have changed. `unknown`: the process died under it.
   */
  async #attempt<Result>(
    call: () => Promise<Result>,
  ): Promise<{ done: Result } | 'refused' | 'unknown'> {
    try {
      const done = await call();
      if (this.#fate.isDead) return 'unknown';
      this.acknowledged += 1;
      return { done };
    } catch (error) {
      if (this.#fate.isDead) return 'unknown';
      const isExpected = error instanceof S3Error || (error as Error).name === 'StoreError';
      if (!isExpected) throw error;
      return 'refused';
    }
  }

  /** Notes what a mutation of a key left behind. */
  #settle(
    model: ModelBucket,
    key: string,
    result: { done: unknown } | 'refused' | 'unknown',
    after: ObjectState | undefined,
  ): void {
    if (result === 'refused') return;
    const before = model.possible(key);
    model.objects.set(key, result === 'unknown' ? [...before, after] : [after]);
  }

  // operations

  async #createBucket(name: string): Promise<void> {
    const options = { name, ownerId: OWNER, location: '', replication: undefined };
    const result = await this.#attempt(() => this.#store.createBucket(options));
    if (result === 'refused') return;
    const model = new ModelBucket(name);
    model.isCertain = result !== 'unknown';
    this.#buckets.set(name, model);
    if (model.isCertain) await this.#put(model, QUARRY, 6 * MIB);
  }

  async #deleteBucket(model: ModelBucket): Promise<void> {
    if (this.#random.chance(60)) {
      for (const key of model.certainKeys()) await this.#delete(model, key);
    }
    const isEmpty = [...model.objects.values()].every((states) => states[0] === undefined);
    // Somebody writes into it at the same time: one of the two must be refused.
    const rival = this.#random.pick(KEYS) ?? '';
    const put = this.#random.chance(50) ? this.#put(model, rival, 5) : undefined;
    for (let turns = this.#random.below(6); turns > 0; turns -= 1) await nextTurn();
    const result = await this.#attempt(() => this.#store.deleteBucket(model.name));
    await put;
    if (result === 'refused') return;
    if (result === 'unknown') model.isCertain = false;
    else {
      expect(isEmpty, 'only an empty bucket is deleted').toBe(true);
      expect(model.possible(rival), 'nothing was stored in a bucket that went').toContain(
        undefined,
      );
      this.#buckets.set(model.name, undefined);
    }
  }

  async #put(model: ModelBucket, key: string, size?: number): Promise<void> {
    const random = this.#random;
    const bytes = somewhere(random, size ?? random.pick(SIZES) ?? 0);
    const conditions: Conditions = random.chance(20) ? { ifNoneMatch: '*' } : {};
    const data = render(bytes);
    const refusal = random.chance(10) && size === undefined ? new S3Error('BadDigest') : undefined;
    const body = memoryBody(this.#arena, data, refusal ? { refusal } : {});
    const encryption = this.#encryption();
    const basic = { bucket: model.name, key, ownerId: OWNER, attributes: PLAIN, conditions };
    const target = { ...basic, encryption };
    const { signal } = new AbortController();
    const before = model.possible(key);
    const result = await this.#attempt(() =>
      this.#store.put({ ...target, checksumAlgorithm: undefined, signal }, body),
    );
    if (typeof result === 'object' && conditions.ifNoneMatch !== undefined) {
      expect(before, 'If-None-Match: * on a free key').toContain(undefined);
    }
    if (refusal !== undefined) expect(result).not.toHaveProperty('done');
    this.#settle(model, key, result, { etag: md5(data), bytes });
  }

  /** Some are encrypted, under keys that outlive every death. */
  #encryption(): EncryptionRequest | undefined {
    return this.#random.chance(30) ? { mode: 'AES256' } : undefined;
  }

  async #delete(model: ModelBucket, key: string): Promise<void> {
    const result = await this.#attempt(() =>
      this.#store.delete(model.name, key, { conditions: {} }),
    );
    this.#settle(model, key, result, undefined);
  }

  async #copy(model: ModelBucket, key: string, from: string): Promise<void> {
    const state = model.certain(from);
    if (state === undefined) return;
    const encryption = this.#encryption();
    const source = { bucket: model.name, key: from, conditions: {} };
    const read = this.#outcome(() => this.#store.read(model.name, from, { conditions: {} }));
    if (read === undefined) return;
    // Bytes that are stored anew are one piece, and its ETag is their MD5.
    const isShared = read.head.encryption?.mode === encryption?.mode;
    const after = isShared ? state : { ...state, etag: md5(render(state.bytes)) };
    const result = await this.#attempt(() =>
      this.#store.copy({
        source,
        encryption,
        bucket: model.name,
        key,
        ownerId: OWNER,
        headersAndMetadata: undefined,
        tags: undefined,
        storageClass: undefined,
        conditions: {},
        signal: new AbortController().signal,
      }),
    );
    this.#settle(model, key, result, after);
  }

  /** The source goes, its grace time too, while it is being copied. */
  async #move(model: ModelBucket, key: string, from: string): Promise<void> {
    const copy = this.#copy(model, key, from);
    this.#behind(this.#passGrace());
    await Promise.all([copy, this.#delete(model, from)]);
  }

  async #setTags(model: ModelBucket, key: string): Promise<void> {
    await this.#attempt(() => this.#store.setTags(model.name, key, { t: 'x' }));
  }

  async #createUpload(model: ModelBucket, key: string): Promise<void> {
    const options = { bucket: model.name, key, ownerId: OWNER, attributes: PLAIN };
    const encryption = this.#encryption();
    const result = await this.#attempt(() =>
      this.#store.createUpload({ ...options, checksum: undefined, encryption }),
    );
    if (typeof result !== 'object') return;
    const { uploadId } = result.done;
    model.uploads.set(uploadId, { key, uploadId, isCertain: true, parts: new Map() });
  }

  async #putPart(model: ModelBucket, upload: ModelUpload): Promise<void> {
    const number = 1 + this.#random.below(4);
    const bytes = somewhere(this.#random, this.#random.pick(SIZES) ?? 0);
    const data = render(bytes);
    const { signal } = new AbortController();
    const body = memoryBody(this.#arena, data);
    const result = await this.#attempt(() =>
      this.#store.putPart(addressOf(model, upload), number, body, signal),
    );
    this.#settlePart(upload, number, result, { etag: md5(data), bytes });
  }

  async #copyPart(model: ModelBucket, upload: ModelUpload, from: string): Promise<void> {
    const number = 1 + this.#random.below(4);
    const state = model.certain(from);
    if (state === undefined) return;
    const size = lengthOf(state.bytes);
    const length = size > PART_MIN ? PART_MIN + this.#random.below(size - PART_MIN) : size;
    const offset = this.#random.below(size - length + 1);
    if (length === 0) return;
    const source = { bucket: model.name, key: from, conditions: {} };
    const { signal } = new AbortController();
    const result = await this.#attempt(() =>
      this.#store.copyPart(addressOf(model, upload), number, source, { offset, length }, signal),
    );
    const bytes = slice(state.bytes, offset, length);
    if (typeof result === 'object') {
      this.#settlePart(upload, number, result, { etag: result.done.etag, bytes });
    } else if (result === 'unknown') {
      // Its ETag is not known before it is answered: give the upload up.
      upload.isCertain = false;
      upload.parts.clear();
      await this.#forget(upload);
    }
  }

  /** An upload whose parts nobody can tell is left alone: the last check aborts it. */
  async #forget(upload: ModelUpload): Promise<void> {
    for (const model of this.#buckets.values()) model?.uploads.delete(upload.uploadId);
    await Promise.resolve();
  }

  #settlePart(
    upload: ModelUpload,
    number: number,
    result: { done: unknown } | 'refused' | 'unknown',
    after: ObjectState,
  ): void {
    if (result === 'refused') return;
    const before = upload.parts.get(number) ?? [undefined];
    upload.parts.set(number, result === 'unknown' ? [...before, after] : [after]);
  }

  async #complete(model: ModelBucket, upload: ModelUpload): Promise<void> {
    const chosen = [...upload.parts]
      .toSorted(([left], [right]) => left - right)
      .flatMap(([number, [part]]) => (part === undefined ? [] : [{ number, part }]));
    if (chosen.length === 0) return;
    const parts = chosen.map(({ number, part }) => ({ number, etag: part.etag, checksums: [] }));
    const { signal } = new AbortController();
    const rest = { conditions: {}, checksum: undefined, checksumType: undefined, size: undefined };
    const address = addressOf(model, upload);
    const result = await this.#attempt(() =>
      this.#store.completeUpload({ ...address, parts, ...rest }, signal),
    );
    const bytes = joined(chosen.map(({ part }) => part.bytes));
    const isValid = chosen.slice(0, -1).every(({ part }) => lengthOf(part.bytes) >= PART_MIN);
    if (result === 'refused') return;
    const etag = multipartEtag(chosen.map(({ part }) => part.etag));
    if (result === 'unknown') {
      if (isValid) upload.isCertain = false;
    } else {
      expect(isValid, 'parts below 5 MiB are refused').toBe(true);
      expect(result.done.etag).toBe(etag);
      model.uploads.delete(upload.uploadId);
    }
    if (isValid) this.#settle(model, upload.key, result, { etag, bytes });
  }

  async #abort(model: ModelBucket, upload: ModelUpload): Promise<void> {
    const result = await this.#attempt(() => this.#store.abortUpload(addressOf(model, upload)));
    if (result === 'unknown') upload.isCertain = false;
    else if (result !== 'refused') model.uploads.delete(upload.uploadId);
  }

  /** A part, a Complete and an abort of one upload at once: any order may have been. */
  async #raceForUpload(model: ModelBucket, upload: ModelUpload): Promise<void> {
    const { key } = upload;
    const before = model.objects.get(key);
    const known = new Map(upload.parts);
    const part = this.#putPart(model, upload);
    const complete = this.#complete(model, upload);
    const abort = this.#attempt(() => this.#store.abortUpload(addressOf(model, upload)));
    await Promise.all([part, complete]);
    const aborted = await abort;
    this.#behind(this.#store.runReclaim(this.#clock.ms));
    if (aborted === 'unknown') upload.isCertain = false;
    if (typeof aborted !== 'object') {
      // The list of a refused Complete may have been right or not; the parts are known.
      if (!upload.isCertain) for (const [number, states] of known) widen(upload, number, states);
      return;
    }
    model.uploads.delete(upload.uploadId);
    const isCompleted = model.objects.get(key) !== before && !this.#fate.isDead;
    expect(isCompleted, 'an upload that was aborted is not completed').toBe(false);
  }

  async #list(model: ModelBucket, taken: Set<string>): Promise<void> {
    const uncertain = [...model.objects].some(
      ([key, states]) => states.length > 1 || taken.has(`${model.name}/${key}`),
    );
    if (!uncertain) this.#checkList(model);
    await Promise.resolve();
  }

  // checks

  #checkList(model: ModelBucket): void {
    const limit = 1 + this.#random.below(12);
    const keys = new Map<string, string>();
    let after = '';
    for (;;) {
      const options = { prefix: '', delimiter: '', after, limit };
      const page = this.#outcome(() => this.#store.list(model.name, options));
      if (page === undefined) return;
      for (const { key, etag } of page.entries) keys.set(key, etag);
      if (!page.truncated) break;
      after = page.next ?? '';
    }
    const expected = model.certainKeys().map((key) => [key, model.certain(key)?.etag]);
    expect([...keys].toSorted()).toEqual(expected.toSorted());
  }

  /** Undefined when the store says that there is no such thing, or nobody is left to say it. */
  #outcome<Result>(call: () => Result): Result | undefined {
    try {
      return call();
    } catch (error) {
      const isAbsent = error instanceof S3Error && error.status === 404;
      if (isAbsent || this.#fate.isDead) return undefined;
      throw error;
    }
  }

  /** Reads all of an object, or some of it. */
  async #check(model: ModelBucket, key: string, state: ObjectState): Promise<void> {
    const size = lengthOf(state.bytes);
    const offset = this.#random.below(size + 1);
    const length = Math.min(this.#random.below(300 * KIB), size - offset);
    const range = length > 0 ? { first: offset, last: offset + length - 1 } : undefined;
    const expected = range ? slice(state.bytes, offset, length) : state.bytes;
    const read = await this.#attempt(() => this.#read(model.name, key, range));
    if (read === 'unknown') return;
    expect(read, `${model.name}/${key} can be read`).toHaveProperty('done');
    if (typeof read !== 'object') return;
    expect(read.done.equals(render(expected)), `bytes of ${model.name}/${key}`).toBe(true);
  }

  async #read(
    bucket: string,
    key: string,
    range: { first: number; last: number } | undefined,
  ): Promise<Buffer> {
    const read = this.#store.read(bucket, key, { conditions: {}, range });
    if (read.inline !== undefined) return Buffer.from(read.inline);
    const pieces: Buffer[] = [];
    for await (const block of read.blocks(new AbortController().signal)) {
      pieces.push(Buffer.from(block.bytes));
      block.release();
    }
    return Buffer.concat(pieces);
  }

  /** No more trouble: everything acknowledged is there; once all is deleted, nothing is left. */
  async #end(): Promise<void> {
    await this.#restart(true);
    await this.#settleStore();
    for (const model of this.#models()) {
      this.#checkList(model);
      for (const key of model.certainKeys()) {
        const bytes = model.certain(key)?.bytes as Bytes;
        const read = await this.#read(model.name, key, undefined);
        expect(read.equals(render(bytes)), `bytes of ${model.name}/${key}`).toBe(true);
      }
    }
    for (const { name } of this.#models()) {
      const all = { prefix: '', delimiter: '', limit: 1000 };
      for (const { key } of this.#store.list(name, { ...all, after: '' }).entries) {
        await this.#store.delete(name, key, { conditions: {} });
      }
      await this.#store.deleteBucket(name);
    }
    await this.#settleStore();
    expect(this.#chunks.ids, 'chunks left').toEqual([]);
    expect(this.#meta.partitions(undefined, 100), 'rows left').toEqual([]);
    expect(this.#arena.freeCount).toBe(this.#arena.blockCount);
  }

  *#models(): Generator<ModelBucket> {
    for (const model of this.#buckets.values()) if (model !== undefined) yield model;
  }

  async #settleStore(): Promise<void> {
    await this.#background;
    await this.#store.scrubOrphans();
    do this.#clock.ms += GRACE_MS + 1;
    while ((await this.#store.runReclaim(this.#clock.ms)) > 0);
    expect(this.#store.stats()).toEqual({ backlog: 0, leases: 0 });
  }
}

function addressOf(
  { name: bucket }: ModelBucket,
  { key, uploadId }: ModelUpload,
): { bucket: string; key: string; uploadId: string } {
  return { bucket, key, uploadId };
}

function widen(upload: ModelUpload, number: number, states: Possible<ObjectState>): void {
  upload.parts.set(number, [...(upload.parts.get(number) ?? []), ...states]);
}

function multipartEtag(etags: readonly string[]): string {
  const hash = createHash('md5');
  for (const etag of etags) hash.update(etag, 'hex');
  return `${hash.digest('hex')}-${etags.length}`;
}
