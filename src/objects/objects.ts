/**
 * Objects: put, read, copy, delete, tags. A put stores its bytes first and becomes visible by one
 * commit; a read is decided by the one row it looked up; a copy shares bytes and moves none.
 */
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Body } from '../body/body.ts';
import { objectKey } from '../meta/keyspace.ts';
import type { Write } from '../meta/meta-store.ts';
import { decodeObject, encodeObject } from '../meta/object-codec.ts';
import type { ObjectRecord, StoredData } from '../meta/records.ts';
import {
  checkAttributes,
  etagDigest,
  headOf,
  putResultOf,
  validatorsOf,
  wholeChecksum,
} from './attributes.ts';
import type { Blobs } from './blobs.ts';
import type { Buckets, OpenBucket } from './buckets.ts';
import {
  checkCopySource,
  checkDelete,
  checkRead,
  checkWrite,
  holdsIfRange,
  isConditional,
  resolveRange,
} from './conditions.ts';
import type { Context } from './context.ts';
import type {
  ChecksumAlgorithm,
  Conditions,
  CopyOptions,
  CopySource,
  DeleteOptions,
  ObjectAccess,
  PutOptions,
  PutResult,
  ReadOptions,
  ReadResult,
} from './contract.ts';
import { wroteNothing } from './index-rows.ts';
import type { CurrentObject, Decision, IndexRows, Situation } from './index-rows.ts';
import type { Ingest } from './ingest.ts';
import { findPart, readBlocks, sliced } from './slices.ts';

const REDIRECT_HEADER = 'x-amz-website-redirect-location';

export interface ObjectParts {
  readonly context: Context;
  readonly buckets: Buckets;
  readonly rows: IndexRows;
  readonly blobs: Blobs;
  readonly ingest: Ingest;
}

export class Objects {
  readonly #context: Context;
  readonly #buckets: Buckets;
  readonly #rows: IndexRows;
  readonly #blobs: Blobs;
  readonly #ingest: Ingest;

  constructor({ context, buckets, rows, blobs, ingest }: ObjectParts) {
    this.#context = context;
    this.#buckets = buckets;
    this.#rows = rows;
    this.#blobs = blobs;
    this.#ingest = ingest;
  }

  async put(options: PutOptions, body: Body): Promise<PutResult> {
    const { key, attributes, conditions, signal } = options;
    const bucket = this.#buckets.find(options.bucket);
    checkAttributes(attributes);
    // A refusal that is certain already need not wait for the body. The commit decides again.
    if (isConditional(conditions)) this.#checkWrite(conditions, key, this.#current(bucket, key));
    const instanceId = this.#context.newId();
    const replication = bucket.view.replication ?? this.#context.engine.replication;
    const { data, payload } = await this.#ingest.store(body, replication, instanceId, signal);
    const draft = {
      instanceId,
      size: payload.size,
      etag: etagDigest(payload),
      partCount: 0,
      ...attributes,
      ownerId: options.ownerId,
      checksum: wholeChecksum(payload, options.checksumAlgorithm),
      data,
    };
    return await this.#publish(options, draft, () => this.#ingest.discard(data));
  }

  /** Commits a new instance of an object, or discards its bytes when that is refused. */
  async #publish(
    target: { bucket: string; key: string; conditions: Conditions },
    draft: Omit<ObjectRecord, 'mtimeMs'>,
    discard: () => Promise<void>,
  ): Promise<PutResult> {
    const { bucket, key, conditions } = target;
    const decide = ({ current, nowMs }: Situation): Decision<PutResult> => {
      this.#checkWrite(conditions, key, current);
      const record = { ...draft, mtimeMs: nowMs };
      return {
        result: putResultOf(record),
        writes: [putObject(key, record)],
        reclaim: this.#rows.replaced(current),
      };
    };
    this.#context.touched.note(draft.data);
    const conditional = isConditional(conditions);
    try {
      return await this.#rows.mutate({ bucket, key, conditional }, decide);
    } catch (error) {
      if (wroteNothing(error)) await discard();
      throw error;
    }
  }

  #checkWrite(conditions: Conditions, key: string, current: CurrentObject | undefined): void {
    checkWrite(conditions, key, current && validatorsOf(current.record));
  }

  #current(bucket: OpenBucket, key: string): CurrentObject | undefined {
    return this.#rows.current(bucket, key);
  }

  /** Throws NoSuchKey. */
  #existing(bucket: OpenBucket, key: string): ObjectRecord {
    const row = this.#rows.row(bucket, key);
    const record = row && decodeObject(row.value);
    if (record === undefined || record.deleteMarker) throw noSuchKey(key);
    return record;
  }

  read(bucketName: string, key: string, options: ReadOptions): ReadResult {
    const record = this.#existing(this.#buckets.find(bucketName), key);
    const head = headOf(key, record);
    checkRead(options.conditions, head);
    const { data, size } = record;
    if (options.partNumber !== undefined) return this.#readPart(head, record, options.partNumber);
    const asked = holdsIfRange(options.ifRange, head) ? options.range : undefined;
    const partial = asked !== undefined;
    const range = partial ? resolveRange(asked, size) : { offset: 0, length: size };
    return this.#result(head, data, range, partial);
  }

  #readPart(head: ReadResult['head'], record: ObjectRecord, number: number): ReadResult {
    const { data, partCount, size } = record;
    const whole = { offset: 0, length: size };
    if (partCount === 0 && number === 1) return this.#result(head, data, whole, size > 0);
    const multipart = partCount > 0 && data.kind === 'hold';
    const part = multipart ? findPart(this.#context.meta, data.hold, number) : undefined;
    if (part === undefined) {
      const actual = String(Math.max(partCount, 1));
      throw new S3Error('InvalidPartNumber', {
        fields: { ActualPartCount: actual, PartNumberRequested: String(number) },
      });
    }
    const partChecksum = part.segment.part.checksum;
    return { ...this.#result(head, data, part.range, size > 0), partChecksum };
  }

  #result(
    head: ReadResult['head'],
    data: StoredData,
    range: ReadResult['range'],
    partial: boolean,
  ): ReadResult {
    const part = data.kind === 'inline' ? sliced(data, range) : undefined;
    return {
      head,
      range,
      partial,
      blocks: (signal) => readBlocks(this.#context, data, range, signal),
      inline: part?.kind === 'inline' ? part.bytes : undefined,
    };
  }

  /** The record that a copy reads, its conditions checked. The caller leases before it awaits. */
  copySource(source: CopySource): ObjectRecord {
    const record = this.#existing(this.#buckets.find(source.bucket), source.key);
    checkCopySource(source.conditions, validatorsOf(record));
    return record;
  }

  async copy(options: CopyOptions): Promise<PutResult> {
    const { source, bucket, key, conditions } = options;
    const { headersAndMetadata, redirect, tags, storageClass } = options;
    const target = this.#buckets.find(bucket);
    const record = this.copySource(source);
    if (record.size > LIMITS.putBytes) throw sourceTooLarge();
    checkCopiedChecksum(record, options.checksumAlgorithm);
    const changes = headersAndMetadata ?? redirect ?? tags ?? storageClass;
    if (source.bucket === bucket && source.key === key && changes === undefined) {
      throw new S3Error('InvalidRequest', { message: SELF_COPY });
    }
    this.#checkWrite(conditions, key, this.#current(target, key));
    const { headers, metadata } = headersAndMetadata ?? copiedAttributes(record, redirect);
    checkAttributes({ headers, metadata, tags: tags ?? record.tags });
    const instanceId = this.#context.newId();
    const data = await this.#blobs.leased(record.data, () =>
      this.#blobs.clone(record.data, instanceId),
    );
    const { uploadId: _, versionId: __, acl: ___, ...copied } = record;
    const draft = {
      ...copied,
      instanceId,
      headers,
      metadata,
      tags: tags ?? record.tags,
      storageClass: storageClass ?? 'STANDARD',
      acl: options.acl,
      ownerId: options.ownerId,
      data,
    };
    return await this.#publish(options, draft, () => this.#blobs.dropQuietly(data));
  }

  async delete(bucket: string, key: string, { conditions }: DeleteOptions): Promise<void> {
    const conditional = isConditional(conditions);
    await this.#rows.mutate({ bucket, key, conditional }, ({ current }) => {
      if (current === undefined) return { result: undefined, writes: [] };
      checkDelete(conditions, validatorsOf(current.record));
      return {
        result: undefined,
        writes: [{ kind: 'delete', key: objectKey(key) }],
        reclaim: this.#rows.replaced(current),
      };
    });
  }

  access(bucketName: string, key: string): ObjectAccess | undefined {
    const row = this.#rows.row(this.#buckets.find(bucketName), key);
    const record = row && decodeObject(row.value);
    if (record === undefined || record.deleteMarker) return undefined;
    const { ownerId, acl, tags } = record;
    return { ownerId, acl, tags };
  }

  /** Like tags: neither Last-Modified nor ETag change. */
  async setAcl(
    bucket: string,
    key: string,
    ownerId: string,
    acl: string | undefined,
  ): Promise<void> {
    await this.#rows.mutate({ bucket, key, conditional: false }, ({ current }) => {
      if (current === undefined) throw noSuchKey(key);
      if (current.record.ownerId !== ownerId) throw new S3Error('OperationAborted');
      const record = { ...current.record, acl };
      checkAttributes(record);
      return { result: undefined, writes: [putObject(key, record)] };
    });
  }

  tags(bucket: string, key: string): Readonly<Record<string, string>> {
    return this.#existing(this.#buckets.find(bucket), key).tags;
  }

  /** Rewrites the row of the same instance: neither Last-Modified nor ETag change. */
  async setTags(
    bucket: string,
    key: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.#rows.mutate({ bucket, key, conditional: false }, ({ current }) => {
      if (current === undefined) throw noSuchKey(key);
      const record = { ...current.record, tags };
      checkAttributes(record);
      return { result: undefined, writes: [putObject(key, record)] };
    });
  }
}

export function putObject(key: string, record: ObjectRecord): Write {
  return { kind: 'put', key: objectKey(key), value: encodeObject(record) };
}

/** A copy moves no byte: it can have the checksum that its source has, and no other. */
function checkCopiedChecksum({ checksum }: ObjectRecord, wanted?: ChecksumAlgorithm): void {
  if (wanted === undefined) return;
  if (checksum?.algorithm === wanted && checksum.type === 'FULL_OBJECT') return;
  throw new S3Error('NotImplemented', { fields: { Header: 'x-amz-checksum-algorithm' } });
}

/** AWS does not copy where a page redirects to; the request may say it anew. */
function copiedAttributes(
  record: ObjectRecord,
  redirect: string | undefined,
): Pick<ObjectRecord, 'headers' | 'metadata'> {
  const { [REDIRECT_HEADER]: _, ...headers } = record.headers;
  const said = redirect === undefined ? {} : { [REDIRECT_HEADER]: redirect };
  return { headers: { ...headers, ...said }, metadata: record.metadata };
}

function noSuchKey(key: string): S3Error {
  return new S3Error('NoSuchKey', { fields: { Key: key } });
}

export function sourceTooLarge(): S3Error {
  return new S3Error('InvalidRequest', {
    message: `The specified copy source is larger than the maximum allowable size for a copy source: ${LIMITS.putBytes}`,
  });
}

const SELF_COPY =
  'This copy request is illegal because it is trying to copy an object to itself without ' +
  "changing the object's metadata, storage class, website redirect location or encryption " +
  'attributes.';
