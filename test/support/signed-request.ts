/**
 * One signed request on a connection of its own, for what the SDK cannot say: odd sub-resources,
 * malformed documents, headers that a client library would refuse to send.
 */
import { codeOf, type Keys, RawConnection, type RawResponse, signHead } from './raw-client.ts';

export interface Ask {
  readonly method?: string;
  /** Percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length and signed by its SHA-256. */
  readonly body?: string | Uint8Array;
  readonly region?: string;
}

export interface Door extends Keys {
  readonly port: number;
}

export async function ask(door: Door, wanted: Ask): Promise<RawResponse> {
  const { method = 'GET', path, query = {}, headers = {}, body, region = 'us-east-1' } = wanted;
  const payload = body === undefined ? undefined : Buffer.from(body);
  const length: Record<string, string> =
    payload === undefined ? {} : { 'content-length': String(payload.length) };
  const head = await signHead(door, {
    method,
    port: door.port,
    path,
    query,
    region,
    headers: { ...length, ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
  const connection = await RawConnection.open(door.port);
  try {
    const bytes = Buffer.concat([Buffer.from(head.text), payload ?? Buffer.alloc(0)]);
    return await connection.request(method, bytes);
  } finally {
    connection.destroy();
  }
}

/** Status and error code, for comparing both at once. */
export async function outcome(door: Door, wanted: Ask): Promise<[number, string | undefined]> {
  const response = await ask(door, wanted);
  return [response.status, codeOf(response)];
}
