/**
 * Owns how worker threads are found and started: the address of each entry point, the handshake
 * that says a thread is up, and what happens when one ends. It knows no message but `READY`.
 *
 * Invariant: a thread that ends without being asked to takes the process with it. It held state
 * of running requests (hashes, files, counters) that nobody can rebuild; a supervisor restarts us.
 */
import { Worker, type MessagePort } from 'node:worker_threads';

export type WorkerName = 'digest' | 'datanode';

/** First message of every worker that `startWorker` starts: its entry point loaded and works. */
export const READY = 'sluice:ready';

/**
 * Threads run compiled code only: worker entries bypass the loaders that let a test run `.ts`.
 * So from sources this answers `dist/workers/`, from compiled code the sibling folder.
 */
export function workerUrl(name: WorkerName): URL {
  const workers = import.meta.url.endsWith('.ts') ? '../../dist/workers/' : '../../workers/';
  return new URL(`${workers}${name}.worker.js`, import.meta.url);
}

/** One running thread. `Out` goes to it, `In` comes from it, both in order and as clones. */
export interface WorkerLink<Out, In> {
  post(message: Out, transfer?: readonly (ArrayBuffer | MessagePort)[]): void;
  /** One listener; set it in the turn in which `startWorker` resolved, so that none is missed. */
  onMessage(listener: (message: In) => void): void;
  /** Resolves with the exit code once the thread ended by itself; from now on it may. */
  exited(): Promise<number>;
  /** Ends the thread wherever it is. Only for threads that own nothing on disk any more. */
  terminate(): Promise<void>;
}

export interface StartOptions {
  /** Where broken threads are reported; by default the process ends with the error. */
  readonly onFatal?: (error: Error) => void;
}

/**
 * Starts `workers/<name>.worker` with `data` and the bell of its `Mailbox` as its `workerData`
 * and resolves when it posted `READY`. Rejects when it failed or ended before. After that an
 * error or exit is fatal.
 */
export function startWorker<Out, In>(
  name: WorkerName,
  data: object,
  options: StartOptions = {},
): Promise<WorkerLink<Out, In>> {
  const bell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const workerData = { ...data, bell: bell.buffer };
  const worker = new Worker(workerUrl(name), { workerData, name });
  const onFatal = options.onFatal ?? crash;
  let exitExpected = false;
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve));
  const link: WorkerLink<Out, In> = {
    post: (message, transfer = []) => {
      worker.postMessage(message, [...transfer]);
      Atomics.add(bell, 0, 1);
      Atomics.notify(bell, 0);
    },
    onMessage: (listener) => {
      worker.removeAllListeners('message');
      worker.on('message', listener);
    },
    exited: () => {
      exitExpected = true;
      return ended;
    },
    terminate: async () => {
      exitExpected = true;
      await worker.terminate();
    },
  };
  return new Promise((resolve, reject) => {
    let fail = reject;
    worker.once('message', (message) => {
      if (message !== READY) {
        exitExpected = true;
        reject(new Error(`the ${name} thread spoke before it was ready`));
        void worker.terminate();
        return;
      }
      fail = onFatal;
      resolve(link);
    });
    worker.on('error', (cause) => {
      exitExpected = true;
      fail(new Error(`the ${name} thread failed`, { cause }));
    });
    worker.once('exit', (code) => {
      if (!exitExpected) fail(new Error(`the ${name} thread ended with exit code ${code}`));
    });
  });
}

/** Outside every promise chain, so that nobody can catch it by accident. */
export function crash(error: Error): void {
  setImmediate(() => {
    throw error;
  });
}
