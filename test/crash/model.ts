/**
 * What the controller knows: for each key the content that was acknowledged last, and every
 * outcome that a request cut off by the kill may have had. Keys belong to one client each, so
 * there is no other writer and the set of legal answers is exact.
 */

/** Content is a pure function of its seed and size, so that the model keeps two numbers only. */
export interface Content {
  readonly seed: number;
  readonly size: number;
  /** Sizes of the parts it was uploaded in; one entry for a plain PUT. */
  readonly parts: readonly number[];
}

export type State = Content | 'absent';

export interface Violation {
  readonly kind: 'lost' | 'partial' | 'list';
  readonly detail: string;
}

export class Model {
  readonly #known = new Map<string, State>();
  readonly #maybe = new Map<string, State[]>();
  acknowledged = 0;

  /** A request that could change the key left the client: its effect may show from now on. */
  begin(key: string, outcome: State): void {
    const list = this.#maybe.get(key);
    if (list === undefined) this.#maybe.set(key, [outcome]);
    else list.push(outcome);
  }

  /** 2xx was read: the outcome is now the only legal state. */
  acknowledge(key: string, outcome: State): void {
    this.#known.set(key, outcome);
    this.#maybe.delete(key);
    this.acknowledged += 1;
  }

  /** What a read saw becomes the known state: it may not change any more without a request. */
  observe(key: string, state: State): void {
    this.#known.set(key, state);
    this.#maybe.delete(key);
  }

  known(key: string): State {
    return this.#known.get(key) ?? 'absent';
  }

  legal(key: string): readonly State[] {
    return [this.known(key), ...(this.#maybe.get(key) ?? [])];
  }

  keys(): string[] {
    return [...new Set([...this.#known.keys(), ...this.#maybe.keys()])].toSorted();
  }

  /** Keys whose state a kill left open. */
  open(): string[] {
    return [...this.#maybe.keys()];
  }
}

/** xorshift32: fast, seeded, good enough to tell contents apart. */
export function random(seed: number): () => number {
  let state = (seed | 0) === 0 ? 0x9e3779b9 : seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** The bytes of a content: every 4-byte word differs between seeds and between positions. */
export function fill(seed: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, size >>> 2);
  const mixed = Math.imul(seed, 0x9e3779b1);
  for (let index = 0; index < words.length; index += 1) {
    words[index] = Math.imul(index + mixed, 0x85ebca6b) ^ mixed;
  }
  for (let at = words.length * 4; at < size; at += 1) bytes[at] = (seed + at) & 0xff;
  return bytes;
}
