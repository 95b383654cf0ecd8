/**
 * From stored data to bytes in arena blocks. Sealed leaves are opened segment by segment, none but
 * those that the range touches, and where they lie: the plaintext takes the place of what it was.
 *
 * Invariant: no byte of a segment is yielded before all of it is authenticated. One that is not
 * what was sealed ends the read with StoreError('corrupt'), and is logged.
 */
import { assert } from '../base/assert.ts';
import { StoreError } from '../base/store-error.ts';
import type { ByteRange } from '../chunks/chunk-store.ts';
import {
  SEGMENT_BYTES,
  SegmentCipher,
  segmentCount,
  segmentsOf,
  type SegmentSpan,
} from '../crypto/segment-cipher.ts';
import type { Block } from '../memory/arena.ts';
import type { Hold, LeafBlob, StoredData, StoredSeal } from '../meta/records.ts';
import type { Context } from './context.ts';
import { chunkSlices, leavesOf } from './slices.ts';

/** Data keys of seals, as far as the reader may have them. */
export interface Opener {
  keyOf(seal: StoredSeal): Promise<Uint8Array>;
}

/**
 * Exactly `range.length` bytes in arena blocks; the consumer releases each. Holds a lease from the
 * first block asked for to the last one taken, or until the loop is left.
 */
export async function* readBlocks(
  context: Context,
  data: StoredData,
  range: ByteRange,
  signal: AbortSignal,
  opener?: Opener,
): AsyncGenerator<Block, void, undefined> {
  const { meta, chunks, leases } = context;
  const leased = data.kind === 'hold' ? data.hold.blob.id : undefined;
  if (leased !== undefined) leases.acquire(leased);
  try {
    for (const leaf of leavesOf(meta, data, range)) {
      if (leaf.kind === 'inline') {
        yield await heapBlock(context, await inlineBytes(context, leaf, opener), signal);
        continue;
      }
      const { blob } = leaf.hold;
      if ('chunks' in blob && blob.seal !== undefined) {
        yield* openedBlocks(context, blob, leaf.hold, await keyOf(blob.seal, opener), signal);
        continue;
      }
      for (const slice of chunkSlices(blob, leaf.hold)) {
        yield* chunks.read(slice.ref, slice.range, signal);
      }
    }
  } finally {
    if (leased !== undefined) leases.release(leased);
  }
}

async function keyOf(seal: StoredSeal, opener: Opener | undefined): Promise<Uint8Array> {
  assert(opener !== undefined, 'sealed bytes are read with a key');
  return await opener.keyOf(seal);
}

/** Bytes that stand in the row, opened when they are sealed. */
export async function inlineBytes(
  context: Context,
  { bytes, seal }: StoredData & { readonly kind: 'inline' },
  opener: Opener | undefined,
): Promise<Uint8Array> {
  if (seal === undefined) return bytes;
  const cipher = new SegmentCipher(await keyOf(seal, opener), seal.leafId);
  const plain = authenticated(context, seal.leafId, () => cipher.open(0, true, bytes));
  return plain.subarray(seal.offset, seal.offset + seal.length);
}

async function heapBlock(context: Context, bytes: Uint8Array, signal: AbortSignal): Promise<Block> {
  const block = await context.arena.acquire('read', signal);
  block.write(0, bytes);
  block.setWindow(0, bytes.length);
  return block;
}

/** The plaintext of a slice of a sealed leaf. */
async function* openedBlocks(
  context: Context,
  blob: LeafBlob,
  { offset, length }: Hold,
  dataKey: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<Block, void, undefined> {
  const span = segmentsOf(blob.size, { offset, length });
  const opening = new Opening(new SegmentCipher(dataKey, blob.id), blob.size, span, length);
  for (const { ref, range } of chunkSlices(blob, span)) {
    for await (const block of context.chunks.read(ref, range, signal)) {
      let over: Uint8Array;
      try {
        const plain = authenticated(context, blob.id, () => opening.take(block.bytes));
        over = fill(block, plain);
      } catch (error) {
        block.release();
        throw error;
      }
      if (block.length > 0) yield block;
      else block.release();
      // The end of a leaf may be a little more than its last block holds.
      if (over.length > 0) yield await heapBlock(context, over, signal);
    }
  }
  assert(opening.left === 0, 'a slice was read to its end');
}

/** What fits goes into the block, from its start; answers the rest. */
function fill(block: Block, plain: readonly Uint8Array[]): Uint8Array {
  const room = block.capacity.length;
  const over: Uint8Array[] = [];
  let at = 0;
  for (const piece of plain) {
    const fits = Math.min(piece.length, room - at);
    block.write(at, piece.subarray(0, fits));
    at += fits;
    if (fits < piece.length) over.push(piece.subarray(fits));
  }
  block.setWindow(0, at);
  return over.length === 0 ? NOTHING : Buffer.concat(over);
}

const NOTHING = new Uint8Array(0);

/** Segments of one leaf in order, out of pieces that may end within one. */
class Opening {
  readonly #cipher: SegmentCipher;
  readonly #lastIndex: number;
  #index: number;
  /** Sealed bytes that are still to come. */
  #sealedLeft: number;
  #skip: number;
  /** Plaintext that is still wanted. */
  left: number;
  /** The beginning of a segment whose end has not come. */
  #begun: Buffer | undefined;

  constructor(cipher: SegmentCipher, size: number, span: SegmentSpan, length: number) {
    this.#cipher = cipher;
    this.#lastIndex = segmentCount(size) - 1;
    this.#index = span.first;
    this.#sealedLeft = span.length;
    this.#skip = span.skip;
    this.left = length;
  }

  /** Plaintext of the segments that end in this piece, in memory of its own. */
  take(piece: Uint8Array): Uint8Array[] {
    const bytes = this.#begun === undefined ? piece : Buffer.concat([this.#begun, piece]);
    this.#begun = undefined;
    this.#sealedLeft -= piece.length;
    const plain: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) {
      const sealed = bytes.subarray(at, at + SEGMENT_BYTES);
      if (sealed.length < SEGMENT_BYTES && this.#sealedLeft > 0) {
        this.#begun = Buffer.from(sealed);
        break;
      }
      plain.push(this.#wanted(this.#cipher.open(this.#index, this.#isLast(), sealed)));
      this.#index += 1;
    }
    return plain;
  }

  #isLast(): boolean {
    return this.#index === this.#lastIndex;
  }

  #wanted(segment: Uint8Array): Uint8Array {
    const wanted = segment.subarray(this.#skip, this.#skip + this.left);
    this.#skip = 0;
    this.left -= wanted.length;
    return wanted;
  }
}

function authenticated<Result>(context: Context, leafId: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof StoreError) {
      context.log.error({ err: error, leaf: leafId }, 'a sealed segment is not what was sealed');
    }
    throw error;
  }
}
