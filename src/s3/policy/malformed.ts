/**
 * The refusal of policy documents, and what their readers have to know of where one belongs.
 * Every reader throws the same error, so that nothing of a refused document is kept.
 */
import { S3Error } from '../../base/s3-error.ts';

/** Whose policy it is: a bucket's names principals and only that bucket's resources. */
export interface PolicyHome {
  /** Undefined: the policy of an identity. */
  readonly bucket: string | undefined;
  /** Whether an account of this id exists. */
  knows(id: string): boolean;
}

export function malformed(message: string, detail?: string): S3Error {
  return new S3Error('MalformedPolicy', {
    message,
    ...(detail === undefined ? {} : { fields: { Detail: detail } }),
  });
}
