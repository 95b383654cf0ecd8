/**
 * One request on its way: copies the head out of the callback, feeds the body, sends the answer,
 * and cleans up when the client goes away at any point. An answer that is ready before the
 * request's body ended is held while little is left of it; else the connection ends with it.
 */
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Exchange, Gateway, RequestHead, S3Response } from '../s3/request.ts';
import { ResponseWriter } from './response-writer.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

export interface ConnectionOptions {
  readonly gateway: Gateway;
  readonly log: Log;
  /** Called once when nothing of the request is left. */
  onDone(): void;
  /** True once the server stops: connections end with their answers. */
  closing(): boolean;
}

const text = new TextDecoder();

function readHead(res: HttpResponse, req: HttpRequest): RequestHead {
  const headers: [string, string][] = [];
  req.forEach((name, value) => headers.push([name, value]));
  return {
    method: req.getCaseSensitiveMethod(),
    rawPath: req.getUrl(),
    rawQuery: req.getQuery() ?? '',
    headers,
    remoteAddress: text.decode(res.getRemoteAddressAsText()),
    secure: false,
  };
}

/** Headers that decide where a request ends: two readers must not see two ends. */
function ambiguousFraming(head: RequestHead): boolean {
  let lengths = 0;
  let encodings = 0;
  let hosts = 0;
  for (const [name] of head.headers) {
    if (name === 'content-length') lengths += 1;
    else if (name === 'transfer-encoding') encodings += 1;
    else if (name === 'host') hosts += 1;
  }
  return lengths + encodings > 1 || hosts !== 1;
}

/** Undefined: chunked, of unknown length. */
function bodyLength(head: RequestHead): number | undefined {
  let length = 0;
  for (const [name, value] of head.headers) {
    if (name === 'content-length') length = Number(value);
    if (name === 'transfer-encoding') return undefined;
  }
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

export class Connection {
  readonly #res: HttpResponse;
  readonly #options: ConnectionOptions;
  readonly #writer: ResponseWriter;
  readonly #exchange: Exchange;
  readonly #mustClose: boolean;
  readonly #declared: number | undefined;
  #received = 0;
  #requestEnded = false;
  #aborted = false;
  #paused = false;
  /** An answer that waits for the request's body to end. */
  #held: (() => void) | undefined;

  constructor(res: HttpResponse, req: HttpRequest, options: ConnectionOptions) {
    const head = readHead(res, req);
    this.#res = res;
    this.#options = options;
    this.#writer = new ResponseWriter(res, head.method === 'HEAD');
    this.#mustClose = ambiguousFraming(head) || expectsClose(head);
    this.#declared = bodyLength(head);
    res.onAborted(() => this.#onAborted());
    this.#exchange = options.gateway.begin(head, { resume: () => this.#resume() });
    const { feed } = this.#exchange;
    res.onData((piece, last) => {
      this.#received += piece.byteLength;
      if (feed !== undefined && piece.byteLength > 0 && !feed.push(new Uint8Array(piece))) {
        this.#pause();
      }
      if (!last) return;
      this.#requestEnded = true;
      feed?.end();
      this.#held?.();
    });
    void this.#answer();
  }

  async #answer(): Promise<void> {
    const response = await this.#exchange.response;
    const close = await this.#beforeAnswer(response);
    try {
      await this.#writer.send(response, close);
    } catch (error) {
      if (!(error instanceof S3Error)) this.#options.log.error({ err: error }, 'response cut');
    }
    const { bytesSent } = this.#writer;
    this.#exchange.finished({ bytesSent, aborted: this.#aborted || this.#writer.aborted });
    this.#options.onDone();
  }

  /** True: the connection must end with this answer. */
  async #beforeAnswer(response: S3Response): Promise<boolean> {
    const close = this.#mustClose || response.close === true || this.#options.closing();
    // Whatever the body wanted: the connection must hear its next request.
    this.#resume();
    if (this.#requestEnded || this.#aborted) return close;
    const left = (this.#declared ?? Number.POSITIVE_INFINITY) - this.#received;
    if (left > LIMITS.drainBytes) return true;
    await new Promise<void>((resolve) => {
      this.#held = resolve;
    });
    return close;
  }

  #pause(): void {
    if (this.#paused || this.#aborted) return;
    this.#paused = true;
    this.#res.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#aborted) return;
    this.#paused = false;
    this.#res.resume();
  }

  #onAborted(): void {
    this.#aborted = true;
    this.#writer.abort();
    const reason = new Error('the client closed the connection');
    // Without the rest of its body a request can only be given up; with it, it may go on.
    this.#exchange.feed?.abort(reason);
    this.#exchange.cancel(reason);
    this.#held?.();
  }
}

function expectsClose(head: RequestHead): boolean {
  return head.headers.some(
    ([name, value]) => name === 'connection' && value.toLowerCase() === 'close',
  );
}
