/**
 * What the front end hands to the protocol and gets back: a request head read out of the HTTP
 * library once, and a response as plain data plus, at most, an iterator of arena blocks.
 */
import type { BodyFeed, Transport } from '../body/body.ts';
import type { Block } from '../memory/arena.ts';

/** The head as received. Nothing decoded: SigV4 signs what was on the wire. */
export interface RequestHead {
  /** Upper case. */
  readonly method: string;
  /** Path before `?`, percent-encoding untouched. */
  readonly rawPath: string;
  /** After `?`, without it; empty when there is none. */
  readonly rawQuery: string;
  /** Lower-case names in wire order, duplicates kept, values trimmed. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Text of the peer's address, for the log. */
  readonly remoteAddress: string;
  readonly secure: boolean;
  /** `TLSv1.3`; undefined without TLS. */
  readonly tlsVersion?: string | undefined;
}

/** A request resolved to S3 terms by `s3/resource.ts`. */
export interface S3Request {
  readonly head: RequestHead;
  readonly method: string;
  /** Undefined: the service itself. */
  readonly bucket: string | undefined;
  /** True: the host names the bucket, not the path. */
  readonly hosted?: boolean | undefined;
  /** Decoded; undefined: the bucket itself. Never empty. */
  readonly key: string | undefined;
  /** Decoded, `+` is a space; first value of a repeated name wins. */
  readonly query: ReadonlyMap<string, string>;
  /** Lower-case names; repeated headers joined with `,`. */
  readonly headers: ReadonlyMap<string, string>;
  /** PostObject only: the form's fields by lower-case name, without the file. */
  readonly form?: ReadonlyMap<string, string> | undefined;
  readonly id: string;
}

export interface BlockBody {
  readonly length: number;
  /** Exactly `length` bytes, or a throw: then the front end cuts the connection. */
  readonly blocks: AsyncIterable<Block>;
}

export interface S3Response {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Undefined: no body. For HEAD and 304 the front end sends no body but keeps `contentLength`. */
  readonly body: string | Uint8Array | BlockBody | undefined;
  /** HEAD only: the Content-Length that GET would have had. */
  readonly contentLength?: number;
  /** True: close the connection after this response. */
  readonly close?: boolean;
}

export function isBlockBody(body: S3Response['body']): body is BlockBody {
  return typeof body === 'object' && !(body instanceof Uint8Array);
}

/** One request being served. Returned synchronously from the head alone. */
export interface Exchange {
  /** Where body bytes go; undefined: the request's body is not wanted (drain it or close). */
  readonly feed: BodyFeed | undefined;
  /** Never rejects: faults were rendered as S3 errors. */
  readonly response: Promise<S3Response>;
  /** The client went away: stops what runs. Idempotent. */
  cancel(reason: Error): void;
  /** Called once when the response left completely or was cut: access log and metrics. */
  finished(outcome: { readonly bytesSent: number; readonly aborted: boolean }): void;
}

/** The whole protocol as the front end sees it. Implemented by `s3/dispatch.ts`. */
export interface Gateway {
  /** Routes, authenticates and authorises synchronously, then runs the operation. */
  begin(head: RequestHead, transport: Transport): Exchange;
}
