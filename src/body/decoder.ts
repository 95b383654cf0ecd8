/** Chooses the decoder that a plan asks for: the only place that knows both. */
import { AwsChunkedDecoder } from './aws-chunked.ts';
import type { BodyPlan } from './body.ts';
import { IdentityDecoder, type Decoder, type FrameSink } from './framing.ts';

export function openDecoder(plan: BodyPlan, sink: FrameSink): Decoder {
  const { payloadLength, lengthMin, hasTrailer } = plan;
  if (plan.framing === 'identity') return new IdentityDecoder(payloadLength, sink, lengthMin);
  const signed = plan.signer !== undefined;
  return new AwsChunkedDecoder({ payloadLength, hasTrailer, signed }, sink);
}
