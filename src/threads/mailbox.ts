/**
 * The worker's side of a thread that `startWorker` started and that does nothing but serve: it
 * sleeps on a shared counter (the bell) instead of turning an event loop, which wakes it in a
 * quarter of the time and spares both sides the system calls of a loop.
 *
 * Invariant: the counter is read before the port is looked at, and rung after a message was put
 * there, so no message is slept through. Timers and listeners never run in such a thread.
 */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { assert } from '../base/assert.ts';

export class Mailbox<In, Out> {
  readonly #port: MessagePort;
  readonly #bell: Int32Array;

  constructor() {
    const { bell } = workerData as { readonly bell?: SharedArrayBuffer };
    assert(parentPort !== null && bell !== undefined, 'runs in a thread of startWorker');
    this.#port = parentPort;
    this.#bell = new Int32Array(bell);
  }

  post(message: Out): void {
    this.#port.postMessage(message);
  }

  /** What came already, without waiting. */
  poll(): In | undefined {
    return receiveMessageOnPort(this.#port)?.message as In | undefined;
  }

  /** The next message; undefined when none came for so long. */
  take(timeoutMs: number): In | undefined {
    for (;;) {
      const rung = Atomics.load(this.#bell, 0);
      const message = this.poll();
      if (message !== undefined) return message;
      if (Atomics.wait(this.#bell, 0, rung, timeoutMs) === 'timed-out') return undefined;
    }
  }
}
