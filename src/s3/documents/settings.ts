/**
 * The small documents: who pays for requests, transfer acceleration. Default encryption is not
 * among them until objects are encrypted: a bucket must never promise what nobody does.
 */
import { one, optional, schema, struct, word } from './schema.ts';

export const REQUEST_PAYMENT = schema(
  'RequestPaymentConfiguration',
  struct({ Payer: one(word('BucketOwner', 'Requester')) }),
);

export const ACCELERATE = schema(
  'AccelerateConfiguration',
  struct({ Status: optional(word('Enabled', 'Suspended')) }),
);
