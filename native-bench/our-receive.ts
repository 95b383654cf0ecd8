/**
 * Our side of receiving, as a program: the server's front end with a gateway that copies every
 * byte into an arena block and does nothing else. Prints its port, takes one PUT, prints what it
 * cost, ends. A process of its own, so that the sender's CPU is not counted.
 */
import { silentLog } from '../src/base/log.ts';
import { startServer } from '../src/http/uws-server.ts';
import { Arena, type Block } from '../src/memory/arena.ts';
import type { Exchange, Gateway } from '../src/s3/request.ts';
import { sampleOf } from './sample.ts';

const BLOCKS = 64;

const arena = new Arena(BLOCKS * 256 * 1024);

/** Blocks in turn, as a body has them whose consumer keeps pace. */
class Filling {
  readonly #blocks: readonly Block[];
  #present = 0;
  #fill = 0;
  received = 0;

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  push(bytes: Uint8Array): void {
    this.received += bytes.length;
    for (let at = 0; at < bytes.length;) {
      const block = this.#blocks[this.#present];
      if (block === undefined) throw new Error('no block');
      const count = Math.min(bytes.length - at, arena.blockBytes - this.#fill);
      block.capacity.set(bytes.subarray(at, at + count), this.#fill);
      at += count;
      this.#fill += count;
      if (this.#fill < arena.blockBytes) continue;
      this.#fill = 0;
      this.#present = (this.#present + 1) % this.#blocks.length;
    }
  }
}

const filling = new Filling(await arena.acquireMany(8, 'ingest'));

const gateway: Gateway = {
  begin(): Exchange {
    const before = process.cpuUsage();
    const startedMs = performance.now();
    let answer: (response: { status: number; headers: []; body: undefined }) => void = () => {};
    const response = new Promise<{ status: number; headers: []; body: undefined }>((resolve) => {
      answer = resolve;
    });
    return {
      feed: {
        push: (bytes) => {
          filling.push(bytes);
          return true;
        },
        end: () => {
          const { user, system } = process.cpuUsage(before);
          const wallNs = (performance.now() - startedMs) * 1e6;
          const sample = sampleOf('receive', filling.received, (user + system) * 1e3, wallNs);
          process.stdout.write(`${JSON.stringify(sample)}\n`);
          answer({ status: 200, headers: [], body: undefined });
        },
        abort: (reason) => {
          throw reason;
        },
      },
      response,
      cancel: () => {},
      finished: () => setImmediate(() => process.exit(0)),
    };
  },
};

const server = await startServer({ gateway, arena, host: '127.0.0.1', port: 0, log: silentLog });
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`);
