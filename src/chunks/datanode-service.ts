/**
 * One datanode as its thread runs it: takes a batch of requests, carries them out in order, then
 * one group commit makes everything sealed in the batch durable, then one batch of replies. All
 * file calls are synchronous: the thread exists for nothing else.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadKernels, type Kernels } from '../wasm/kernels.ts';
import type {
  DatanodeReply,
  DatanodeRequest,
  DatanodeSettings,
  DatanodeValue,
  ListedPage,
  RequestBatch,
} from './datanode-protocol.ts';
import { toFault } from './file-faults.ts';
import { ShardFiles } from './shard-files.ts';
import { Volumes } from './volumes.ts';

/** Name of the file in a datanode's folder that says whose it is. */
export const ID_FILE = 'id.json';

export class DatanodeService {
  readonly #kernels: Kernels;
  readonly #files: ShardFiles;
  readonly #volumes: Volumes;
  readonly #durable: boolean;

  constructor(settings: DatanodeSettings) {
    this.#kernels = loadKernels(settings.memory);
    this.#durable = settings.durable;
    const idFile = join(settings.directory, ID_FILE);
    const intact = (): boolean => {
      try {
        return readFileSync(idFile, 'utf8').includes(`"${settings.id}"`);
      } catch {
        return false;
      }
    };
    this.#files = new ShardFiles(settings.directory, this.#kernels, intact);
    this.#volumes = new Volumes(
      settings.directory,
      this.#kernels,
      settings.volumeBytes,
      intact,
    );
  }

  /** Several batches at once share one group commit. */
  serve(batches: readonly RequestBatch[]): DatanodeReply[] {
    const replies: DatanodeReply[] = [];
    const sealed: { readonly id: number; readonly value: DatanodeValue; readonly packed: boolean }[] = [];
    for (const batch of batches) {
      for (const [id, request] of batch) {
        try {
          const value = this.#carryOut(request);
          if (request.kind === 'seal' || request.kind === 'append') {
            sealed.push({ id, value, packed: request.kind === 'append' });
          } else {
            replies.push({ id, ok: true, value });
          }
        } catch (error) {
          replies.push(failureOf(id, error));
        }
      }
    }
    const filesFailed = attempt(() => this.#files.sync(this.#durable));
    const volumesFailed = attempt(() => this.#volumes.sync(this.#durable));
    for (const { id, value, packed } of sealed) {
      const failed = packed ? volumesFailed : filesFailed;
      replies.push(failed === undefined ? { id, ok: true, value } : failureOf(id, failed.error));
    }
    return replies;
  }

  /** A little of the counting that a start leaves for idle time. False: nothing left. */
  idle(): boolean {
    return this.#volumes.scanNext();
  }

  #carryOut(request: DatanodeRequest): DatanodeValue {
    switch (request.kind) {
      case 'write':
        this.#files.write(request.shard, request.at, request.spans);
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
      case 'close':
        this.#files.close();
        this.#volumes.close();
        return undefined;
    }
  }

  #accumulate(request: Extract<DatanodeRequest, { kind: 'accumulate' }>): void {
    const { target, source, length, coefficient, first } = request;
    if (coefficient === 1) {
      if (first) this.#kernels.copy(target, source, length);
      else this.#kernels.xorInto(target, source, length);
    } else if (first) {
      this.#kernels.gfMul(target, source, length, coefficient);
    } else {
      this.#kernels.gfMulAdd(target, source, length, coefficient);
    }
  }

  #read(request: Extract<DatanodeRequest, { kind: 'read' }>): void {
    const { place, chunk, column, dataLength, at, length, target } = request;
    if ('shard' in place) {
      this.#files.read(chunk, column, dataLength, at, length, target);
    } else {
      const shard = { chunk, column, dataLength };
      this.#volumes.read(place.volume, place.offset, shard, at, length, target);
    }
  }

  #delete(request: Extract<DatanodeRequest, { kind: 'delete' }>): void {
    const { place, chunk, column } = request;
    if ('shard' in place) this.#files.delete(place.shard);
    else this.#volumes.delete(place.volume, place.offset, chunk, column);
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
}

function failureOf(id: number, error: unknown): DatanodeReply {
  const { failure, message } = toFault(error);
  return { id, ok: false, failure, message };
}

function attempt(work: () => void): { readonly error: unknown } | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return { error };
  }
}
