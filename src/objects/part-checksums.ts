/**
 * Checksums of multipart objects. COMPOSITE: the hash of the parts' raw checksums with `-N`.
 * FULL_OBJECT, for CRCs only: combined from the parts' CRCs without reading a byte.
 *
 * A part that was copied may have no checksum, because nobody read its bytes. Then the object has
 * none either, and a checksum that the client demands is refused, never taken on trust.
 */
import { createHash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { base64, base64Decode } from '../base/bytes.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Body, Payload } from '../body/body.ts';
import type { PartRecord, UploadRecord } from '../meta/records.ts';
import { crcCombine } from '../wasm/crc-combine.ts';
import { crc32, crc32c, crc64nvme } from '../wasm/crc.ts';
import { XxHash } from '../wasm/xx-hash.ts';
import { CHECKSUM_ALGORITHMS, checksumValue, digestNameOf } from './attributes.ts';
import type { Checksum, ChecksumAlgorithm, ChecksumType, PartChecksum } from './contract.ts';
import type { CompletedPart, CompleteOptions } from './upload-contract.ts';

type PartSummary = Pick<PartRecord, 'size' | 'checksum'>;

export interface ChecksumPlan {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
}

/** The checksum of an uploaded part: the upload's algorithm, else the one that the client sent. */
export function partChecksumOf(
  body: Body,
  payload: Payload,
  wanted: ChecksumAlgorithm | undefined,
): PartChecksum | undefined {
  const { declared, trailer } = body.plan;
  const sent = (algorithm: ChecksumAlgorithm): boolean => {
    const name = digestNameOf(algorithm);
    return name === trailer || name === declared;
  };
  const algorithm = wanted ?? CHECKSUM_ALGORITHMS.find(sent) ?? 'CRC64NVME';
  const value = algorithm && checksumValue(payload, algorithm);
  return algorithm && value !== undefined ? { algorithm, value } : undefined;
}

/** Which checksum the object gets. Throws InvalidRequest where request and upload disagree. */
export function planChecksum(
  upload: UploadRecord,
  options: Pick<CompleteOptions, 'checksum' | 'checksumType'>,
): ChecksumPlan | undefined {
  const planned = upload.checksum;
  const { checksum: sent, checksumType: type } = options;
  if (planned !== undefined && type !== undefined && type !== planned.type) {
    throw new S3Error('InvalidRequest', {
      message:
        `The upload was created using the ${planned.type} checksum mode. ` +
        'The complete request must use the same checksum mode.',
    });
  }
  if (planned !== undefined && sent !== undefined && sent.algorithm !== planned.algorithm) {
    throw new S3Error('InvalidRequest', {
      message:
        `Checksum Type mismatch occurred, expected checksum Type: ${planned.algorithm.toLowerCase()}, ` +
        `actual checksum Type: ${sent.algorithm.toLowerCase()}`,
    });
  }
  if (planned !== undefined) return planned;
  // What S3 gives an object that nobody chose a checksum for: if all parts have it.
  if (sent === undefined) return { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' };
  const isFull = sent.algorithm === 'CRC64NVME' || type === 'FULL_OBJECT';
  return { algorithm: sent.algorithm, type: isFull ? 'FULL_OBJECT' : 'COMPOSITE' };
}

/** Throws InvalidPart or InvalidRequest where the list of parts contradicts what was stored. */
export function checkPartChecksums(
  asked: CompletedPart,
  stored: PartRecord,
  plan: ChecksumPlan | undefined,
  invalidPart: () => S3Error,
): void {
  for (const { algorithm, value } of asked.checksums) {
    const { checksum } = stored;
    if (checksum?.algorithm !== algorithm || checksum.value !== value) throw invalidPart();
  }
  const missing = asked.checksums.length === 0 && stored.checksum !== undefined;
  if (plan?.type === 'COMPOSITE' && missing) {
    const name = plan.algorithm.toLowerCase();
    throw new S3Error('InvalidRequest', {
      message:
        `The upload was created using a ${name} checksum. The complete request must include ` +
        `the checksum for each part. It was missing for part ${asked.number} in the request.`,
    });
  }
}

/** Throws BadDigest when the client's value differs, InvalidRequest when it cannot be told. */
export function objectChecksum(
  plan: ChecksumPlan | undefined,
  parts: readonly PartSummary[],
  sent: PartChecksum | undefined,
): Checksum | undefined {
  if (plan === undefined) return undefined;
  const value = computed(plan, parts);
  if (sent === undefined) return value === undefined ? undefined : { ...plan, value };
  if (value === undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'The checksum cannot be verified: a part was uploaded or copied without one.',
    });
  }
  const bare = plan.type === 'COMPOSITE' && !sent.value.includes('-');
  if ((bare ? `${sent.value}-${parts.length}` : sent.value) !== value) {
    throw new S3Error('BadDigest', {
      message: `The ${plan.algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
    });
  }
  return { ...plan, value };
}

function computed(plan: ChecksumPlan, parts: readonly PartSummary[]): string | undefined {
  const raw: Uint8Array[] = [];
  for (const { checksum } of parts) {
    if (checksum?.algorithm !== plan.algorithm) return undefined;
    const bytes = base64Decode(checksum.value);
    assert(bytes !== undefined, 'stored checksums are base64');
    raw.push(bytes);
  }
  if (plan.type === 'COMPOSITE') {
    return `${base64(hashOf(plan.algorithm, Buffer.concat(raw)))}-${parts.length}`;
  }
  return base64(combined(plan.algorithm, raw, parts));
}

function combined(
  algorithm: ChecksumAlgorithm,
  raw: readonly Uint8Array[],
  parts: readonly PartSummary[],
): Uint8Array {
  const name = digestNameOf(algorithm);
  if (name !== 'crc32' && name !== 'crc32c' && name !== 'crc64nvme') {
    throw new S3Error('InvalidRequest', {
      message: `The FULL_OBJECT checksum type cannot be used with the ${name} checksum algorithm.`,
    });
  }
  return raw.reduce((sum, bytes, index) => crcCombine(name, sum, bytes, parts[index]?.size ?? 0));
}

function hashOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Uint8Array {
  switch (algorithm) {
    case 'CRC32':
      return word(crc32(bytes));
    case 'CRC32C':
      return word(crc32c(bytes));
    case 'CRC64NVME': {
      const sum = new Uint8Array(8);
      new DataView(sum.buffer).setBigUint64(0, crc64nvme(bytes));
      return sum;
    }
    case 'SHA1':
    case 'SHA256':
    case 'SHA512':
    case 'MD5':
      return createHash(algorithm.toLowerCase()).update(bytes).digest();
    case 'XXHASH64':
      return new XxHash('xxhash64').update(bytes).digest();
    case 'XXHASH3':
      return new XxHash('xxhash3').update(bytes).digest();
    case 'XXHASH128':
      return new XxHash('xxhash128').update(bytes).digest();
  }
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
