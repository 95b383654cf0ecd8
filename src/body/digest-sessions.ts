/**
 * The digest thread's side: the running state of every body that sits on this thread. It sees
 * spans and signatures, never a block, a request or a clock.
 *
 * Invariant: a session exists from the task that opens it to the task that finishes or drops it,
 * or to the first mismatch. After the answer to a task no span of that task is read again.
 */
import { assert } from '../base/assert.ts';
import type { Span } from '../memory/arena.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { ChunkSigner, DigestName } from './body.ts';
import { ChunkChain } from './chunk-chain.ts';
import { DigestSet, type Digests } from './digests.ts';

/** In wire order: payload, or the end of a chunk with the signature that its header claimed. */
export type DigestStep = Span | { readonly chunkSignature: string };

export interface DigestTask {
  readonly session: number;
  /** First task of a session. */
  readonly open?: {
    readonly digests: readonly DigestName[];
    readonly signer: ChunkSigner | undefined;
  };
  readonly steps: readonly DigestStep[];
  /** Last task of a session, or of one that is not wanted any more. */
  readonly finish?: {
    readonly trailer: { readonly signedText: string; readonly signature: string } | undefined;
  };
  readonly drop?: true;
}

export type DigestReply =
  | { readonly kind: 'more' }
  | { readonly kind: 'done'; readonly digests: Digests }
  /** The session is gone. */
  | { readonly kind: 'mismatch'; readonly of: 'chunk' | 'trailer' };

interface Session {
  readonly digests: DigestSet;
  readonly chain: ChunkChain | undefined;
}

const MORE: DigestReply = { kind: 'more' };

export class DigestSessions {
  readonly #kernels: Kernels;
  readonly #sessions = new Map<number, Session>();

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  get count(): number {
    return this.#sessions.size;
  }

  run(task: DigestTask): DigestReply {
    const session = this.#session(task);
    if (task.drop !== undefined) {
      this.#sessions.delete(task.session);
      return MORE;
    }
    for (const step of task.steps) {
      if (!this.#step(session, step)) return this.#mismatch(task, 'chunk');
    }
    if (task.finish === undefined) return MORE;
    const { trailer } = task.finish;
    if (trailer !== undefined) {
      assert(session.chain !== undefined, 'a trailer signature ends a chain');
      const matches = session.chain.verifyTrailer(trailer.signedText, trailer.signature);
      if (!matches) return this.#mismatch(task, 'trailer');
    }
    this.#sessions.delete(task.session);
    return { kind: 'done', digests: session.digests.finish() };
  }

  #session(task: DigestTask): Session {
    const known = this.#sessions.get(task.session);
    if (task.open === undefined) {
      assert(known !== undefined, 'tasks belong to an open session');
      return known;
    }
    assert(known === undefined, 'a session is opened once');
    const { digests, signer } = task.open;
    const session = {
      digests: new DigestSet(digests, this.#kernels),
      chain: signer === undefined ? undefined : new ChunkChain(signer),
    };
    this.#sessions.set(task.session, session);
    return session;
  }

  #step(session: Session, step: DigestStep): boolean {
    if ('chunkSignature' in step) {
      assert(session.chain !== undefined, 'only signed chunks end in a signature');
      return session.chain.verifyChunk(step.chunkSignature);
    }
    session.digests.update(step);
    const { buffer } = this.#kernels.memory;
    session.chain?.update(new Uint8Array(buffer, step.offset, step.length));
    return true;
  }

  #mismatch(task: DigestTask, of: 'chunk' | 'trailer'): DigestReply {
    this.#sessions.delete(task.session);
    return { kind: 'mismatch', of };
  }
}
