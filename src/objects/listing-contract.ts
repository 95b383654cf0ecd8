/**
 * What listings of objects, of their versions and of uploads ask for and answer. Types only: a part
 * of the contract in contract.ts.
 */
import type { ChecksumAlgorithm, ChecksumType } from './contract.ts';

export interface ListOptions {
  readonly prefix: string;
  readonly delimiter: string;
  /** Exclusive: marker, start-after or the decoded continuation token. */
  readonly after: string;
  readonly limit: number;
}

export interface ListEntry {
  readonly key: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly etag: string;
  readonly storageClass: string;
  readonly ownerId: string;
  readonly checksum?:
    | { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
    | undefined;
}

/** `entries` and `prefixes` are each in byte order and together at most `limit`. */
export interface Listing<Entry> {
  readonly entries: readonly Entry[];
  readonly prefixes: readonly string[];
  /** True when more follow; `next` is then the last key or prefix returned. */
  readonly truncated: boolean;
  readonly next: string | undefined;
}

/** A version of an object, or a delete marker. */
export interface VersionEntry extends ListEntry {
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly deleteMarker: boolean;
}

export interface ListVersionsOptions extends Omit<ListOptions, 'after'> {
  readonly keyMarker: string;
  /** Empty: behind every version of the marker's key. */
  readonly versionIdMarker: string;
}

export interface VersionListing extends Listing<VersionEntry> {
  /** With `next`, when the last entry was a version. */
  readonly nextVersionId: string | undefined;
}

export interface ListUploadsOptions extends Omit<ListOptions, 'after'> {
  readonly keyMarker: string;
  readonly uploadIdMarker: string;
}
