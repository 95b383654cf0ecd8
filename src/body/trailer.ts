/**
 * Reads the trailer section of an aws-chunked body and takes the declared checksum out of it.
 * It verifies neither the checksum nor the signature.
 */
import { base64Decode } from '../base/bytes.ts';
import { S3Error } from '../base/s3-error.ts';
import type { DigestName } from './body.ts';
import { DIGEST_BYTES } from './digests.ts';
import { SIGNATURE_SHAPE, type Trailer } from './framing.ts';

const SIGNATURE = 'x-amz-trailer-signature';
const LINES_MAX = 16;

/**
 * `section` is everything after the header of the last chunk, one character a byte. Lines end in
 * CRLF or LF; some SDKs write an empty line between the checksum and the signature. Since the
 * request's own framing says where the section ends, empty lines say nothing here.
 */
export function parseTrailer(section: string, signed: boolean): Trailer {
  if (!section.endsWith('\n')) throw new S3Error('IncompleteBody');
  const lines = section.split('\n').filter((line) => line !== '' && line !== '\r');
  if (lines.length > LINES_MAX) throw new S3Error('MalformedTrailerError');
  const values = new Map<string, string>();
  let signedText = '';
  let signature: string | undefined;
  for (const line of lines) {
    const [, name = '', text] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t -~]*)\r?$/.exec(line) ?? [];
    const key = name.toLowerCase();
    const value = text?.trim();
    // What follows the signature is not covered by it.
    const late = signature !== undefined;
    if (value === undefined || late || values.has(key)) throw new S3Error('MalformedTrailerError');
    if (key === SIGNATURE) {
      // Without a verified signer (insecure mode) the line is framing and says nothing.
      signature = value;
    } else {
      values.set(key, value);
      signedText += `${key}:${value}\n`;
    }
  }
  if (signed && !SIGNATURE_SHAPE.test(signature ?? '')) {
    throw new S3Error('MalformedTrailerError');
  }
  return { values, signedText, signature };
}

/**
 * The value of the checksum that `x-amz-trailer` promised, decoded; undefined when it promised
 * none. Lines that were not promised are refused: nobody would check what they claim.
 */
export function trailingChecksum(
  trailer: Trailer,
  promised: DigestName | undefined,
): Uint8Array | undefined {
  const name = promised === undefined ? undefined : `x-amz-checksum-${promised}`;
  for (const key of trailer.values.keys()) {
    if (key !== name) throw new S3Error('MalformedTrailerError');
  }
  if (promised === undefined || name === undefined) return undefined;
  const text = trailer.values.get(name);
  if (text === undefined) throw new S3Error('MalformedTrailerError');
  const value = base64Decode(text);
  if (value?.length !== DIGEST_BYTES[promised]) {
    const message = `Value for ${name} trailing header is invalid.`;
    throw new S3Error('InvalidRequest', { message });
  }
  return value;
}
