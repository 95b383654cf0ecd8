/**
 * What metadata rows mean once decoded: buckets, objects, uploads, parts, blobs and what is left
 * to reclaim. Types only; bytes are made by `record-codec.ts` and `object-codec.ts`.
 *
 * Records are open: fields that this version does not know survive a read and a rewrite, as long
 * as the writer spreads the record it read (`{ ...record, size }`). New features are therefore
 * additions to records, never migrations.
 */

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
export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  readonly value: string;
}

export interface StoredPartChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/** Structural twin of `ChunkRef` in `chunks/chunk-store.ts`, which `meta/` may not import. */
export interface StoredChunkRef {
  readonly id: string;
  readonly length: number;
  readonly layout: string;
  readonly nodes: readonly number[];
  readonly packed?: readonly (readonly [volume: number, offset: number])[];
}

/** Structural twin of `Seal` in `crypto/data-keys.ts`: a wrapped data key, and what unwraps it. */
export interface StoredSeal {
  readonly mode: 'AES256' | 'aws:kms' | 'customer';
  readonly id: string;
  readonly keyId?: string | undefined;
  readonly context?: string | undefined;
  readonly wrapped: string;
}

/** How an object, or the parts of an upload, are encrypted, and what clients are told of it. */
export interface StoredEncryption {
  readonly mode: 'AES256' | 'aws:kms' | 'customer';
  /** KMS: the key as the client named it, or its ARN. */
  readonly keyId?: string | undefined;
  /** KMS: base64 of the pairs that the client bound it to. */
  readonly context?: string | undefined;
  readonly bucketKey?: true | undefined;
  /** Of the data key. What the bytes need stands with them: copies share bytes, not objects. */
  readonly seal: StoredSeal;
}

/** Sealed bytes that stand in a row: one segment, of which this is a slice. */
export interface InlineSeal extends StoredSeal {
  /** Names the leaf that the segment is. */
  readonly leafId: string;
  readonly offset: number;
  readonly length: number;
}

/** A run of chunks written as one body. At most 32 chunks, embedded in every reference. */
export interface LeafBlob {
  readonly id: string;
  /** Of the plaintext, as every offset and length. */
  readonly size: number;
  /** The chunks hold sealed segments (`crypto/segment-cipher.ts`). */
  readonly seal?: StoredSeal | undefined;
  readonly chunks: readonly StoredChunkRef[];
}

/** A blob joined from segments, which stand in `pages` rows of the blob's own partition. */
export interface CompositeBlob {
  readonly id: string;
  readonly size: number;
  readonly pages: number;
  /** Byte offset at which each page begins: a range needs only the pages that it touches. */
  readonly starts: readonly number[];
  /** 1 + the depth of the deepest blob among its segments; a leaf has 0. Bounded. */
  readonly depth: number;
}

export type BlobRef = LeafBlob | CompositeBlob;

/** A reference to a slice of a blob, held under `ownerId` (an instance, part or blob id). */
export interface Hold {
  readonly ownerId: string;
  readonly blob: BlobRef;
  readonly offset: number;
  readonly length: number;
}

/** Where the bytes of an object, part or segment are. */
export type StoredData =
  | {
      readonly kind: 'inline';
      readonly bytes: Uint8Array;
      readonly seal?: InlineSeal | undefined;
    }
  | { readonly kind: 'hold'; readonly hold: Hold };

/** The part that a segment was uploaded as; `etag` is its hex MD5. */
export interface SegmentPart {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly checksum?: StoredPartChecksum | undefined;
}

export interface SegmentRecord {
  readonly data: StoredData;
  readonly part: SegmentPart;
}

/** One row of a composite blob: segments in object order. */
export interface BlobPage {
  readonly segments: readonly SegmentRecord[];
}

/** Object Lock of one version. */
export interface StoredLock {
  readonly retention?:
    | { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly untilMs: number }
    | undefined;
  /** Undefined: nobody ever said. */
  readonly legalHold?: boolean | undefined;
}

export interface ObjectRecord {
  /** Unique for every write of every object; the owner id of its hold. */
  readonly instanceId: string;
  /** Absent: the null version. */
  readonly versionId?: string | undefined;
  /**
   * Null versions of a bucket that has or had versioning: their place among the versions of the
   * key, a time-ordered id. Where it is absent too, `instanceId` stands for it.
   */
  readonly position?: string | undefined;
  readonly deleteMarker?: true | undefined;
  readonly size: number;
  readonly mtimeMs: number;
  /** 32 hex digits. With `partCount` > 0 the client sees `<etag>-<partCount>`. */
  readonly etag: string;
  /** 0: not made by a multipart upload. */
  readonly partCount: number;
  readonly storageClass: string;
  /** The user who owns the object. */
  readonly ownerId: string;
  /** System headers under lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata without its prefix. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Access control list as the protocol writes it; absent: the owner alone. */
  readonly acl?: string | undefined;
  readonly checksum?: StoredChecksum | undefined;
  readonly lock?: StoredLock | undefined;
  readonly encryption?: StoredEncryption | undefined;
  /** The upload that made it: makes a repeated CompleteMultipartUpload idempotent. */
  readonly uploadId?: string | undefined;
  readonly data: StoredData;
}

/** What a listing needs of an object row, read from its fixed head without parsing JSON. */
export interface ObjectListEntry {
  readonly deleteMarker: boolean;
  readonly size: number;
  readonly mtimeMs: number;
  readonly etag: string;
  readonly partCount: number;
  readonly storageClass: string;
  readonly ownerId: string;
  readonly checksum?:
    | { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
    | undefined;
}

export interface UploadRecord {
  readonly uploadId: string;
  readonly initiatedMs: number;
  /** Who will own the object. */
  readonly ownerId: string;
  /** Who began it, when that is somebody else. */
  readonly initiatorId?: string | undefined;
  readonly storageClass: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly acl?: string | undefined;
  readonly lock?: StoredLock | undefined;
  readonly encryption?: StoredEncryption | undefined;
  /** Replication of its parts: fixed when the upload starts. */
  readonly replication: string;
  readonly checksum?:
    | { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
    | undefined;
}

export interface PartRecord {
  readonly number: number;
  readonly size: number;
  /** 32 hex digits. */
  readonly etag: string;
  readonly mtimeMs: number;
  readonly checksum?: StoredPartChecksum | undefined;
  readonly data: StoredData;
}

export interface BucketRecord {
  readonly id: string;
  readonly volume: string;
  readonly name: string;
  readonly ownerId: string;
  readonly createdMs: number;
  /** LocationConstraint it was made with; empty for us-east-1. */
  readonly location: string;
  readonly replication?: string | undefined;
  readonly state: 'open' | 'deleting';
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** One configuration of a bucket (policy, CORS rules …), as its room writes it. */
export interface ConfigRecord {
  readonly text: string;
}

/** An event notification that waits for its delivery to one target. */
export interface EventRecord {
  /** What kind of document goes to the target. */
  readonly kind: 'record' | 'test';
  /** JSON: one record of an event document, or the whole test document. */
  readonly text: string;
}

/** A user, with the keys that were made for him here. */
export interface IdentityRecord {
  /** Canonical id. */
  readonly id: string;
  readonly name: string;
  readonly email?: string | undefined;
  readonly admin: boolean;
  /** None of the user's keys is accepted. */
  readonly disabled: boolean;
  /** Identity policy, JSON. */
  readonly policy?: string | undefined;
  readonly keys: readonly IdentityKey[];
}

export interface IdentityKey {
  readonly accessKey: string;
  /** The secret, sealed under the key file. */
  readonly sealed: string;
  readonly createdMs: number;
}

/** A deleted bucket whose index partitions still hold reclaim rows. */
export interface RetiredRecord {
  readonly id: string;
  readonly volume: string;
  readonly name: string;
  readonly deletedMs: number;
}

/**
 * Deferred deletes, written in the commit that made them garbage. `upload` with `keepBlobId`:
 * completed, drop the parts which that blob does not use; without: aborted, drop all parts.
 */
export type ReclaimRecord =
  | { readonly kind: 'holds'; readonly holds: readonly Hold[] }
  | {
      readonly kind: 'upload';
      readonly uploadId: string;
      readonly keepBlobId?: string | undefined;
    };

/** One holder of a shared blob. */
export interface SharingRecord {
  readonly ownerId: string;
  readonly createdMs: number;
}

/** Proof that a partition takes writes: mutations check this row's rev. */
export interface StateRecord {
  readonly state: 'open' | 'closed';
}
