/** Thread entry point of one datanode: a shell around `DatanodeService`. */
import { workerData } from 'node:worker_threads';
import type {
  DatanodeSettings,
  ReplyBatch,
  RequestBatch,
} from '../src/chunks/datanode-protocol.ts';
import { DatanodeService } from '../src/chunks/datanode-service.ts';
import { Mailbox } from '../src/threads/mailbox.ts';
import { READY } from '../src/threads/spawn.ts';

/** Old volumes are counted in pauses of this kind, until none is left. */
const IDLE_MS = 50;

const mailbox = new Mailbox<RequestBatch, ReplyBatch | typeof READY>();
const service = new DatanodeService(workerData as DatanodeSettings);
mailbox.post(READY);

for (let counting = true, closed = false; !closed;) {
  const first = mailbox.take(counting ? IDLE_MS : Infinity);
  if (first === undefined) {
    counting = service.idle();
    continue;
  }
  // Whatever came meanwhile shares the group commit.
  const batches = [first];
  for (let next = mailbox.poll(); next !== undefined; next = mailbox.poll()) batches.push(next);
  closed = service.serve(batches, (replies) => mailbox.post(replies));
}
