/**
 * One keep-alive HTTP/1.1 connection of the load generator: one request at a time, no parsing
 * beyond the status line and Content-Length, response bodies counted and dropped unless asked for.
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

export class Connection {
  readonly #socket: Socket;
  #pending: Pending | undefined;
  #head: Buffer = Buffer.alloc(0);
  #status = 0;
  #headText = '';
  #remaining = -1;
  #bodyBytes = 0;
  #kept: Buffer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => this.#onData(data));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.setNoDelay(true);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket));
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
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = body.reduce((sum, piece) => sum + piece.length, 0);
    const sized = method === 'GET' || method === 'HEAD' ? '' : `content-length: ${length}\r\n`;
    if (this.#socket.destroyed) return Promise.reject(new Error('connection closed'));
    return new Promise((resolve, reject) => {
      this.#pending = { keepBody, bodiless: method === 'HEAD', resolve, reject };
      this.#socket.cork();
      this.#socket.write(`${method} ${target} HTTP/1.1\r\n${lines.join('')}${sized}\r\n`);
      for (const piece of body) this.#socket.write(piece);
      this.#socket.uncork();
    });
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }

  #onData(data: Buffer): void {
    if (this.#remaining >= 0) {
      this.#onBody(data);
      return;
    }
    this.#head = this.#head.length === 0 ? data : Buffer.concat([this.#head, data]);
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return;
    this.#headText = this.#head.toString('latin1', 0, end);
    const rest = this.#head.subarray(end + HEAD_END.length);
    this.#head = Buffer.alloc(0);
    this.#status = Number(this.#headText.slice(9, 12));
    if (this.#status === 100) {
      if (rest.length > 0) this.#onData(rest);
      return;
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#headText)?.[1];
    this.#remaining = this.#pending?.bodiless === true ? 0 : Number(length ?? 0);
    this.#bodyBytes = 0;
    this.#kept = [];
    this.#onBody(rest);
  }

  #onBody(data: Buffer): void {
    this.#remaining -= data.length;
    this.#bodyBytes += data.length;
    const pending = this.#pending;
    if (pending?.keepBody || this.#status >= 300) this.#kept.push(data);
    if (this.#remaining > 0) return;
    this.#remaining = -1;
    this.#pending = undefined;
    const bytes = Buffer.concat(this.#kept);
    this.#kept = [];
    pending?.resolve({
      status: this.#status,
      head: this.#headText,
      bodyBytes: this.#bodyBytes,
      bytes,
    });
  }
}
