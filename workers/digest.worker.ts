/**
 * Entry point of a digest thread: loads the kernels on the shared arena and answers tasks, one
 * after the other. All it knows stands in `src/body/digest-sessions.ts`.
 */
import { workerData } from 'node:worker_threads';
import { DigestSessions, type DigestReply, type DigestTask } from '../src/body/digest-sessions.ts';
import { answering, type Envelope } from '../src/threads/envelope.ts';
import { loadKernels } from '../src/wasm/kernels.ts';

const { memory } = workerData as { readonly memory: WebAssembly.Memory };
const sessions = new DigestSessions(loadKernels(memory));

const handle: (envelope: Envelope<DigestTask>) => DigestReply | undefined = answering((task) =>
  sessions.run(task),
);
export default handle;
