/**
 * One datanode as its thread runs it: takes batches of requests and carries them out in order,
 * answers what needs no disk sync at once, then one group commit makes everything durable that
 * was sealed, appended or deleted in them. All file calls are synchronous: the thread exists for
 * nothing else.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { addProduct } from './codec.ts';
import type {
  AccumulateRequest,
  DatanodeReply,
  DatanodeRequest,
  DatanodeSettings,
  DatanodeValue,
  DeleteRequest,
  ListedPage,
  ReadRequest,
  ReplyBatch,
  RequestBatch,
} from './datanode-protocol.ts';
import { accessFor, syncFolder } from './file-bytes.ts';
import { ShardFault, toFault } from './file-faults.ts';
import { headerSeed } from './shard-format.ts';
import { ShardFiles } from './shard-files.ts';
import { Volumes } from './volumes.ts';

/** Name of the file in a datanode's folder that says whose it is. */
export const ID_FILE = 'id.json';

type Reply = ReplyBatch['replies'][number];

/** Done, but not to be answered before the group commit of its kind. */
interface Uncommitted {
  readonly id: number;
  readonly value: DatanodeValue;
  readonly commit: 'files' | 'volumes';
}

export class DatanodeService {
  readonly #settings: DatanodeSettings;
  readonly #kernels: Kernels;
  readonly #files: ShardFiles;
  readonly #volumes: Volumes;

  constructor(settings: DatanodeSettings) {
    this.#settings = settings;
    const kernels = loadKernels(settings.memory);
    this.#kernels = kernels;
    const { directory, volumeBytes, durable } = settings;
    const io = accessFor(settings.io, directory, durable);
    const seed = headerSeed(settings.id);
    const requireFolder = (): void => {
      if (!this.#isIntact()) throw new ShardFault('lost', 'the datanode lost its folder');
    };
    this.#files = new ShardFiles({ directory, kernels, seed, io, requireFolder });
    this.#volumes = new Volumes({ directory, kernels, seed, volumeBytes, requireFolder });
    // The names of the two folders themselves.
    if (durable) syncFolder(directory);
  }

  /** Several batches at once share one group commit. True when it was told to close. */
  serve(batches: readonly RequestBatch[], answer: (replies: ReplyBatch) => void): boolean {
    const uncommitted: Uncommitted[] = [];
    let closeId: number | undefined;
    let finished = 0;
    for (const batch of batches) {
      const now: Reply[] = [];
      const writes: (readonly [id: number, shard: string])[] = [];
      const before = uncommitted.length;
      for (const [id, request] of batch) {
        if (request.kind === 'close') {
          closeId = id;
          continue;
        }
        try {
          const value = this.#carryOut(request);
          const commit = commitOf(request);
          if (commit !== undefined) uncommitted.push({ id, value, commit });
          else if (request.kind === 'write') writes.push([id, request.shard]);
          else now.push(value === undefined ? id : { id, ok: true, value });
        } catch (error) {
          now.push(this.#failureOf(id, error));
        }
      }
      now.push(...this.#flush(writes));
      // Reads and plain writes do not wait for the disk; their batch may wait for a commit.
      const whole = uncommitted.length === before && closeId === undefined;
      if (now.length > 0 || whole) answer({ replies: now, finished: whole ? 1 : 0 });
      if (!whole) finished += 1;
    }
    if (uncommitted.length > 0) answer({ replies: this.#commit(uncommitted), finished });
    if (closeId === undefined) return false;
    this.#files.close();
    this.#volumes.close();
    answer({ replies: [closeId], finished: 0 });
    return true;
  }

  /** A little of the counting that a start leaves for idle time. False: nothing left. */
  idle(): boolean {
    return this.#volumes.countNext();
  }

  /** Writes what was gathered, while the spans are held for sure. */
  #flush(writes: readonly (readonly [id: number, shard: string])[]): Reply[] {
    this.#files.flush();
    return writes.map(([id, shard]) => {
      const fault = this.#files.faultOf(shard);
      return fault === undefined ? id : this.#failureOf(id, fault.error);
    });
  }

  #commit(uncommitted: readonly Uncommitted[]): Reply[] {
    const { durable } = this.#settings;
    const failed = {
      files: attempt(() => this.#files.sync(durable)),
      volumes: attempt(() => this.#volumes.sync(durable)),
    };
    return uncommitted.map(({ id, value, commit }) => {
      const failure = failed[commit];
      if (failure !== undefined) return this.#failureOf(id, failure.error);
      return value === undefined ? id : { id, ok: true, value };
    });
  }

  #carryOut(request: Exclude<DatanodeRequest, { kind: 'close' }>): DatanodeValue {
    switch (request.kind) {
      case 'write':
        this.#files.write(request.shard, request.at, request.spans, request.gather);
        return undefined;
      case 'accumulate':
        this.#accumulate(request);
        return undefined;
      case 'seal':
        this.#files.seal(request.shard, request.header);
        return undefined;
      case 'abort':
        this.#files.abort(request.shard);
        return undefined;
      case 'append':
        return this.#volumes.append(request.header, request.terms, request.scratch);
      case 'read':
        this.#read(request);
        return undefined;
      case 'delete':
        this.#delete(request);
        return undefined;
      case 'list':
        return this.#list(request.cursor);
    }
  }

  #accumulate({ target, source, length, coefficient, first }: AccumulateRequest): void {
    addProduct(this.#kernels, first, coefficient, target, source, length);
  }

  #read({ place, chunk, column, dataLength, at, length, target }: ReadRequest): void {
    if ('shard' in place) {
      this.#files.read({ chunk, column, dataLength }, at, length, target);
    } else {
      const entry = [place.volume, place.offset] as const;
      this.#volumes.read(entry, { chunk, column, dataLength }, at, length, target);
    }
  }

  #delete({ place, chunk, column }: DeleteRequest): void {
    if ('shard' in place) this.#files.delete(place.shard);
    else this.#volumes.delete([place.volume, place.offset], chunk, column);
  }

  /** Pages: each fan-out folder, then each volume. The cursor names the last page given. */
  #list(cursor: string | undefined): ListedPage {
    const folders = this.#files.folders().map((name) => `f${name}`);
    const volumes = this.#volumes.numbers().map((number) => `v${String(number).padStart(8, '0')}`);
    const next = [...folders, ...volumes].find((page) => cursor === undefined || page > cursor);
    if (next === undefined) return { shards: [], cursor: undefined };
    const name = next.slice(1);
    const shards = next.startsWith('f')
      ? this.#files.list(name)
      : this.#volumes.list(Number.parseInt(name, 10));
    return { shards, cursor: next };
  }

  #isIntact(): boolean {
    try {
      const text = readFileSync(join(this.#settings.directory, ID_FILE), 'utf8');
      return text.includes(`"${this.#settings.id}"`);
    } catch {
      return false;
    }
  }

  #failureOf(id: number, error: unknown): DatanodeReply {
    const { failure, message } = toFault(error);
    const maybeLost = failure === 'missing' || failure === 'unavailable';
    const lost = maybeLost && !this.#isIntact();
    return { id, ok: false, failure: lost ? 'lost' : failure, message };
  }
}

/** A removed file that a power cut brings back is an orphan for the scrub: that needs no sync. */
function commitOf(request: DatanodeRequest): 'files' | 'volumes' | undefined {
  if (request.kind === 'seal') return 'files';
  if (request.kind === 'append') return 'volumes';
  return request.kind === 'delete' && 'volume' in request.place ? 'volumes' : undefined;
}

function attempt(work: () => void): { readonly error: unknown } | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return { error };
  }
}
