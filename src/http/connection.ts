/**
 * One connection over a socket of Node's: finds the requests in its bytes, one after the other,
 * and is the wire of the one that is being served. A pipelined request waits for its turn.
 *
 * Bytes come into `inbox`, one buffer for all connections of the thread, read out before the
 * next read; but the body of a fast upload is received right where the body wants it in the
 * arena. Invariant: while the kernel may write into a block of the arena, it is retained here.
 */
import type { Socket } from 'node:net';
import type { Block } from '../memory/arena.ts';
import { LIMITS } from '../base/limits.ts';
import { BrokenCoding, ChunkedCoding } from './chunked-coding.ts';
import { type ParsedHead, parseHead, tooLongHead } from './head-parser.ts';
import { NodeWriter, type Outlet } from './node-writer.ts';
import type { ConnectionLimits, Receiver, Serve, Wire } from './wire.ts';

const HEAD = 0;
const BODY = 1;
const CHUNKED = 2;
/** The request is here, its answer is not yet gone. */
const BUSY = 3;
/** What still comes is dropped: the last answer left, or nothing can be understood any more. */
const DROP = 4;

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const NOTHING = Buffer.alloc(0);
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
/** A read that brought so much shows a client fast enough to be trusted with a block. */
const FAST_BYTES = 16 * 1024;
/** How much is read into the inbox while a fast body waits for its next place in the arena. */
const STEP_BYTES = 2 * 1024;
/** Room for the line or two between the chunks of a body; what follows them is copied. */
const inbox: Buffer = Buffer.alloc(64 * 1024);

/** Connections with an answer to be written at the end of this turn of the loop. */
const outbox: Connection[] = [];

/** Together: a client that sleeps is woken by the first of them, which costs more than to write. */
function emptyOutbox(): void {
  for (const connection of outbox.splice(0)) connection.flushPosted();
}

// eslint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\0-\x7f]/;

function ignore(): void {}

export interface ConnectionEvents {
  readonly serve: Serve;
  /** The bytes came over TLS. */
  readonly secure: boolean;
  onClosed(connection: Connection): void;
}

/** The part of Node's socket handle that tells how much the kernel has not taken yet. */
interface Handle {
  readonly writeQueueSize?: number;
}

export class Connection implements Wire, Outlet {
  readonly #events: ConnectionEvents;
  readonly #remoteAddress: string;
  #socket: Socket | undefined;
  #state: number = HEAD;
  /** A head that is not whole, or requests that came too early. */
  #kept: Buffer = NOTHING;
  #bodyLeft = 0;
  #coding: ChunkedCoding | undefined;
  #receiver: Receiver | undefined;
  #landing: Block | undefined;
  #writer: NodeWriter | undefined;
  #posted: string | Uint8Array | undefined;
  #fast = false;
  #paused = false;
  #keepAlive = true;
  /** The client will send no more. */
  #halfClosed = false;
  /** By the server's sweeps: when the last byte came, the head began, the last answer left. */
  #sinceMs: number;
  #nowMs: number;

  constructor(events: ConnectionEvents, remoteAddress: string, nowMs: number) {
    this.#events = events;
    this.#remoteAddress = remoteAddress;
    this.#sinceMs = nowMs;
    this.#nowMs = nowMs;
  }

  open(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#onClosed());
  }

  // The reading side, called by the listener.

  /** Where the next read goes. */
  place(): Uint8Array {
    this.#landing?.release();
    this.#landing = undefined;
    const inBody = this.#state === BODY || this.#state === CHUNKED;
    if (!inBody || !this.#fast) return inbox;
    if (this.#state === BODY) {
      const landing = this.#receiver?.landing();
      if (landing !== undefined) {
        this.#landing = landing.block.retain();
        return landing.bytes.subarray(0, this.#bodyLeft);
      }
    }
    return inbox.subarray(0, STEP_BYTES);
  }

  /** So many bytes came to the last `place`. */
  arrived(length: number): void {
    if (this.#landing === undefined) {
      this.read(inbox.subarray(0, length));
      return;
    }
    this.#bodyLeft -= length;
    const last = this.#bodyLeft === 0;
    if (last) this.#state = BUSY;
    this.#receiver?.landed(length, last);
  }

  read(bytes: Buffer): void {
    this.#fast = bytes.length >= FAST_BYTES || (this.#fast && bytes.length === STEP_BYTES);
    let rest = bytes;
    while (rest.length > 0) {
      switch (this.#state) {
        case HEAD:
          rest = this.#readHead(rest);
          break;
        case BODY:
          rest = this.#readBody(rest);
          break;
        case CHUNKED:
          rest = this.#readChunked(rest);
          break;
        case BUSY:
          this.#keep(rest);
          return;
        default:
          return;
      }
    }
  }

  /** Ends what nobody wants any more. */
  sweep(nowMs: number, limits: ConnectionLimits): void {
    this.#nowMs = nowMs;
    const ms = nowMs - this.#sinceMs;
    const partial = this.#state === HEAD && this.#kept.length > 0;
    const idle = this.#state === HEAD && !partial;
    const tooLong =
      (idle && ms >= limits.keepAliveMs) ||
      (partial && ms >= limits.headMs) ||
      (this.#state === DROP && this.#receiver === undefined && ms >= limits.refusedIdleMs);
    if (tooLong) this.close();
  }

  // The wire and the outlet of one request.

  get socket(): Socket {
    if (this.#socket === undefined) throw new Error('the connection is not open');
    return this.#socket;
  }

  get writer(): NodeWriter {
    if (this.#writer === undefined) throw new Error('no request is being served');
    return this.#writer;
  }

  get keepAlive(): boolean {
    return this.#keepAlive && !this.#halfClosed;
  }

  unwritten(): number {
    const { _handle: handle } = this.socket as unknown as { readonly _handle?: Handle | null };
    return handle?.writeQueueSize ?? 0;
  }

  write(bytes: string | Uint8Array, onWritten: (error?: Error | null) => void): void {
    this.flushPosted();
    // One byte a character, where that is the same, is written without a look at each of them.
    const plain = typeof bytes === 'string' && !BEYOND_ASCII.test(bytes);
    if (plain) this.socket.write(bytes, 'latin1', onWritten);
    else this.socket.write(bytes, onWritten);
  }

  post(bytes: string | Uint8Array): void {
    this.flushPosted();
    this.#posted = bytes;
    if (outbox.length === 0) setImmediate(emptyOutbox);
    outbox.push(this);
  }

  flushPosted(): void {
    const bytes = this.#posted;
    if (bytes === undefined) return;
    this.#posted = undefined;
    if (!this.socket.destroyed) this.write(bytes, ignore);
  }

  attach(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  pause(): void {
    this.#paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.#paused || this.socket.destroyed) return;
    this.#paused = false;
    this.socket.resume();
  }

  rearm(): void {}

  proceed(): void {
    this.write(CONTINUE, ignore);
  }

  close(): void {
    this.flushPosted();
    this.socket.destroy();
    // Not in the turns to come: whoever closes counts on it.
    this.#tellAborted();
  }

  lastAnswer(): void {
    this.flushPosted();
    this.#keepAlive = false;
    if (this.socket.destroyed) return;
    // What the client still sends is read and dropped: a reset would take the answer from it. And
    // it hears of the end only after its body: some take that for a failure of what they send.
    if (this.#state === BODY || this.#state === CHUNKED) return;
    this.socket.end();
    this.#state = DROP;
    this.#kept = NOTHING;
    this.resume();
  }

  over(): void {
    this.#receiver = undefined;
    this.#writer = undefined;
    this.#sinceMs = this.#nowMs;
    if (this.#socket === undefined || this.#socket.destroyed) return;
    if (this.#state !== BUSY || !this.keepAlive) {
      this.#state = DROP;
      if (this.#halfClosed) this.#socket.destroySoon();
      return;
    }
    this.#state = HEAD;
    const next = this.#kept;
    this.#kept = NOTHING;
    this.resume();
    if (next.length > 0) this.read(next);
  }

  #readHead(bytes: Buffer): Buffer {
    let all = bytes;
    if (this.#kept.length > 0) {
      all = Buffer.concat([this.#kept, bytes]);
      this.#kept = NOTHING;
    } else {
      this.#sinceMs = this.#nowMs;
    }
    // Some clients end a body with a line end that nobody counted.
    while (all.length >= 2 && all[0] === LINE_END[0] && all[1] === LINE_END[1]) {
      all = all.subarray(2);
    }
    const end = all.indexOf(HEAD_END);
    if (end < 0 ? all.length > 2 * LIMITS.headerBytes : end > 2 * LIMITS.headerBytes) {
      this.#begin(tooLongHead(all, this.#remoteAddress));
      return NOTHING;
    }
    if (end < 0) {
      // A copy: the inbox is everybody's.
      this.#kept = Buffer.from(all);
      return NOTHING;
    }
    const { secure } = this.#events;
    this.#begin(parseHead(all.subarray(0, end), this.#remoteAddress, secure));
    return all.subarray(end + HEAD_END.length);
  }

  #begin(head: ParsedHead): void {
    this.#keepAlive = head.keepAlive;
    this.#bodyLeft = head.bodyLength ?? 0;
    if (head.flaw !== undefined) this.#state = DROP;
    else if (head.bodyLength === 0) this.#state = BUSY;
    else this.#state = head.bodyLength === undefined ? CHUNKED : BODY;
    this.#coding = this.#state === CHUNKED ? new ChunkedCoding() : undefined;
    this.#writer = new NodeWriter(this, head.head.method);
    this.#events.serve(this, head);
  }

  #readBody(bytes: Buffer): Buffer {
    const piece = bytes.length > this.#bodyLeft ? bytes.subarray(0, this.#bodyLeft) : bytes;
    this.#bodyLeft -= piece.length;
    const last = this.#bodyLeft === 0;
    if (last) this.#state = BUSY;
    this.#receiver?.data(piece, last);
    return bytes.subarray(piece.length);
  }

  #readChunked(bytes: Buffer): Buffer {
    const coding = this.#coding;
    if (coding === undefined) return NOTHING;
    try {
      const taken = coding.push(bytes, (piece) => this.#receiver?.data(piece, false));
      if (coding.done) {
        this.#state = BUSY;
        this.#receiver?.data(NOTHING, true);
      }
      return bytes.subarray(taken);
    } catch (error) {
      if (!(error instanceof BrokenCoding)) throw error;
      this.#state = DROP;
      this.#keepAlive = false;
      this.#receiver?.broken();
      return NOTHING;
    }
  }

  #keep(bytes: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    if (this.#kept.length > LIMITS.pipelineBytes) this.pause();
  }

  #onEnd(): void {
    this.#halfClosed = true;
    // A request that is here whole still gets its answer.
    if (this.#state !== BUSY) this.close();
  }

  #onClosed(): void {
    this.#landing?.release();
    this.#landing = undefined;
    this.#kept = NOTHING;
    this.#tellAborted();
    this.#events.onClosed(this);
  }

  #tellAborted(): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.aborted();
  }
}
