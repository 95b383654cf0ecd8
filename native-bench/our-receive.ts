/**
 * Our side of receiving, as a program: the server's front end with a gateway that has every
 * byte received into arena blocks and does nothing else. Prints its port, takes one PUT, prints
 * what it cost, ends. A process of its own, so that the sender's CPU is not counted.
 */
import { assert } from '../src/base/assert.ts';
import { silentLog } from '../src/base/log.ts';
import { startServer } from '../src/http/server.ts';
import type { Landing } from '../src/body/body.ts';
import { Arena, type Block } from '../src/memory/arena.ts';
import type { Exchange, Gateway } from '../src/s3/request.ts';
import { sampleOf } from './sample.ts';

const arena = new Arena();
const BLOCKS = 8;

/** Blocks in turn, as a body has them whose consumer keeps pace. */
class Filling {
  readonly #blocks: readonly Block[];
  #present = 0;
  #fill = 0;
  received = 0;

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  landing(): Landing {
    const block = this.#blocks[this.#present];
    assert(block !== undefined, 'a block of those in turn');
    return { block, bytes: block.capacity.subarray(this.#fill) };
  }

  landed(length: number): void {
    this.received += length;
    this.#fill += length;
    if (this.#fill < arena.blockBytes) return;
    this.#fill = 0;
    this.#present = (this.#present + 1) % this.#blocks.length;
  }

  /** What came with the head, or all of it where the front end cannot receive in place. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const { bytes: room } = this.landing();
      const piece = bytes.subarray(at, at + room.length);
      room.set(piece);
      this.landed(piece.length);
      at += piece.length;
    }
  }
}

const filling = new Filling(await arena.acquireMany(BLOCKS, 'ingest'));

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
        landing: () => filling.landing(),
        landed: (length) => {
          filling.landed(length);
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
