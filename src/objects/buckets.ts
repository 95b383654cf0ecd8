/**
 * Buckets: a map in memory over the rows of the `buckets` partition. This process is the only
 * writer, so the map is exact and lookups are synchronous.
 *
 * Invariant: a bucket is closed before it is deleted. Every commit into an index partition checks
 * its state row; deleting marks the bucket, closes all of them, proves emptiness, and only then
 * removes the bucket row. So nothing is acknowledged into a bucket that is going away.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import { columnsOf, type Replication } from '../chunks/chunk-store.ts';
import {
  bucketKey,
  BUCKET_PREFIX,
  BUCKETS,
  CONFIG_PREFIX,
  configKey,
  decodeConfigKey,
  indexPartition,
  indexPartitionOf,
  objectKey,
  retiredKey,
  STATE_KEY,
} from '../meta/keyspace.ts';
import type { Partition, Rev, Row } from '../meta/meta-store.ts';
import {
  decodeBucket,
  decodeConfig,
  decodeState,
  encodeBucket,
  encodeConfig,
  encodeRetired,
  encodeState,
} from '../meta/record-codec.ts';
import type { BucketRecord, StateRecord } from '../meta/records.ts';
import type { Context } from './context.ts';
import type { Bucket } from './contract.ts';

/** The home of S3 buckets, as in Ozone. */
const VOLUME = 's3v';

const SCAN_ROWS = 500;

export interface OpenBucket {
  readonly view: Bucket;
  /** The same map as the view's. */
  readonly configs: Map<string, string>;
  readonly partitions: readonly Partition[];
  /** Set while a delete decides: mutations that meet a closed partition wait for it. */
  deletion: Promise<void> | undefined;
  /** Revisions of the state rows, read once: they change only when the bucket is deleted. */
  readonly states: Map<Partition, Rev>;
}

export interface CreateBucketOptions {
  readonly name: string;
  readonly ownerId: string;
  readonly location: string;
  readonly replication: Replication | undefined;
  readonly configs?: ReadonlyMap<string, string> | undefined;
}

export class Buckets {
  readonly #context: Context;
  readonly #open = new Map<string, OpenBucket>();
  /** All names in byte order; undefined: to be sorted again. */
  #names: string[] | undefined;
  /** Called with the id of a bucket that was retired: its rows are to be worked off. */
  onRetired: (bucketId: string) => void = () => {};

  constructor(context: Context) {
    this.#context = context;
  }

  /** Reads all buckets; ends deletions that a crash interrupted. */
  async load(): Promise<void> {
    const interrupted: string[] = [];
    let after: Uint8Array | undefined;
    for (;;) {
      const scan = { prefix: BUCKET_PREFIX, after, limit: SCAN_ROWS };
      const page = this.#context.meta.scan(BUCKETS, scan);
      for (const row of page.rows) {
        const record = decodeBucket(row.value);
        this.#remember(record);
        if (record.state === 'deleting') interrupted.push(record.name);
        after = row.key;
      }
      if (!page.more) break;
    }
    this.#loadConfigs();
    for (const name of interrupted) {
      const fields = { bucket: name };
      try {
        await this.#context.turns.take(turnOf(name), () => this.#delete(name));
        this.#context.log.info(fields, 'finished a bucket deletion that was interrupted');
      } catch (error) {
        if (!(error instanceof S3Error)) throw error;
        this.#context.log.info(fields, 'undid a bucket deletion that was interrupted');
      }
    }
  }

  #loadConfigs(): void {
    const byId = new Map([...this.#open.values()].map((bucket) => [bucket.view.id, bucket]));
    let after: Uint8Array | undefined;
    for (let more = true; more;) {
      const scan = { prefix: CONFIG_PREFIX, after, limit: SCAN_ROWS };
      const page = this.#context.meta.scan(BUCKETS, scan);
      for (const row of page.rows) {
        const { bucketId, name } = decodeConfigKey(row.key);
        byId.get(bucketId)?.configs.set(name, decodeConfig(row.value).text);
        after = row.key;
      }
      more = page.more;
    }
  }

  /** See `ObjectStore.configureBucket`. */
  async configure(
    name: string,
    config: string,
    change: (text: string | undefined) => string | undefined,
  ): Promise<void> {
    const { id } = this.find(name).view;
    await this.#context.turns.take(turnOf(name), async () => {
      const { view, configs } = this.find(name);
      // Who waited for a deletion must not configure what another made of the name.
      if (view.id !== id) throw noSuchBucket(name);
      const text = change(configs.get(config));
      if (text === configs.get(config)) return;
      if (text !== undefined && Buffer.byteLength(text) > LIMITS.configTextBytes) {
        throw new S3Error('EntityTooLarge');
      }
      const row = this.#rowOf(name);
      const key = configKey(view.id, config);
      const result = await this.#context.meta.commit({
        partition: BUCKETS,
        checks: [{ key: row.key, rev: row.rev }],
        writes: [
          text === undefined
            ? { kind: 'delete', key }
            : { kind: 'put', key, value: encodeConfig({ text }) },
        ],
      });
      assert(result === 'committed', 'turns keep others off the bucket row');
      if (text === undefined) configs.delete(config);
      else configs.set(config, text);
    });
  }

  /** Throws NoSuchBucket. */
  find(name: string): OpenBucket {
    const bucket = this.#open.get(name);
    if (bucket === undefined) throw noSuchBucket(name);
    return bucket;
  }

  all(): IterableIterator<OpenBucket> {
    return this.#open.values();
  }

  partitionOf(bucket: OpenBucket, key: string): Partition {
    const [first] = bucket.partitions;
    if (bucket.partitions.length === 1 && first !== undefined) return first;
    return indexPartitionOf(bucket.view.id, key, bucket.partitions.length);
  }

  /** Proof that the partition takes writes; undefined while the bucket is closed. */
  stateOf(bucket: OpenBucket, partition: Partition): Rev | undefined {
    const known = bucket.states.get(partition);
    if (known !== undefined) return known;
    const row = this.#context.meta.get(partition, STATE_KEY);
    if (row === undefined || decodeState(row.value).state !== 'open') return undefined;
    bucket.states.set(partition, row.rev);
    return row.rev;
  }

  async create(options: CreateBucketOptions): Promise<Bucket> {
    return await this.#context.turns.take(turnOf(options.name), async () => {
      const { name, ownerId } = options;
      const existing = this.#open.get(name)?.view;
      if (existing !== undefined) {
        const mine = existing.ownerId === ownerId;
        const code = mine ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists';
        throw new S3Error(code, { fields: { BucketName: name } });
      }
      if (this.#countOf(ownerId) >= LIMITS.bucketsPerOwner) throw new S3Error('TooManyBuckets');
      this.#checkReplication(options.replication);
      return await this.#create(options);
    });
  }

  /** A bucket that no write could ever go to must not be made. */
  #checkReplication(replication: Replication | undefined): void {
    if (replication === undefined) return;
    const { data, parity } = columnsOf(replication);
    const count = this.#context.chunks.stats().nodes.length;
    if (count >= data + parity) return;
    throw new S3Error('InvalidArgument', {
      message: `Replication ${replication} needs ${data + parity} datanodes, not ${count}`,
      fields: { ArgumentName: 'replication', ArgumentValue: replication },
    });
  }

  async #create(options: CreateBucketOptions): Promise<Bucket> {
    const { name, ownerId, location, replication, configs = new Map<string, string>() } = options;
    const { clock, meta } = this.#context;
    const record: BucketRecord = {
      id: this.#context.newId(),
      volume: VOLUME,
      name,
      ownerId,
      createdMs: clock.now(),
      location,
      ...(replication === undefined ? {} : { replication }),
      state: 'open',
    };
    // State rows first: a bucket that can be seen takes writes. Orphans are scrubbed.
    await this.#putStates(this.#partitionsOf(record.id), 'open');
    const key = bucketKey(VOLUME, name);
    const result = await meta.commit({
      partition: BUCKETS,
      checks: [{ key, rev: 'absent' }],
      writes: [
        { kind: 'put', key, value: encodeBucket(record) },
        ...[...configs].map(([config, text]) => {
          const value = encodeConfig({ text });
          return { kind: 'put', key: configKey(record.id, config), value } as const;
        }),
      ],
    });
    assert(result === 'committed', 'the map of buckets is exact');
    const bucket = this.#remember(record);
    for (const [config, text] of configs) bucket.configs.set(config, text);
    return bucket.view;
  }

  /** In byte order of names, which are ASCII. */
  list(options: { ownerId: string; prefix: string; after: string; limit: number }): {
    buckets: readonly Bucket[];
    truncated: boolean;
  } {
    const { ownerId, prefix, after, limit } = options;
    this.#names ??= [...this.#open.keys()].sort((a, b) => (a < b ? -1 : 1));
    const buckets: Bucket[] = [];
    for (const name of this.#names) {
      if (name <= after || !name.startsWith(prefix)) continue;
      const view = this.#open.get(name)?.view;
      if (view === undefined || view.ownerId !== ownerId) continue;
      if (buckets.length >= limit) return { buckets, truncated: limit > 0 };
      buckets.push(view);
    }
    return { buckets, truncated: false };
  }

  async delete(name: string): Promise<void> {
    await this.#context.turns.take(turnOf(name), async () => {
      // The usual refusal, without closing a bucket that is in use.
      if (this.#holdsObjects(this.find(name))) throw notEmpty(name);
      await this.#delete(name);
    });
  }

  async #delete(name: string): Promise<void> {
    const bucket = this.find(name);
    let decided = (): void => {};
    bucket.deletion = new Promise((resolve) => {
      decided = resolve;
    });
    try {
      await this.#putState(name, 'deleting');
      await this.#putStates(bucket.partitions, 'closed');
      if (this.#holdsObjects(bucket)) throw notEmpty(name);
      await this.#retire(bucket);
    } catch (error) {
      // Not empty, or the disk is: either way the bucket goes on.
      await this.#reopen(bucket);
      throw error;
    } finally {
      bucket.states.clear();
      bucket.deletion = undefined;
      decided();
    }
  }

  async #reopen({ view, partitions }: OpenBucket): Promise<void> {
    await this.#putStates(partitions, 'open');
    await this.#putState(view.name, 'open');
  }

  /** Removes the bucket row. What is left (uploads, reclaim rows) is worked off later. */
  async #retire({ view, configs }: OpenBucket): Promise<void> {
    const { clock, meta } = this.#context;
    const row = this.#rowOf(view.name);
    const retired = { id: view.id, volume: view.volume, name: view.name, deletedMs: clock.now() };
    const result = await meta.commit({
      partition: BUCKETS,
      checks: [{ key: row.key, rev: row.rev }],
      writes: [
        { kind: 'delete', key: row.key },
        ...[...configs.keys()].map((config) => {
          return { kind: 'delete', key: configKey(view.id, config) } as const;
        }),
        { kind: 'put', key: retiredKey(view.id), value: encodeRetired(retired) },
      ],
    });
    assert(result === 'committed', 'turns keep others off the bucket row');
    this.#open.delete(view.name);
    this.#names = undefined;
    this.onRetired(view.id);
  }

  #holdsObjects({ partitions }: OpenBucket): boolean {
    const scan = { prefix: objectKey(''), limit: 1 };
    return partitions.some((partition) => this.#context.meta.scan(partition, scan).rows.length > 0);
  }

  async #putState(name: string, state: BucketRecord['state']): Promise<void> {
    const row = this.#rowOf(name);
    const value = encodeBucket({ ...decodeBucket(row.value), state });
    const result = await this.#context.meta.commit({
      partition: BUCKETS,
      checks: [{ key: row.key, rev: row.rev }],
      writes: [{ kind: 'put', key: row.key, value }],
    });
    assert(result === 'committed', 'turns keep others off the bucket row');
  }

  async #putStates(partitions: readonly Partition[], state: StateRecord['state']): Promise<void> {
    const { meta } = this.#context;
    const value = encodeState({ state });
    for (const partition of partitions) {
      const writes = [{ kind: 'put', key: STATE_KEY, value }] as const;
      await meta.commit({ partition, checks: [], writes });
    }
  }

  #rowOf(name: string): Row {
    const row = this.#context.meta.get(BUCKETS, bucketKey(VOLUME, name));
    assert(row !== undefined, 'the map of buckets is exact');
    return row;
  }

  #remember(record: BucketRecord): OpenBucket {
    const { id, volume, name, ownerId, createdMs, location } = record;
    const replication = record.replication as Replication | undefined;
    const configs = new Map<string, string>();
    const bucket: OpenBucket = {
      view: { id, volume, name, ownerId, createdMs, location, replication, configs },
      configs,
      partitions: this.#partitionsOf(id),
      deletion: undefined,
      states: new Map(),
    };
    this.#open.set(name, bucket);
    this.#names = undefined;
    return bucket;
  }

  #partitionsOf(bucketId: string): Partition[] {
    const { indexPartitions } = this.#context.engine;
    return Array.from({ length: indexPartitions }, (_, n) => indexPartition(bucketId, n));
  }

  #countOf(ownerId: string): number {
    let count = 0;
    for (const { view } of this.#open.values()) if (view.ownerId === ownerId) count += 1;
    return count;
  }
}

function turnOf(name: string): string {
  return `bucket ${name}`;
}

export function noSuchBucket(name: string): S3Error {
  return new S3Error('NoSuchBucket', { fields: { BucketName: name } });
}

function notEmpty(name: string): S3Error {
  return new S3Error('BucketNotEmpty', { fields: { BucketName: name } });
}
