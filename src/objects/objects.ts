/**
 * Objects: put, read, copy, delete, tags. A put stores its bytes first and becomes visible by one
 * commit; a read is decided by the one row it looked up; a copy shares bytes and moves none.
 */
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Body } from '../body/body.ts';
import { objectKey } from '../meta/keyspace.ts';
import type { Write } from '../meta/meta-store.ts';
import { encodeObject } from '../meta/object-codec.ts';
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
  CopyResult,
  CopySource,
  DeleteOptions,
  DeleteResult,
  PutOptions,
  PutResult,
  ReadOptions,
  ReadResult,
} from './contract.ts';
import { wroteNothing } from './index-rows.ts';
import type { CurrentObject, Decision, IndexRows, Situation } from './index-rows.ts';
import type { Ingest } from './ingest.ts';
import { checkLockable, checkRemoval } from './object-lock.ts';
import { findPart, partsAfter, readBlocks, sliced } from './slices.ts';
import { checkVersionId, versionIdOf, versioningOf, type Versions } from './versions.ts';

const REDIRECT_HEADER = 'x-amz-website-redirect-location';

export interface ObjectParts {
  readonly context: Context;
  readonly buckets: Buckets;
  readonly rows: IndexRows;
  readonly blobs: Blobs;
  readonly ingest: Ingest;
  readonly versions: Versions;
}

export class Objects {
  readonly #context: Context;
  readonly #buckets: Buckets;
  readonly #rows: IndexRows;
  readonly #blobs: Blobs;
  readonly #ingest: Ingest;
  readonly #versions: Versions;

  constructor({ context, buckets, rows, blobs, ingest, versions }: ObjectParts) {
    this.#context = context;
    this.#buckets = buckets;
    this.#rows = rows;
    this.#blobs = blobs;
    this.#ingest = ingest;
    this.#versions = versions;
  }

  async put(options: PutOptions, body: Body): Promise<PutResult> {
    const { key, attributes, conditions, signal } = options;
    const bucket = this.#buckets.find(options.bucket);
    checkAttributes(attributes);
    checkLockable(bucket, attributes.lock);
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
    const decide = (situation: Situation): Decision<PutResult> => {
      this.#checkWrite(conditions, key, situation.current);
      const record = this.#versions.stamp(situation, draft);
      const change = this.#versions.displace(situation, key);
      return {
        ...change,
        result: putResultOf(record, versionIdOf(situation.bucket, record)),
        writes: [putObject(key, record), ...change.writes],
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

  read(bucketName: string, key: string, options: ReadOptions): ReadResult {
    const bucket = this.#buckets.find(bucketName);
    const record = this.#versions.existing(bucket, key, options.versionId);
    const head = headOf(key, record, versionIdOf(bucket, record));
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
      parts: (wanted) => partsAfter(this.#context.meta, head, data, wanted),
      blocks: (signal) => readBlocks(this.#context, data, range, signal),
      inline: part?.kind === 'inline' ? part.bytes : undefined,
    };
  }

  /** The record that a copy reads, its conditions checked. The caller leases before it awaits. */
  copySource(source: CopySource): ObjectRecord {
    const bucket = this.#buckets.find(source.bucket);
    const record = this.#versions.existing(bucket, source.key, source.versionId);
    checkCopySource(source.conditions, validatorsOf(record));
    return record;
  }

  async copy(options: CopyOptions): Promise<CopyResult> {
    const { source, bucket, key, conditions } = options;
    const { headersAndMetadata, redirect, tags, storageClass } = options;
    const target = this.#buckets.find(bucket);
    const record = this.copySource(source);
    if (record.size > LIMITS.putBytes) throw sourceTooLarge();
    checkCopiedChecksum(record, options.checksumAlgorithm);
    const changes = headersAndMetadata ?? redirect ?? tags ?? storageClass;
    const itself = source.bucket === bucket && source.key === key;
    if (itself && source.versionId === undefined && changes === undefined) {
      throw new S3Error('InvalidRequest', { message: SELF_COPY });
    }
    this.#checkWrite(conditions, key, this.#current(target, key));
    checkLockable(target, options.lock);
    const { headers, metadata } = headersAndMetadata ?? copiedAttributes(record, redirect);
    checkAttributes({ headers, metadata, tags: tags ?? record.tags });
    const instanceId = this.#context.newId();
    const data = await this.#blobs.leased(record.data, () =>
      this.#blobs.clone(record.data, instanceId),
    );
    const { uploadId: _, versionId: __, position: ___, lock: ____, acl: _____, ...copied } = record;
    const draft = {
      ...copied,
      instanceId,
      headers,
      metadata,
      tags: tags ?? record.tags,
      storageClass: storageClass ?? 'STANDARD',
      ...(options.acl === undefined ? {} : { acl: options.acl }),
      ...(options.lock === undefined ? {} : { lock: options.lock }),
      ownerId: options.ownerId,
      data,
    };
    const result = await this.#publish(options, draft, () => this.#blobs.dropQuietly(data));
    const sourceVersionId = versionIdOf(this.#buckets.find(source.bucket), record);
    return { ...result, sourceVersionId };
  }

  async delete(bucket: string, key: string, options: DeleteOptions): Promise<DeleteResult> {
    const { conditions, versionId } = options;
    if (versionId !== undefined) checkVersionId(versionId);
    const conditional = isConditional(conditions);
    return await this.#rows.mutate({ bucket, key, conditional }, (situation) => {
      if (versionId !== undefined) {
        return this.#removeVersion(situation, key, { ...options, versionId });
      }
      const { current } = situation;
      if (current !== undefined) checkDelete(conditions, validatorsOf(current.record));
      if (versioningOf(situation.bucket) !== undefined) return this.#versions.mark(situation, key);
      const result = { versionId: undefined, deleteMarker: false };
      if (current === undefined) return { result, writes: [] };
      return {
        result,
        writes: [{ kind: 'delete', key: objectKey(key) }],
        reclaim: this.#rows.replaced(current),
      };
    });
  }

  #removeVersion(
    situation: Situation,
    key: string,
    { conditions, versionId, bypassGovernance }: DeleteOptions & { readonly versionId: string },
  ): Decision<DeleteResult> {
    const found = this.#versions.inSituation(situation, key, versionId);
    if (found === undefined) return { result: { versionId, deleteMarker: false }, writes: [] };
    const { record } = found;
    checkDelete(conditions, validatorsOf(record));
    checkRemoval(record, situation.nowMs, bypassGovernance === true);
    const deleteMarker = record.deleteMarker === true;
    return { ...this.#versions.remove(situation, key, found), result: { versionId, deleteMarker } };
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

export function sourceTooLarge(): S3Error {
  return new S3Error('InvalidRequest', {
    message: `The specified copy source is larger than the maximum allowable size for a copy source: ${LIMITS.putBytes}`,
  });
}

const SELF_COPY =
  'This copy request is illegal because it is trying to copy an object to itself without ' +
  "changing the object's metadata, storage class, website redirect location or encryption " +
  'attributes.';
