/**
 * Bytes that a copy cannot share, because they are encrypted otherwise: read, opened, and stored
 * once more as a body like any other, with its digests computed and its back-pressure kept.
 *
 * Invariant: when it rejects, nothing new is left and the source is read no further.
 */
import type { BodyFeed, BodyPlan, DigestName } from '../body/body.ts';
import type { ByteRange } from '../chunks/chunk-store.ts';
import type { StoredData } from '../meta/records.ts';
import type { Context } from './context.ts';
import type { Ingest, IngestTarget, Stored } from './ingest.ts';
import { type Opener, readBlocks } from './reads.ts';

export interface RecastSource {
  /** Leased by the caller. */
  readonly data: StoredData;
  readonly range: ByteRange;
  readonly opener: Opener;
}

export async function recast(
  { context, ingest }: { readonly context: Context; readonly ingest: Ingest },
  source: RecastSource,
  digests: ReadonlySet<DigestName>,
  target: IngestTarget,
): Promise<Stored> {
  const gate = new Gate();
  const plan = planOf(source.range.length, digests);
  const { body, feed } = context.bodies.open(plan, { resume: () => gate.open() });
  const stop = new AbortController();
  const signal = AbortSignal.any([target.signal, stop.signal]);
  const pumping = pump(context, source, feed, gate, signal);
  try {
    return await ingest.store(body, { ...target, signal });
  } catch (error) {
    body.cancel(error instanceof Error ? error : new Error('the copy failed'));
    stop.abort(error);
    throw error;
  } finally {
    gate.open();
    await pumping;
  }
}

function planOf(payloadLength: number, digests: ReadonlySet<DigestName>): BodyPlan {
  return {
    framing: 'identity',
    payloadLength,
    digests,
    expected: new Map(),
    sha256From: undefined,
    trailer: undefined,
    hasTrailer: false,
    signer: undefined,
  };
}

/** Never rejects: the body tells what went wrong. */
async function pump(
  context: Context,
  { data, range, opener }: RecastSource,
  feed: BodyFeed,
  gate: Gate,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const block of readBlocks(context, data, range, signal, opener)) {
      gate.close();
      let goesOn: boolean;
      try {
        goesOn = feed.push(block.bytes);
      } finally {
        block.release();
      }
      if (!goesOn) await gate.passed();
      signal.throwIfAborted();
    }
    feed.end();
  } catch (error) {
    feed.abort(error instanceof Error ? error : new Error('the source cannot be read'));
  }
}

/** Shut by a push, open again when more is wanted. */
class Gate {
  #isOpen = true;
  #waiting: (() => void) | undefined;

  close(): void {
    this.#isOpen = false;
  }

  open(): void {
    this.#isOpen = true;
    this.#waiting?.();
    this.#waiting = undefined;
  }

  passed(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}
