/**
 * The decoder of `Transfer-Encoding: chunked`: finds the data in pieces of any size, and the end.
 * Extensions are skipped, trailers dropped. Strict: a size is plain hexadecimal, lines end in
 * CR LF, nothing is guessed.
 *
 * Invariant: memory is bounded by one line.
 * Source: RFC 9112, 7.1.
 */
import { LIMITS } from '../base/limits.ts';

const SIZE = 0;
const DATA = 1;
const DATA_END = 2;
const TRAILER = 3;
const DONE = 4;

const LF = 0x0a;

/** The coding cannot be understood: neither can anything that follows. */
export class BrokenCoding extends Error {
  override readonly name = 'BrokenCoding';
}

export class ChunkedCoding {
  #state: number = SIZE;
  #left = 0;
  #line = '';
  #trailerBytes = 0;

  get done(): boolean {
    return this.#state === DONE;
  }

  /** Hands data on, piece by piece; answers how many bytes belonged to the body. */
  push(bytes: Buffer, data: (piece: Uint8Array) => void): number {
    let at = 0;
    while (at < bytes.length && this.#state !== DONE) {
      if (this.#state === DATA) {
        const length = Math.min(this.#left, bytes.length - at);
        this.#left -= length;
        if (this.#left === 0) this.#state = DATA_END;
        data(bytes.subarray(at, at + length));
        at += length;
      } else {
        at = this.#readLine(bytes, at);
      }
    }
    return at;
  }

  #readLine(bytes: Buffer, from: number): number {
    const feed = bytes.indexOf(LF, from);
    const end = feed < 0 ? bytes.length : feed + 1;
    this.#line += bytes.toString('latin1', from, end);
    if (this.#line.length > LIMITS.chunkHeaderBytes) throw new BrokenCoding('a line is too long');
    if (feed < 0) return end;
    if (!this.#line.endsWith('\r\n')) throw new BrokenCoding('a line does not end in CR LF');
    const line = this.#line.slice(0, -2);
    this.#line = '';
    this.#take(line);
    return end;
  }

  #take(line: string): void {
    if (this.#state === SIZE) {
      const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[^\0\r\n]*)?$/.exec(line)?.[1];
      if (size === undefined) throw new BrokenCoding('a chunk size is not hexadecimal');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? TRAILER : DATA;
    } else if (this.#state === DATA_END) {
      if (line !== '') throw new BrokenCoding('a chunk is longer than it said');
      this.#state = SIZE;
    } else if (line === '') {
      this.#state = DONE;
    } else {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > LIMITS.trailerBytes)
        throw new BrokenCoding('the trailer is too long');
    }
  }
}
