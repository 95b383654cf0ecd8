/**
 * One request from head to last byte: feeds the body, holds or sends the answer, and cleans up
 * when either side goes away at any point. Owns the wire for that time; nothing touches it after
 * the end. Its exchange hears exactly one `finished`, and `cancel` when the client left.
 *
 * An answer that is ready before the request's body ended is held while little of the body is
 * left, and the connection lives on; else the answer is sent at once and complete, the body read
 * and dropped for a bounded while so that the client finds it, and the connection cut.
 */
import type { Log } from '../base/log.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Landing, Transport } from '../body/body.ts';
import { renderError, toS3Error } from '../s3/errors.ts';
import { type Exchange, isBlockBody, type RequestHead, type S3Response } from '../s3/request.ts';
import type { ReceivedHead } from './request-head.ts';
import { type Receiver, UnsentError, type Wire, type Writer } from './wire.ts';

/** The bounds a server may be given others for, in tests. */
export type FrontLimits = Readonly<
  Record<
    | 'bodyIdleMs'
    | 'responseIdleMs'
    | 'refusedMs'
    | 'refusedIdleMs'
    | 'refusedBytes'
    | 'drainBytes'
    | 'contendedMs'
    | 'contendedBytes'
    | 'requestCount'
    | 'keepAliveMs'
    | 'headMs',
    number
  >
>;

export interface LiveRequestOptions {
  readonly limits: FrontLimits;
  readonly log: Log;
  /** Time that passed while this process was not busy itself: see the server's sweep. */
  elapsedMs(): number;
  /** Called once, when nothing of the request is left. */
  onOver(): void;
}

/**
 * running: body and operation. held: answer waits for the body's end. unended: answer left,
 * body still arrives. answering: the response is being written.
 */
type Phase = 'running' | 'held' | 'unended' | 'answering' | 'over';

const GONE = new Error('the client closed the connection');
const BROKEN = 'The chunked transfer coding of the body is malformed';
const NOTHING = new Uint8Array(0);
const TIMEOUT = 'the client sent nothing of its body for too long';

export class LiveRequest implements Transport, Receiver {
  readonly #wire: Wire;
  readonly #options: LiveRequestOptions;
  readonly #head: RequestHead;
  readonly #bodyLength: number | undefined;
  readonly #writer: Writer;
  /** The client waits for our word before it sends its body. */
  #expectsContinue: boolean;
  #exchange: Exchange | undefined;
  #response: S3Response | undefined;
  #phase: Phase = 'running';
  #received = 0;
  #bodyEnded = false;
  #paused = false;
  #stalled = false;
  #progress = 0;
  /** Bytes of body since `#paceMs`: every `contendedBytes` start anew. */
  #paceBytes = 0;
  #paceMs: number;
  /** Bytes of body up to which a held answer waits. */
  #heldBytesMax = 0;
  /** When the client last did something, and when the phase began. */
  #activeMs: number;
  #phaseMs: number;

  constructor(wire: Wire, received: ReceivedHead, options: LiveRequestOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#head = received.head;
    this.#bodyLength = received.bodyLength;
    this.#expectsContinue = received.expectsContinue;
    this.#writer = wire.writer;
    this.#activeMs = options.elapsedMs();
    this.#phaseMs = this.#activeMs;
    this.#paceMs = this.#activeMs;
  }

  /** `begin` runs inside, before a byte of the body is taken. */
  start(begin: (transport: Transport) => Exchange): void {
    const exchange = begin(this);
    this.#exchange = exchange;
    this.#bodyEnded = this.#bodyLength === 0;
    this.#wire.attach(this, !this.#bodyEnded);
    if (this.#bodyEnded) exchange.feed?.end();
    else if (this.#expectsContinue) setImmediate(() => this.#proceed());
    exchange.response.then(
      (response) => this.#onResponse(response),
      (error: unknown) => this.#cut(error),
    );
  }

  /** Not at once: a request that is refused by its head alone is answered without its body. */
  #proceed(): void {
    if (this.#phase !== 'running' || !this.#expectsContinue) return;
    this.#expectsContinue = false;
    this.#wire.proceed();
  }

  resume(): void {
    // Once the body is here, resuming would start the library's own cut under the operation.
    if (!this.#paused || this.#phase !== 'running' || this.#bodyEnded) return;
    this.#activeMs = this.#options.elapsedMs();
    this.#startPace();
    this.#unpause();
  }

  #startPace(): void {
    this.#paceBytes = 0;
    this.#paceMs = this.#options.elapsedMs();
  }

  /** Ends at once whatever is going on: the server stops. */
  stop(reason: Error): void {
    this.#cut(reason);
  }

  /** Called about every second. `rearm`: restart the library's own cuts, ours are the law. */
  sweep(nowMs: number, rearm: boolean): void {
    const { limits } = this.#options;
    const idleMs = nowMs - this.#activeMs;
    const phaseMs = nowMs - this.#phaseMs;
    switch (this.#phase) {
      case 'running':
        if (this.#bodyEnded || this.#paused) return;
        if (idleMs >= limits.bodyIdleMs) this.#onStalled();
        else if (rearm) this.#wire.rearm();
        return;
      case 'held':
        if (idleMs >= limits.refusedIdleMs || phaseMs >= limits.refusedMs) this.#sendUnended();
        else if (rearm) this.#wire.rearm();
        return;
      case 'unended':
        if (idleMs >= limits.refusedIdleMs || phaseMs >= limits.refusedMs) this.#wire.close();
        else if (rearm) this.#wire.rearm();
        return;
      case 'answering':
        if (this.#writer.progress !== this.#progress || !this.#writer.waiting) {
          this.#progress = this.#writer.progress;
          this.#activeMs = nowMs;
        } else if (idleMs >= limits.responseIdleMs) {
          this.#cut(new Error('the client does not read its response'));
          return;
        }
        if (rearm) this.#writer.retry();
        return;
      case 'over':
        return;
    }
  }

  /** An upload that holds, for its client, more memory than its pace is worth. */
  isSlowUpload(nowMs: number, bodyBytesMin: number): boolean {
    const waits = this.#phase === 'running' && !this.#bodyEnded && !this.#paused && !this.#stalled;
    const large = this.#bodyLength === undefined || this.#bodyLength > bodyBytesMin;
    return waits && large && nowMs - this.#paceMs >= this.#options.limits.contendedMs;
  }

  isSlowReader(nowMs: number): boolean {
    const waits = this.#phase === 'answering' && this.#writer.waiting;
    return waits && nowMs - this.#activeMs >= this.#options.limits.contendedMs;
  }

  /** Ends so that others can have what it holds; the client is told what S3 tells slow ones. */
  giveWay(): void {
    if (this.#phase === 'running') this.#onStalled();
    else this.#cut(new Error('a slow reader gave way'));
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#phaseMs = this.#options.elapsedMs();
    this.#activeMs = this.#phaseMs;
  }

  data(piece: Uint8Array, last: boolean): void {
    this.#count(piece.length, last);
    if (this.#phase === 'running') {
      const feed = this.#exchange?.feed;
      if (feed === undefined) return;
      if (piece.length > 0 && !this.#stalled) this.#feed(last, () => feed.push(piece));
      if (last) feed.end();
    } else if (this.#phase === 'held') {
      if (last) this.#answer();
      else if (this.#received > this.#heldBytesMax) this.#sendUnended();
    } else if (this.#phase === 'unended') {
      if (last || this.#received > this.#options.limits.refusedBytes) this.#closeSoon();
    }
  }

  landing(): Landing | undefined {
    if (this.#phase !== 'running' || this.#paused || this.#stalled) return undefined;
    return this.#exchange?.feed?.landing?.();
  }

  landed(length: number, last: boolean): void {
    this.#count(length, last);
    const feed = this.#exchange?.feed;
    if (this.#phase === 'running' && !this.#stalled) {
      this.#feed(last, () => feed?.landed?.(length) ?? true);
      if (last) feed?.end();
    } else if (last) {
      // The answer came since: these bytes are dropped, but their end is the request's.
      this.data(NOTHING, true);
    }
  }

  broken(): void {
    if (this.#phase === 'over' || this.#stalled) return;
    this.#stalled = true;
    this.#exchange?.feed?.abort(new S3Error('InvalidRequest', { message: BROKEN }));
    if (this.#phase === 'held') this.#sendUnended();
  }

  #count(length: number, last: boolean): void {
    // It did not wait after all.
    this.#expectsContinue = false;
    this.#received += length;
    this.#activeMs = this.#options.elapsedMs();
    this.#paceBytes += length;
    if (this.#paceBytes >= this.#options.limits.contendedBytes) this.#startPace();
    if (last) this.#bodyEnded = true;
  }

  /** `give` answers whether more may come; it may call `resume` before it returns. */
  #feed(last: boolean, give: () => boolean): void {
    this.#paused = true;
    const more = give();
    this.#paused &&= !more && !last;
    if (this.#paused) this.#wire.pause();
  }

  /** The answer is RequestTimeout, made by whoever reads the body; without one, it just ends. */
  #onStalled(): void {
    if (this.#stalled) return;
    this.#stalled = true;
    this.#exchange?.feed?.abort(new S3Error('RequestTimeout', { cause: new Error(TIMEOUT) }));
  }

  #onResponse(response: S3Response): void {
    if (this.#phase === 'over') {
      dispose(response);
      return;
    }
    this.#response = response;
    if (this.#bodyEnded) {
      this.#answer();
      return;
    }
    this.#unpause();
    this.#heldBytesMax = this.#received + this.#options.limits.drainBytes;
    const tooLong = this.#bodyLength !== undefined && this.#bodyLength > this.#heldBytesMax;
    const unasked = this.#expectsContinue;
    if (this.#stalled || response.close === true || tooLong || unasked) this.#sendUnended();
    else this.#enter('held');
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#wire.resume();
  }

  #sendUnended(): void {
    const response = this.#response;
    if (response === undefined || isBlockBody(response.body)) {
      this.#cut(new Error('the request did not end before its response'));
      return;
    }
    this.#enter('unended');
    this.#exchange?.feed?.abort(GONE);
    this.#writer.sendUnended(response);
  }

  /** Not at once: inside the library's read, the answer just written is not yet on its way. */
  #closeSoon(): void {
    setImmediate(() => {
      if (this.#phase === 'unended') this.#wire.close();
    });
  }

  #answer(): void {
    const response = this.#response;
    if (response === undefined) return;
    this.#unpause();
    this.#enter('answering');
    try {
      const sending = this.#writer.send(response, response.close === true);
      // Most answers are with the kernel by now: nothing to wait for.
      if (sending === undefined) this.#finish(false);
      else void this.#sent(response, sending);
    } catch (error) {
      this.#cut(error);
    }
  }

  async #sent(response: S3Response, sending: Promise<void>): Promise<void> {
    try {
      await this.#mend(response, sending);
      this.#finish(false);
    } catch (error) {
      this.#cut(error);
    }
  }

  /** An answer whose body failed before its first byte becomes an error document. */
  async #mend(response: S3Response, sending: Promise<void>): Promise<void> {
    const close = response.close === true;
    try {
      await sending;
    } catch (error) {
      if (!(error instanceof UnsentError)) throw error;
      this.#options.log.error({ err: error, ...place(this.#head, response) }, 'no first byte');
      const failure = toS3Error(error.cause);
      const { headers, ...rest } = renderError(failure, place(this.#head, response));
      const kept = response.headers.filter(([name]) => /^x-amz-(request-id|id-2)$/i.test(name));
      await this.#writer.send({ ...rest, headers: [...kept, ...headers] }, close);
    }
  }

  aborted(): void {
    if (this.#phase === 'over') return;
    const answered = this.#phase === 'unended';
    this.#writer.abort();
    const response = this.#phase === 'held' ? this.#response : undefined;
    this.#exchange?.feed?.abort(GONE);
    if (!answered) this.#exchange?.cancel(GONE);
    if (response !== undefined) dispose(response);
    this.#finish(!answered);
  }

  /** Too late for an error document: the client must see that the response is not whole. */
  #cut(error: unknown): void {
    if (this.#phase === 'over') return;
    this.#options.log.warn(
      { err: error, method: this.#head.method, path: this.#head.rawPath },
      'connection cut',
    );
    // It fell ill after its last byte: the connection is well, and may serve others already.
    if (this.#writer.ended) this.#finish(false);
    // Calls `aborted`.
    else this.#wire.close();
  }

  #finish(aborted: boolean): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#exchange?.finished({ bytesSent: this.#writer.bytesSent, aborted });
    this.#options.onOver();
    this.#wire.over();
  }
}

function place(head: RequestHead, response: S3Response) {
  const find = (wanted: string): string =>
    response.headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? '';
  return {
    resource: head.rawPath,
    requestId: find('x-amz-request-id'),
    hostId: find('x-amz-id-2'),
    method: head.method,
  };
}

/** Tells a body that nobody will read that it is over. */
function dispose(response: S3Response): void {
  if (!isBlockBody(response.body)) return;
  const iterator = response.body.blocks[Symbol.asyncIterator]();
  iterator.return?.().catch(() => undefined);
}

export const FRONT_LIMITS: FrontLimits = {
  bodyIdleMs: LIMITS.bodyIdleMs,
  responseIdleMs: LIMITS.responseIdleMs,
  refusedMs: LIMITS.refusedMs,
  refusedIdleMs: LIMITS.refusedIdleMs,
  refusedBytes: LIMITS.refusedBytes,
  drainBytes: LIMITS.drainBytes,
  contendedMs: LIMITS.contendedMs,
  contendedBytes: LIMITS.contendedBytes,
  requestCount: LIMITS.requestCount,
  keepAliveMs: LIMITS.keepAliveMs,
  headMs: LIMITS.headMs,
};
