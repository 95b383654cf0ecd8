/**
 * A client that says what an SDK cannot: arbitrary bytes on one socket, slow or split as the test
 * wants, with an exact account of what came back. Requests may be signed; the signer is the AWS
 * SDK's own, so that nothing here repeats a mistake of the server's verifier.
 */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { ChunkSigner } from '../../src/body/body.ts';
import { signingKey } from './chunked-wire.ts';

export interface RawResponse {
  readonly status: number;
  /** As on the wire, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** Statuses of interim responses (100 Continue) before this one. */
  readonly interim: readonly number[];
}

/** The only value of a header; undefined when absent. Throws when it came twice. */
export function headerOf(response: RawResponse, name: string): string | undefined {
  const values = response.headers.filter(([n]) => n.toLowerCase() === name).map(([, v]) => v);
  if (values.length > 1) throw new Error(`header ${name} came ${values.length} times`);
  return values[0];
}

/** Code of an S3 error document. */
export function codeOf(response: RawResponse): string | undefined {
  return /<Code>([^<]*)<\/Code>/.exec(response.body.toString())?.[1];
}

interface Head {
  readonly status: number;
  readonly headers: [string, string][];
  /** Undefined: until the connection ends. */
  readonly bodyBytes: number | undefined;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const WAIT_MS = 20_000;

export class RawConnection {
  readonly socket: Socket;
  /** Resolves when the socket is closed, with the error's code or 'end'. */
  readonly closed: Promise<string>;
  /** What came, in pieces: joined only when somebody looks. */
  #parts: Buffer[] = [];
  #size = 0;
  #ended = false;
  #error: string | undefined;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => {
      this.#parts.push(data);
      this.#size += data.length;
      this.#wake();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? error.message;
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#ended = true;
        this.#wake();
        resolve(this.#error ?? 'end');
      });
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  /** Bytes that came and that no response claimed. */
  get leftover(): Buffer {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0] ?? Buffer.alloc(0);
  }

  #take(bytes: number): Buffer {
    const all = this.leftover;
    this.#parts = [all.subarray(bytes)];
    this.#size = all.length - bytes;
    return all.subarray(0, bytes);
  }

  get isClosed(): boolean {
    return this.#ended;
  }

  /** Resolves when the kernel took the bytes; false when the connection failed before. */
  write(bytes: string | Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      this.socket.write(bytes, (error) => resolve(!error));
    });
  }

  /** Pieces with a pause after each. */
  async trickle(pieces: Iterable<string | Uint8Array>, pauseMs: number): Promise<boolean> {
    for (const piece of pieces) {
      if (this.#ended || !(await this.write(piece))) return false;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return true;
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The next response; `method` decides whether it has a body. Rejects when it is cut short. */
  async response(method = 'GET'): Promise<RawResponse> {
    const interim: number[] = [];
    for (;;) {
      const head = await this.#head(method);
      if (head.status < 200) {
        interim.push(head.status);
        continue;
      }
      return { status: head.status, headers: head.headers, body: await this.#body(head), interim };
    }
  }

  async request(method: string, bytes: string | Uint8Array): Promise<RawResponse> {
    await this.write(bytes);
    return this.response(method);
  }

  async #head(method: string): Promise<Head> {
    await this.#until(() => this.leftover.includes(HEAD_END), 'a response head');
    const end = this.leftover.indexOf(HEAD_END);
    const lines = this.#take(end + HEAD_END.length)
      .toString('latin1', 0, end)
      .split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(lines[0] ?? '')?.[1]);
    if (!(status >= 100)) throw new Error(`not a status line: ${lines[0]}`);
    const headers = lines.slice(1).map((line): [string, string] => {
      const colon = line.indexOf(':');
      if (colon < 1) throw new Error(`not a header: ${line}`);
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    const length = headerOf({ status, headers, body: HEAD_END, interim: [] }, 'content-length');
    const declared = length === undefined ? undefined : Number(length);
    return { status, headers, bodyBytes: bodiless ? 0 : declared };
  }

  async #body({ bodyBytes }: Head): Promise<Buffer> {
    if (bodyBytes === undefined) {
      await this.#until(() => this.#ended, 'the end of the connection', true);
    } else {
      await this.#until(() => this.#size >= bodyBytes, `${bodyBytes} bytes of body`);
    }
    return this.#take(bodyBytes ?? this.#size);
  }

  async #until(done: () => boolean, what: string, mayEnd = false): Promise<void> {
    const deadlineMs = Date.now() + WAIT_MS;
    while (!done()) {
      if (this.#ended && !mayEnd) {
        const why = this.#error ?? 'end';
        throw new Error(`closed (${why}) before ${what}; got ${this.#size} bytes`);
      }
      if (Date.now() > deadlineMs) throw new Error(`no ${what} within ${WAIT_MS} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

export interface Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface SignOptions {
  readonly method: string;
  readonly port: number;
  /** Percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Value of x-amz-content-sha256; a body is hashed, no body is UNSIGNED-PAYLOAD. */
  readonly payload?: string | Uint8Array;
  readonly region?: string;
}

export interface SignedHead {
  /** Request line and headers with the blank line; to be followed by the body. */
  readonly text: string;
  /** First link of the chain for signed chunks. */
  readonly signer: ChunkSigner;
}

/** Signs all headers. Content-Length must be among them when there is a body. */
export async function signHead(keys: Keys, options: SignOptions): Promise<SignedHead> {
  const { method, port, path, payload, region = 'us-east-1' } = options;
  const query = { ...options.query };
  const hash =
    payload === undefined || typeof payload === 'string'
      ? (payload ?? 'UNSIGNED-PAYLOAD')
      : createHash('sha256').update(payload).digest('hex');
  const host = `127.0.0.1:${port}`;
  const signature = new SignatureV4({
    service: 's3',
    region,
    credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
    sha256: Sha256,
    uriEscapePath: false,
  });
  const signed = await signature.sign({
    method,
    protocol: 'http:',
    hostname: '127.0.0.1',
    port,
    path,
    query,
    headers: { ...options.headers, host, 'x-amz-content-sha256': hash },
  });
  const target = new URLSearchParams(query).toString().replaceAll('+', '%20');
  const lines = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}`);
  const date = signed.headers['x-amz-date'] ?? '';
  const day = date.slice(0, 8);
  return {
    text: `${method} ${path}${target === '' ? '' : `?${target}`} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`,
    signer: {
      seed: /Signature=([0-9a-f]{64})/.exec(signed.headers['authorization'] ?? '')?.[1] ?? '',
      signingKey: signingKey(keys.secretKey, day, region),
      scope: `${day}/${region}/s3/aws4_request`,
      date,
    },
  };
}
