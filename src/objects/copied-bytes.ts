/**
 * The bytes of a copy: shared with the source where both are encrypted alike under the same key,
 * stored anew otherwise. What is stored anew is a simple object of its own, as every copy is on
 * AWS: its ETag and checksum are computed, and the parts of the source are no more.
 */
import { assert } from '../base/assert.ts';
import { S3Error } from '../base/s3-error.ts';
import type { DigestName } from '../body/body.ts';
import type { ByteRange, Replication } from '../chunks/chunk-store.ts';
import type { ObjectRecord, StoredEncryption } from '../meta/records.ts';
import { digestNameOf, wholeChecksum } from './attributes.ts';
import type { ChecksumAlgorithm } from './contract.ts';
import type { Context } from './context.ts';
import {
  beginSealing,
  etagOfBody,
  openerFor,
  requestOf,
  resumeSealing,
  type Sealing,
  sharedSealing,
} from './encryption.ts';
import type { CustomerKey, EncryptionRequest } from './encryption-contract.ts';
import type { Blobs } from './blobs.ts';
import type { Ingest, Stored } from './ingest.ts';
import { recast } from './recast.ts';

interface Parts {
  readonly context: Context;
  readonly blobs: Blobs;
  readonly ingest: Ingest;
}

export interface CopiedSource {
  readonly record: ObjectRecord;
  readonly customerKey: CustomerKey | undefined;
}

export interface CopyTarget {
  readonly encryption: EncryptionRequest | undefined;
  readonly replication: Replication;
  readonly ownerId: string;
  /** Of what is stored anew; a copy that shares bytes has the source's or none. */
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly signal: AbortSignal;
}

type BytesFields = Pick<ObjectRecord, 'data' | 'etag' | 'partCount' | 'checksum' | 'encryption'>;

export interface CopiedBytes {
  readonly fields: BytesFields;
  /** Of bytes that no row came to refer to. */
  discard(): Promise<void>;
}

export async function copiedBytes(
  parts: Parts,
  source: CopiedSource,
  target: CopyTarget,
): Promise<CopiedBytes> {
  const { context, blobs } = parts;
  const { record } = source;
  return await blobs.leased(record.data, async () => {
    const shared = await sharedSealing(
      context,
      { stored: record.encryption, key: source.customerKey },
      target.encryption,
    );
    return shared === undefined
      ? await storedAnew(parts, source, target)
      : await sharedBytes(parts, record, target, shared.stored);
  });
}

async function sharedBytes(
  { blobs }: Parts,
  record: ObjectRecord,
  { checksumAlgorithm, ownerId }: CopyTarget,
  encryption: StoredEncryption | undefined,
): Promise<CopiedBytes> {
  checkCopiedChecksum(record, checksumAlgorithm);
  const { etag, partCount, checksum } = record;
  const data = await blobs.clone(record.data, ownerId);
  return {
    fields: { data, etag, partCount, checksum, encryption },
    discard: () => blobs.dropQuietly(data),
  };
}

/** A copy that moves no byte can have the checksum that its source has, and no other. */
function checkCopiedChecksum({ checksum }: ObjectRecord, wanted?: ChecksumAlgorithm): void {
  if (wanted === undefined) return;
  if (checksum?.algorithm === wanted && checksum.type === 'FULL_OBJECT') return;
  throw new S3Error('NotImplemented', { fields: { Header: 'x-amz-checksum-algorithm' } });
}

async function storedAnew(
  parts: Parts,
  source: CopiedSource,
  target: CopyTarget,
): Promise<CopiedBytes> {
  const { context, ingest } = parts;
  const { checksum, size } = source.record;
  const sealing = target.encryption && (await beginSealing(context, target.encryption));
  const algorithm = target.checksumAlgorithm ?? checksum?.algorithm;
  const range = { offset: 0, length: size };
  const { data, payload } = await reencrypted(parts, source, range, algorithm, target, sealing);
  const kept = checksum?.type === 'FULL_OBJECT' && checksum.algorithm === algorithm;
  return {
    fields: {
      data,
      etag: etagOfBody(payload, sealing),
      partCount: 0,
      checksum: kept ? checksum : wholeChecksum(payload, algorithm),
      encryption: sealing?.stored,
    },
    discard: () => ingest.discard(data),
  };
}

async function reencrypted(
  { context, ingest }: Parts,
  { record, customerKey }: CopiedSource,
  range: ByteRange,
  algorithm: ChecksumAlgorithm | undefined,
  { replication, ownerId, signal }: Omit<CopyTarget, 'encryption' | 'checksumAlgorithm'>,
  sealing: Sealing | undefined,
): Promise<Stored> {
  const digests = new Set<DigestName>(['md5']);
  if (algorithm !== undefined) digests.add(digestNameOf(algorithm));
  const opener = openerFor(context, customerKey);
  const target = { replication, ownerId, signal, sealing };
  return await recast({ context, ingest }, { data: record.data, range, opener }, digests, target);
}

export interface PartTarget extends Omit<CopyTarget, 'encryption'> {
  /** Of the upload. */
  readonly stored: StoredEncryption | undefined;
  readonly customerKey: CustomerKey | undefined;
}

/**
 * A range of the source stored anew under the upload's key; undefined when it can be shared.
 * Throws InvalidRequest when the upload was begun with another key. The caller leases the source.
 */
export async function reencryptedPart(
  parts: Parts,
  source: CopiedSource,
  range: ByteRange,
  target: PartTarget,
): Promise<(Stored & { readonly etag: string }) | undefined> {
  const { context } = parts;
  const { stored, customerKey } = target;
  const { encryption } = source.record;
  const sealing = await resumeSealing(context, stored, customerKey);
  const wanted = { stored: encryption, key: source.customerKey };
  const shared = await sharedSealing(context, wanted, requestOf(stored, customerKey));
  if (shared !== undefined) return undefined;
  assert(sealing !== undefined || encryption !== undefined, 'plain bytes are shared');
  const { checksumAlgorithm } = target;
  const anew = await reencrypted(parts, source, range, checksumAlgorithm, target, sealing);
  return { ...anew, etag: etagOfBody(anew.payload, sealing) };
}
