/**
 * Finds a form's delimiter (`CRLF -- boundary`) in bytes that come in pieces of any size, and
 * passes on what stands before it. Copies nothing but the few bytes at a piece's end that may be
 * the delimiter's beginning.
 *
 * Invariant: any split of the same bytes passes on the same bytes. What is passed on is valid
 * only until the call returns.
 */
import { assert } from '../../base/assert.ts';

const CR = 0x0d;

export class DelimiterScan {
  readonly #delimiter: Buffer;
  readonly #pass: (bytes: Uint8Array) => void;
  /** The end of what came, as far as it may begin a delimiter. */
  #held: Buffer = Buffer.alloc(0);

  constructor(delimiter: Buffer, pass: (bytes: Uint8Array) => void) {
    assert(delimiter[0] === CR && delimiter.indexOf(CR, 1) < 0, 'one CR, at the start');
    this.#delimiter = delimiter;
    this.#pass = pass;
  }

  /** Index of the first byte behind the delimiter; -1 while it did not come. */
  push(piece: Uint8Array): number {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (this.#held.length > 0) {
      const { length } = this.#delimiter;
      const seam = Buffer.concat([this.#held, bytes.subarray(0, length - 1)]);
      const at = seam.indexOf(this.#delimiter);
      if (at >= 0) {
        const before = this.#held.length;
        this.#emit(seam.subarray(0, at));
        return at + length - before;
      }
      if (bytes.length < length - 1) {
        this.#keep(seam);
        return -1;
      }
      // Nothing that was held begins a delimiter.
      const held = this.#held;
      this.#held = Buffer.alloc(0);
      this.#emit(held);
    }
    const at = bytes.indexOf(this.#delimiter);
    if (at < 0) {
      this.#keep(bytes);
      return -1;
    }
    this.#emit(bytes.subarray(0, at));
    return at + this.#delimiter.length;
  }

  /** Holds back the longest end that may begin a delimiter and passes on the rest. */
  #keep(bytes: Buffer): void {
    const from = Math.max(0, bytes.length - this.#delimiter.length + 1);
    const at = bytes.lastIndexOf(CR);
    const begins =
      at >= from && this.#delimiter.subarray(0, bytes.length - at).equals(bytes.subarray(at));
    const end = begins ? at : bytes.length;
    this.#emit(bytes.subarray(0, end));
    this.#held = Buffer.from(bytes.subarray(end));
  }

  #emit(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#pass(bytes);
  }
}
