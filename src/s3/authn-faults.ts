/**
 * What authentication answers to credentials that it does not accept, in AWS's words. Tells the
 * holder of a key what the server signed, and nobody anything about keys, buckets or objects.
 */
import { S3Error, type S3ErrorDetails } from '../base/s3-error.ts';
import type { Presented } from './sigv4.ts';

export function wrongScope(
  form: Presented['form'],
  message: string,
  details: Pick<S3ErrorDetails, 'fields' | 'headers'> = {},
): S3Error {
  return form === 'query'
    ? new S3Error('AuthorizationQueryParametersError', {
        ...details,
        message: `Error parsing the X-Amz-Credential parameter; ${message}`,
      })
    : new S3Error('AuthorizationHeaderMalformed', {
        ...details,
        message: `The authorization header is malformed; ${message}`,
      });
}

export function twoMechanisms(authorization: string): S3Error {
  return new S3Error('InvalidArgument', {
    message:
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, ' +
      'Signature query string parameter or the Authorization header should be specified',
    fields: { ArgumentName: 'Authorization', ArgumentValue: authorization },
  });
}

/** Signature version 2, and whatever came before. */
export function oldForm(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'The authorization mechanism you have provided is not supported. ' +
      'Please use AWS4-HMAC-SHA256.',
  });
}

export function otherScheme(authorization: string): S3Error {
  if (authorization.startsWith('AWS ') || authorization.startsWith('AWS4-')) return oldForm();
  return new S3Error('InvalidArgument', {
    message: 'Unsupported Authorization Type',
    fields: { ArgumentName: 'Authorization', ArgumentValue: authorization },
  });
}

function bytesOf(text: string): string {
  return Buffer.from(text)
    .toString('hex')
    .replaceAll(/(..)(?=.)/g, '$1 ');
}

export interface Mismatch {
  readonly accessKeyId: string;
  readonly stringToSign: string;
  readonly signature: string;
  /** Undefined where the string to sign has none. */
  readonly canonicalRequest?: string | undefined;
}

/** Carries what the server signed, as AWS does: the client sees where its own text differs. */
export function mismatch(what: Mismatch): S3Error {
  const { accessKeyId, stringToSign, signature, canonicalRequest } = what;
  return new S3Error('SignatureDoesNotMatch', {
    fields: {
      AWSAccessKeyId: accessKeyId,
      StringToSign: stringToSign,
      SignatureProvided: signature,
      StringToSignBytes: bytesOf(stringToSign),
      ...(canonicalRequest === undefined
        ? {}
        : {
            CanonicalRequest: canonicalRequest,
            CanonicalRequestBytes: bytesOf(canonicalRequest),
          }),
    },
  });
}
