/** The AWS SDK as the tests use it: path style, own connections, errors that can be compared. */
import { S3Client, type S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent } from 'node:http';
import { expect } from 'vitest';

export interface Place {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** `destroy` it after the test: it keeps its connections alive. */
export function s3Client(place: Place, config: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint: place.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: place.accessKey, secretAccessKey: place.secretKey },
    requestHandler: new NodeHttpHandler({
      httpAgent: new Agent({ keepAlive: true, maxSockets: 64 }),
    }),
    ...config,
  });
}

/** Status, code and the request id that every answer carries. */
export async function expectS3Error(
  work: Promise<unknown>,
  status: number,
  code: string,
): Promise<S3ServiceException> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof S3ServiceException)) throw error ?? new Error(`no error, not ${code}`);
  expect([error.$metadata.httpStatusCode, error.name]).toEqual([status, code]);
  expect(error.$metadata.requestId).toMatch(/^[0-9A-F]{16}$/);
  return error;
}
