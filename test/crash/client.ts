/** The few S3 calls of the crash test, over raw sockets so that a kill shows as a cut connection. */
import { createHash } from 'node:crypto';
import { Connection } from '../../perf/connection.ts';
import { type Keys, sign } from '../../perf/sign.ts';

export interface Reply {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly bytes: Buffer;
}

export class Client {
  readonly #port: number;
  readonly #keys: Keys;
  #connection: Connection | undefined;

  constructor(port: number, keys: Keys) {
    this.#port = port;
    this.#keys = keys;
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Throws when the connection is cut before the whole answer was read. */
  async call(
    method: string,
    path: string,
    options: {
      readonly query?: string;
      readonly body?: Buffer;
      readonly headers?: Record<string, string>;
    } = {},
  ): Promise<Reply> {
    const { query = '', body } = options;
    this.#connection ??= await Connection.open(this.#port);
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    const signed = sign(this.#keys, {
      method,
      host: `127.0.0.1:${this.#port}`,
      path: encoded,
      query,
      payloadHash: createHash('sha256')
        .update(body ?? '')
        .digest('hex'),
      headers: options.headers ?? {},
    });
    const target = query === '' ? encoded : `${encoded}?${query}`;
    try {
      const answer = await this.#connection.request(
        method,
        target,
        signed.headers,
        body === undefined ? [] : [body],
        true,
      );
      return { ...answer, body: answer.bytes.toString() };
    } catch (error) {
      this.close();
      throw error;
    }
  }
}
