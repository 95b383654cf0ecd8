/** Renders failures: S3Error, StoreError and the unexpected, as S3's XML error documents. */
import { S3Error } from '../base/s3-error.ts';
import { StoreError } from '../base/store-error.ts';
import type { S3Response } from './request.ts';
import { element, xmlDocument } from './xml.ts';

/** What a fault means on the wire. Anything unknown is an InternalError and must be logged. */
export function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (error instanceof StoreError) {
    switch (error.kind) {
      case 'unavailable':
      case 'timeout':
        return new S3Error('ServiceUnavailable', { cause: error, headers: { 'Retry-After': '5' } });
      case 'full':
        return new S3Error('ServiceUnavailable', {
          message: 'The storage is full.',
          cause: error,
          headers: { 'Retry-After': '60' },
        });
      case 'limit':
        return new S3Error('SlowDown', { cause: error });
      case 'corrupt':
        return new S3Error('InternalError', { cause: error });
    }
  }
  return new S3Error('InternalError', { cause: error });
}

export interface ErrorPlace {
  /** Path as the client wrote it. */
  readonly resource: string;
  readonly requestId: string;
  readonly hostId: string;
  readonly method: string;
}

/** The document has no namespace; HEAD and 304 have no document. */
export function renderError(error: S3Error, place: ErrorPlace): S3Response {
  const headers = Object.entries(error.headers);
  if (error.status === 503 && error.headers['Retry-After'] === undefined) {
    headers.push(['Retry-After', '1']);
  }
  if (error.status === 304) return { status: 304, headers, body: undefined };
  const fields = Object.entries(error.fields).map(([name, value]) => element(name, value));
  const inner =
    element('Code', error.code) +
    element('Message', error.message) +
    fields.join('') +
    element('Resource', place.resource) +
    element('RequestId', place.requestId) +
    element('HostId', place.hostId);
  const body = xmlDocument('Error', inner, '');
  headers.push(['Content-Type', 'application/xml']);
  if (place.method === 'HEAD') {
    return { status: error.status, headers, body: undefined, contentLength: 0 };
  }
  return { status: error.status, headers, body };
}
