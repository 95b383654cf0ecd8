/**
 * Writes one response to a socket of Node's: framed exactly, arena blocks handed to the kernel
 * without a copy and released when their bytes left. A response that cannot be completed is cut,
 * never ended short.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { type BlockBody, isBlockBody, type S3Response } from '../s3/request.ts';
import { FRAMING, headerValue, UnsentError, type Writer } from './wire.ts';

const EMPTY = Buffer.alloc(0);
/** Bodies up to this travel in one buffer with their head: a copy costs less than a vector. */
const JOINED_BYTES = 32 * 1024;

const STATUS_LINES: readonly string[] = Array.from(
  { length: 600 },
  (_, status) => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`,
);
const STAY = `Keep-Alive: timeout=${LIMITS.keepAliveMs / 1000 - 5}\r\n`;
const CLOSE = 'Connection: close\r\n';

let dateSecond = 0;
let dateLine = '';

/** One per second is enough: HTTP knows no shorter time. */
function dateHeader(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateLine;
}

/** What the writer needs to know of its connection. */
export interface Outlet {
  readonly socket: Socket;
  /** Bytes that the kernel has not taken yet. */
  unwritten(): number;
  /** No request follows this one. */
  readonly keepAlive: boolean;
  write(bytes: string | Uint8Array, onWritten: (error?: Error | null) => void): void;
  /** Writes at the end of this turn of the loop, together with others. */
  post(bytes: string | Uint8Array): void;
  /** The answer was the connection's last. */
  lastAnswer(): void;
}

export class NodeWriter implements Writer {
  readonly #outlet: Outlet;
  readonly #isHead: boolean;
  #aborted = false;
  #headWritten = false;
  /** Writes whose callback has not come. */
  #underWay = 0;
  #flushed: (() => void) | undefined;
  #error: Error | undefined;
  readonly #onWritten = (error?: Error | null): void => {
    this.#underWay -= 1;
    this.#error ??= error ?? undefined;
    if (this.#underWay === 0) this.#flushed?.();
  };
  ended = false;
  bytesSent = 0;

  constructor(outlet: Outlet, method: string) {
    this.#outlet = outlet;
    this.#isHead = method === 'HEAD';
  }

  get progress(): number {
    return this.#outlet.socket.bytesWritten - this.#outlet.unwritten();
  }

  get waiting(): boolean {
    return this.#flushed !== undefined && !this.#aborted;
  }

  abort(): void {
    this.#aborted = true;
    this.#flushed?.();
  }

  retry(): void {}

  send(response: S3Response, close: boolean): Promise<void> | undefined {
    if (this.#aborted) return undefined;
    const { body } = response;
    const last = close || !this.#outlet.keepAlive;
    if (!this.#isBodiless(response) && isBlockBody(body)) {
      return this.#sendBlocks(response, body, last);
    }
    const { socket } = this.#outlet;
    const pieces = this.#plain(response, last);
    const [only] = pieces;
    // Not for a client that leaves what it asked for before unread.
    if (!last && pieces.length === 1 && only !== undefined && socket.writableLength === 0) {
      this.#outlet.post(only);
      this.#over(last);
      return undefined;
    }
    for (const piece of pieces) this.#write(piece);
    if (socket.writableLength > 0 || socket.destroyed) return this.#end(last);
    this.#over(last);
    return undefined;
  }

  async #end(last: boolean): Promise<void> {
    await this.#flush();
    this.#over(last);
  }

  #over(last: boolean): void {
    if (this.#aborted) return;
    this.ended = true;
    if (last) this.#outlet.lastAnswer();
  }

  sendUnended(response: S3Response): void {
    assert(!isBlockBody(response.body), 'only documents are sent ahead of the end of the request');
    for (const piece of this.#plain(response, true)) this.#write(piece);
    this.#outlet.lastAnswer();
  }

  #isBodiless({ status }: S3Response): boolean {
    return this.#isHead || status === 204 || status === 304;
  }

  /** An answer without arena blocks: one piece, or two when joining them would cost more. */
  #plain(response: S3Response, last: boolean): readonly (string | Uint8Array)[] {
    const { body, status, contentLength } = response;
    if (this.#isBodiless(response)) {
      const length = status === 204 ? undefined : contentLength;
      return [this.#head(response, length, last)];
    }
    if (typeof body === 'string') {
      this.bytesSent = Buffer.byteLength(body);
      return [this.#head(response, this.bytesSent, last) + body];
    }
    assert(!isBlockBody(body), 'a plain body');
    const bytes = body ?? EMPTY;
    this.bytesSent = bytes.length;
    const head = this.#head(response, bytes.length, last);
    if (bytes.length > JOINED_BYTES) return [head, bytes];
    const headBytes = Buffer.byteLength(head);
    const joined = Buffer.allocUnsafe(headBytes + bytes.length);
    joined.write(head);
    joined.set(bytes, headBytes);
    return [joined];
  }

  async #sendBlocks(response: S3Response, body: BlockBody, last: boolean): Promise<void> {
    await this.#writeBlocks(response, body, last);
    await this.#end(last);
  }

  async #writeBlocks(response: S3Response, body: BlockBody, last: boolean): Promise<void> {
    let sent = 0;
    try {
      for await (const block of body.blocks) {
        try {
          if (this.#aborted) return;
          assert(sent + block.length <= body.length, 'a body is as long as it said');
          this.#writeHead(response, body.length, last);
          this.#write(block.bytes);
          // The kernel, not Node, has the bytes after this: only then the block may go.
          await this.#flush();
          sent += block.length;
          this.bytesSent = sent;
          // Not one block more is read for a client that is gone.
          if (this.#aborted) return;
        } finally {
          block.release();
        }
        // It needs not say that it is over, nor may what it says after that matter.
        if (sent === body.length) break;
      }
      if (this.#aborted) return;
      assert(sent === body.length, 'a body is as long as it said');
      if (sent === 0) this.#writeHead(response, 0, last);
    } catch (error) {
      if (this.#aborted || this.#headWritten) throw error;
      throw new UnsentError('the body failed before its first byte', { cause: error });
    }
  }

  #writeHead(response: S3Response, length: number, last: boolean): void {
    if (!this.#headWritten) this.#write(this.#head(response, length, last));
  }

  #head(response: S3Response, length: number | undefined, last: boolean): string {
    let head = STATUS_LINES[response.status] ?? `HTTP/1.1 ${response.status} Unknown\r\n`;
    for (const [name, value] of response.headers) {
      if (!FRAMING.has(name.toLowerCase())) head += `${name}: ${headerValue(value)}\r\n`;
    }
    head += dateHeader();
    if (length !== undefined) head += `Content-Length: ${length}\r\n`;
    this.#headWritten = true;
    return `${head}${last ? CLOSE : STAY}\r\n`;
  }

  #write(bytes: string | Uint8Array): void {
    this.#underWay += 1;
    this.#outlet.write(bytes, this.#onWritten);
  }

  /** Resolves when the kernel took everything, or after `abort`; rejects when it never will. */
  async #flush(): Promise<void> {
    const { socket } = this.#outlet;
    if (socket.writableLength > 0 && !socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#flushed = resolve;
      });
      this.#flushed = undefined;
    }
    if (this.#aborted) return;
    if (this.#error !== undefined) throw this.#error;
    if (socket.destroyed) throw new Error('the connection is gone');
  }
}
