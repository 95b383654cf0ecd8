/** Browser forms as tests send them: multipart bodies, policies, and their signatures. */
import { createHmac } from 'node:crypto';
import { type Door } from './signed-request.ts';
import { RawConnection, type RawResponse } from './raw-client.ts';

export type FormFields = readonly (readonly [name: string, value: string])[];

export interface FormFile {
  readonly content: Uint8Array | string;
  readonly filename?: string;
}

export const BOUNDARY = 'form-boundary-7MA4YWxkTrZu0gW';

function part(name: string, filename?: string): string {
  const file = filename === undefined ? '' : `; filename="${filename}"`;
  const type = filename === undefined ? '' : '\r\nContent-Type: text/html';
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}${type}\r\n\r\n`;
}

/** `after`: raw bytes behind the file instead of the closing boundary. */
export function formBody(fields: FormFields, file?: FormFile, after?: string): Buffer {
  const heads = fields.map(([name, value]) => `${part(name)}${value}\r\n`).join('');
  const end = after ?? `\r\n--${BOUNDARY}--\r\n`;
  if (file === undefined) return Buffer.from(`${heads}--${BOUNDARY}--\r\n`);
  const { filename = 'upload.bin', content } = file;
  return Buffer.concat([
    Buffer.from(`${heads}${part('file', filename)}`),
    Buffer.from(content),
    Buffer.from(end),
  ]);
}

export interface PolicyOptions {
  readonly conditions: readonly unknown[];
  readonly expiration?: unknown;
  /** The whole document instead. */
  readonly document?: unknown;
}

export function policyText({ conditions, expiration, document }: PolicyOptions): string {
  const soon = new Date(Date.now() + 60_000).toISOString();
  const whole = document ?? { expiration: expiration ?? soon, conditions };
  const text = typeof whole === 'string' ? whole : JSON.stringify(whole);
  return Buffer.from(text).toString('base64');
}

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/** The fields that a signer adds; their conditions are put into the policy. */
export function signedV4(
  door: Pick<Door, 'accessKey' | 'secretKey'>,
  options: PolicyOptions,
  atMs: number = Date.now(),
): FormFields {
  const date = new Date(atMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const day = date.slice(0, 8);
  const credential = `${door.accessKey}/${day}/us-east-1/s3/aws4_request`;
  const own: FormFields = [
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', credential],
    ['x-amz-date', date],
  ];
  const conditions = [...options.conditions, ...own.map(([name, value]) => ({ [name]: value }))];
  const policy = policyText({ ...options, conditions });
  const key = hmac(
    hmac(hmac(hmac(`AWS4${door.secretKey}`, day), 'us-east-1'), 's3'),
    'aws4_request',
  );
  return [...own, ['policy', policy], ['x-amz-signature', hmac(key, policy).toString('hex')]];
}

export function signedV2(
  door: Pick<Door, 'accessKey' | 'secretKey'>,
  options: PolicyOptions,
): FormFields {
  const policy = policyText(options);
  const signature = createHmac('sha1', door.secretKey).update(policy).digest('base64');
  return [
    ['AWSAccessKeyId', door.accessKey],
    ['signature', signature],
    ['policy', policy],
  ];
}

/** Posts a body as it is; `pieces`: written one after the other. */
export async function post(
  door: Door,
  path: string,
  body: Buffer,
  more: { readonly headers?: readonly string[]; readonly pieces?: readonly number[] } = {},
): Promise<RawResponse> {
  const head = [
    `POST ${path} HTTP/1.1`,
    `host: 127.0.0.1:${door.port}`,
    `content-type: multipart/form-data; boundary=${BOUNDARY}`,
    `content-length: ${body.length}`,
    ...(more.headers ?? []),
    '\r\n',
  ].join('\r\n');
  const connection = await RawConnection.open(door.port);
  try {
    if (more.pieces === undefined) {
      return await connection.request('POST', Buffer.concat([Buffer.from(head), body]));
    }
    await connection.write(head);
    const cuts = [0, ...more.pieces, body.length];
    const pieces = cuts.slice(1).map((end, index) => body.subarray(cuts[index], end));
    await connection.trickle(pieces, 5);
    return await connection.response('POST');
  } finally {
    connection.destroy();
  }
}
