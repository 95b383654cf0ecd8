/**
 * The body as operations get it: none at all, or a document that takes its time. A document may
 * come in for as long as its sender likes, and meanwhile the bucket may have come to another owner
 * or the object been written anew: whoever was let in at the head is asked for again at the end.
 *
 * Invariant: after that answer the operation names its target before it awaits anything else.
 */
import { AssertionError } from '../base/assert.ts';
import type { Body, BodyPlan, Payload } from '../body/body.ts';
import type { Block } from '../memory/arena.ts';

export const NO_BODY: Body = {
  get plan(): never {
    throw new AssertionError('this operation takes no body');
  },
  get settled(): never {
    throw new AssertionError('this operation takes no body');
  },
  blocks() {
    throw new AssertionError('this operation takes no body');
  },
  bytes() {
    throw new AssertionError('this operation takes no body');
  },
  cancel() {},
};

export class GuardedDocument implements Body {
  readonly #body: Body;
  readonly #authorize: () => void;

  /** `authorize` throws what the request is refused with. */
  constructor(body: Body, authorize: () => void) {
    this.#body = body;
    this.#authorize = authorize;
  }

  get plan(): BodyPlan {
    return this.#body.plan;
  }

  get settled(): Promise<Payload> {
    return this.#body.settled;
  }

  blocks(): AsyncIterable<Block> {
    return this.#body.blocks();
  }

  async bytes(bytesMax: number): Promise<Uint8Array> {
    const bytes = await this.#body.bytes(bytesMax);
    this.#authorize();
    return bytes;
  }

  cancel(reason: Error): void {
    this.#body.cancel(reason);
  }
}
