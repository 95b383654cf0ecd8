/**
 * The front end's side of one datanode: gathers requests into messages and resolves each by its
 * reply. Blocks named in a request must stay held until then. The busier the thread, the larger
 * the messages: while two are on their way, what comes waits until one was answered, or until it
 * is worth a message of its own.
 */
import { LIMITS } from '../base/limits.ts';
import { StoreError } from '../base/store-error.ts';
import type { WorkerLink } from '../threads/spawn.ts';
import type {
  DatanodeReply,
  DatanodeRequest,
  DatanodeValue,
  FailureKind,
  ReplyBatch,
  RequestBatch,
} from './datanode-protocol.ts';

/**
 * `foreign`: the folder is empty or somebody else's; `gone`: there is none, or it vanished while
 * we ran. Neither is used.
 */
export type DatanodeState = 'up' | 'foreign' | 'gone';

/** A request that the datanode could not carry out. */
export class DatanodeError extends StoreError {
  readonly failure: FailureKind;
  constructor(failure: FailureKind, message: string) {
    super(failure === 'missing' || failure === 'lost' ? 'unavailable' : failure, message);
    this.failure = failure;
  }
}

interface Pending {
  resolve(value: DatanodeValue): void;
  reject(error: Error): void;
}

export interface Datanode {
  readonly node: number;
  readonly directory: string;
  readonly state: DatanodeState;
  request(request: DatanodeRequest): Promise<DatanodeValue>;
  close(): Promise<void>;
}

export interface DatanodeThreadOptions {
  readonly node: number;
  readonly directory: string;
  readonly link: WorkerLink<RequestBatch, ReplyBatch>;
  /** Called once when the folder turns out to be gone. */
  onLost(reason: string): void;
}

export class DatanodeThread implements Datanode {
  readonly node: number;
  readonly directory: string;
  readonly #onLost: (reason: string) => void;
  readonly #link: WorkerLink<RequestBatch, ReplyBatch>;
  readonly #pending = new Map<number, Pending>();
  #batch: (readonly [number, DatanodeRequest])[] = [];
  /** Messages that were not answered in full yet. */
  #travelling = 0;
  #scheduled = false;
  #nextId = 0;
  #closed = false;
  #state: DatanodeState = 'up';

  constructor({ node, directory, link, onLost }: DatanodeThreadOptions) {
    this.node = node;
    this.directory = directory;
    this.#onLost = onLost;
    this.#link = link;
    link.onMessage(({ replies, finished }) => {
      this.#travelling -= finished;
      for (const reply of replies) {
        if (typeof reply === 'number') this.#finish(reply)?.resolve(undefined);
        else this.#settle(reply);
      }
      if (this.#batch.length > 0) this.#schedule();
    });
  }

  get state(): DatanodeState {
    return this.#state;
  }

  request(request: DatanodeRequest): Promise<DatanodeValue> {
    if (this.#closed) {
      return Promise.reject(new DatanodeError('unavailable', 'the datanode is closed'));
    }
    return new Promise((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      this.#pending.set(id, { resolve, reject });
      this.#batch.push([id, request]);
      this.#schedule();
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const done = this.request({ kind: 'close' });
    this.#closed = true;
    const exited = this.#link.exited();
    await done;
    await exited;
  }

  /** After what runs now: the requests of one turn share a message. */
  #schedule(): void {
    const busy = this.#travelling >= LIMITS.datanodeMessages;
    if (this.#scheduled || (busy && this.#batch.length < LIMITS.datanodeBatch)) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#post());
  }

  #post(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#scheduled = false;
    this.#travelling += 1;
    this.#link.post(batch);
  }

  #finish(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #settle(reply: DatanodeReply): void {
    const pending = this.#finish(reply.id);
    if (reply.ok) {
      pending?.resolve(reply.value);
      return;
    }
    if (reply.failure === 'lost' && this.#state === 'up') {
      this.#state = 'gone';
      this.#onLost(reply.message);
    }
    pending?.reject(new DatanodeError(reply.failure, reply.message));
  }
}

/** A datanode whose folder is not there, or not ours. */
export class LostDatanode implements Datanode {
  readonly node: number;
  readonly directory: string;
  readonly state: DatanodeState;

  constructor(node: number, directory: string, state: 'foreign' | 'gone') {
    this.node = node;
    this.directory = directory;
    this.state = state;
  }

  request(): Promise<DatanodeValue> {
    const message = `datanode ${this.node} (${this.directory}) is ${this.state}`;
    return Promise.reject(new DatanodeError('missing', message));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
