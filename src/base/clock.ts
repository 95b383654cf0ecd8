/**
 * Time and identifiers. Both come in from outside so that tests and a simulator can drive them.
 */
import { randomBytes } from 'node:crypto';
import { assert } from './assert.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

const RANDOM_BITS = 80;
const POOL_BYTES = 8192;
let pool = Buffer.alloc(0);
let poolAt = 0;

/** Randomness is fetched for many ids at once: asking for it costs more than it. */
function pooledRandom(bytes: number): Uint8Array {
  if (poolAt + bytes > pool.length) {
    pool = randomBytes(POOL_BYTES);
    poolAt = 0;
  }
  poolAt += bytes;
  return pool.subarray(poolAt - bytes, poolAt);
}

/**
 * A 128-bit id as 32 lower-case hex digits: 48 bits of creation time in ms, then 80 random bits.
 * Time-ordered as text and as bytes, unguessable, never reused.
 */
export function timeOrderedId(
  clock: Clock,
  random: (bytes: number) => Uint8Array = pooledRandom,
): string {
  const time = clock.now();
  assert(time >= 0 && time < 2 ** 48, 'clock within 48 bits');
  return time.toString(16).padStart(12, '0') + Buffer.from(random(RANDOM_BITS / 8)).toString('hex');
}

/** Creation time in ms of a `timeOrderedId`. */
export function idTime(id: string): number {
  return Number.parseInt(id.slice(0, 12), 16);
}
