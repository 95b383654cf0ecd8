/** What multipart uploads ask for and answer. Types only: a part of the contract in contract.ts. */
import type { CustomerKey, Encryption, EncryptionRequest } from './encryption-contract.ts';
import type {
  ChecksumAlgorithm,
  ChecksumType,
  Conditions,
  ObjectAttributes,
  PartChecksum,
} from './contract.ts';

export interface CreateUploadOptions {
  readonly bucket: string;
  readonly key: string;
  /** Who will own the object. */
  readonly ownerId: string;
  /** Who asked, when that is somebody else. */
  readonly initiatorId?: string | undefined;
  readonly attributes: ObjectAttributes;
  readonly checksum:
    | { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
    | undefined;
  readonly encryption?: EncryptionRequest | undefined;
}

export interface UploadAddress {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export interface Upload extends UploadAddress {
  readonly initiatedMs: number;
  readonly ownerId: string;
  /** Absent: the owner. */
  readonly initiatorId?: string | undefined;
  readonly storageClass: string;
  readonly checksum:
    | { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
    | undefined;
  readonly encryption?: Encryption | undefined;
}

export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly mtimeMs: number;
  readonly checksum: PartChecksum | undefined;
  /** Of the upload. */
  readonly encryption?: Encryption | undefined;
}

export interface CompletedPart {
  readonly number: number;
  /** As sent, quotes removed. */
  readonly etag: string;
  readonly checksums: readonly PartChecksum[];
}

export interface CompleteOptions extends UploadAddress {
  readonly parts: readonly CompletedPart[];
  readonly conditions: Conditions;
  /** x-amz-checksum-* of the whole object, if the client sent one. */
  readonly checksum: PartChecksum | undefined;
  readonly checksumType: ChecksumType | undefined;
  /** x-amz-mp-object-size */
  readonly size: number | undefined;
  readonly customerKey?: CustomerKey | undefined;
}
