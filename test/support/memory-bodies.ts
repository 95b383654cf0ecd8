/** Bodies whose bytes are pushed, over memory: what a copy needs that stores its bytes anew. */
import type { Bodies, Body, BodyPlan, Transport } from '../../src/body/body.ts';
import type { Arena, Block } from '../../src/memory/arena.ts';
import { memoryBody } from './memory-body.ts';

/** Asks for a pause after every push, and goes on in a later turn. */
export function memoryBodies(arena: Arena): Pick<Bodies, 'open'> {
  return { open: (plan, transport) => openBody(arena, plan, transport) };
}

function openBody(arena: Arena, plan: BodyPlan, transport: Transport): ReturnType<Bodies['open']> {
  const pushed: Buffer[] = [];
  const whole = new Later<Body>();
  const checksum = [...plan.digests].find((name) => name !== 'md5');
  const feed = {
    push: (bytes: Uint8Array) => {
      pushed.push(Buffer.from(bytes));
      setImmediate(() => transport.resume());
      return false;
    },
    end: () => {
      whole.resolve(memoryBody(arena, Buffer.concat(pushed), checksum ? { checksum } : {}));
    },
    abort: (error: Error) => whole.reject(error),
  };
  const body: Body = {
    plan,
    async *blocks(): AsyncGenerator<Block> {
      yield* (await whole.promise).blocks();
    },
    bytes: async (max) => await (await whole.promise).bytes(max),
    settled: whole.promise.then(({ settled }) => settled),
    cancel: (reason) => whole.reject(reason),
  };
  body.settled.catch(() => {});
  return { body, feed };
}

class Later<Value> {
  resolve: (value: Value) => void = () => {};
  reject: (error: Error) => void = () => {};
  readonly promise: Promise<Value> = new Promise((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}
