/**
 * The front end's half of a body, as a test drives it: pushes pieces the way a socket would,
 * stops after `false` until the body asks for more, and wrecks each piece once it was pushed.
 */
import type { Bodies, Body, BodyFeed, BodyPlan } from '../../src/body/body.ts';

export class BodySocket {
  readonly body: Body;
  readonly feed: BodyFeed;
  pauses = 0;
  /** True: bytes go where the body wants them whenever it says where, as a fast client's do. */
  lands = false;
  /** How many bytes got there. */
  landed = 0;
  #resumed: () => void = () => {};

  constructor(bodies: Bodies, plan: BodyPlan) {
    const opened = bodies.open(plan, { resume: () => this.#resumed() });
    this.body = opened.body;
    this.feed = opened.feed;
  }

  /** Pushes all pieces without the end. */
  async push(pieces: Iterable<Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      const resumed = new Promise<void>((resolve) => (this.#resumed = resolve));
      const goOn = this.lands ? this.#land(piece) : this.feed.push(piece);
      // The front end's pieces die when the call returns.
      piece.fill(0xee);
      if (goOn) continue;
      this.pauses += 1;
      await resumed;
    }
  }

  /** Pushes only what must be; answers whether the body wants more after the whole piece. */
  #land(piece: Uint8Array): boolean {
    let goOn = true;
    for (let at = 0; at < piece.length;) {
      const landing = goOn ? this.feed.landing?.() : undefined;
      if (landing === undefined) {
        const step = piece.slice(at, at + (goOn ? 100 : piece.length));
        goOn = this.feed.push(step);
        at += step.length;
        continue;
      }
      const bytes = piece.subarray(at, at + landing.bytes.length);
      landing.bytes.set(bytes);
      goOn = this.feed.landed?.(bytes.length) ?? true;
      at += bytes.length;
      this.landed += bytes.length;
    }
    return goOn;
  }

  async send(pieces: Iterable<Uint8Array>): Promise<void> {
    await this.push(pieces);
    this.feed.end();
  }

  /** Pulls and releases everything; never rejects: the verdict is `settled`'s. */
  async drain(): Promise<void> {
    try {
      for await (const block of this.body.blocks()) block.release();
    } catch {
      // Tests look at `settled`.
    }
  }
}
