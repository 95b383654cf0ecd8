/**
 * The HTTP front end: makes every request that a listener hands over a `LiveRequest`, sweeps over
 * those that are slow, and stops gracefully. No request has a timer of its own.
 */
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Transport } from '../body/body.ts';
import type { Arena } from '../memory/arena.ts';
import type { Exchange, Gateway } from '../s3/request.ts';
import { FRONT_LIMITS, type FrontLimits, LiveRequest } from './live-request.ts';
import { listen } from './node-listener.ts';
import { refusal } from './refusal.ts';
import type { ReceivedHead } from './request-head.ts';
import type { Listener, Serve, TlsSource, Wire } from './wire.ts';

/** `node`: our own HTTP over Node's sockets. `uwebsockets`: the native library. */
export const HTTP_KINDS = ['node', 'uwebsockets'] as const;
export type HttpKind = (typeof HTTP_KINDS)[number];

export interface ServerOptions {
  readonly gateway: Gateway;
  /** Asked whether requests wait for memory that slow clients hold. */
  readonly arena: Pick<Arena, 'isAwaited'>;
  /** Name or address to listen on. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly log: Log;
  readonly kind?: HttpKind;
  /** Undefined: plain HTTP. Only our own HTTP serves it. */
  readonly tls?: TlsSource | undefined;
  /** Other bounds than `LIMITS`, for tests. */
  readonly limits?: Partial<FrontLimits>;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Open connections, idle ones included. */
  connections(): number;
  /** Requests being served. */
  requests(): number;
  /** Stops accepting, waits for what runs (bounded), closes what is left. Idempotent. */
  close(drainMs: number): Promise<void>;
}

const SWEEP_MS = 1000;
/** Below uWebSockets' shortest cut, which is 8 to 12 s. */
const REARM_MS = 4000;
const DRAIN_POLL_MS = 10;
/** How many slow clients give way in one sweep: a share of them, and at least so many. */
const RELIEF_MIN = 8;
const RELIEF_SHARE = 2;

class Server implements HttpServer {
  readonly host: string;
  readonly #options: ServerOptions;
  readonly #limits: FrontLimits;
  readonly #live = new Set<LiveRequest>();
  readonly #sweepMs: number;
  #listener: Listener | undefined;
  #elapsedMs = 0;
  #rearmedMs = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.host = options.host;
    this.#options = options;
    this.#limits = { ...FRONT_LIMITS, ...options.limits };
    const times = Object.entries(this.#limits).filter(([name]) => name.endsWith('Ms'));
    this.#sweepMs = Math.min(SWEEP_MS, ...times.map(([, ms]) => ms / 4));
  }

  get port(): number {
    return this.#listener?.port ?? -1;
  }

  /** Rejects when the port cannot be had. */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    const serve: Serve = (wire, received) => this.#serve(wire, received);
    try {
      this.#listener = await this.#open(serve, host, port);
    } catch (error) {
      const reason = (error as Error).message;
      throw new Error(`cannot listen on ${host}:${port}: ${reason}`, { cause: error });
    }
    this.#sweeper = setInterval(() => this.#sweep(), this.#sweepMs);
    this.#sweeper.unref();
  }

  /** The native addon is loaded only where it is wanted: it is not there for every system. */
  async #open(serve: Serve, host: string, port: number): Promise<Listener> {
    if (this.#options.kind === 'uwebsockets') {
      return (await import('./uws-listener.ts')).listen(serve, host, port);
    }
    return listen(serve, host, port, this.#options.tls);
  }

  connections(): number {
    return this.#listener?.connections() ?? 0;
  }

  requests(): number {
    return this.#live.size;
  }

  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#drain(drainMs);
    return this.#closing;
  }

  #serve(wire: Wire, received: ReceivedHead): void {
    const live = new LiveRequest(wire, received, {
      limits: this.#limits,
      log: this.#options.log,
      elapsedMs: () => this.#elapsedMs,
      onOver: () => this.#live.delete(live),
    });
    this.#live.add(live);
    live.start((transport) => this.#begin(received, transport));
  }

  #begin({ head, flaw }: ReceivedHead, transport: Transport): Exchange {
    const { gateway, log } = this.#options;
    const refuse = (error: S3Error): Exchange => refusal(error, head, log);
    if (flaw !== undefined) return refuse(new S3Error(flaw.code, { message: flaw.message }));
    if (this.#closing !== undefined) return refuse(new S3Error('ServiceUnavailable'));
    if (this.#live.size > this.#limits.requestCount) return refuse(new S3Error('SlowDown'));
    try {
      return gateway.begin(head, transport);
    } catch (error) {
      log.error({ err: error }, 'the protocol failed to begin');
      return refuse(new S3Error('InternalError', { cause: error }));
    }
  }

  /**
   * Counts sweeps instead of asking the clock: time in which this thread did not get round to
   * reading what clients sent is not theirs.
   */
  #sweep(): void {
    this.#elapsedMs += this.#sweepMs;
    const rearm = this.#elapsedMs - this.#rearmedMs >= REARM_MS;
    if (rearm) this.#rearmedMs = this.#elapsedMs;
    for (const live of this.#live) live.sweep(this.#elapsedMs, rearm);
    this.#listener?.sweep(this.#elapsedMs, this.#limits);
    this.#relieve();
  }

  /** While requests wait for memory, the slow clients that have held theirs longest let go. */
  #relieve(): void {
    const { arena, log } = this.#options;
    // Parity is held by bodies that are striped, never by those that are packed.
    const parity = arena.isAwaited('parity') ? LIMITS.packedBytes : Number.POSITIVE_INFINITY;
    const bodyBytesMin = arena.isAwaited('ingest') ? LIMITS.inlineBytes : parity;
    const readers = arena.isAwaited('read');
    if (bodyBytesMin === Number.POSITIVE_INFINITY && !readers) return;
    const nowMs = this.#elapsedMs;
    const slow = [...this.#live].filter(
      (live) => live.isSlowUpload(nowMs, bodyBytesMin) || (readers && live.isSlowReader(nowMs)),
    );
    if (slow.length === 0) return;
    const count = Math.max(RELIEF_MIN, Math.ceil(slow.length / RELIEF_SHARE));
    log.warn(
      { slow: slow.length, cut: Math.min(count, slow.length) },
      'memory is short: slow clients give way',
    );
    for (const live of slow.slice(0, count)) live.giveWay();
  }

  async #drain(drainMs: number): Promise<void> {
    this.#listener?.stop();
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    for (let waitedMs = 0; this.#live.size > 0 && waitedMs < drainMs; waitedMs += DRAIN_POLL_MS) {
      await pause();
    }
    const reason = new Error('the server stops');
    for (const live of this.#live) live.stop(reason);
    clearInterval(this.#sweeper);
    this.#listener?.close();
    // What was cut gives its blocks back in the turns that follow.
    await pause();
  }
}

/** Rejects when the port cannot be had. */
export async function startServer(options: ServerOptions): Promise<HttpServer> {
  const server = new Server(options);
  await server.listen();
  return server;
}
