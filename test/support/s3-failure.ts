/** The S3Error that some work is expected to throw. */
import { expect } from 'vitest';
import { S3Error } from '../../src/base/s3-error.ts';

export async function failure(work: () => unknown): Promise<S3Error> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(S3Error);
    return error as S3Error;
  }
  throw new Error('the work did not fail');
}

export async function failureCode(work: () => unknown): Promise<string> {
  return (await failure(work)).code;
}
