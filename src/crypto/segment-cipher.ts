/**
 * How the bytes of one leaf are sealed: 65,520 bytes of plaintext become a segment of 64 KiB, its
 * AES-256-GCM tag last. The key belongs to the leaf alone, so the segment's number is nonce enough;
 * the leaf's id, the number and whether it is the last segment are authenticated with it.
 *
 * Invariant: what `open` returns is what `seal` was given, for this place in this leaf. A segment
 * that was changed, swapped, re-ordered, cut off or taken from elsewhere throws.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { utf8 } from '../base/bytes.ts';
import { StoreError } from '../base/store-error.ts';

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
/**
 * A segment as it is stored. As long as a checksum block of a shard and a whole part of an arena
 * block and of a chunk, so that a range touches no block but those of its own segments.
 */
export const SEGMENT_BYTES: number = 64 * 1024;
export const SEGMENT_PLAIN_BYTES: number = SEGMENT_BYTES - TAG_BYTES;

const LEAF_LABEL = utf8('sluice leaf 1');
const ONE = new Uint8Array([1]);
const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
/** GCM's counter must not repeat; far more than a leaf of 5 GiB has. */
const SEGMENTS_MAX = 2 ** 32;

/** An empty leaf has one segment, which says that it is empty. */
export function segmentCount(plainBytes: number): number {
  return Math.max(1, Math.ceil(plainBytes / SEGMENT_PLAIN_BYTES));
}

export function sealedLength(plainBytes: number): number {
  return plainBytes + segmentCount(plainBytes) * TAG_BYTES;
}

export interface SegmentSpan {
  /** The first segment, and how many. */
  readonly first: number;
  readonly count: number;
  /** Where they lie among the sealed bytes. */
  readonly offset: number;
  readonly length: number;
  /** Plaintext of them before the range begins. */
  readonly skip: number;
}

/** The segments that hold a range of a leaf. */
export function segmentsOf(
  plainBytes: number,
  range: { readonly offset: number; readonly length: number },
): SegmentSpan {
  const end = range.offset + range.length;
  assert(range.length > 0 && end <= plainBytes, 'a range of the leaf');
  const first = Math.floor(range.offset / SEGMENT_PLAIN_BYTES);
  const count = Math.ceil(end / SEGMENT_PLAIN_BYTES) - first;
  const offset = first * SEGMENT_BYTES;
  const length = Math.min(sealedLength(plainBytes) - offset, count * SEGMENT_BYTES);
  return { first, count, offset, length, skip: range.offset - first * SEGMENT_PLAIN_BYTES };
}

export class SegmentCipher {
  readonly #leafId: string;
  readonly #key: Uint8Array;
  /** What is authenticated of each segment: the number and the flag are written anew. */
  readonly #place: Buffer;
  readonly #nonce: Buffer = Buffer.alloc(NONCE_BYTES);

  /** `dataKey` may serve many leaves: each has a key of its own, derived from it. */
  constructor(dataKey: Uint8Array, leafId: string) {
    assert(dataKey.length === KEY_BYTES, 'a data key of 32 bytes');
    this.#leafId = leafId;
    const id = utf8(leafId);
    // HKDF's second half, one block: a data key is random already, so there is nothing to extract.
    const info = Buffer.concat([LEAF_LABEL, id, ONE]);
    this.#key = createHmac('sha256', dataKey).update(info).digest();
    this.#place = Buffer.concat([Buffer.alloc(5), id]);
  }

  /** The pieces, which may lie in shared memory, as one sealed segment. */
  seal(index: number, isLast: boolean, pieces: readonly Uint8Array[]): Uint8Array[] {
    this.#goTo(index, isLast);
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce);
    cipher.setAAD(this.#place);
    const sealed: Uint8Array[] = [];
    for (const piece of pieces) sealed.push(cipher.update(piece));
    cipher.final();
    sealed.push(cipher.getAuthTag());
    return sealed;
  }

  /** The plaintext of a sealed segment, in memory of its own. Throws StoreError('corrupt'). */
  open(index: number, isLast: boolean, sealed: Uint8Array): Uint8Array {
    const length = sealed.length - TAG_BYTES;
    if (length < 0 || sealed.length > SEGMENT_BYTES) throw this.#broken(index);
    this.#goTo(index, isLast);
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce);
    decipher.setAAD(this.#place);
    decipher.setAuthTag(sealed.subarray(length));
    const plain = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch {
      throw this.#broken(index);
    }
    return plain;
  }

  #goTo(index: number, isLast: boolean): void {
    assert(Number.isInteger(index) && index >= 0 && index < SEGMENTS_MAX, 'a segment number');
    this.#nonce.writeUInt32BE(index, NONCE_BYTES - 4);
    this.#place.writeUInt32BE(index, 0);
    this.#place[4] = isLast ? 1 : 0;
  }

  #broken(index: number): StoreError {
    return new StoreError('corrupt', `segment ${index} of ${this.#leafId} is not what was sealed`);
  }
}
