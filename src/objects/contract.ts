/**
 * What S3 *means*, as the protocol calls it: buckets, objects, multipart uploads and listings
 * over any engine. No HTTP, no XML. Failures that S3 names are thrown as S3Error; each mutation
 * is one metadata commit that happens only after the body settled and its chunks were sealed.
 */
import type { Block } from '../memory/arena.ts';
import type { Body } from '../body/body.ts';
import type { ByteRange, Replication } from '../chunks/chunk-store.ts';
import type {
  ListEntry,
  Listing,
  ListOptions,
  ListUploadsOptions,
  ListVersionsOptions,
  VersionListing,
} from './listing-contract.ts';
import type { CustomerKey, Encryption, EncryptionRequest } from './encryption-contract.ts';
import type {
  CompleteOptions,
  CreateUploadOptions,
  Part,
  Upload,
  UploadAddress,
} from './upload-contract.ts';

export type ChecksumAlgorithm =
  | 'CRC32'
  | 'CRC32C'
  | 'CRC64NVME'
  | 'SHA1'
  | 'SHA256'
  | 'SHA512'
  | 'MD5'
  | 'XXHASH64'
  | 'XXHASH3'
  | 'XXHASH128';
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

/** `value` as S3 spells it: base64, with `-N` when composite. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  readonly value: string;
}

export interface PartChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

export interface Bucket {
  readonly id: string;
  readonly volume: string;
  readonly name: string;
  readonly ownerId: string;
  readonly createdMs: number;
  /** LocationConstraint it was made with; empty for us-east-1. */
  readonly location: string;
  readonly replication: Replication | undefined;
  /**
   * Configurations by sub-resource (`policy`, `cors` …): text that only the room which wrote it
   * understands. Live: a change is seen at once.
   */
  readonly configs: ReadonlyMap<string, string>;
}

export interface Retention {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly untilMs: number;
}

/** Object Lock of one version. */
export interface ObjectLock {
  readonly retention?: Retention | undefined;
  /** Undefined: nobody ever said. */
  readonly legalHold?: boolean | undefined;
}

/** System headers are kept under their lower-case names (`content-type`, `expires` …). */
export interface ObjectAttributes {
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata without the `x-amz-meta-` prefix. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly storageClass: string;
  /** Access control list as the protocol writes it; absent: the owner alone. */
  readonly acl?: string | undefined;
  readonly lock?: ObjectLock | undefined;
}

/** What authorisation looks at. */
export interface ObjectAccess {
  readonly ownerId: string;
  readonly acl: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

export interface ObjectHead extends ObjectAttributes {
  readonly key: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** Without quotes: 32 hex digits, `-N` appended for multipart. */
  readonly etag: string;
  /** 0 unless made by a multipart upload. */
  readonly partCount: number;
  readonly checksum: Checksum | undefined;
  readonly ownerId: string;
  /** Undefined where the bucket never had versioning; `null` for the null version. */
  readonly versionId: string | undefined;
  readonly encryption?: Encryption | undefined;
}

/** Conditional headers. ETags as sent: quoted or not, lists, `*`. Times in ms. */
export interface Conditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSinceMs?: number | undefined;
  readonly ifUnmodifiedSinceMs?: number | undefined;
  /** Deletes only: the size, and the Last-Modified, that the object must have. */
  readonly ifMatchSize?: number | undefined;
  readonly ifMatchMtimeMs?: number | undefined;
}

/** Inclusive ends exist only in HTTP; `suffix` = last N bytes. */
export type RangeRequest =
  | { readonly first: number; readonly last: number | undefined }
  | { readonly suffix: number };

export interface ReadOptions {
  readonly conditions: Conditions;
  readonly range?: RangeRequest | undefined;
  /** If-Range as sent: where it does not hold, the range is ignored. */
  readonly ifRange?: string | undefined;
  /** Undefined: the latest. */
  readonly versionId?: string | undefined;
  readonly partNumber?: number | undefined;
  /** Of an object that is encrypted under a customer's key, and of no other. */
  readonly customerKey?: CustomerKey | undefined;
}

export interface ObjectPart {
  readonly number: number;
  readonly size: number;
  readonly checksum?: PartChecksum | undefined;
}

export interface ReadResult {
  readonly head: ObjectHead;
  /** What is to be sent. `partial`: answer 206 with Content-Range. */
  readonly range: ByteRange;
  readonly partial: boolean;
  /** Set when a part was asked for by number and the object is multipart. */
  readonly partChecksum?: PartChecksum | undefined;
  /** Parts of a multipart object by number, `after` exclusive; none of any other. */
  parts(options: { readonly after: number; readonly limit: number }): {
    readonly parts: readonly ObjectPart[];
    readonly truncated: boolean;
  };
  /** Exactly `range.length` bytes; not to be called for HEAD. The consumer releases blocks. */
  blocks(signal: AbortSignal): AsyncIterable<Block>;
  /** Set instead of blocks when the bytes are in the row: `range` is already applied. */
  readonly inline: Uint8Array | undefined;
  /**
   * Set when the bytes are encrypted: to be awaited before an answer begins, for it may fail.
   * Answers them, `range` applied, when they are in the row.
   */
  readonly unlock?: (() => Promise<Uint8Array | undefined>) | undefined;
}

export interface PutOptions {
  readonly bucket: string;
  readonly key: string;
  readonly ownerId: string;
  readonly attributes: ObjectAttributes;
  /** Only ifMatch and ifNoneMatch apply to writes; decided at the commit point. */
  readonly conditions: Conditions;
  /** Which settled digest becomes the object's stored checksum. */
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly encryption?: EncryptionRequest | undefined;
  readonly signal: AbortSignal;
}

export interface PutResult {
  readonly etag: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly checksum: Checksum | undefined;
  readonly versionId: string | undefined;
  readonly encryption?: Encryption | undefined;
}

export interface CopyResult extends PutResult {
  readonly sourceVersionId: string | undefined;
}

export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
  readonly conditions: Conditions;
  readonly customerKey?: CustomerKey | undefined;
}

export interface CopyOptions {
  readonly source: CopySource;
  readonly bucket: string;
  readonly key: string;
  readonly ownerId: string;
  /** Undefined: COPY directive. */
  readonly headersAndMetadata: Pick<ObjectAttributes, 'headers' | 'metadata'> | undefined;
  /** Where a page redirects to: said with either directive, never copied. */
  readonly redirect?: string | undefined;
  /** Undefined: tags are copied. */
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly storageClass: string | undefined;
  /** ACLs are never copied. */
  readonly acl?: string | undefined;
  /** Of the copy: the source's is never copied. */
  readonly lock?: ObjectLock | undefined;
  /** The copy must have a checksum of this kind. */
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined;
  /** Of the copy: the source's is never copied. Undefined: none. */
  readonly encryption?: EncryptionRequest | undefined;
  readonly conditions: Conditions;
  readonly signal: AbortSignal;
}

export interface RenameOptions {
  readonly bucket: string;
  readonly source: { readonly key: string; readonly conditions: Conditions };
  readonly key: string;
  /** On what stands at the new key. */
  readonly conditions: Conditions;
}

export interface DeleteOptions {
  readonly conditions: Conditions;
  /** Undefined: the object; in a bucket with versioning that makes a delete marker. */
  readonly versionId?: string | undefined;
  /** May remove what is retained in governance mode. */
  readonly bypassGovernance?: boolean | undefined;
}

export interface LockTarget {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

export interface DeleteResult {
  /** The version that was removed, or the delete marker that was made. */
  readonly versionId: string | undefined;
  /** What was removed, or made, is a delete marker. */
  readonly deleteMarker: boolean;
}

export type Tags = Readonly<Record<string, string>>;
export interface TagsResult {
  readonly tags: Tags;
  readonly versionId: string | undefined;
}

export interface ObjectStore {
  // buckets.ts
  createBucket(options: {
    name: string;
    ownerId: string;
    location: string;
    replication: Replication | undefined;
    /** Configurations it is born with. */
    configs?: ReadonlyMap<string, string>;
  }): Promise<Bucket>;
  /** Throws NoSuchBucket (with BucketName). A hot, synchronous answer. */
  bucket(name: string): Bucket;
  deleteBucket(name: string): Promise<void>;
  /**
   * Replaces one configuration; `change` sees the present text and answers the new one, or
   * undefined to remove it. Changes of one bucket run one after the other; a throw changes nothing.
   */
  configureBucket(
    name: string,
    config: string,
    change: (text: string | undefined) => string | undefined,
  ): Promise<void>;
  /** In name order; `after` is exclusive. */
  listBuckets(options: { ownerId: string; prefix: string; after: string; limit: number }): {
    buckets: readonly Bucket[];
    truncated: boolean;
  };

  // objects.ts
  put(options: PutOptions, body: Body): Promise<PutResult>;
  /** Throws NoSuchBucket, NoSuchKey, PreconditionFailed, NotModified (with headers ETag, Last-Modified), InvalidRange, InvalidPartNumber. */
  read(bucket: string, key: string, options: ReadOptions): ReadResult;
  copy(options: CopyOptions): Promise<CopyResult>;
  /** One commit: nobody sees both keys, or neither. InvalidRequest in a bucket with versioning. */
  rename(options: RenameOptions): Promise<void>;
  /** Deleting an absent key succeeds. */
  delete(bucket: string, key: string, options: DeleteOptions): Promise<DeleteResult>;
  /**
   * For authorisation: nothing is thrown for an absent key or version, nor for a delete marker.
   * Throws NoSuchBucket.
   */
  access(bucket: string, key: string, versionId?: string): ObjectAccess | undefined;
  /**
   * `acl` undefined: the owner alone. Throws NoSuchKey, or OperationAborted when the object is
   * not `ownerId`'s any more: who was allowed to change one may not be for the next.
   */
  setAcl(target: LockTarget, ownerId: string, acl: string | undefined): Promise<void>;
  tags(bucket: string, key: string, versionId?: string): TagsResult;
  setTags(bucket: string, key: string, tags: Tags, versionId?: string): Promise<TagsResult>;

  /** Throws AccessDenied when the present retention does not allow it. Undefined: removed. */
  setRetention(
    target: LockTarget,
    retention: Retention | undefined,
    bypassGovernance: boolean,
  ): Promise<void>;
  setLegalHold(target: LockTarget, legalHold: boolean): Promise<void>;
  /** Throws InvalidRequest in a bucket without Object Lock. */
  lock(target: LockTarget): ObjectLock;

  // listing.ts and version-listing.ts
  listVersions(bucket: string, options: ListVersionsOptions): VersionListing;
  list(bucket: string, options: ListOptions): Listing<ListEntry>;

  // multipart.ts
  createUpload(options: CreateUploadOptions): Promise<Upload>;
  /** Throws NoSuchUpload. */
  upload(address: UploadAddress): Upload;
  /** The algorithm that an upload was begun with; undefined too when there is no such upload. */
  uploadChecksum(address: UploadAddress): ChecksumAlgorithm | undefined;
  putPart(
    address: UploadAddress,
    partNumber: number,
    body: Body,
    signal: AbortSignal,
    customerKey?: CustomerKey,
  ): Promise<Part>;
  /** `range` undefined: the whole source, without moving a byte. */
  copyPart(
    address: UploadAddress,
    partNumber: number,
    source: CopySource,
    range: ByteRange | undefined,
    signal: AbortSignal,
    customerKey?: CustomerKey,
  ): Promise<Part>;
  completeUpload(options: CompleteOptions, signal: AbortSignal): Promise<PutResult>;
  abortUpload(address: UploadAddress): Promise<void>;
  listParts(
    address: UploadAddress,
    options: { after: number; limit: number },
  ): { upload: Upload; parts: readonly Part[]; truncated: boolean };
  listUploads(bucket: string, options: ListUploadsOptions): Listing<Upload>;

  close(): Promise<void>;
}
