/**
 * What the store must answer, told in the simplest way: for every key the bytes, as pieces of one
 * pool. An operation that nobody acknowledged leaves two possible answers until somebody looks.
 */
import { content } from '../support/content.ts';

/** Pieces of the pool, in order. */
export interface Bytes {
  readonly pieces: readonly { readonly start: number; readonly length: number }[];
}

const POOL_BYTES = 8 * 1024 * 1024;

export function lengthOf({ pieces }: Bytes): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

export function render({ pieces }: Bytes): Buffer {
  const pool = content(POOL_BYTES);
  return Buffer.concat(pieces.map(({ start, length }) => pool.subarray(start, start + length)));
}

export function somewhere(random: { below(bound: number): number }, length: number): Bytes {
  return { pieces: [{ start: random.below(POOL_BYTES - length), length }] };
}

export function joined(all: readonly Bytes[]): Bytes {
  return { pieces: all.flatMap(({ pieces }) => pieces) };
}

export function slice(bytes: Bytes, offset: number, length: number): Bytes {
  const pieces: { start: number; length: number }[] = [];
  let at = 0;
  for (const piece of bytes.pieces) {
    const from = Math.max(offset, at);
    const to = Math.min(offset + length, at + piece.length);
    if (from < to) pieces.push({ start: piece.start + from - at, length: to - from });
    at += piece.length;
  }
  return { pieces };
}

export interface ObjectState {
  readonly etag: string;
  readonly bytes: Bytes;
}

export interface PartState {
  readonly etag: string;
  readonly bytes: Bytes;
}

/** The answers that are allowed. Undefined is "there is none". */
export type Possible<State> = readonly (State | undefined)[];

export interface ModelUpload {
  readonly key: string;
  readonly uploadId: string;
  /** False: an abort or a Complete of it was not acknowledged. */
  isCertain: boolean;
  readonly parts: Map<number, Possible<PartState>>;
}

export class ModelBucket {
  readonly name: string;
  readonly objects: Map<string, Possible<ObjectState>> = new Map();
  readonly uploads: Map<string, ModelUpload> = new Map();
  /** False: a create or delete of it was not acknowledged. */
  isCertain = true;

  constructor(name: string) {
    this.name = name;
  }

  /** The only possible answer; undefined for none as well as for an uncertain one. */
  certain(key: string): ObjectState | undefined {
    const possible = this.objects.get(key);
    return possible?.length === 1 ? possible[0] : undefined;
  }

  possible(key: string): Possible<ObjectState> {
    return this.objects.get(key) ?? [undefined];
  }

  /** Keys that are there for certain. */
  certainKeys(): string[] {
    return [...this.objects.keys()].filter((key) => this.certain(key) !== undefined);
  }
}
