/**
 * The shape of one S3 operation: parse (pure) → run → render (pure), bound into a handler so
 * that the registry needs no `any`. An operation can only be reached with a verified request.
 */
import type { Body } from '../body/body.ts';
import type { Clock } from '../base/clock.ts';
import type { ChecksumAlgorithm, ObjectStore } from '../objects/contract.ts';
import type { AccessRules } from './access-rules.ts';
import type { Accounts } from './accounts.ts';
import type { VerifiedRequest } from './authn.ts';
import type { EventSink, ObjectEvent } from './events.ts';
import type { Said } from './policy/condition-keys.ts';
import type { S3Request, S3Response } from './request.ts';

/** Who asks, as authentication proved it. */
export interface Identity {
  /** Undefined for an anonymous request. */
  readonly accessKeyId: string | undefined;
  /** Canonical user id. */
  readonly ownerId: string;
  readonly displayName: string;
}

export type Action = `s3:${string}`;

export interface OperationContext {
  readonly request: VerifiedRequest;
  readonly identity: Identity;
  readonly objects: ObjectStore;
  readonly accounts: Accounts;
  /** What configurations of buckets say of access. */
  readonly rules: AccessRules;
  readonly clock: Clock;
  /** Configured region; undefined: any. */
  readonly region: string | undefined;
  /** The client went away, or the server stops. */
  readonly signal: AbortSignal;
  /** Undefined: this server has no targets for event notifications. */
  readonly events: EventSink | undefined;
  /** The length of a day in lifecycle rules. */
  readonly lifecycleDayMs: number;
  /** To be awaited before the answer. Undefined, at the cost of a lookup, when nobody listens. */
  note(bucket: string, ...events: readonly ObjectEvent[]): Promise<void> | undefined;
  /** For a second resource: a copy's source, a key in a document. Throws AccessDenied. */
  authorize(action: Action, bucket: string, key?: string, versionId?: string, said?: Said): void;
}

/** What the body is: nothing wanted, a small document, or an object's bytes. */
export type BodyKind = 'none' | 'document' | 'stream';

export interface Operation<Input, Output> {
  /** What authorisation asks for. */
  readonly action: Action;
  /**
   * `each`: the operation asks for every key that its document names. `document`: it asks again
   * with what its document says, which conditions of policies look at. Default: `request`.
   */
  readonly authorizes?: 'request' | 'each' | 'document';
  readonly body: BodyKind;
  /** Documents only. */
  readonly documentBytesMax?: number;
  /**
   * What `x-amz-checksum-*` headers speak of: the body (default), or what the operation makes of
   * it (the object of a CompleteMultipartUpload, whose body is a list of parts).
   */
  readonly checksumsOf?: 'body' | 'result';
  /**
   * Object data only: the checksum that S3 computes of the body although the client sent none of
   * that kind. Synchronous, before the first byte; throws nothing (the operation will).
   */
  impliedChecksum?(objects: ObjectStore, request: S3Request): ChecksumAlgorithm | undefined;
  /** Pure; throws S3Error. */
  parse(request: S3Request): Input;
  run(context: OperationContext, input: Input, body: Body): Output | Promise<Output>;
  /** Pure. */
  render(output: Output, request: S3Request): S3Response;
}

export interface BoundOperation {
  readonly action: Action;
  readonly authorizes: 'request' | 'each' | 'document';
  readonly body: BodyKind;
  readonly documentBytesMax: number | undefined;
  readonly checksumsOf: 'body' | 'result';
  impliedChecksum(objects: ObjectStore, request: S3Request): ChecksumAlgorithm | undefined;
  handle(context: OperationContext, body: Body): Promise<S3Response>;
}

export function operation<Input, Output>(definition: Operation<Input, Output>): BoundOperation {
  return {
    action: definition.action,
    authorizes: definition.authorizes ?? 'request',
    body: definition.body,
    documentBytesMax: definition.documentBytesMax,
    checksumsOf: definition.checksumsOf ?? 'body',
    impliedChecksum: (objects, request) => definition.impliedChecksum?.(objects, request),
    handle: async (context, body) => {
      const { request } = context.request;
      const input = definition.parse(request);
      return definition.render(await definition.run(context, input, body), request);
    },
  };
}
