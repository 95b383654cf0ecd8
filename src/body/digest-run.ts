/**
 * One task of one body on a digest thread: its spans in order, MD5 in whatever company there is,
 * everything else span by span right behind it, while the bytes are in the cache.
 *
 * Invariant: between two tasks all state is in the body's slot, except what OpenSSL holds: that
 * is in `held`, and ties the body to this thread (`needsHome` in digest-session.ts says when).
 */
import { createHash, hash, type Hash } from 'node:crypto';
import { crc32 as zlibCrc32 } from 'node:zlib';
import { assert, unreachable } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { MD5_BLOCK_BYTES, md5Padding, type Md5Lane } from '../wasm/md5-lanes.ts';
import type { DigestName } from './body.ts';
import { EMPTY_SHA256 } from './chunk-chain.ts';
import type { DigestSlots } from './digest-slots.ts';
import {
  bigEndian32,
  bigEndian64,
  type Digests,
  type HeldDigest,
  type RunningDigest,
  startDigest,
} from './digests.ts';
import type { SignatureChain } from './signature-chain.ts';

/** Below this the kernel has nothing to fold and zlib's instructions win; measured. */
const FOLDED_BYTES = 13_056;

/** In wire order: a span as offset and length, or the signature of the chunk that ends here. */
export type DigestSteps = readonly (number | string)[];

/** Hashes of a body that cannot leave this thread. */
export interface HeldHashes {
  hashes?: Map<HeldDigest, RunningDigest>;
  /** Of the chunk that is under way. */
  chunk?: Hash | undefined;
}

/** Where the states are. */
export interface DigestGround {
  readonly slots: DigestSlots;
  readonly kernels: Kernels;
}

export class DigestRun implements Md5Lane {
  readonly words: Int32Array;
  readonly at: number;
  /** Where the whole MD5 blocks of the segment under way go on, and how many bytes they are. */
  source = 0;
  left = 0;
  /** Payload bytes of the task that MD5 did not see yet: who has most goes first. */
  remaining = 0;
  mismatch = false;
  readonly #slots: DigestSlots;
  readonly #kernels: Kernels;
  readonly #slot: number;
  readonly #steps: DigestSteps;
  readonly #held: HeldHashes;
  readonly #wanted: readonly DigestName[];
  readonly #chain: SignatureChain | undefined;
  /** Runs of adjacent spans: offset and length in turn. */
  readonly #segments: number[] = [];
  #segment = -2;
  /** The next step for the digests behind MD5. */
  #step = 0;

  constructor(ground: DigestGround, slot: number, steps: DigestSteps, held: HeldHashes) {
    this.#slots = ground.slots;
    this.#kernels = ground.kernels;
    this.#slot = slot;
    this.#steps = steps;
    this.#held = held;
    this.words = ground.slots.words;
    this.at = ground.slots.md5At(slot);
    this.#wanted = ground.slots.wanted(slot);
    this.#chain = ground.slots.chain(slot);
    this.#join();
  }

  /**
   * Ends the segment under way and goes on to the next whole MD5 blocks. False: there are none
   * any more, all digests saw all steps, or a chunk was not what its signature signed.
   */
  next(): boolean {
    assert(this.left === 0, 'a segment is left when its blocks are done');
    while (this.#segment < this.#segments.length) {
      if (this.#segment >= 0 && !this.#endSegment()) return false;
      this.#segment += 2;
      if (this.#segment < this.#segments.length && this.#beginSegment()) return true;
    }
    this.#signatures();
    return false;
  }

  /** MD5 took so many bytes more. */
  took(length: number): void {
    this.source += length;
    this.left -= length;
    this.remaining -= length;
  }

  finish(): Digests {
    return new Map(this.#wanted.map((name) => [name, this.#finished(name)]));
  }

  verifyTrailer(signedText: string, signature: string): boolean {
    assert(this.#chain !== undefined, 'a trailer signature ends a chain');
    return this.#chain.verifyTrailer(signedText, signature);
  }

  #join(): void {
    const segments = this.#segments;
    for (let at = 0; at < this.#steps.length; at += 1) {
      const offset = this.#steps[at];
      if (typeof offset !== 'number') continue;
      at += 1;
      const length = this.#steps[at];
      assert(typeof length === 'number', 'an offset comes with a length');
      const last = segments.length - 2;
      const [start = -1, before = 0] = last < 0 ? [] : segments.slice(last);
      const joined = before + length;
      if (start + before === offset && joined <= LIMITS.blockBytes) segments[last + 1] = joined;
      else segments.push(offset, length);
      this.remaining += length;
    }
  }

  /** False when the segment has no whole MD5 block, or none is wanted. */
  #beginSegment(): boolean {
    const offset = this.#segments[this.#segment] as number;
    const length = this.#segments[this.#segment + 1] as number;
    if (!this.#wanted.includes('md5')) return false;
    const begun = this.#slots.length(this.#slot) % MD5_BLOCK_BYTES;
    const missing = begun === 0 ? 0 : Math.min(MD5_BLOCK_BYTES - begun, length);
    if (missing > 0) {
      const tail = this.#slots.tail(this.#slot);
      tail.set(this.#view(offset, missing), begun);
      if (begun + missing === MD5_BLOCK_BYTES) this.#kernels.md5Bytes(this.words, this.at, tail);
    }
    const rest = (length - missing) % MD5_BLOCK_BYTES;
    this.source = offset + missing;
    this.left = length - missing - rest;
    // What makes no whole block is not worth a lane.
    this.remaining -= missing + rest;
    if (rest > 0) this.#slots.tail(this.#slot).set(this.#view(this.source + this.left, rest));
    return this.left > 0;
  }

  #endSegment(): boolean {
    const offset = this.#segments[this.#segment] as number;
    const length = this.#segments[this.#segment + 1] as number;
    this.#slots.setLength(this.#slot, this.#slots.length(this.#slot) + length);
    for (const name of this.#wanted) this.#absorb(name, offset, length);
    return this.#chain === undefined || this.#chunks(length);
  }

  #absorb(name: DigestName, offset: number, length: number): void {
    const slots = this.#slots;
    const slot = this.#slot;
    switch (name) {
      case 'md5':
        return;
      case 'sha1':
      case 'sha256':
      case 'sha512':
      case 'xxhash64':
      case 'xxhash3':
      case 'xxhash128':
        this.#hashing(name).update(this.#view(offset, length));
        return;
      case 'crc32': {
        const crc = slots.crc(slot, name);
        const folded = length >= FOLDED_BYTES;
        const next = folded
          ? this.#kernels.crc32(crc, offset, length)
          : zlibCrc32(this.#view(offset, length), crc);
        slots.setCrc(slot, name, next);
        return;
      }
      case 'crc32c':
        slots.setCrc(slot, name, this.#kernels.crc32c(slots.crc(slot, name), offset, length));
        return;
      case 'crc64nvme':
        slots.setCrc64(slot, this.#kernels.crc64nvme(slots.crc64(slot), offset, length));
        return;
      default:
        unreachable(name);
    }
  }

  /** The steps that the next `length` bytes of payload stand for. */
  #chunks(length: number): boolean {
    for (let left = length; left > 0;) {
      if (!this.#signatures()) return false;
      const offset = this.#steps[this.#step] as number;
      const span = this.#steps[this.#step + 1] as number;
      const signature = this.#steps[this.#step + 2];
      left -= span;
      this.#step += 2;
      const bytes = this.#view(offset, span);
      if (this.#held.chunk === undefined && typeof signature === 'string') {
        // A whole chunk at once, the common case, needs no hash object.
        this.#step += 1;
        if (!this.#verify(hash('sha256', bytes, 'hex'), signature)) return false;
      } else {
        (this.#held.chunk ??= createHash('sha256')).update(bytes);
      }
    }
    return true;
  }

  /** Chunks that end before the next payload. */
  #signatures(): boolean {
    for (;;) {
      const signature = this.#steps[this.#step];
      if (typeof signature !== 'string') return true;
      this.#step += 1;
      const dataHash = this.#held.chunk?.digest('hex') ?? EMPTY_SHA256;
      this.#held.chunk = undefined;
      if (!this.#verify(dataHash, signature)) return false;
    }
  }

  #verify(dataHash: string, signature: string): boolean {
    assert(this.#chain !== undefined, 'only signed chunks end in a signature');
    this.mismatch = !this.#chain.verifyChunk(dataHash, signature);
    return !this.mismatch;
  }

  #hashing(name: HeldDigest): RunningDigest {
    const hashes = (this.#held.hashes ??= new Map());
    let running = hashes.get(name);
    if (running === undefined) hashes.set(name, (running = startDigest(name)));
    return running;
  }

  #finished(name: DigestName): Uint8Array {
    switch (name) {
      case 'md5': {
        const length = this.#slots.length(this.#slot);
        const tail = this.#slots.tail(this.#slot).subarray(0, length % MD5_BLOCK_BYTES);
        this.#kernels.md5Bytes(this.words, this.at, md5Padding(tail, length));
        const state = this.words.slice(this.at, this.at + 4);
        return new Uint8Array(state.buffer, state.byteOffset, state.byteLength).slice();
      }
      case 'sha1':
      case 'sha256':
      case 'sha512':
      case 'xxhash64':
      case 'xxhash3':
      case 'xxhash128':
        return new Uint8Array(this.#hashing(name).digest());
      case 'crc32':
      case 'crc32c':
        return bigEndian32(this.#slots.crc(this.#slot, name));
      case 'crc64nvme':
        return bigEndian64(this.#slots.crc64(this.#slot));
      default:
        return unreachable(name);
    }
  }

  #view(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.#kernels.memory.buffer, offset, length);
  }
}
