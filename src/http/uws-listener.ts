/**
 * uWebSockets as a listener. What its native parser cannot read (header names with anything but
 * letters, digits and `-`; a request line split over two segments) never gets here: see the
 * README. That is why it is not the default.
 *
 * Facts about uWebSockets this builds on: it lower-cases and trims; keeps duplicates; takes any
 * Transfer-Encoding for chunked, an empty Content-Length for none, and the first of two; calls
 * the handler before it looks at the digits; enforces the size of heads only across reads;
 * answers `Expect: 100-continue` itself, and a pipelined request by closing the connection.
 */
import { bodyLengthOf, flawOf, type ReceivedHead } from './request-head.ts';
import { type HttpRequest, type HttpResponse, type us_listen_socket, uws } from './uws.ts';
import { UwsWriter } from './uws-writer.ts';
import type { Listener, Receiver, Serve, Wire } from './wire.ts';

class UwsWire implements Wire {
  readonly writer: UwsWriter;
  readonly #res: HttpResponse;

  constructor(res: HttpResponse, method: string) {
    this.#res = res;
    this.writer = new UwsWriter(res, method);
  }

  attach(receiver: Receiver, hasBody: boolean): void {
    this.#res.onAborted(() => receiver.aborted());
    // No data handler without a body: with one, a response sent at once would leave the
    // connection without uWebSockets' idle timeout, which the handler's last call takes away.
    if (hasBody) {
      this.#res.onData((piece, last) => receiver.data(new Uint8Array(piece), last));
    }
  }

  pause(): void {
    this.#res.pause();
  }

  resume(): void {
    this.#res.resume();
  }

  rearm(): void {
    this.#res.resume();
  }

  proceed(): void {}

  close(): void {
    this.#res.close();
  }

  over(): void {}
}

class UwsListener implements Listener {
  readonly #app = uws.App();
  #socket: us_listen_socket | undefined;
  #connections = 0;
  port = -1;

  constructor(serve: Serve) {
    this.#app.filter((_, change) => {
      this.#connections += Number(change);
    });
    this.#app.any('/*', (res, req) => {
      const received = receiveHead(res, req);
      serve(new UwsWire(res, received.head.method), received);
    });
  }

  /** Exclusive: a second server on the same port must fail, not share it. */
  async listen(host: string, port: number): Promise<void> {
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
        else reject(new Error('taken, or no address of this host'));
      });
    });
    this.port = uws.us_socket_local_port(
      this.#socket as Parameters<typeof uws.us_socket_local_port>[0],
    );
  }

  connections(): number {
    return this.#connections;
  }

  sweep(): void {}

  stop(): void {
    if (this.#socket !== undefined) uws.us_listen_socket_close(this.#socket);
  }

  close(): void {
    this.#app.close();
  }
}

const textDecoder = new TextDecoder();

function receiveHead(res: HttpResponse, req: HttpRequest): ReceivedHead {
  const headers: [string, string][] = [];
  let headBytes = 0;
  req.forEach((name, value) => {
    headBytes += name.length + value.length + 4;
    headers.push([name, value]);
  });
  const rawPath = req.getUrl();
  const rawQuery = req.getQuery() ?? '';
  headBytes += rawPath.length + rawQuery.length;
  const head = {
    method: req.getCaseSensitiveMethod().toUpperCase(),
    rawPath,
    rawQuery,
    headers,
    remoteAddress: textDecoder.decode(res.getRemoteAddressAsText()),
    secure: false,
  };
  return {
    head,
    bodyLength: bodyLengthOf(headers),
    expectsContinue: false,
    flaw: flawOf(head, headBytes),
  };
}

export async function listen(serve: Serve, host: string, port: number): Promise<Listener> {
  const listener = new UwsListener(serve);
  await listener.listen(host, port);
  return listener;
}
