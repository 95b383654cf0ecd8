/**
 * Who signed a posted form: the fields of SigV4 and of SigV2, and the signature that each must
 * have over the policy as it was sent. Pure; whose secret it is and whether SigV2 is on is decided
 * by the caller.
 * Source: AmazonS3/latest/API/sigv4-post-example.html
 */
import { createHmac } from 'node:crypto';
import { S3Error } from '../../base/s3-error.ts';
import {
  ALGORITHM,
  type Presented,
  deriveSigningKey,
  parseCredential,
  signatureOf,
} from '../sigv4.ts';

type Fields = ReadonlyMap<string, string>;

interface Signed {
  readonly accessKeyId: string;
  /** Base64, as sent: that text is what is signed. */
  readonly policy: string;
  readonly signature: string;
}

export type FormSignature =
  | (Signed & { readonly version: 4; readonly presented: Presented })
  | (Signed & { readonly version: 2 });

function required(fields: Fields, name: string, shown = name): string {
  const value = fields.get(name);
  if (value !== undefined && value !== '') return value;
  throw new S3Error('InvalidArgument', {
    message:
      `Bucket POST must contain a field named '${shown}'.  If it is specified, please check the ` +
      'order of the fields.',
    fields: { ArgumentName: shown, ArgumentValue: '' },
  });
}

export function requiredKey(fields: Fields): string {
  return required(fields, 'key');
}

function presentedV4(fields: Fields, signature: string): Presented {
  const date = required(fields, 'x-amz-date', 'X-Amz-Date');
  return {
    form: 'query',
    ...parseCredential(required(fields, 'x-amz-credential', 'X-Amz-Credential'), 'query'),
    signedHeaders: [],
    signature,
    date,
    expires: undefined,
  };
}

/** Undefined: nobody signed. Throws InvalidArgument for a signature that lacks a part. */
export function parseFormSignature(fields: Fields): FormSignature | undefined {
  const algorithm = fields.get('x-amz-algorithm');
  const isV4 = algorithm !== undefined || fields.has('x-amz-signature');
  if (!isV4 && !fields.has('awsaccesskeyid') && !fields.has('signature')) {
    if (!fields.has('policy')) return undefined;
    // A policy that nobody signed is no permission.
    required(fields, 'x-amz-signature', 'X-Amz-Signature');
  }
  const policy = required(fields, 'policy');
  if (!isV4) {
    const accessKeyId = required(fields, 'awsaccesskeyid', 'AWSAccessKeyId');
    return { version: 2, accessKeyId, policy, signature: required(fields, 'signature') };
  }
  if (algorithm !== ALGORITHM) {
    throw new S3Error('InvalidArgument', {
      message: `X-Amz-Algorithm only supports "${ALGORITHM}"`,
      fields: { ArgumentName: 'X-Amz-Algorithm', ArgumentValue: algorithm ?? '' },
    });
  }
  const signature = required(fields, 'x-amz-signature', 'X-Amz-Signature');
  const presented = presentedV4(fields, signature);
  return { version: 4, accessKeyId: presented.accessKeyId, policy, signature, presented };
}

/** The signature that the holder of this secret would have sent. */
export function formSignatureOf(signed: FormSignature, secret: string): string {
  if (signed.version === 2) {
    return createHmac('sha1', secret).update(signed.policy).digest('base64');
  }
  return signatureOf(deriveSigningKey(secret, signed.presented), signed.policy);
}
