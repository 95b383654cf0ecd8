/**
 * The HTTP front end: accepts connections, turns each request into a `Connection`, and stops
 * gracefully. Only this room names uWebSockets.
 */
import type { Log } from '../base/log.ts';
import { LIMITS } from '../base/limits.ts';
import type { Gateway } from '../s3/request.ts';
import { Connection } from './connection.ts';
import {
  App,
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
} from './uws.ts';

export interface ServerOptions {
  readonly gateway: Gateway;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly log: Log;
}

export interface HttpServer {
  readonly port: number;
  /** Requests being served. */
  requests(): number;
  /** Stops accepting, waits for what runs (bounded), closes what is left. */
  close(drainMs: number): Promise<void>;
}

const POLL_MS = 20;

/** Rejects when the port can't be had. */
export async function startServer(options: ServerOptions): Promise<HttpServer> {
  const { gateway, host, log } = options;
  let running = 0;
  let closing = false;
  const onDone = (): void => {
    running -= 1;
  };
  const app = App();
  app.any('/*', (res, req) => {
    if (running >= LIMITS.requestCount) {
      // Nothing was read of the request but its head; nothing of it is kept.
      res.writeStatus('503 Slow Down').writeHeader('Retry-After', '1').end('', true);
      return;
    }
    running += 1;
    new Connection(res, req, { gateway, log, onDone, closing: () => closing });
  });
  const socket = await new Promise<us_listen_socket>((resolve, reject) => {
    // Exclusive: a second server on the same port must fail, not share it. The package's types
    // do not know this form of the call.
    const listen = app.listen.bind(app) as unknown as (
      host: string,
      port: number,
      flags: number,
      listening: (socket: us_listen_socket | false) => void,
    ) => void;
    listen(host, options.port, LIBUS_LISTEN_EXCLUSIVE_PORT, (listening) => {
      if (listening !== false) resolve(listening);
      else reject(new Error(`cannot listen on ${host}:${options.port}: the port is in use`));
    });
  });
  return {
    port: us_socket_local_port(socket),
    requests: () => running,
    close: async (drainMs) => {
      closing = true;
      us_listen_socket_close(socket);
      const deadlineMs = Date.now() + drainMs;
      while (running > 0 && Date.now() < deadlineMs) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      app.close();
      // Requests that were cut give their blocks back in the turns that follow.
      while (running > 0 && Date.now() < deadlineMs + 1000) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
  };
}
