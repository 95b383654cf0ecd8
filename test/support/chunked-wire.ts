/**
 * Writes aws-chunked wire bytes as an SDK does, in every payload mode. Its signatures are made
 * here from the documented strings to sign, independently of the verifier under test.
 */
import { createHash, createHmac } from 'node:crypto';
import type { BodyPlan, ChunkSigner, DigestName } from '../../src/body/body.ts';

export const SIGNER: ChunkSigner = {
  seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  signingKey: signingKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '20130524', 'us-east-1'),
  scope: '20130524/us-east-1/s3/aws4_request',
  date: '20130524T000000Z',
};

export function signingKey(secret: string, day: string, region: string): Uint8Array {
  const hmac = (key: string | Buffer, text: string): Buffer =>
    createHmac('sha256', key).update(text).digest();
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request');
}

function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface WireOptions {
  readonly chunkBytes: number;
  readonly signer: ChunkSigner | undefined;
  /** `name:value` lines; undefined: no trailer section. */
  readonly trailer?: readonly string[] | undefined;
  /** How the lines of the trailer end. */
  readonly lineEnd?: string;
}

export function chunkedWire(payload: Uint8Array, options: WireOptions): Buffer {
  const { chunkBytes, signer, trailer, lineEnd = '\r\n' } = options;
  const parts: (string | Uint8Array)[] = [];
  let previous = signer?.seed ?? '';
  const sign = (algorithm: string, hashes: string): string => {
    const text = `${algorithm}\n${signer?.date}\n${signer?.scope}\n${previous}\n${hashes}`;
    previous = createHmac('sha256', signer?.signingKey ?? '')
      .update(text)
      .digest('hex');
    return previous;
  };
  for (let at = 0; ; at += chunkBytes) {
    const chunk = payload.subarray(at, at + chunkBytes);
    const signature = sign('AWS4-HMAC-SHA256-PAYLOAD', `${sha256('')}\n${sha256(chunk)}`);
    const extension = signer === undefined ? '' : `;chunk-signature=${signature}`;
    parts.push(`${chunk.length.toString(16)}${extension}\r\n`);
    if (chunk.length === 0) break;
    parts.push(chunk, '\r\n');
  }
  if (trailer !== undefined) {
    for (const line of trailer) parts.push(line, lineEnd);
    if (signer !== undefined) {
      const lines = trailer.map((line) => `${line}\n`).join('');
      const signature = sign('AWS4-HMAC-SHA256-TRAILER', sha256(lines));
      parts.push(`x-amz-trailer-signature:${signature}`, lineEnd);
    }
  }
  parts.push('\r\n');
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

export interface PlanOptions {
  readonly framing?: BodyPlan['framing'];
  readonly digests?: readonly DigestName[];
  readonly expected?: readonly (readonly [DigestName, Uint8Array])[];
  readonly sha256From?: BodyPlan['sha256From'];
  readonly trailer?: DigestName | undefined;
  readonly hasTrailer?: boolean;
  readonly signer?: ChunkSigner | undefined;
}

export function planOf(payloadLength: number, options: PlanOptions = {}): BodyPlan {
  const expected = new Map(options.expected ?? []);
  const trailer = options.trailer;
  const digests = new Set([...(options.digests ?? []), ...expected.keys()]);
  if (trailer !== undefined) digests.add(trailer);
  return {
    framing: options.framing ?? 'identity',
    payloadLength,
    digests,
    expected,
    sha256From: options.sha256From,
    trailer,
    hasTrailer: options.hasTrailer ?? trailer !== undefined,
    signer: options.signer,
  };
}

/** Cuts `bytes` into copies whose lengths go round `sizes`. */
export function piecesOf(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? bytes.length);
    pieces.push(new Uint8Array(bytes.subarray(at, at + size)));
    at += size;
  }
  return pieces;
}

/** Bytes that no two places share: offsets that go wrong show. */
export function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >>> 8) * 7) & 0xff;
  return bytes;
}
