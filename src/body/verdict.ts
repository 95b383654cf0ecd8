/**
 * The last word on a payload: compares what was computed with everything the headers and the
 * trailer declared. It names the first difference as AWS does, or yields the payload.
 */
import { assert } from '../base/assert.ts';
import { base64, equalConstantTime, hex } from '../base/bytes.ts';
import { S3Error } from '../base/s3-error.ts';
import type { BodyPlan, DigestName, Payload } from './body.ts';
import type { Digests } from './digests.ts';
import type { Trailer } from './framing.ts';
import { trailingChecksum } from './trailer.ts';

/** What the client claimed, from both ends of the body. */
export interface Claims {
  readonly plan: BodyPlan;
  /** Value of the promised trailing checksum. */
  readonly trailing: Uint8Array | undefined;
}

/** Throws the S3Error of a malformed trailer, or of one that breaks the headers' promise. */
export function claimsOf(plan: BodyPlan, trailer: Trailer | undefined): Claims {
  const trailing = trailer === undefined ? undefined : trailingChecksum(trailer, plan.trailer);
  return { plan, trailing };
}

/** Throws BadDigest or XAmzContentSHA256Mismatch. */
export function settle({ plan, trailing }: Claims, digests: Digests, size: number): Payload {
  for (const [name, claimed] of plan.expected) {
    const computed = computedOf(digests, name);
    if (!equalConstantTime(claimed, computed)) throw mismatch(plan, name, claimed, computed);
  }
  if (plan.trailer !== undefined && trailing !== undefined) {
    const computed = computedOf(digests, plan.trailer);
    if (!equalConstantTime(trailing, computed)) throw wrongChecksum(plan.trailer);
  }
  return { size, digests };
}

function computedOf(digests: Digests, name: DigestName): Uint8Array {
  const computed = digests.get(name);
  assert(computed !== undefined, 'a plan computes every digest that it checks');
  return computed;
}

function mismatch(
  plan: BodyPlan,
  name: DigestName,
  claimed: Uint8Array,
  computed: Uint8Array,
): S3Error {
  if (name === 'md5' && plan.declared !== 'md5') {
    return new S3Error('BadDigest', {
      message: 'The Content-MD5 you specified did not match what we received.',
      fields: { ExpectedDigest: base64(claimed), CalculatedDigest: base64(computed) },
    });
  }
  if (name === 'sha256' && plan.sha256From === 'x-amz-content-sha256') {
    return new S3Error('XAmzContentSHA256Mismatch', {
      fields: {
        ClientComputedContentSHA256: hex(claimed),
        S3ComputedContentSHA256: hex(computed),
      },
    });
  }
  return wrongChecksum(name);
}

function wrongChecksum(name: DigestName): S3Error {
  const message = `The ${name.toUpperCase()} you specified did not match the calculated checksum.`;
  return new S3Error('BadDigest', { message });
}
