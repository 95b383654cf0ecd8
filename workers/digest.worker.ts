/**
 * Entry point of a digest thread: loads the kernels on the shared arena and answers batches, one
 * after the other. All it knows stands in `src/body/digest-sessions.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../src/base/assert.ts';
import { DigestSessions, type DigestBatch } from '../src/body/digest-sessions.ts';
import { DigestSlots } from '../src/body/digest-slots.ts';
import { READY } from '../src/threads/spawn.ts';
import { loadKernels } from '../src/wasm/kernels.ts';

assert(parentPort !== null, 'runs as a worker thread');
const port = parentPort;
const { memory, slots } = workerData as {
  readonly memory: WebAssembly.Memory;
  readonly slots: SharedArrayBuffer;
};
const sessions = new DigestSessions(loadKernels(memory), new DigestSlots(slots));

port.on('message', (batch: DigestBatch) => {
  const replies = sessions.run(batch);
  if (replies.length > 0) port.postMessage(replies);
});
port.postMessage(READY);
