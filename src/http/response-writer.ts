/**
 * Writes one response: corked, framed exactly, arena blocks handed to the socket without a copy.
 * Owns the blocks that the response iterates: each is released when its bytes left, or when the
 * connection is cut. A response that cannot be completed is cut, never ended short.
 */
import { STATUS_CODES } from 'node:http';
import { assert } from '../base/assert.ts';
import type { Block } from '../memory/arena.ts';
import type { BlockBody, S3Response } from '../s3/request.ts';
import type { HttpResponse } from './uws.ts';

const CLOSE = 'Connection';

export class ResponseWriter {
  readonly #res: HttpResponse;
  readonly #head: boolean;
  #aborted = false;
  /** The block that the socket did not take whole; `start` is its offset in the body. */
  #pending: { readonly block: Block; readonly start: number; resolve(): void } | undefined;
  bytesSent = 0;

  /** `head` is true when the request's method was HEAD. */
  constructor(res: HttpResponse, head: boolean) {
    this.#res = res;
    this.#head = head;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  /** The connection is gone: nothing may touch it any more. */
  abort(): void {
    this.#aborted = true;
    this.#pending?.resolve();
  }

  /** Resolves when the response left or was cut. Never rejects. */
  async send(response: S3Response, close: boolean): Promise<void> {
    const { body } = response;
    if (this.#aborted) return;
    if (typeof body === 'object' && !(body instanceof Uint8Array)) {
      await this.#sendBlocks(response, body, close);
      return;
    }
    this.#res.cork(() => {
      this.#writeHead(response, close);
      if (this.#head || response.status === 304 || response.status === 204) {
        this.#res.endWithoutBody(this.#head ? (response.contentLength ?? 0) : undefined, close);
      } else {
        this.#res.end(body ?? '', close);
      }
    });
    this.bytesSent = typeof body === 'string' ? Buffer.byteLength(body) : (body?.length ?? 0);
  }

  #writeHead(response: S3Response, close: boolean): void {
    const { status } = response;
    this.#res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
    for (const [name, value] of response.headers) this.#res.writeHeader(name, value);
    if (close) this.#res.writeHeader(CLOSE, 'close');
  }

  async #sendBlocks(response: S3Response, body: BlockBody, close: boolean): Promise<void> {
    this.#res.onWritable((offset) => this.#continue(offset, body.length));
    let headWritten = false;
    let sent = 0;
    try {
      for await (const block of body.blocks) {
        if (this.#aborted) {
          block.release();
          break;
        }
        const start = sent;
        sent += block.length;
        assert(sent <= body.length, 'a body is as long as it said');
        const taken = new Promise<void>((resolve) => {
          this.#res.cork(() => {
            if (!headWritten) this.#writeHead(response, close);
            headWritten = true;
            const [whole] = this.#res.tryEnd(block.bytes, body.length);
            if (whole) resolve();
            else this.#pending = { block, start, resolve };
          });
        });
        await taken;
        this.#pending = undefined;
        block.release();
        if (this.#aborted) break;
        this.bytesSent = sent;
      }
      assert(this.#aborted || sent === body.length, 'a body is as long as it said');
    } catch (error) {
      this.#cut();
      throw error;
    }
  }

  /** The socket takes bytes again. True: it took all that was pending. */
  #continue(offset: number, total: number): boolean {
    const pending = this.#pending;
    if (pending === undefined || this.#aborted) return true;
    const rest = pending.block.bytes.subarray(offset - pending.start);
    const [whole] = this.#res.tryEnd(rest, total);
    if (whole) pending.resolve();
    return whole;
  }

  /** Too late for an error document: the client must see that the body is not whole. */
  #cut(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#res.close();
  }
}
