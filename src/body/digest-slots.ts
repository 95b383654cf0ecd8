/**
 * The running digests of every body, in memory that all digest threads share, so that any of
 * them may take any body's next blocks. A body has one slot; what is in it is plain numbers and
 * bytes, written by one thread at a time: by the front end before the first task and after the
 * last, by the thread that has a task of the body in between. Messages order the two.
 *
 * Not here: states that OpenSSL keeps to itself (SHA-1, SHA-256, the hash of an open chunk).
 * They tie a body to the thread that holds them, see digest-run.ts.
 */
import { assert } from '../base/assert.ts';
import { MD5_BLOCK_BYTES, MD5_START } from '../wasm/md5-lanes.ts';
import { DIGESTS, type BodyPlan, type DigestName } from './body.ts';
import { CHAIN_BYTES } from './chunk-chain.ts';
import { beginChain, openChain, type SignatureChain } from './signature-chain.ts';

/** Words of a slot; the payload's length is a double, CRC-64 an integer of 64 bits. */
const CRC32 = 4;
const CRC32C = 5;
/** One bit for each digest in the order of `DIGESTS`, and one more for signed chunks. */
const WANTED = 6;
const CRC64_BYTES = 32;
const LENGTH_BYTES = 40;
const TAIL_BYTES = 64;
const CHAIN_AT = TAIL_BYTES + MD5_BLOCK_BYTES;
const SLOT_BYTES = CHAIN_AT + CHAIN_BYTES;

const SIGNED = 1 << DIGESTS.length;

export class DigestSlots {
  /** What the threads get. */
  readonly memory: SharedArrayBuffer;
  /** All slots; a slot's MD5 state is the four words from `md5At` on. */
  readonly words: Int32Array;
  readonly #bytes: Buffer;
  readonly #bigs: BigUint64Array;
  readonly #doubles: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    assert(memory.byteLength % SLOT_BYTES === 0, 'a table of whole slots');
    this.memory = memory;
    this.words = new Int32Array(memory);
    this.#bytes = Buffer.from(memory);
    this.#bigs = new BigUint64Array(memory);
    this.#doubles = new Float64Array(memory);
  }

  static create(count: number): DigestSlots {
    return new DigestSlots(new SharedArrayBuffer(count * SLOT_BYTES));
  }

  get count(): number {
    return this.memory.byteLength / SLOT_BYTES;
  }

  /** The state of an empty payload. */
  begin(slot: number, plan: BodyPlan): void {
    assert(slot >= 0 && slot < this.count, 'a slot of the table');
    this.words.set(MD5_START, this.md5At(slot));
    this.setCrc(slot, 'crc32', 0);
    this.setCrc(slot, 'crc32c', 0);
    this.setCrc64(slot, 0n);
    this.setLength(slot, 0);
    let wanted = plan.signer === undefined ? 0 : SIGNED;
    for (const [bit, name] of DIGESTS.entries()) {
      if (plan.digests.has(name)) wanted |= 1 << bit;
    }
    this.words[this.md5At(slot) + WANTED] = wanted;
    if (plan.signer !== undefined) beginChain(this.#chainBytes(slot), plan.signer);
  }

  /** A signing key was in it. */
  wipe(slot: number): void {
    this.#bytes.fill(0, slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
  }

  wanted(slot: number): DigestName[] {
    const wanted = this.words[this.md5At(slot) + WANTED] as number;
    return DIGESTS.filter((_, bit) => (wanted & (1 << bit)) !== 0);
  }

  chain(slot: number): SignatureChain | undefined {
    const wanted = this.words[this.md5At(slot) + WANTED] as number;
    return (wanted & SIGNED) === 0 ? undefined : openChain(this.#chainBytes(slot));
  }

  md5At(slot: number): number {
    return (slot * SLOT_BYTES) / 4;
  }

  /** Payload bytes that all digests have seen. */
  length(slot: number): number {
    return this.#doubles[(slot * SLOT_BYTES + LENGTH_BYTES) / 8] as number;
  }

  setLength(slot: number, length: number): void {
    this.#doubles[(slot * SLOT_BYTES + LENGTH_BYTES) / 8] = length;
  }

  /** Room for payload bytes that make no whole MD5 block yet. */
  tail(slot: number): Buffer {
    const at = slot * SLOT_BYTES + TAIL_BYTES;
    return this.#bytes.subarray(at, at + MD5_BLOCK_BYTES);
  }

  crc(slot: number, name: 'crc32' | 'crc32c'): number {
    return (this.words[this.#crcAt(slot, name)] as number) >>> 0;
  }

  setCrc(slot: number, name: 'crc32' | 'crc32c', crc: number): void {
    this.words[this.#crcAt(slot, name)] = crc;
  }

  crc64(slot: number): bigint {
    return this.#bigs[(slot * SLOT_BYTES + CRC64_BYTES) / 8] as bigint;
  }

  setCrc64(slot: number, crc: bigint): void {
    this.#bigs[(slot * SLOT_BYTES + CRC64_BYTES) / 8] = crc;
  }

  #crcAt(slot: number, name: 'crc32' | 'crc32c'): number {
    return this.md5At(slot) + (name === 'crc32' ? CRC32 : CRC32C);
  }

  #chainBytes(slot: number): Buffer {
    const at = slot * SLOT_BYTES + CHAIN_AT;
    return this.#bytes.subarray(at, at + CHAIN_BYTES);
  }
}
