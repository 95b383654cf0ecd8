/**
 * Plaintext in, sealed chunks out. The digests of a body read its blocks while they are sealed, so
 * a long body is sealed into blocks of its own, and a short one into the very blocks that it came
 * in, once its digests have settled.
 *
 * Invariant: nobody waits for a client, or for a block of the body, while holding scratch; whoever
 * waits for a further block of the body's kind holds none.
 */
import { LIMITS } from '../base/limits.ts';
import {
  SEGMENT_BYTES,
  SEGMENT_PLAIN_BYTES,
  type SegmentCipher,
} from '../crypto/segment-cipher.ts';
import type { Arena, Block } from '../memory/arena.ts';

const SEGMENTS_PER_BLOCK = LIMITS.blockBytes / SEGMENT_BYTES;
/** Plaintext of one block of whole segments. */
const BLOCK_PLAIN_BYTES = SEGMENTS_PER_BLOCK * SEGMENT_PLAIN_BYTES;
const BLOCKS_PER_PACKED = LIMITS.packedBytes / LIMITS.blockBytes;

/** Where sealed bytes go: the chunks of one leaf, each of a declared length. */
export interface SealedTarget {
  /** Declared and not yet written. */
  readonly left: number;
  extend(length: number): Promise<void>;
  /** Takes over the block. */
  write(block: Block): Promise<void>;
}

/** Sealed bytes of all but the end of a body that has at least so much plaintext. */
export function streamedLength(plainBytesMin: number): number {
  if (plainBytesMin === 0) return 0;
  return Math.floor((plainBytesMin - 1) / BLOCK_PLAIN_BYTES) * LIMITS.blockBytes;
}

export class Sealer {
  readonly #cipher: SegmentCipher;
  readonly #target: SealedTarget;
  readonly #arena: Pick<Arena, 'acquire'>;
  readonly #signal: AbortSignal;
  /** Plaintext that waits for more, in order. */
  #plain: Uint8Array[] = [];
  #plainBytes = 0;
  #index = 0;

  constructor(
    cipher: SegmentCipher,
    target: SealedTarget,
    arena: Pick<Arena, 'acquire'>,
    signal: AbortSignal,
  ) {
    this.#cipher = cipher;
    this.#target = target;
    this.#arena = arena;
    this.#signal = signal;
  }

  /** Takes over the block. More is to follow: `end` or `endWith`. */
  async write(block: Block): Promise<void> {
    try {
      this.#push(block.bytes);
      // Strictly more: what is written here must not be the last segment.
      while (this.#plainBytes > BLOCK_PLAIN_BYTES && this.#target.left >= LIMITS.blockBytes) {
        await this.#writeBlock(SEGMENTS_PER_BLOCK);
      }
      // Four segments hold a little less than a block: what is over is copied, and grows slowly.
      this.#plain = this.#plain.map((piece) => Buffer.from(piece));
    } finally {
      block.release();
    }
  }

  /** The last segments of a body whose sealed length was declared. */
  async end(): Promise<void> {
    while (this.#plainBytes > 0) await this.#writeBlock(SEGMENTS_PER_BLOCK);
  }

  /**
   * The last bytes, settled, in blocks that nobody else uses any more: sealed into them, as packed
   * chunks. Blocks that were written are taken out of the list; the rest stays the caller's.
   */
  async endWith(blocks: Block[]): Promise<void> {
    for (const block of blocks) this.#push(Buffer.from(block.bytes));
    const sealed = Buffer.concat(this.#segments(Number.POSITIVE_INFINITY));
    for (let at = 0; at < sealed.length;) {
      const count = Math.min(Math.max(blocks.length, 1), BLOCKS_PER_PACKED);
      const length = Math.min(sealed.length - at, count * LIMITS.blockBytes);
      // Longer than its plaintext, it may need one block more than the body had.
      if (blocks.length === 0) blocks.push(await this.#arena.acquire('ingest', this.#signal));
      await this.#target.extend(length);
      for (const end = at + length; at < end;) {
        const piece = sealed.subarray(at, Math.min(at + LIMITS.blockBytes, end));
        const block = blocks.shift() as Block;
        block.write(0, piece);
        block.setWindow(0, piece.length);
        await this.#target.write(block);
        at += piece.length;
      }
    }
  }

  #push(piece: Uint8Array): void {
    this.#plain.push(piece);
    this.#plainBytes += piece.length;
  }

  async #writeBlock(segments: number): Promise<void> {
    const block = await this.#arena.acquire('scratch', this.#signal);
    let at = 0;
    for (const piece of this.#segments(segments)) {
      block.write(at, piece);
      at += piece.length;
    }
    block.setWindow(0, at);
    await this.#target.write(block);
  }

  /** Seals so many segments of what waits, or all there is: then the last one says so. */
  #segments(count: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let done = 0; done < count && this.#plainBytes > 0; done += 1) {
      const isLast = this.#plainBytes <= SEGMENT_PLAIN_BYTES;
      const plain = this.#take(Math.min(SEGMENT_PLAIN_BYTES, this.#plainBytes));
      pieces.push(...this.#cipher.seal(this.#index, isLast, plain));
      this.#index += 1;
    }
    return pieces;
  }

  #take(length: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let wanted = length;
    while (wanted > 0) {
      const [first] = this.#plain;
      if (first === undefined) break;
      const piece = first.subarray(0, wanted);
      taken.push(piece);
      if (piece.length === first.length) this.#plain.shift();
      else this.#plain[0] = first.subarray(piece.length);
      wanted -= piece.length;
    }
    this.#plainBytes -= length;
    return taken;
  }
}
