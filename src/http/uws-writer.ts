/**
 * Writes one response: corked, framed exactly, arena blocks handed to the socket without a copy
 * and released when their bytes left. A response that cannot be completed is cut, never ended
 * short.
 *
 * Bodies go out by `tryEnd` whatever their size: `end` would let the library buffer what a client
 * that never reads does not take, request after request.
 */
import { STATUS_CODES } from 'node:http';
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { type BlockBody, isBlockBody, type S3Response } from '../s3/request.ts';
import type { HttpResponse } from './uws.ts';
import { FRAMING, headerValue, UnsentError, type Writer } from './wire.ts';

/** Idle connections end two seconds either side of `uwsIdleMs`; clients should let go before. */
const KEEP_ALIVE = `timeout=${LIMITS.uwsIdleMs / 1000 - 2}`;

const STAY: readonly [string, string] = ['Keep-Alive', KEEP_ALIVE];
const CLOSE: readonly [string, string] = ['Connection', 'close'];

const EMPTY = new Uint8Array(0);

interface Pending {
  /** What the socket did not take whole. */
  readonly bytes: Uint8Array;
  /** Offset of `bytes` in the body. */
  readonly start: number;
  readonly total: number;
  resolve(): void;
}

export class UwsWriter implements Writer {
  readonly #res: HttpResponse;
  readonly #isHead: boolean;
  #aborted = false;
  #headWritten = false;
  #hooked = false;
  #pending: Pending | undefined;
  /** The response left whole: the library has taken the connection back. */
  ended = false;
  /** Counts progress, so that a sweep can tell a slow reader from one that stopped. */
  progress = 0;
  bytesSent = 0;

  constructor(res: HttpResponse, method: string) {
    this.#res = res;
    this.#isHead = method === 'HEAD';
  }

  abort(): void {
    this.#aborted = true;
    this.#pending?.resolve();
  }

  get waiting(): boolean {
    return this.#pending !== undefined && !this.#aborted;
  }

  async send(response: S3Response, close: boolean): Promise<void> {
    const { body, status } = response;
    if (this.#aborted) return;
    if (this.#isHead || status === 204 || status === 304) {
      this.#sendHeadOnly(response, close);
    } else if (isBlockBody(body)) {
      await this.#sendBlocks(response, body, close);
    } else {
      const bytes = typeof body === 'string' ? Buffer.from(body) : (body ?? EMPTY);
      if (close) this.#endAndClose(response, bytes);
      else await this.#write(response, bytes, 0, bytes.length, false);
    }
  }

  /**
   * Sends a complete response without telling uWebSockets: it would close the connection, or
   * start reading requests, while the client is still sending a body. The bytes of the head and
   * the body go out as one header line; the line's own end is counted as the body's last bytes.
   */
  sendUnended(response: S3Response): void {
    const { body, status } = response;
    assert(!isBlockBody(body), 'only documents are sent ahead of the end of the request');
    const text = typeof body === 'string' ? body : Buffer.from(body ?? EMPTY).toString();
    const bodiless = this.#isHead || status === 204 || status === 304;
    const length = bodiless ? 0 : Buffer.byteLength(text) + 2;
    this.#res.cork(() => {
      this.#writeHead(response);
      this.#res.writeHeader('Date', new Date().toUTCString());
      if (!bodiless) this.#res.writeHeader('Content-Length', String(length));
      this.#res.writeHeader('Connection', bodiless ? 'close\r\n' : `close\r\n\r\n${text}`);
    });
    this.bytesSent = length;
  }

  /**
   * Tries again to write what waits. Not for the bytes' sake: it is the one call that restarts
   * uWebSockets' own 10 s cut without losing the event that the socket is writable.
   */
  retry(): void {
    if (this.waiting) this.#res.cork(() => this.#continue());
  }

  #writeHead(response: S3Response): void {
    const { status, headers } = response;
    this.#res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
    for (const [name, value] of headers) {
      if (FRAMING.has(name.toLowerCase())) continue;
      this.#res.writeHeader(name, headerValue(value));
    }
    this.#headWritten = true;
  }

  /** `endWithoutBody` with a length other than 0 would wait for ever for the body to be written. */
  #sendHeadOnly(response: S3Response, close: boolean): void {
    const { contentLength } = response;
    this.#res.cork(() => {
      this.#writeHead(response);
      if (contentLength !== undefined && response.status !== 204) {
        this.#res.writeHeader('Content-Length', String(contentLength));
      }
      // The library can close only what it framed: here the client is told to.
      this.#res.writeHeader(...(close ? CLOSE : STAY));
      this.#res.endWithoutBody();
    });
    this.ended = true;
  }

  #endAndClose(response: S3Response, bytes: Uint8Array): void {
    this.#res.cork(() => {
      this.#writeHead(response);
      this.#res.end(bytes, true);
    });
    this.ended = true;
    this.bytesSent = bytes.length;
  }

  async #sendBlocks(response: S3Response, body: BlockBody, close: boolean): Promise<void> {
    let sent = 0;
    try {
      for await (const block of body.blocks) {
        try {
          if (this.#aborted) return;
          assert(sent + block.length <= body.length, 'a body is as long as it said');
          await this.#write(response, block.bytes, sent, body.length, close);
          sent += block.length;
          // Not one block more is read for a client that is gone.
          if (this.#aborted) return;
        } finally {
          block.release();
        }
      }
      if (this.#aborted) return;
      assert(sent === body.length, 'a body is as long as it said');
      if (sent === 0) await this.#write(response, EMPTY, 0, 0, close);
    } catch (error) {
      if (this.#aborted || this.#headWritten) throw error;
      throw new UnsentError('the body failed before its first byte', { cause: error });
    }
  }

  /** Resolves when the socket took all of `bytes`, or after `abort`. */
  async #write(
    response: S3Response,
    bytes: Uint8Array,
    start: number,
    total: number,
    close: boolean,
  ): Promise<void> {
    let whole = false;
    this.#res.cork(() => {
      if (!this.#headWritten) {
        this.#writeHead(response);
        this.#res.writeHeader(...(close ? CLOSE : STAY));
      }
      [whole, this.ended] = this.#res.tryEnd(bytes, total);
    });
    this.bytesSent = start + bytes.length;
    this.progress += 1;
    if (whole) return;
    if (!this.#hooked) this.#res.onWritable(() => this.#continue());
    this.#hooked = true;
    await new Promise<void>((resolve) => {
      this.#pending = { bytes, start, total, resolve };
    });
    this.#pending = undefined;
  }

  /** The socket takes bytes again. True: it took all that was pending. */
  #continue(): boolean {
    const pending = this.#pending;
    if (pending === undefined || this.#aborted) return true;
    const offset = this.#res.getWriteOffset();
    const { bytes, start, total } = pending;
    const [whole, ended] = this.#res.tryEnd(bytes.subarray(offset - start), total);
    this.ended = ended;
    if (whole) {
      this.#pending = undefined;
      this.progress += 1;
      pending.resolve();
    } else if (this.#res.getWriteOffset() > offset) {
      this.progress += 1;
    }
    return whole;
  }
}
