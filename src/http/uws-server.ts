/**
 * The HTTP front end: listens, makes every request a `LiveRequest`, sweeps over those that are
 * slow, and stops gracefully. No request has a timer of its own.
 */
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Transport } from '../body/body.ts';
import type { Arena } from '../memory/arena.ts';
import type { Exchange, Gateway } from '../s3/request.ts';
import { FRONT_LIMITS, type FrontLimits, LiveRequest } from './live-request.ts';
import { refusal } from './refusal.ts';
import { type ReceivedHead, receiveHead } from './request-head.ts';
import { type HttpRequest, type HttpResponse, type us_listen_socket, uws } from './uws.ts';

export interface ServerOptions {
  readonly gateway: Gateway;
  /** Asked whether requests wait for memory that slow clients hold. */
  readonly arena: Pick<Arena, 'isAwaited'>;
  /** Name or address to listen on. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly log: Log;
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

class UwsServer implements HttpServer {
  readonly host: string;
  #port = -1;
  readonly #options: ServerOptions;
  readonly #limits: FrontLimits;
  readonly #app = uws.App();
  readonly #live = new Set<LiveRequest>();
  readonly #sweepMs: number;
  #socket: us_listen_socket | undefined;
  #connections = 0;
  #elapsedMs = 0;
  #rearmedMs = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.host = options.host;
    this.#options = options;
    this.#limits = { ...FRONT_LIMITS, ...options.limits };
    const { bodyIdleMs, responseIdleMs, refusedMs, refusedIdleMs, contendedMs } = this.#limits;
    this.#sweepMs = Math.min(
      SWEEP_MS,
      ...[bodyIdleMs, responseIdleMs, refusedMs, refusedIdleMs, contendedMs].map((ms) => ms / 4),
    );
    this.#app.filter((_, change) => {
      this.#connections += Number(change);
    });
    this.#app.any('/*', (res, req) => this.#serve(res, req));
  }

  get port(): number {
    return this.#port;
  }

  /** Exclusive: a second server on the same port must fail, not share it. */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    const flags = uws.LIBUS_LISTEN_EXCLUSIVE_PORT;
    // The addon takes host, port and flags together; only its types do not say so.
    const listen = this.#app.listen.bind(this.#app) as unknown as (
      host: string,
      port: number,
      flags: number,
      onListening: (socket: us_listen_socket | false) => void,
    ) => void;
    this.#socket = await new Promise<us_listen_socket>((resolve, reject) => {
      listen(host, port, flags, (socket) => {
        if (socket !== false) resolve(socket);
        else
          reject(new Error(`cannot listen on ${host}:${port}: taken, or no address of this host`));
      });
    });
    this.#port = uws.us_socket_local_port(
      this.#socket as Parameters<typeof uws.us_socket_local_port>[0],
    );
    this.#sweeper = setInterval(() => this.#sweep(), this.#sweepMs);
    this.#sweeper.unref();
  }

  connections(): number {
    return this.#connections;
  }

  requests(): number {
    return this.#live.size;
  }

  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#drain(drainMs);
    return this.#closing;
  }

  #serve(res: HttpResponse, req: HttpRequest): void {
    const received = receiveHead(res, req);
    const live = new LiveRequest(res, received, {
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
    if (this.#socket !== undefined) uws.us_listen_socket_close(this.#socket);
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    for (let waitedMs = 0; this.#live.size > 0 && waitedMs < drainMs; waitedMs += DRAIN_POLL_MS) {
      await pause();
    }
    const reason = new Error('the server stops');
    for (const live of this.#live) live.stop(reason);
    clearInterval(this.#sweeper);
    this.#app.close();
    // What was cut gives its blocks back in the turns that follow.
    await pause();
  }
}

/** Rejects when the port cannot be had. */
export async function startServer(options: ServerOptions): Promise<HttpServer> {
  const server = new UwsServer(options);
  await server.listen();
  return server;
}
