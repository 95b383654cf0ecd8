/**
 * CompleteMultipartUpload: scan the parts, check them against the list, join them to a composite
 * blob, then one commit in the index partition puts the object, ends the upload and leaves reclaim
 * rows. No byte of the parts moves.
 *
 * Until that commit the parts belong to the upload and the pages to nobody; from it on the pages
 * own the parts that they name, and the reclaim row says so (`keepBlobId`).
 */
import { createHash } from 'node:crypto';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type {
  CompositeBlob,
  ObjectRecord,
  PartRecord,
  SegmentRecord,
  UploadRecord,
} from '../meta/records.ts';
import { putResultOf, validatorsOf } from './attributes.ts';
import { nextTurn } from './blobs.ts';
import { checkWrite, isConditional } from './conditions.ts';
import type { PutResult } from './contract.ts';
import type { CompletedPart, CompleteOptions } from './upload-contract.ts';
import { resumeSealing } from './encryption.ts';
import { wroteNothing } from './index-rows.ts';
import type { Decision, Situation } from './index-rows.ts';
import { putObject } from './objects.ts';
import type { ObjectParts } from './objects.ts';
import { checkPartChecksums, objectChecksum, planChecksum } from './part-checksums.ts';
import type { ChecksumPlan } from './part-checksums.ts';
import { noSuchUpload } from './uploads.ts';
import { versionIdOf } from './versions.ts';
import type { FoundUpload, Uploads } from './uploads.ts';

export class Completion {
  readonly #parts: ObjectParts;
  readonly #uploads: Uploads;

  constructor(parts: ObjectParts, uploads: Uploads) {
    this.#parts = parts;
    this.#uploads = uploads;
  }

  async complete(options: CompleteOptions): Promise<PutResult> {
    const turn = `upload ${options.uploadId}`;
    return await this.#parts.context.turns.take(turn, () => this.#complete(options));
  }

  async #complete(options: CompleteOptions): Promise<PutResult> {
    const { blobs } = this.#parts;
    const upload = this.#uploads.seek(options);
    if (upload === undefined) return this.#repeated(options);
    checkOrder(options.parts);
    if (options.customerKey !== undefined) {
      await resumeSealing(this.#parts.context, upload.record.encryption, options.customerKey);
    }
    this.#checkEarly(options, upload);
    const plan = planChecksum(upload.record, options);
    const chosen = await this.#gather(options, plan);
    const checksum = objectChecksum(plan, chosen, options.checksum);
    const blob = await blobs.join(chosen.map(segmentOf));
    const draft = draftOf(options, upload.record, chosen, blob, this.#parts.context.newId());
    try {
      return await this.#commit(options, upload, blob, { ...draft, checksum });
    } catch (error) {
      if (wroteNothing(error)) await this.#unjoinQuietly(blob);
      throw error;
    }
  }

  /** A client that lost the answer asks again: the object says which upload made it. */
  #repeated(options: CompleteOptions): PutResult {
    const { buckets, rows } = this.#parts;
    const current = rows.current(buckets.find(options.bucket), options.key);
    const record = current?.record;
    const same =
      record?.uploadId === options.uploadId &&
      record.partCount === options.parts.length &&
      record.etag === etagOfEtags(options.parts.map(({ etag }) => etag));
    if (record === undefined || !same) throw noSuchUpload(options.uploadId);
    return putResultOf(record, versionIdOf(buckets.find(options.bucket), record));
  }

  /** A refusal that is certain already need not join anything. The commit decides again. */
  #checkEarly({ conditions, key }: CompleteOptions, { bucket }: FoundUpload): void {
    if (!isConditional(conditions)) return;
    const current = this.#parts.rows.current(bucket, key);
    checkWrite(conditions, key, current && validatorsOf(current.record));
  }

  /** The stored parts that the list names, every one checked. */
  async #gather(options: CompleteOptions, plan: ChecksumPlan | undefined): Promise<PartRecord[]> {
    const { parts, uploadId } = options;
    const chosen: PartRecord[] = [];
    let size = 0;
    for (const batch of this.#uploads.partsOf(uploadId)) {
      for (const stored of batch) {
        const asked = parts[chosen.length];
        if (asked === undefined || stored.number < asked.number) continue;
        const invalidPart = (): S3Error => invalid(asked, uploadId);
        if (stored.number > asked.number || stored.etag !== asked.etag.toLowerCase()) {
          throw invalidPart();
        }
        checkPartChecksums(asked, stored, plan, invalidPart);
        const isLast = chosen.length === parts.length - 1;
        if (!isLast && stored.size < LIMITS.partBytesMin) throw tooSmall(stored);
        size += stored.size;
        chosen.push(stored);
      }
      await nextTurn();
    }
    const missing = parts[chosen.length];
    if (missing !== undefined) throw invalid(missing, uploadId);
    if (size > LIMITS.objectBytes) throw new S3Error('EntityTooLarge');
    if (options.size !== undefined && options.size !== size) throw wrongSize(options.size, size);
    return chosen;
  }

  async #commit(
    options: CompleteOptions,
    upload: FoundUpload,
    blob: CompositeBlob,
    draft: Omit<ObjectRecord, 'mtimeMs'>,
  ): Promise<PutResult> {
    const { rows, versions } = this.#parts;
    const { bucket, key, uploadId, conditions } = options;
    const decide = (situation: Situation): Decision<PutResult> => {
      const { current } = situation;
      if (this.#uploads.seek(options) === undefined) throw noSuchUpload(uploadId);
      checkWrite(conditions, key, current && validatorsOf(current.record));
      const record = versions.stamp(situation, draft);
      const change = versions.displace(situation, key);
      const rest = { kind: 'upload', uploadId, keepBlobId: blob.id } as const;
      return {
        result: putResultOf(record, versionIdOf(situation.bucket, record)),
        checks: [{ key: upload.row.key, rev: upload.row.rev }, ...change.checks],
        writes: [putObject(key, record), { kind: 'delete', key: upload.row.key }, ...change.writes],
        reclaim: [...change.reclaim, { record: rest, graceMs: 0 }],
      };
    };
    this.#parts.context.touched.note(draft.data);
    return await rows.mutate({ bucket, key, conditional: isConditional(conditions) }, decide);
  }

  async #unjoinQuietly(blob: CompositeBlob): Promise<void> {
    try {
      await this.#parts.blobs.unjoin(blob);
    } catch (error) {
      const fields = { err: error, blob: blob.id };
      this.#parts.context.log.warn(fields, 'could not remove unused pages, left to the scrub');
    }
  }
}

function draftOf(
  options: CompleteOptions,
  upload: UploadRecord,
  chosen: readonly PartRecord[],
  blob: CompositeBlob,
  instanceId: string,
): Omit<ObjectRecord, 'mtimeMs'> {
  const { ownerId, storageClass, headers, metadata, tags, acl, lock, encryption } = upload;
  const hold = { ownerId: instanceId, blob, offset: 0, length: blob.size };
  return {
    instanceId,
    size: blob.size,
    etag: etagOfEtags(chosen.map(({ etag }) => etag)),
    partCount: chosen.length,
    storageClass,
    ownerId,
    headers,
    metadata,
    tags,
    acl,
    ...(lock === undefined ? {} : { lock }),
    ...(encryption === undefined ? {} : { encryption }),
    uploadId: options.uploadId,
    data: { kind: 'hold', hold },
  };
}

function segmentOf({ number, size, etag, checksum, data }: PartRecord): SegmentRecord {
  return { data, part: { number, size, etag, checksum } };
}

/** MD5 of the parts' binary MD5s. */
function etagOfEtags(etags: readonly string[]): string {
  const hash = createHash('md5');
  for (const etag of etags) hash.update(etag, 'hex');
  return hash.digest('hex');
}

function checkOrder(parts: readonly CompletedPart[]): void {
  if (parts.length === 0 || parts.length > LIMITS.partCount) throw new S3Error('MalformedXML');
  let before = 0;
  for (const { number } of parts) {
    if (number <= before) throw new S3Error('InvalidPartOrder');
    before = number;
  }
}

function invalid(part: CompletedPart, uploadId: string): S3Error {
  return new S3Error('InvalidPart', {
    fields: { UploadId: uploadId, PartNumber: String(part.number), ETag: part.etag },
  });
}

function tooSmall({ number, size, etag }: PartRecord): S3Error {
  return new S3Error('EntityTooSmall', {
    fields: {
      ProposedSize: String(size),
      MinSizeAllowed: String(LIMITS.partBytesMin),
      PartNumber: String(number),
      ETag: etag,
    },
  });
}

function wrongSize(declared: number, actual: number): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      `The provided 'x-amz-mp-object-size' header value ${declared} does not match ` +
      `what was computed: ${actual}`,
  });
}
