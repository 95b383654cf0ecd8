/**
 * The admin interface on a Unix socket in the data folder. Who may connect is decided by the file:
 * mode 0600, so only the server's own user and root. Requests are small JSON documents over HTTP.
 */
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import type { AdminAnswer, AdminApi } from './admin-api.ts';

const SOCKET_NAME = 'admin.sock';
/** What the kernel has room for, without the final zero. */
const SOCKET_PATH_BYTES = 107;
const BODY_BYTES = 64 * 1024;
const ASK_MS = 30_000;

export function socketPath(dataDirectory: string): string {
  return join(dataDirectory, SOCKET_NAME);
}

export interface AdminSocket {
  close(): Promise<void>;
}

/** The data folder must be locked by this process: what is left of an earlier one is removed. */
export async function openAdminSocket(
  dataDirectory: string,
  api: AdminApi,
  log: Log,
): Promise<AdminSocket> {
  const path = socketPath(dataDirectory);
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) {
    log.warn({ path }, 'the path is too long for a socket: admin commands will not work');
    return { close: () => Promise.resolve() };
  }
  rmSync(path, { force: true });
  const server = createServer((message, response) => {
    answer(api, message).then(
      ({ status, body }) => {
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(`${JSON.stringify(body)}\n`);
      },
      (error: unknown) => {
        log.error({ err: error }, 'an admin request failed');
        response.destroy();
      },
    );
  });
  await listenPrivately(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The file is private from its first moment: `listen` makes it before it returns. */
function listenPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', resolve);
    const mask = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(mask);
    }
  });
}

async function answer(api: AdminApi, message: IncomingMessage): Promise<AdminAnswer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of message as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_BYTES) return { status: 413, body: { error: 'the request is too long' } };
    pieces.push(piece);
  }
  const text = Buffer.concat(pieces).toString('utf8');
  let input: unknown;
  try {
    input = text === '' ? undefined : JSON.parse(text);
  } catch {
    return { status: 400, body: { error: 'the request is not JSON' } };
  }
  return await api.ask(message.method ?? '', message.url ?? '', input);
}

/** No server answers on the socket, or it may not be opened. */
export class NoServer extends Error {
  override readonly name = 'NoServer';
}

/** The command line's side. Rejects with NoServer. */
export function askServer(
  dataDirectory: string,
  method: string,
  path: string,
  input?: unknown,
): Promise<AdminAnswer> {
  const socket = socketPath(dataDirectory);
  const body = Buffer.from(input === undefined ? '' : JSON.stringify(input));
  // Without it Node sends the body of a DELETE without its framing.
  const headers = { 'Content-Length': body.length };
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const denied = error.code === 'EACCES' || error.code === 'EPERM';
      const why = denied
        ? `${socket} belongs to another user`
        : `no server runs on ${dataDirectory} (${error.code ?? error.message})`;
      reject(new NoServer(why, { cause: error }));
    };
    const options = { socketPath: socket, method, path, headers, timeout: ASK_MS };
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (text += piece));
      response.on('error', fail);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
      });
    });
    asked.on('error', fail);
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.end(body);
  });
}
