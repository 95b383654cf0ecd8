/**
 * One keep-alive HTTP/1.1 connection of the load generator: one request at a time, received into
 * one buffer that is used again and again. Parses the status line, Content-Length and chunked
 * bodies, nothing else; response bodies are counted and dropped unless asked for.
 */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly bodyBytes: number;
  /** The body itself when `keepBody` was asked for or the status is not 2xx; else empty. */
  readonly bytes: Buffer;
}

interface Pending {
  readonly keepBody: boolean;
  /** The answer to HEAD has a Content-Length and no body. */
  readonly bodiless: boolean;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKS_END = Buffer.from('0\r\n\r\n');
const BUFFER_BYTES = 256 * 1024;
const CHUNKED = Number.POSITIVE_INFINITY;

/** The payload of a chunked body that is there as a whole. */
export function unchunk(body: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.toString('latin1', at, end), 16);
    if (end < 0 || Number.isNaN(length)) throw new Error('a chunk without its length');
    if (length === 0) return Buffer.concat(pieces);
    pieces.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

export function headOf(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
  bodyBytes: number,
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const sized = method === 'GET' || method === 'HEAD' ? '' : `content-length: ${bodyBytes}\r\n`;
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}${sized}\r\n`;
}

export class Connection {
  readonly #socket: Socket;
  #pending: Pending | undefined;
  #head: Buffer = Buffer.alloc(0);
  #status = 0;
  #headText = '';
  #remaining = -1;
  #bodyBytes = 0;
  #kept: Buffer[] = [];

  private constructor(port: number) {
    const onread = {
      buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
      callback: (length: number, buffer: Uint8Array): boolean => {
        this.#onData(buffer.subarray(0, length) as Buffer);
        return true;
      },
    };
    this.#socket = connect({ port, host: '127.0.0.1', onread });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const connection = new Connection(port);
      const socket = connection.#socket;
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(connection);
      });
    });
  }

  close(): void {
    this.#pending = undefined;
    this.#socket.destroy();
  }

  request(
    method: string,
    target: string,
    headers: Readonly<Record<string, string>>,
    body: readonly Uint8Array[] = [],
    keepBody = false,
  ): Promise<Answer> {
    const length = body.reduce((sum, piece) => sum + piece.length, 0);
    const head = headOf(method, target, headers, length);
    return this.exchange(head, body, { keepBody, bodiless: method === 'HEAD' });
  }

  /** Sends a head that was made before, as `headOf` makes it. */
  exchange(
    head: string | Uint8Array,
    body: readonly Uint8Array[],
    { keepBody = false, bodiless = false }: { keepBody?: boolean; bodiless?: boolean } = {},
  ): Promise<Answer> {
    const socket = this.#socket;
    if (socket.destroyed) return Promise.reject(new Error('connection closed'));
    return new Promise((resolve, reject) => {
      this.#pending = { keepBody, bodiless, resolve, reject };
      if (body.length > 0) socket.cork();
      socket.write(head);
      for (const piece of body) socket.write(piece);
      if (body.length > 0) socket.uncork();
    });
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }

  /** `data` is only good until this returns. */
  #onData(data: Buffer): void {
    if (this.#remaining >= 0) {
      this.#onBody(data);
      return;
    }
    const head = this.#head.length === 0 ? data : Buffer.concat([this.#head, data]);
    const end = head.indexOf(HEAD_END);
    if (end < 0) {
      this.#head = Buffer.from(head);
      return;
    }
    this.#headText = head.toString('latin1', 0, end);
    const rest = head.subarray(end + HEAD_END.length);
    this.#head = Buffer.alloc(0);
    this.#status = Number(this.#headText.slice(9, 12));
    if (this.#status === 100) {
      if (rest.length > 0) this.#onData(rest);
      return;
    }
    this.#remaining = this.#pending?.bodiless === true ? 0 : bodyLength(this.#headText);
    this.#bodyBytes = 0;
    this.#kept = [];
    this.#onBody(rest);
  }

  #onBody(data: Buffer): void {
    this.#bodyBytes += data.length;
    const pending = this.#pending;
    const chunked = this.#remaining === CHUNKED;
    const keeps = pending?.keepBody === true || this.#status >= 300;
    if (keeps || chunked) this.#kept.push(Buffer.from(data));
    if (!chunked) this.#remaining -= data.length;
    else if (this.#endsChunks()) this.#remaining = 0;
    if (this.#remaining > 0) return;
    this.#remaining = -1;
    this.#pending = undefined;
    const kept = this.#kept.length === 0 ? EMPTY : Buffer.concat(this.#kept);
    const bytes = chunked ? unchunk(kept) : kept;
    this.#kept = [];
    pending?.resolve({
      status: this.#status,
      head: this.#headText,
      bodyBytes: chunked ? bytes.length : this.#bodyBytes,
      bytes: keeps ? bytes : EMPTY,
    });
  }

  /** One request at a time, so the end of the body is the end of what came. */
  #endsChunks(): boolean {
    const last = this.#kept.at(-1) ?? EMPTY;
    if (last.length >= CHUNKS_END.length)
      return last.subarray(-CHUNKS_END.length).equals(CHUNKS_END);
    this.#kept = [Buffer.concat(this.#kept)];
    return (this.#kept[0] ?? EMPTY).subarray(-CHUNKS_END.length).equals(CHUNKS_END);
  }
}

const EMPTY = Buffer.alloc(0);

function bodyLength(head: string): number {
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return CHUNKED;
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
}
