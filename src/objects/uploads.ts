/**
 * Multipart uploads until they end: create, parts, part copies, abort. `completion.ts` joins them.
 *
 * The upload row lies in the index partition of its key, the parts in a partition of their own
 * with a state row. The state row is there before the upload row and is closed by the reclaimer
 * after the upload row went: a part is committed only while both stand, so no part can land
 * unnoticed in an upload that is over.
 */
import { createHash } from 'node:crypto';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Body } from '../body/body.ts';
import type { ByteRange, Replication } from '../chunks/chunk-store.ts';
import {
  decodePartKey,
  isId,
  PART_PREFIX,
  partKey,
  partsPartition,
  STATE_KEY,
  supersededKey,
  uploadKey,
} from '../meta/keyspace.ts';
import type { Row, Write } from '../meta/meta-store.ts';
import {
  decodePart,
  decodeState,
  decodeUpload,
  encodePart,
  encodeState,
  encodeUpload,
} from '../meta/record-codec.ts';
import type { ObjectRecord, PartRecord, UploadRecord } from '../meta/records.ts';
import { checkAttributes, checksumValue, etagOf } from './attributes.ts';
import type { OpenBucket } from './buckets.ts';
import type { ChecksumAlgorithm, CopySource, PartChecksum } from './contract.ts';
import type { CreateUploadOptions, Part, Upload, UploadAddress } from './upload-contract.ts';
import { reencryptedPart } from './copied-bytes.ts';
import { beginSealing, etagOfBody, resumeSealing } from './encryption.ts';
import type { CustomerKey } from './encryption-contract.ts';
import { wroteNothing } from './index-rows.ts';
import { sourceTooLarge } from './objects.ts';
import { checkLockable } from './object-lock.ts';
import type { ObjectParts, Objects } from './objects.ts';
import { partChecksumOf } from './part-checksums.ts';

const TRIES = 10;

export interface FoundUpload {
  readonly bucket: OpenBucket;
  readonly row: Row;
  readonly record: UploadRecord;
}

export interface CopyPartOptions {
  readonly address: UploadAddress;
  readonly number: number;
  readonly source: CopySource;
  readonly range: ByteRange | undefined;
  readonly signal: AbortSignal;
  /** Of the upload. */
  readonly customerKey?: CustomerKey | undefined;
}

export class Uploads {
  readonly #parts: ObjectParts;
  readonly #objects: Objects;

  constructor(parts: ObjectParts, objects: Objects) {
    this.#parts = parts;
    this.#objects = objects;
  }

  async create(options: CreateUploadOptions): Promise<Upload> {
    const { context, buckets, rows } = this.#parts;
    const { bucket, key, ownerId, initiatorId, attributes, checksum } = options;
    const found = buckets.find(bucket);
    const { replication } = found.view;
    checkAttributes(attributes);
    checkLockable(found, attributes.lock);
    const uploadId = context.newId();
    const sealing = options.encryption && (await beginSealing(context, options.encryption));
    const record: UploadRecord = {
      uploadId,
      initiatedMs: context.clock.now(),
      ownerId,
      initiatorId,
      ...attributes,
      replication: replication ?? context.engine.replication,
      checksum,
      ...(sealing && { encryption: sealing.stored }),
    };
    await context.meta.commit({
      partition: partsPartition(uploadId),
      checks: [],
      writes: [{ kind: 'put', key: STATE_KEY, value: encodeState({ state: 'open' }) }],
    });
    const write: Write = {
      kind: 'put',
      key: uploadKey(key, uploadId),
      value: encodeUpload(record),
    };
    const bucketId = found.view.id;
    await rows.mutate({ bucket, bucketId, key, conditional: false }, () => ({
      result: undefined,
      writes: [write],
    }));
    return uploadOf(bucket, key, record);
  }

  /** Throws NoSuchUpload. */
  find(address: UploadAddress): FoundUpload {
    const found = this.seek(address);
    if (found === undefined) throw noSuchUpload(address.uploadId);
    return found;
  }

  /** Undefined when the upload ended or never was. Throws NoSuchBucket. */
  seek({ bucket: name, key, uploadId }: UploadAddress): FoundUpload | undefined {
    const { buckets, context } = this.#parts;
    const bucket = buckets.find(name);
    if (!isId(uploadId)) return undefined;
    const row = context.meta.get(buckets.partitionOf(bucket, key), uploadKey(key, uploadId));
    return row && { bucket, row, record: decodeUpload(row.value) };
  }

  checksumOf(address: UploadAddress): ChecksumAlgorithm | undefined {
    try {
      return this.seek(address)?.record.checksum?.algorithm;
    } catch (error) {
      if (error instanceof S3Error) return undefined;
      throw error;
    }
  }

  upload(address: UploadAddress): Upload {
    return uploadOf(address.bucket, address.key, this.find(address).record);
  }

  async putPart(
    address: UploadAddress,
    number: number,
    body: Body,
    signal: AbortSignal,
    customerKey?: CustomerKey,
  ): Promise<Part> {
    checkPartNumber(number);
    const { context, ingest } = this.#parts;
    const { record: upload } = this.find(address);
    const { encryption } = upload;
    const isPlain = encryption === undefined && customerKey === undefined;
    const sealing = isPlain ? undefined : await resumeSealing(context, encryption, customerKey);
    const replication = upload.replication as Replication;
    const ownerId = context.newId();
    const { data, payload } = await ingest.store(body, { replication, ownerId, signal, sealing });
    const checksum = partChecksumOf(body, payload, upload.checksum?.algorithm);
    const etag = etagOfBody(payload, sealing);
    const draft = { number, size: payload.size, etag, checksum, data };
    const part = await this.#publish(address, draft, () => ingest.discard(data));
    return { ...part, encryption };
  }

  async copyPart(options: CopyPartOptions): Promise<Part> {
    const { address, number, source, range } = options;
    checkPartNumber(number);
    const { record: upload } = this.find(address);
    const record = this.#objects.copySource(source);
    const slice = range ?? { offset: 0, length: record.size };
    if (slice.offset + slice.length > record.size) throw rangeOutside(record.size);
    if (slice.length > LIMITS.partBytes) throw sourceTooLarge();
    const { draft, discard } = await this.#parts.blobs.leased(record.data, () =>
      this.#copiedPart(options, upload, record, slice),
    );
    const part = await this.#publish(address, { number, ...draft }, discard);
    return { ...part, encryption: upload.encryption };
  }

  /** Shared, or stored anew where the upload is encrypted otherwise than the source. */
  async #copiedPart(
    { source, signal, customerKey }: CopyPartOptions,
    upload: UploadRecord,
    record: ObjectRecord,
    slice: ByteRange,
  ): Promise<{ draft: Omit<PartRecord, 'mtimeMs' | 'number'>; discard: () => Promise<void> }> {
    const { blobs, context, ingest } = this.#parts;
    const ownerId = context.newId();
    const size = slice.length;
    const checksumAlgorithm = upload.checksum?.algorithm ?? record.checksum?.algorithm;
    const replication = upload.replication as Replication;
    const stored = upload.encryption;
    const isPlain = stored === undefined && record.encryption === undefined;
    const anew =
      isPlain && customerKey === undefined
        ? undefined
        : await reencryptedPart(this.#parts, { record, customerKey: source.customerKey }, slice, {
            stored,
            customerKey,
            replication,
            ownerId,
            checksumAlgorithm,
            signal,
          });
    if (anew !== undefined) {
      const { data, payload, etag } = anew;
      const value = checksumAlgorithm && checksumValue(payload, checksumAlgorithm);
      const checksum =
        checksumAlgorithm && value !== undefined
          ? { algorithm: checksumAlgorithm, value }
          : undefined;
      return { draft: { size, etag, checksum, data }, discard: () => ingest.discard(data) };
    }
    const data = await blobs.cloneRange(record.data, slice, ownerId);
    const etag = copiedEtag(record, slice);
    const checksum = copiedChecksum(record, slice, upload);
    return { draft: { size, etag, checksum, data }, discard: () => blobs.dropQuietly(data) };
  }

  /** Commits a part row, or discards its bytes when the upload is over. */
  async #publish(
    address: UploadAddress,
    draft: Omit<PartRecord, 'mtimeMs'>,
    discard: () => Promise<void>,
  ): Promise<Part> {
    const { context } = this.#parts;
    const record = { ...draft, mtimeMs: context.clock.now() };
    const turn = `part ${address.uploadId} ${draft.number}`;
    context.touched.note(record.data);
    try {
      await context.turns.take(turn, () => this.#commitPart(address, record));
      return partOf(record);
    } catch (error) {
      if (wroteNothing(error)) await discard();
      throw error;
    }
  }

  async #commitPart(address: UploadAddress, record: PartRecord): Promise<void> {
    const { context } = this.#parts;
    const partition = partsPartition(address.uploadId);
    const key = partKey(record.number);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const state = context.meta.get(partition, STATE_KEY);
      const isOpen = state !== undefined && decodeState(state.value).state === 'open';
      if (!isOpen) throw noSuchUpload(address.uploadId);
      this.find(address);
      const before = context.meta.get(partition, key);
      const writes: Write[] = [{ kind: 'put', key, value: encodePart(record) }];
      const replaced = before && decodePart(before.value);
      if (replaced?.data.kind === 'hold') {
        const value = encodePart(replaced);
        writes.push({ kind: 'put', key: supersededKey(context.newId()), value });
      }
      const checks = [
        { key: STATE_KEY, rev: state.rev },
        { key, rev: before?.rev ?? ('absent' as const) },
      ];
      if ((await context.meta.commit({ partition, checks, writes })) === 'committed') return;
    }
    throw new S3Error('SlowDown');
  }

  async abort(address: UploadAddress): Promise<void> {
    const { bucket, key, uploadId } = address;
    await this.#parts.rows.mutate({ bucket, key, conditional: false }, () => {
      const { row } = this.find(address);
      return {
        result: undefined,
        checks: [{ key: row.key, rev: row.rev }],
        writes: [{ kind: 'delete', key: row.key }],
        reclaim: [{ record: { kind: 'upload', uploadId }, graceMs: 0 }],
      };
    });
  }

  listParts(
    address: UploadAddress,
    { after, limit }: { after: number; limit: number },
  ): { upload: Upload; parts: readonly Part[]; truncated: boolean } {
    const upload = this.upload(address);
    if (limit <= 0) return { upload, parts: [], truncated: false };
    const page = this.#parts.context.meta.scan(partsPartition(address.uploadId), {
      prefix: PART_PREFIX,
      after: partKey(Math.min(Math.max(after, 0), 0xffff)),
      limit: Math.min(limit, LIMITS.scanRows),
    });
    const parts = page.rows.map(({ value }) => partOf(decodePart(value)));
    return { upload, parts, truncated: page.more };
  }

  /** All parts in order, in batches. */
  *partsOf(uploadId: string): Generator<readonly PartRecord[]> {
    const partition = partsPartition(uploadId);
    let after = partKey(0);
    for (;;) {
      const scan = { prefix: PART_PREFIX, after, limit: LIMITS.scanRows };
      const page = this.#parts.context.meta.scan(partition, scan);
      yield page.rows.map(({ value }) => decodePart(value));
      const last = page.rows.at(-1);
      if (!page.more || last === undefined) return;
      after = partKey(decodePartKey(last.key));
    }
  }
}

export function uploadOf(bucket: string, key: string, record: UploadRecord): Upload {
  const { uploadId, initiatedMs, ownerId, initiatorId, storageClass, checksum } = record;
  const { encryption } = record;
  const address = { bucket, key, uploadId };
  return { ...address, initiatedMs, ownerId, initiatorId, storageClass, checksum, encryption };
}

export function noSuchUpload(uploadId: string): S3Error {
  return new S3Error('NoSuchUpload', { fields: { UploadId: uploadId } });
}

function partOf({ number, size, etag, mtimeMs, checksum }: PartRecord): Part {
  return { number, size, etag, mtimeMs, checksum };
}

function checkPartNumber(number: number): void {
  if (Number.isInteger(number) && number >= 1 && number <= LIMITS.partCount) return;
  throw new S3Error('InvalidArgument', {
    message: `Part number must be an integer between 1 and ${LIMITS.partCount}, inclusive`,
    fields: { ArgumentName: 'partNumber', ArgumentValue: String(number) },
  });
}

function rangeOutside(size: number): S3Error {
  return new S3Error('InvalidArgument', {
    message: `Range specified is not valid for source object of size: ${size}`,
    fields: { ArgumentName: 'x-amz-copy-source-range' },
  });
}

function isWhole(record: ObjectRecord, slice: ByteRange): boolean {
  return slice.offset === 0 && slice.length === record.size;
}

/**
 * AWS documents ETags of copied parts as opaque. A whole simple object keeps its MD5; others get a
 * digest of what was copied from where, since an MD5 would need the bytes that nobody reads.
 */
function copiedEtag(record: ObjectRecord, slice: ByteRange): string {
  if (isWhole(record, slice) && record.partCount === 0) return record.etag;
  const origin = `${etagOf(record)}:${slice.offset}:${slice.length}`;
  return createHash('md5').update(origin).digest('hex');
}

function copiedChecksum(
  record: ObjectRecord,
  slice: ByteRange,
  upload: UploadRecord,
): PartChecksum | undefined {
  const { checksum } = record;
  const wanted = upload.checksum?.algorithm ?? checksum?.algorithm;
  if (checksum === undefined || checksum.algorithm !== wanted) return undefined;
  if (checksum.type !== 'FULL_OBJECT' || !isWhole(record, slice)) return undefined;
  return { algorithm: checksum.algorithm, value: checksum.value };
}
