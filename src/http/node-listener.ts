/**
 * Our own HTTP as a listener: accepts sockets, gives each a `Connection`, and has the kernel
 * write what comes straight to where the connection wants it.
 *
 * Node offers reading into given memory (`onread`) only for sockets that a program opens itself;
 * so an accepted socket's handle is put into a new socket with that option. Where a version of
 * Node does not let itself be treated so, bytes come as Node's own buffers: slower, not wrong. So
 * they do over TLS, where they have to be decrypted first.
 */
import { createServer, type Server, Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { LIMITS } from '../base/limits.ts';
import { Connection } from './connection.ts';
import type { ConnectionLimits, Listener, Serve, TlsPair, TlsSource } from './wire.ts';

/** What is undocumented about Node's sockets, in one place. */
interface SocketInside {
  _handle: { readonly useUserBuffer?: unknown } | null;
}

/** What `new Socket` takes beyond its documentation. */
interface AdoptedSocketOptions {
  readonly handle: unknown;
  readonly allowHalfOpen: boolean;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly onread: {
    readonly buffer: () => Uint8Array;
    readonly callback: (length: number) => boolean;
  };
}

const AdoptedSocket = Socket as unknown as new (options: AdoptedSocketOptions) => Socket;

class NodeListener implements Listener {
  readonly #server: Server;
  readonly #serve: Serve;
  readonly #open = new Set<Connection>();
  port = -1;
  #elapsedMs = 0;

  constructor(serve: Serve, tls: TlsSource | undefined) {
    this.#serve = serve;
    const options = { allowHalfOpen: true, noDelay: true };
    if (tls === undefined) {
      const paused = { ...options, pauseOnConnect: true };
      this.#server = createServer(paused, (socket) => this.#accept(socket, false));
      return;
    }
    const secure = { ...tls.pair, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] } as const;
    const times = { handshakeTimeout: LIMITS.headMs };
    const server = createTlsServer({ ...options, ...secure, ...times });
    server.on('secureConnection', (socket) => this.#accept(socket, true));
    // Whoever breaks the handshake has no request that could be answered.
    server.on('tlsClientError', (_, socket) => socket.destroy());
    tls.onChange((pair) => setPair(server, pair));
    this.#server = server;
  }

  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        reject(taken ? new Error('taken', { cause: error }) : error);
      });
      this.#server.listen({ host, port, exclusive: true, backlog: 1024 }, resolve);
    });
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
    this.#server.removeAllListeners('error');
    // Out of descriptors, for instance: the next connection may work again.
    this.#server.on('error', () => undefined);
  }

  connections(): number {
    return this.#open.size;
  }

  sweep(elapsedMs: number, limits: ConnectionLimits): void {
    this.#elapsedMs = elapsedMs;
    for (const connection of this.#open) connection.sweep(elapsedMs, limits);
  }

  stop(): void {
    this.#server.close();
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#open) connection.close();
  }

  #accept(accepted: Socket, secure: boolean): void {
    if (this.#open.size >= LIMITS.connectionCount) {
      accepted.destroy();
      return;
    }
    const events = {
      serve: this.#serve,
      secure,
      onClosed: (connection: Connection): void => {
        this.#open.delete(connection);
      },
    };
    const remote = accepted.remoteAddress ?? '';
    const connection = new Connection(events, remote, this.#elapsedMs);
    this.#open.add(connection);
    const inside = accepted as unknown as SocketInside;
    const handle = inside._handle;
    if (!secure && typeof handle?.useUserBuffer === 'function') {
      inside._handle = null;
      // Without its handle it only gives back its place in the server's books.
      accepted.destroy();
      connection.open(adopt(handle, connection));
    } else {
      connection.open(accepted);
      accepted.on('data', (bytes: Buffer) => connection.read(bytes));
      accepted.resume();
    }
  }
}

function adopt(handle: unknown, connection: Connection): Socket {
  const socket = new AdoptedSocket({
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    onread: {
      buffer: () => connection.place(),
      callback: (length) => {
        connection.arrived(length);
        // Pausing is the connection's own affair.
        return true;
      },
    },
  });
  socket.resume();
  return socket;
}

/** New connections get the new pair; those that are open go on with theirs. */
function setPair(server: TlsServer, pair: TlsPair): void {
  server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' });
}

export async function listen(
  serve: Serve,
  host: string,
  port: number,
  tls?: TlsSource,
): Promise<Listener> {
  const listener = new NodeListener(serve, tls);
  await listener.listen(host, port);
  return listener;
}
