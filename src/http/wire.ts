/**
 * What a request needs of its connection, whichever HTTP implementation holds it: `connection.ts`
 * (our own, over Node's sockets) or `uws-listener.ts` (uWebSockets). And the other way round:
 * what an implementation tells a request. Nothing here keeps state.
 */
import type { Landing } from '../body/body.ts';
import type { S3Response } from '../s3/request.ts';
import type { ReceivedHead } from './request-head.ts';

/** One connection for the time of one request. */
export interface Wire {
  readonly writer: Writer;
  /** From now on `receiver` hears of the request's body, when it has one, and of its abort. */
  attach(receiver: Receiver, hasBody: boolean): void;
  pause(): void;
  resume(): void;
  /** Restarts time limits that the implementation has by itself: ours are the law. */
  rearm(): void;
  /** Tells a client that waits with its body to send it. */
  proceed(): void;
  /** Cuts the connection; `aborted` follows, at once. */
  close(): void;
  /** The request is over; if the connection lives, the next one may come. */
  over(): void;
}

/** What the request hears of its body. */
export interface Receiver {
  /** The piece dies when the call returns. */
  data(piece: Uint8Array, last: boolean): void;
  /** Where the next bytes of the body may be received without a copy. */
  landing(): Landing | undefined;
  /** So many bytes were received there. */
  landed(length: number, last: boolean): void;
  /** The framing of the body is broken: nothing after this can be understood. */
  broken(): void;
  aborted(): void;
}

/** The answer's way out. One per request; nothing touches it after the request ended. */
export interface Writer {
  /** The response left whole: the connection may serve others already. */
  readonly ended: boolean;
  /** Grows whenever the client took something. */
  readonly progress: number;
  /** True while bytes wait for the client to read. */
  readonly waiting: boolean;
  /** Bytes of body handed on. */
  readonly bytesSent: number;
  /** The connection is gone: nothing touches it any more, and `send` comes to its end. */
  abort(): void;
  /**
   * Resolves when the last byte was handed to the kernel, or after `abort`; undefined: it was
   * already. Rejects when the body failed: with UnsentError before the first byte, else the
   * caller must cut the connection.
   */
  send(response: S3Response, close: boolean): Promise<void> | undefined;
  /** Sends a complete response while the client is still sending a body; no other follows. */
  sendUnended(response: S3Response): void;
  /** Tries again to write what waits. */
  retry(): void;
}

/** The response failed before its first byte: another can still be sent. */
export class UnsentError extends Error {
  override readonly name = 'UnsentError';
}

/** A request as a connection hands it to the server. */
export type Serve = (wire: Wire, received: ReceivedHead) => void;

/** Bounds of connections while no request is served on them. */
export type ConnectionLimits = Readonly<Record<'keepAliveMs' | 'headMs' | 'refusedIdleMs', number>>;

/** A certificate chain and its key, PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** What to serve TLS with, now and later. */
export interface TlsSource {
  readonly pair: TlsPair;
  /** Every renewed pair. */
  onChange(listener: (pair: TlsPair) => void): void;
}

/** A listening HTTP implementation. */
export interface Listener {
  readonly port: number;
  /** Open connections, idle ones included. */
  connections(): number;
  /** Called about every second, with time that passed while this process was not busy itself. */
  sweep(elapsedMs: number, limits: ConnectionLimits): void;
  /** Stops accepting; connections live on. */
  stop(): void;
  /** Ends all connections. */
  close(): void;
}

/** Framing is this room's; a response's own words on it are dropped. */
export const FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'date',
  'keep-alive',
]);

/** A line break inside a value would end the header: never, whoever let it through. */
export function headerValue(value: string): string {
  return /[\r\n\0]/.test(value) ? value.replace(/[\r\n\0]+/g, ' ') : value;
}
