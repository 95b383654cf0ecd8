/**
 * Requests that the protocol never sees: badly framed, one too many, or come while the server
 * stops. They get an S3 error document and their connection ends; nothing else happens.
 */
import { randomBytes } from 'node:crypto';
import type { Log } from '../base/log.ts';
import type { S3Error } from '../base/s3-error.ts';
import { renderError } from '../s3/errors.ts';
import type { Exchange, RequestHead, S3Response } from '../s3/request.ts';

export function refusal(error: S3Error, head: RequestHead, log: Log): Exchange {
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  const rendered = renderError(error, {
    resource: head.rawPath,
    requestId,
    hostId: '',
    method: head.method,
  });
  const response: S3Response = {
    ...rendered,
    headers: [['x-amz-request-id', requestId], ['Server', 'Sluice'], ...rendered.headers],
    close: true,
  };
  return {
    feed: undefined,
    // Not before the parser is through with what it has: a second request hidden in the same
    // bytes must find the first one pending, which makes uWebSockets close the connection.
    response: new Promise((resolve) => setImmediate(resolve, response)),
    cancel: () => undefined,
    finished: () => {
      const { method, rawPath, remoteAddress } = head;
      log.info(
        { requestId, remote: remoteAddress, method, path: rawPath, code: error.code },
        'request refused',
      );
    },
  };
}
