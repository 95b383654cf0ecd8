/**
 * The front end's side of one datanode: gathers the requests of a turn into one message and
 * resolves each by its reply. Blocks named in a request must stay held until then.
 */
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
  #nextId = 0;
  #closed = false;
  #state: DatanodeState = 'up';

  constructor({ node, directory, link, onLost }: DatanodeThreadOptions) {
    this.node = node;
    this.directory = directory;
    this.#onLost = onLost;
    this.#link = link;
    link.onMessage((replies) => {
      for (const reply of replies) this.#settle(reply);
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
      if (this.#batch.length === 1) queueMicrotask(() => this.#post());
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

  #post(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#link.post(batch);
  }

  #settle(reply: DatanodeReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
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
