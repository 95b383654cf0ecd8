/**
 * The xxHash family as S3 checksums: XXH64, XXH3 (64 bits) and XXH128, with seed 0, in canonical
 * byte order. By `hash-wasm`, one instance of each per thread; what is under way is saved in
 * between, so that any number of payloads share it. (Block checksums of shards are kernels.ts's.)
 */
import { createXXHash128, createXXHash3, createXXHash64 } from 'hash-wasm';

const HASHERS = {
  xxhash64: await createXXHash64(),
  xxhash3: await createXXHash3(),
  xxhash128: await createXXHash128(),
} as const;

export type XxHashName = keyof typeof HASHERS;

export class XxHash {
  readonly #name: XxHashName;
  #saved: Uint8Array | undefined;

  constructor(name: XxHashName) {
    this.#name = name;
  }

  update(bytes: Uint8Array): this {
    const hasher = this.#resume();
    hasher.update(bytes);
    this.#saved = hasher.save();
    return this;
  }

  /** Most significant byte first. */
  digest(): Uint8Array {
    return new Uint8Array(this.#resume().digest('binary'));
  }

  #resume() {
    const hasher = HASHERS[this.#name];
    return this.#saved === undefined ? hasher.init() : hasher.load(this.#saved);
  }
}
