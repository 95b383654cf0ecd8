/** aws-chunked bodies as clients send them, in every mode, and one wrong thing in each. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chunkedWire, patterned } from '../support/chunked-wire.ts';
import { expectS3Error, s3Client } from '../support/client.ts';
import {
  codeOf,
  headerOf,
  RawConnection,
  type RawResponse,
  signHead,
} from '../support/raw-client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const Bucket = 'chunked';
const CHUNK = 64 * 1024;
const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const SIGNED_TRAILER = `${SIGNED}-TRAILER`;
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const SIZES = [0, 1, CHUNK, CHUNK + 1, 300_000];
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

interface Sent {
  readonly mode: string;
  readonly payload: Buffer;
  readonly trailer?: readonly string[];
  /** Value of x-amz-trailer. */
  readonly announced?: string;
  readonly chunkBytes?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** What goes wrong on the way. */
  readonly damage?: (wire: Buffer) => Buffer;
}

async function put(key: string, sent: Sent): Promise<RawResponse> {
  const { mode, payload, trailer, announced, chunkBytes = CHUNK, damage, headers } = sent;
  const options = { chunkBytes, trailer };
  // Signatures have a fixed length, so the length of the wire is known before it is signed.
  const dummy = { seed: '', signingKey: Buffer.alloc(32), scope: '', date: '' };
  const isSigned = mode !== UNSIGNED_TRAILER;
  const draft = chunkedWire(payload, { ...options, signer: isSigned ? dummy : undefined });
  const length = damage === undefined ? draft.length : damage(Buffer.from(draft)).length;
  const head = await signHead(sluice, {
    method: 'PUT',
    port: sluice.port,
    path: `/${Bucket}/${key}`,
    payload: mode,
    headers: {
      'content-encoding': 'aws-chunked',
      'content-length': String(length),
      'x-amz-decoded-content-length': String(payload.length),
      ...(announced === undefined ? {} : { 'x-amz-trailer': announced }),
      ...headers,
    },
  });
  const wire = chunkedWire(payload, { ...options, signer: isSigned ? head.signer : undefined });
  const connection = await RawConnection.open(sluice.port);
  try {
    const body = damage === undefined ? wire : damage(wire);
    return await connection.request('PUT', Buffer.concat([Buffer.from(head.text), body]));
  } finally {
    connection.destroy();
  }
}

async function expectStored(key: string, payload: Buffer): Promise<void> {
  const found = await client.send(new GetObjectCommand({ Bucket, Key: key }));
  const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
  expect(bytes.equals(payload)).toBe(true);
  expect(found.ETag).toBe(`"${createHash('md5').update(payload).digest('hex')}"`);
  expect(found.ContentEncoding).toBeUndefined();
}

async function expectRefused(sent: Sent, status: number, code: string): Promise<void> {
  const answer = await put('refused', sent);
  expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  const missing = client.send(new HeadObjectCommand({ Bucket, Key: 'refused' }));
  await expectS3Error(missing, 404, 'NotFound');
}

const crc = (payload: Buffer): string => {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(crc32(payload));
  return word.toString('base64');
};
const TRAILER = 'x-amz-checksum-crc32';
/** A byte of the payload changed: what only the bodies of chunks can tell. */
const flip = (wire: Buffer): Buffer => {
  const at = wire.indexOf('\r\n') + 3;
  wire[at] = (wire[at] ?? 0) ^ 1;
  return wire;
};
const replace =
  (from: RegExp, to: string) =>
  (wire: Buffer): Buffer =>
    Buffer.from(wire.toString('latin1').replace(from, to), 'latin1');

describe('every size in every mode', () => {
  it.each(SIZES)('%i bytes', async (size) => {
    const payload = patterned(size);
    const trailer = [`${TRAILER}:${crc(payload)}`];
    const ways: Sent[] = [
      { mode: SIGNED, payload },
      { mode: SIGNED_TRAILER, payload, trailer, announced: TRAILER },
      { mode: UNSIGNED_TRAILER, payload, trailer, announced: TRAILER },
    ];
    for (const [index, way] of ways.entries()) {
      const stored = await put(`k-${index}`, way);
      expect([codeOf(stored), stored.status]).toEqual([undefined, 200]);
      if (index > 0) expect(headerOf(stored, TRAILER)).toBe(crc(payload));
      await expectStored(`k-${index}`, payload);
    }
  });
});

describe('signed chunks', () => {
  const payload = patterned(200_000);
  const sent: Sent = { mode: SIGNED, payload };
  it('with one byte changed', async () => {
    await expectRefused({ ...sent, damage: flip }, 403, 'SignatureDoesNotMatch');
  });

  it.each([
    ['first', /chunk-signature=[0-9a-f]{8}/],
    ['last', /(?<=\r\n0;)chunk-signature=[0-9a-f]{8}/],
  ])('with the %s signature changed', async (_, pattern) => {
    const damage = replace(pattern, 'chunk-signature=00000000');
    await expectRefused({ ...sent, damage }, 403, 'SignatureDoesNotMatch');
  });

  it('in another order', async () => {
    const damage = (wire: Buffer): Buffer => {
      const size = wire.indexOf('\r\n') + 2 + CHUNK + 2;
      const [one, two] = [wire.subarray(0, size), wire.subarray(size, 2 * size)];
      return Buffer.concat([two, one, wire.subarray(2 * size)]);
    };
    await expectRefused({ ...sent, damage }, 403, 'SignatureDoesNotMatch');
  });

  it('with less than was declared', async () => {
    const declared = { 'x-amz-decoded-content-length': String(payload.length + 1) };
    await expectRefused({ ...sent, headers: declared }, 400, 'IncompleteBody');
  });

  it('without an end', async () => {
    const damage = (wire: Buffer): Buffer => wire.subarray(0, wire.lastIndexOf('0;'));
    await expectRefused({ ...sent, damage }, 400, 'IncompleteBody');
  });

  it('with small chunks between', async () => {
    await expectRefused({ ...sent, chunkBytes: 4096 }, 403, 'InvalidChunkSizeError');
  });

  it('with a digest of the whole', async () => {
    const md5 = createHash('md5').update(payload).digest('base64');
    const good = await put('with-md5', { ...sent, headers: { 'content-md5': md5 } });
    expect(good.status).toBe(200);
    const other = createHash('md5').update('other').digest('base64');
    await expectRefused({ ...sent, headers: { 'content-md5': other } }, 400, 'BadDigest');
    const sum = { [TRAILER]: crc(patterned(3)) };
    await expectRefused({ ...sent, headers: sum }, 400, 'BadDigest');
  });

  it('must declare their length', async () => {
    const declared = { 'x-amz-decoded-content-length': 'x' };
    await expectRefused({ ...sent, headers: declared }, 400, 'InvalidArgument');
  });
});

describe('a trailer', () => {
  const payload = patterned(100_000);
  const good = `${TRAILER}:${crc(payload)}`;
  const wrong = `${TRAILER}:${crc(patterned(7))}`;
  const other = 'x-amz-checksum-sha1:qvTGHdzF6KLavt4PO0gs2a6pQ00=';
  it.each([
    [[wrong], TRAILER, 'BadDigest'],
    [[], TRAILER, 'MalformedTrailerError'],
    [[other], TRAILER, 'MalformedTrailerError'],
    [[good, good], TRAILER, 'MalformedTrailerError'],
    [[`${TRAILER}:nonsense`], TRAILER, 'InvalidRequest'],
    [[good], 'x-amz-checksum-md9', 'InvalidRequest'],
  ])('%j announced as %s is %s', async (trailer, announced, code) => {
    const sent = { payload, trailer, announced };
    await expectRefused({ ...sent, mode: UNSIGNED_TRAILER }, 400, code);
    await expectRefused({ ...sent, mode: SIGNED_TRAILER }, 400, code);
  });

  it('has a signature of its own', async () => {
    const sent = { mode: SIGNED_TRAILER, payload, trailer: [good], announced: TRAILER };
    const changed = replace(/trailer-signature:[0-9a-f]{8}/, 'trailer-signature:00000000');
    await expectRefused({ ...sent, damage: changed }, 403, 'SignatureDoesNotMatch');
    const cut = replace(/x-amz-trailer-signature:[0-9a-f]{64}\r\n/, '');
    const answer = await put('refused', { ...sent, damage: cut });
    expect([400, 403]).toContain(answer.status);
    const missing = client.send(new HeadObjectCommand({ Bucket, Key: 'refused' }));
    await expectS3Error(missing, 404, 'NotFound');
  });

  it('of an unsigned body with one byte changed', async () => {
    const sent = { mode: UNSIGNED_TRAILER, payload, trailer: [good], announced: TRAILER };
    await expectRefused({ ...sent, damage: flip }, 400, 'BadDigest');
  });
});

it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
  'the SDK sends %s in a trailer and reads it back',
  async (ChecksumAlgorithm) => {
    const Key = `sdk-${ChecksumAlgorithm}`;
    const Body = patterned(300_000);
    const name = `Checksum${ChecksumAlgorithm}` as const;
    const stored = await client.send(
      new PutObjectCommand({ Bucket, Key, Body, ChecksumAlgorithm }),
    );
    expect(stored[name]).toBeTruthy();
    expect(stored.ChecksumType).toBe('FULL_OBJECT');
    const found = await client.send(
      new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }),
    );
    expect(found[name]).toBe(stored[name]);
    await expectStored(Key, Body);
  },
);
