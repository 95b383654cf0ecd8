/**
 * Between records and what callers see of them: heads, ETags, checksums of whole bodies.
 * Pure; knows neither rows nor chunks.
 */
import { assert } from '../base/assert.ts';
import { base64, hex, utf8 } from '../base/bytes.ts';
import { S3Error } from '../base/s3-error.ts';
import type { DigestName, Payload } from '../body/body.ts';
import type { ObjectRecord } from '../meta/records.ts';
import type { Validators } from './conditions.ts';
import type {
  Checksum,
  ChecksumAlgorithm,
  ObjectAttributes,
  ObjectHead,
  PutResult,
} from './contract.ts';

/**
 * Headers, metadata and tags of one object as JSON. Together with inline bytes and a hold they
 * must fit a row; far more than any header section the front end accepts.
 */
const ATTRIBUTES_BYTES_MAX = 40 * 1024;

const DIGEST_OF: Readonly<Record<ChecksumAlgorithm, DigestName>> = {
  CRC32: 'crc32',
  CRC32C: 'crc32c',
  CRC64NVME: 'crc64nvme',
  SHA1: 'sha1',
  SHA256: 'sha256',
  SHA512: 'sha512',
  MD5: 'md5',
  XXHASH64: 'xxhash64',
  XXHASH3: 'xxhash3',
  XXHASH128: 'xxhash128',
};

export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = Object.keys(
  DIGEST_OF,
) as ChecksumAlgorithm[];

export function etagOf(record: Pick<ObjectRecord, 'etag' | 'partCount'>): string {
  return record.partCount > 0 ? `${record.etag}-${record.partCount}` : record.etag;
}

export function validatorsOf(record: ObjectRecord): Validators {
  return { etag: etagOf(record), mtimeMs: record.mtimeMs, size: record.size };
}

export function headOf(
  key: string,
  record: ObjectRecord,
  versionId: string | undefined,
): ObjectHead {
  const { size, mtimeMs, partCount, ownerId, checksum } = record;
  const { headers, metadata, tags, storageClass, acl, lock, encryption } = record;
  return {
    key,
    size,
    mtimeMs,
    etag: etagOf(record),
    partCount,
    checksum,
    ownerId,
    headers,
    metadata,
    tags,
    storageClass,
    acl,
    lock,
    versionId,
    encryption,
  };
}

export function putResultOf(record: ObjectRecord, versionId: string | undefined): PutResult {
  const { size, mtimeMs, checksum, encryption } = record;
  return { etag: etagOf(record), size, mtimeMs, checksum, versionId, encryption };
}

export function etagDigest(payload: Payload): string {
  const md5 = payload.digests.get('md5');
  assert(md5 !== undefined, 'object bodies are planned with an MD5');
  return hex(md5);
}

/** Base64 of the settled digest; undefined when the body was not planned with it. */
export function checksumValue(payload: Payload, algorithm: ChecksumAlgorithm): string | undefined {
  const digest = payload.digests.get(DIGEST_OF[algorithm]);
  return digest && base64(digest);
}

export function wholeChecksum(
  payload: Payload,
  algorithm: ChecksumAlgorithm | undefined,
): Checksum | undefined {
  const value = algorithm && checksumValue(payload, algorithm);
  return algorithm && value !== undefined ? { algorithm, type: 'FULL_OBJECT', value } : undefined;
}

export function digestNameOf(algorithm: ChecksumAlgorithm): DigestName {
  return DIGEST_OF[algorithm];
}

/** Throws MetadataTooLarge for attributes that would not fit a row. */
export function checkAttributes(attributes: Omit<ObjectAttributes, 'storageClass'>): void {
  const { headers, metadata, tags, acl } = attributes;
  const bytes = utf8(JSON.stringify({ headers, metadata, tags, acl })).length;
  if (bytes > ATTRIBUTES_BYTES_MAX) throw new S3Error('MetadataTooLarge');
}
