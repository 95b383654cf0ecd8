/** Who holds a block, and for how long, when one of the datanodes fails. */
import { describe, expect, it } from 'vitest';
import type { ChunkId } from '../../../src/chunks/chunk-store.ts';
import { codecFor } from '../../../src/chunks/codec.ts';
import { type Datanode, DatanodeError } from '../../../src/chunks/datanode.ts';
import type { DatanodeRequest, DatanodeValue } from '../../../src/chunks/datanode-protocol.ts';
import { StripedWriter } from '../../../src/chunks/striped-writer.ts';
import { Arena } from '../../../src/memory/arena.ts';
import { loadKernels } from '../../../src/wasm/kernels.ts';

/** A datanode that answers when it is told to. */
class ScriptedDatanode implements Datanode {
  readonly node: number;
  readonly directory = 'scripted';
  readonly state = 'up';
  readonly seen: DatanodeRequest['kind'][] = [];
  #waiting: { resolve(value: DatanodeValue): void; reject(error: Error): void }[] = [];
  #ready = false;

  constructor(node: number) {
    this.node = node;
  }

  request(request: DatanodeRequest): Promise<DatanodeValue> {
    this.seen.push(request.kind);
    if (this.#ready) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Answers everything so far; with `ready` also what comes later. */
  answer(error?: Error, ready = false): void {
    this.#ready = ready;
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (error === undefined) resolve(undefined);
      else reject(error);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('striped writer', () => {
  it('keeps the block until the slowest datanode answered, though another failed', async () => {
    const arena = new Arena(16 * 1024 * 1024);
    const length = 2 * arena.blockBytes;
    const codec = codecFor('two', loadKernels(arena.memory));
    const [failing, slow] = [new ScriptedDatanode(0), new ScriptedDatanode(1)];
    let ended = 0;
    const writer = new StripedWriter({
      id: '0'.repeat(32) as ChunkId,
      length,
      layout: 'two',
      codec,
      blockBytes: arena.blockBytes,
      datanodes: [failing, slow],
      accumulators: [],
      onEnd: () => {
        ended += 1;
      },
    });
    const block = await arena.acquire('ingest');
    block.setWindow(0, arena.blockBytes);
    await writer.write(block);
    failing.answer(new DatanodeError('full', 'no space'), true);
    await turn();
    expect(arena.freeCount).toBe(arena.blockCount - 1);
    slow.answer(undefined, true);
    await turn();
    expect(arena.freeCount).toBe(arena.blockCount);

    const next = await arena.acquire('ingest');
    next.setWindow(0, arena.blockBytes);
    await expect(writer.write(next)).rejects.toMatchObject({ kind: 'full' });
    await writer.abort();
    await writer.abort();
    expect(failing.seen).toEqual(['write', 'abort']);
    expect(slow.seen).toEqual(['write', 'abort']);
    expect(ended).toBe(1);
    expect(arena.freeCount).toBe(arena.blockCount);
  });
});
