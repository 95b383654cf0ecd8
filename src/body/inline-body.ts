/**
 * A body small enough for ordinary memory: no arena while it arrives, no thread. Collected,
 * digested at once and verified in the turn in which its last byte came.
 *
 * Invariant: nothing is handed out before everything is verified, by `blocks` neither.
 */
import { hash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Arena, Block } from '../memory/arena.ts';
import type { Body, BodyFeed, BodyPlan, Payload } from './body.ts';
import { openDecoder } from './decoder.ts';
import { Deferred } from './deferred.ts';
import { digestOnce } from './digests.ts';
import type { Decoder, Trailer } from './framing.ts';
import { chainOf, type SignatureChain } from './signature-chain.ts';
import { claimsOf, settle } from './verdict.ts';

const NOTHING = new Uint8Array(0);

export class InlineBody implements Body, BodyFeed {
  readonly plan: BodyPlan;
  readonly #arena: Arena;
  readonly #decoder: Decoder;
  readonly #settled = new Deferred<Payload>();
  #bytes: Uint8Array = NOTHING;
  #length = 0;
  readonly #chunks: { readonly end: number; readonly signature: string }[] = [];
  #trailer: Trailer | undefined;
  #over = false;
  #consumed = false;

  constructor(arena: Arena, plan: BodyPlan) {
    this.plan = plan;
    this.#arena = arena;
    this.#decoder = openDecoder(plan, {
      payload: (bytes) => this.#collect(bytes),
      chunkEnd: (signature) => {
        if (signature !== undefined) this.#chunks.push({ end: this.#length, signature });
      },
      trailer: (trailer) => void (this.#trailer = trailer),
    });
    // Not a single byte will follow, so nothing is waited for.
    if (plan.framing === 'identity' && plan.payloadLength === 0) this.end();
  }

  get settled(): Promise<Payload> {
    return this.#settled.promise;
  }

  push(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      this.#fail(error as Error);
    }
    return true;
  }

  end(): void {
    if (this.#over) return;
    try {
      const payload = this.#verify();
      this.#over = true;
      this.#settled.resolve(payload);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  abort(reason: Error): void {
    this.#fail(reason);
  }

  cancel(reason: Error): void {
    this.#fail(reason);
  }

  async *blocks(): AsyncGenerator<Block, void, undefined> {
    this.#consume();
    await this.settled;
    const { blockBytes } = this.#arena;
    for (let at = 0; at < this.#length; at += blockBytes) {
      const block = await this.#arena.acquire('ingest');
      const piece = this.#bytes.subarray(at, Math.min(at + blockBytes, this.#length));
      block.write(0, piece);
      block.setWindow(0, piece.length);
      yield block;
    }
  }

  async bytes(bytesMax: number): Promise<Uint8Array> {
    this.#consume();
    if (this.plan.payloadLength > bytesMax) throw new S3Error('MaxMessageLengthExceeded');
    await this.settled;
    return this.#bytes;
  }

  #consume(): void {
    assert(!this.#consumed, 'a body has one consumer');
    this.#consumed = true;
  }

  #collect(bytes: Uint8Array): number {
    if (this.#bytes === NOTHING) this.#bytes = new Uint8Array(this.plan.payloadLength);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return bytes.length;
  }

  /** In the order in which errors are to be reported: lengths, chunks, trailer, digests. */
  #verify(): Payload {
    const malformed = this.#endFrame();
    const chain = this.plan.signer === undefined ? undefined : chainOf(this.plan.signer);
    if (chain !== undefined) this.#verifyChunks(chain);
    if (malformed !== undefined) throw malformed;
    const { signedText, signature } = this.#trailer ?? {};
    if (chain !== undefined && signedText !== undefined && signature !== undefined) {
      if (!chain.verifyTrailer(signedText, signature)) throw new S3Error('SignatureDoesNotMatch');
    }
    const claims = claimsOf(this.plan, this.#trailer);
    // The room was made for the longest body that the plan allows.
    this.#bytes = this.#bytes.subarray(0, this.#length);
    return settle(claims, digestOnce(this.plan.digests, this.#bytes), this.#length);
  }

  /** Throws when bytes are missing; answers what is wrong with the trailer. */
  #endFrame(): S3Error | undefined {
    try {
      this.#decoder.end();
      return undefined;
    } catch (error) {
      if (!(error instanceof S3Error) || error.code === 'IncompleteBody') throw error;
      return error;
    }
  }

  #verifyChunks(chain: SignatureChain): void {
    let from = 0;
    for (const { end, signature } of this.#chunks) {
      const data = hash('sha256', this.#bytes.subarray(from, end), 'hex');
      if (!chain.verifyChunk(data, signature)) throw new S3Error('SignatureDoesNotMatch');
      from = end;
    }
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#bytes = NOTHING;
    this.#settled.reject(error);
  }
}
