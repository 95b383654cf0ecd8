/**
 * Runs one operation of the protocol alone: a request in, the calls that reached the object store
 * and the response out. For parse and render; the whole path is tested through the front door.
 */
import type { Body } from '../../src/body/body.ts';
import type { Bucket, ObjectStore } from '../../src/objects/contract.ts';
import { AccessRules } from '../../src/s3/access-rules.ts';
import type { VerifiedRequest } from '../../src/s3/authn.ts';
import type { BoundOperation, OperationContext } from '../../src/s3/operation.ts';
import type { S3Response } from '../../src/s3/request.ts';
import { resolveRequest } from '../../src/s3/resource.ts';

export interface Asked {
  readonly method?: string;
  /** Path and query as on the wire. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Ran {
  readonly response: S3Response;
  /** Calls on the object store, in order. */
  readonly calls: readonly (readonly [method: string, ...args: unknown[]])[];
  /** Second resources that authorisation was asked for. */
  readonly authorized: readonly string[];
}

/** What the bucket is unless a test says otherwise. */
const BUCKET: Bucket = {
  id: 'bucket-id',
  volume: 's3v',
  name: 'b',
  ownerId: 'owner-id',
  createdMs: 0,
  location: '',
  replication: undefined,
  configs: new Map(),
};

/** `answers`: what each method of the object store returns; an Error is thrown. */
export async function run(
  operation: BoundOperation,
  asked: Asked,
  answers: Readonly<Partial<Record<keyof ObjectStore, unknown>>> = {},
  settings: { readonly region?: string | undefined } = {},
): Promise<Ran> {
  const [rawPath = '', rawQuery = ''] = asked.target.split('?', 2);
  const request = resolveRequest(
    {
      method: asked.method ?? 'GET',
      rawPath,
      rawQuery,
      headers: Object.entries({ host: 'localhost:9878', ...asked.headers }),
      remoteAddress: '127.0.0.1',
      secure: false,
    },
    'request-id',
    [],
  );
  const calls: [string, ...unknown[]][] = [];
  const authorized: string[] = [];
  const objects = new Proxy({} as ObjectStore, {
    get: (_, method: string) => {
      return (...args: unknown[]): unknown => {
        const answer = answers[method as keyof ObjectStore];
        if (method !== 'bucket' || answer !== undefined) calls.push([method, ...args]);
        if (answer instanceof Error) throw answer;
        return answer ?? (method === 'bucket' ? BUCKET : undefined);
      };
    },
  });
  const bytes = Buffer.from(asked.body ?? '');
  const context: OperationContext = {
    request: { request } as unknown as VerifiedRequest,
    identity: { accessKeyId: 'AKID', ownerId: 'owner-id', displayName: 'root' },
    objects,
    accounts: {
      byId: (id) =>
        id === 'owner-id'
          ? { id, displayName: 'root', email: undefined, admin: false, policy: undefined }
          : undefined,
      byEmail: () => undefined,
    },
    rules: new AccessRules('BucketOwnerEnforced'),
    clock: { now: () => 0 },
    region: settings.region,
    signal: new AbortController().signal,
    events: undefined,
    lifecycleDayMs: 86_400_000,
    note: () => undefined,
    authorize: (action, bucket, key) => void authorized.push(`${action} ${bucket}/${key}`),
  };
  const body = { bytes: async () => Promise.resolve(bytes) } as unknown as Body;
  return { response: await operation.handle(context, body), calls, authorized };
}

/** The S3 code that a promise fails with; throws when it does not fail. */
export async function codeOf(running: Promise<unknown>): Promise<string> {
  try {
    await running;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  throw new Error('a failure was expected');
}

export function headersOf(response: S3Response): Record<string, string> {
  return Object.fromEntries(response.headers);
}
