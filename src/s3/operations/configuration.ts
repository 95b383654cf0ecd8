/**
 * Get, Put and Delete of a bucket's configuration, all made from one description: its schema, its
 * place beside the bucket, and what AWS answers when there is none. A configuration is parsed when
 * it is put; what is stored is the JSON of the parsed value, so reading it can't fail.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error, type S3ErrorCode } from '../../base/s3-error.ts';
import type { Schema } from '../documents/schema.ts';
import {
  type Action,
  type BoundOperation,
  type OperationContext,
  operation,
} from '../operation.ts';
import type { S3Response } from '../request.ts';
import { bucketOf } from '../resource.ts';
import { readDocument, XML_HEADERS } from './document.ts';

export interface Configuration<Value> {
  /** Its key beside the bucket. */
  readonly name: string;
  readonly schema: Schema<Value>;
  readonly actions: { readonly get: Action; readonly put: Action; readonly delete?: Action };
  /** What GET answers without one: an error, or a value that every bucket has. */
  readonly missing: S3ErrorCode | { readonly value: Value };
  /** 200 unless AWS answers otherwise. */
  readonly putStatus?: number;
  /** What is stored: may look at the request and at other buckets. Undefined removes it. */
  admit?(value: Value, context: OperationContext, bucket: string): Value | undefined;
  /** After the commit. */
  changed?(value: Value, context: OperationContext, bucket: string): Promise<void>;
  /** Headers of GET and PUT answers. */
  headers?(value: Value): S3Response['headers'];
}

export interface ConfigurationOperations {
  readonly get: BoundOperation;
  readonly put: BoundOperation;
  readonly remove: BoundOperation;
}

const xml = (body: string, headers: S3Response['headers']): S3Response => ({
  status: 200,
  headers: [...XML_HEADERS, ...headers],
  body,
});

export function configuration<Value>(one: Configuration<Value>): ConfigurationOperations {
  const headersOf = (value: Value): S3Response['headers'] => one.headers?.(value) ?? [];
  return {
    get: operation<string, Value>({
      action: one.actions.get,
      body: 'none',
      parse: bucketOf,
      run: ({ objects }, name) => {
        const text = objects.bucket(name).configs.get(one.name);
        if (text !== undefined) return JSON.parse(text) as Value;
        if (typeof one.missing !== 'string') return one.missing.value;
        throw new S3Error(one.missing, { fields: { BucketName: name } });
      },
      render: (value) => xml(one.schema.render(value), headersOf(value)),
    }),

    put: operation<string, S3Response['headers']>({
      action: one.actions.put,
      body: 'document',
      documentBytesMax: LIMITS.configXmlBytes,
      parse: bucketOf,
      run: async (context, name, body) => {
        context.objects.bucket(name);
        const value = one.schema.parse(await readDocument(body, LIMITS.configXmlBytes));
        const admitted = one.admit === undefined ? value : one.admit(value, context, name);
        const text = admitted === undefined ? undefined : JSON.stringify(admitted);
        await context.objects.configureBucket(name, one.name, () => text);
        await one.changed?.(value, context, name);
        return headersOf(admitted ?? value);
      },
      render: (headers) => ({ status: one.putStatus ?? 200, headers, body: undefined }),
    }),

    remove: operation<string, void>({
      action: one.actions.delete ?? one.actions.put,
      body: 'none',
      parse: bucketOf,
      run: ({ objects }, name) => objects.configureBucket(name, one.name, () => undefined),
      render: () => ({ status: 204, headers: [], body: undefined }),
    }),
  };
}
