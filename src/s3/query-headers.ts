/**
 * Headers that travel in the query of a presigned request. For verified requests only: before,
 * they would be headers that anybody could add. Refuses what could not be a header.
 */
import { S3Error } from '../base/s3-error.ts';
import type { S3Request } from './request.ts';

/** Parameters of the signature itself, which are no headers. */
const SIGNATURE_PARAMETERS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-content-sha256',
]);

/** Addresses are kept: by browsers, proxies, logs. A customer's key must never stand in one. */
function keyInAddress(parameter: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: 'Customer-provided encryption keys must be sent as headers.',
    fields: { ArgumentName: parameter },
  });
}

/**
 * Presigners put `x-amz-*` headers (an ACL, metadata, a checksum) into the query; S3 reads them
 * as headers. Ignoring them would drop what the signer asked for.
 */
export function withQueryHeaders(request: S3Request): S3Request {
  let headers: Map<string, string> | undefined;
  for (const [parameter, value] of request.query) {
    const name = parameter.toLowerCase();
    if (!name.startsWith('x-amz-') || SIGNATURE_PARAMETERS.has(name)) continue;
    if (name.endsWith('-customer-key')) throw keyInAddress(parameter);
    // A header would have been refused for these; sent back, they could start another header.
    if (!/^[\x20-\x7e\x80-\uffff]*$/.test(value) || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
      throw new S3Error('InvalidArgument', {
        fields: { ArgumentName: parameter, ArgumentValue: value },
      });
    }
    headers ??= new Map(request.headers);
    if (!headers.has(name)) headers.set(name, value.trim());
  }
  return headers === undefined ? request : { ...request, headers };
}
