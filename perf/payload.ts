/**
 * One payload in one of the ways S3 lets it travel: hashes and checksums are computed once, so that
 * sending it again costs the generator one signature of the head (and, for signed chunks, the short
 * chain of HMACs that no sender can avoid).
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc64nvme } from '../src/wasm/crc.ts';
import { chunkHashes, type Signed, signedChunks, unsignedTrailer } from './sign.ts';

export const PAYLOAD_MODES = [
  'unsigned',
  'signed',
  'signed-chunks',
  'unsigned-trailer',
  'unsigned-trailer-crc64nvme',
] as const;
export type PayloadMode = (typeof PAYLOAD_MODES)[number];

/** What the AWS SDKs use. */
const CHUNK_BYTES = 64 * 1024;

export interface Payload {
  /** Value of `x-amz-content-sha256`. */
  readonly payloadHash: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What follows the head; pieces share the payload's memory. */
  body(signed: Signed): readonly Uint8Array[];
}

function checksumOf(data: Uint8Array, mode: PayloadMode): { name: string; value: string } {
  if (mode === 'unsigned-trailer-crc64nvme') {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(crc64nvme(data));
    return { name: 'x-amz-checksum-crc64nvme', value: bytes.toString('base64') };
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return { name: 'x-amz-checksum-crc32', value: bytes.toString('base64') };
}

export function prepare(data: Uint8Array, mode: PayloadMode): Payload {
  const chunked = {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(data.length),
  };
  switch (mode) {
    case 'unsigned':
      return { payloadHash: 'UNSIGNED-PAYLOAD', headers: {}, body: () => [data] };
    case 'signed': {
      const payloadHash = createHash('sha256').update(data).digest('hex');
      return { payloadHash, headers: {}, body: () => [data] };
    }
    case 'signed-chunks': {
      const hashes = chunkHashes(data, CHUNK_BYTES);
      return {
        payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        headers: chunked,
        body: (signed) => signedChunks(data, CHUNK_BYTES, hashes, signed),
      };
    }
    case 'unsigned-trailer':
    case 'unsigned-trailer-crc64nvme': {
      const { name, value } = checksumOf(data, mode);
      const pieces = unsignedTrailer(data, CHUNK_BYTES, `${name}:${value}`);
      return {
        payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: { ...chunked, 'x-amz-trailer': name },
        body: () => pieces,
      };
    }
  }
}
