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
import { checkAttributes, headOf, putResultOf, validatorsOf, wholeChecksum } from './attributes.ts';
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
import { copiedBytes } from './copied-bytes.ts';
import { beginSealing, checkReadable, etagOfBody, openerFor } from './encryption.ts';
import { wroteNothing } from './index-rows.ts';
import type { CurrentObject, Decision, IndexRows, Situation } from './index-rows.ts';
import type { Ingest } from './ingest.ts';
import { checkLockable, checkRemoval } from './object-lock.ts';
import { inlineBytes, type Opener, readBlocks } from './reads.ts';
import { findPart, partsAfter, sliced } from './slices.ts';
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
    const { encryption } = options;
    const sealing = encryption && (await beginSealing(this.#context, encryption));
    const target = { replication, ownerId: instanceId, signal, sealing };
    const { data, payload } = await this.#ingest.store(body, target);
    const draft = {
      instanceId,
      size: payload.size,
      etag: etagOfBody(payload, sealing),
      partCount: 0,
      ...attributes,
      ownerId: options.ownerId,
      checksum: wholeChecksum(payload, options.checksumAlgorithm),
      ...(sealing && { encryption: sealing.stored }),
      data,
    };
    const place = { ...options, bucketId: bucket.view.id };
    return await this.#publish(place, draft, () => this.#ingest.discard(data));
  }

  /** Commits a new instance of an object, or discards its bytes when that is refused. */
  async #publish(
    target: { bucket: string; bucketId: string; key: string; conditions: Conditions },
    draft: Omit<ObjectRecord, 'mtimeMs'>,
    discard: () => Promise<void>,
  ): Promise<PutResult> {
    const { bucket, bucketId, key, conditions } = target;
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
      return await this.#rows.mutate({ bucket, bucketId, key, conditional }, decide);
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
    checkReadable(record.encryption, options.customerKey);
    const head = headOf(key, record, versionIdOf(bucket, record));
    checkRead(options.conditions, head);
    const { size } = record;
    if (options.partNumber !== undefined) return this.#readPart(head, record, options);
    const asked = holdsIfRange(options.ifRange, head) ? options.range : undefined;
    const partial = asked !== undefined;
    const range = partial ? resolveRange(asked, size) : { offset: 0, length: size };
    return this.#result(head, record, options, range, partial);
  }

  #readPart(head: ReadResult['head'], record: ObjectRecord, options: ReadOptions): ReadResult {
    const { data, partCount, size } = record;
    const number = options.partNumber ?? 1;
    const whole = { offset: 0, length: size };
    if (partCount === 0 && number === 1) {
      return this.#result(head, record, options, whole, size > 0);
    }
    const multipart = partCount > 0 && data.kind === 'hold';
    const part = multipart ? findPart(this.#context.meta, data.hold, number) : undefined;
    if (part === undefined) {
      const actual = String(Math.max(partCount, 1));
      throw new S3Error('InvalidPartNumber', {
        fields: { ActualPartCount: actual, PartNumberRequested: String(number) },
      });
    }
    const partChecksum = part.segment.part.checksum;
    return { ...this.#result(head, record, options, part.range, size > 0), partChecksum };
  }

  #result(
    head: ReadResult['head'],
    { data, encryption }: ObjectRecord,
    { customerKey }: ReadOptions,
    range: ReadResult['range'],
    partial: boolean,
  ): ReadResult {
    const context = this.#context;
    const opener = encryption && openerFor(context, customerKey);
    const isInRow = data.kind === 'inline' && (data.seal === undefined || range.length === 0);
    const part = isInRow ? sliced(data, range) : undefined;
    return {
      head,
      range,
      partial,
      parts: (wanted) => partsAfter(context.meta, head, data, wanted),
      blocks: (signal) => readBlocks(context, data, range, signal, opener),
      inline: part?.kind === 'inline' ? part.bytes.subarray(0, range.length) : undefined,
      unlock: opener && (() => this.#unlock(data, range, opener, encryption)),
    };
  }

  async #unlock(
    data: StoredData,
    range: ReadResult['range'],
    opener: Opener,
    encryption: ObjectRecord['encryption'],
  ): Promise<Uint8Array | undefined> {
    const inRow = data.kind === 'inline' ? sliced(data, range) : undefined;
    if (inRow?.kind === 'inline') return await inlineBytes(this.#context, inRow, opener);
    // Parts may have keys of their own; this one tells whether keys can be had at all.
    if (encryption !== undefined) await opener.keyOf(encryption.seal);
    return undefined;
  }

  /** The record that a copy reads, its conditions checked. The caller leases before it awaits. */
  copySource(source: CopySource): ObjectRecord {
    const bucket = this.#buckets.find(source.bucket);
    const record = this.#versions.existing(bucket, source.key, source.versionId);
    checkReadable(record.encryption, source.customerKey);
    checkCopySource(source.conditions, validatorsOf(record));
    return record;
  }

  async copy(options: CopyOptions): Promise<CopyResult> {
    const { source, bucket, key, conditions } = options;
    const { headersAndMetadata, redirect, tags, storageClass } = options;
    const target = this.#buckets.find(bucket);
    const record = this.copySource(source);
    if (record.size > LIMITS.putBytes) throw sourceTooLarge();
    const changes = headersAndMetadata ?? redirect ?? tags ?? storageClass ?? options.encryption;
    const itself = source.bucket === bucket && source.key === key;
    if (itself && source.versionId === undefined && changes === undefined) {
      throw new S3Error('InvalidRequest', { message: SELF_COPY });
    }
    this.#checkWrite(conditions, key, this.#current(target, key));
    checkLockable(target, options.lock);
    const { headers, metadata } = headersAndMetadata ?? copiedAttributes(record, redirect);
    checkAttributes({ headers, metadata, tags: tags ?? record.tags });
    const instanceId = this.#context.newId();
    const { fields, discard } = await copiedBytes(
      { context: this.#context, blobs: this.#blobs, ingest: this.#ingest },
      { record, customerKey: source.customerKey },
      {
        encryption: options.encryption,
        replication: target.view.replication ?? this.#context.engine.replication,
        ownerId: instanceId,
        checksumAlgorithm: options.checksumAlgorithm,
        signal: options.signal,
      },
    );
    const { uploadId: _, versionId: __, position: ___, lock: ____, acl: _____, ...copied } = record;
    const draft = {
      ...copied,
      ...fields,
      instanceId,
      headers,
      metadata,
      tags: tags ?? record.tags,
      storageClass: storageClass ?? 'STANDARD',
      ...(options.acl === undefined ? {} : { acl: options.acl }),
      ...(options.lock === undefined ? {} : { lock: options.lock }),
      ownerId: options.ownerId,
    };
    const result = await this.#publish({ ...options, bucketId: target.view.id }, draft, discard);
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
