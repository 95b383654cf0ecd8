/** Thread entry point of one datanode: a shell around `DatanodeService`. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assert } from '../src/base/assert.ts';
import type { DatanodeSettings, RequestBatch } from '../src/chunks/datanode-protocol.ts';
import { DatanodeService } from '../src/chunks/datanode-service.ts';
import { READY } from '../src/threads/spawn.ts';

assert(parentPort !== null, 'runs as a worker thread');
const port = parentPort;
const service = new DatanodeService(workerData as DatanodeSettings);

port.on('message', (first: RequestBatch) => {
  // Whatever came meanwhile shares the group commit.
  const batches = [first];
  for (
    let next = receiveMessageOnPort(port);
    next !== undefined;
    next = receiveMessageOnPort(port)
  ) {
    batches.push(next.message as RequestBatch);
  }
  if (service.serve(batches, (replies) => port.postMessage(replies))) port.close();
});

/** Counts the dead bytes of old volumes while nothing else is to be done. */
function scanWhenIdle(): void {
  if (service.idle()) setTimeout(scanWhenIdle, 50).unref();
}

setTimeout(scanWhenIdle, 200).unref();
port.postMessage(READY);
