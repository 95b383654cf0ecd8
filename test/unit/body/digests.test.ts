import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { DIGESTS, type DigestName } from '../../../src/body/body.ts';
import { DigestSessions } from '../../../src/body/digest-sessions.ts';
import { DigestSlots } from '../../../src/body/digest-slots.ts';
import { DIGEST_BYTES, digestOnce, type Digests } from '../../../src/body/digests.ts';
import { ARENA_RESERVED_BYTES } from '../../../src/memory/arena.ts';
import { loadKernels } from '../../../src/wasm/kernels.ts';
import { patterned, planOf } from '../../support/chunked-wire.ts';

const BYTES_MAX = 64 * 1024;
const pages = (ARENA_RESERVED_BYTES + BYTES_MAX) / 65_536;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const kernels = loadKernels(memory);

const slots = DigestSlots.create(1);

function streamed(
  names: Iterable<DigestName>,
  bytes: Uint8Array,
  cuts: readonly number[],
): Digests {
  new Uint8Array(memory.buffer).set(bytes, ARENA_RESERVED_BYTES);
  const sessions = new DigestSessions(kernels, slots);
  slots.begin(0, planOf(bytes.length, { digests: [...names] }));
  const edges = [0, ...cuts.filter((cut) => cut <= bytes.length).toSorted((a, b) => a - b)];
  for (const [index, edge] of edges.entries()) {
    const next = edges[index + 1] ?? bytes.length;
    const steps = next > edge ? [ARENA_RESERVED_BYTES + edge, next - edge] : [];
    sessions.run({ tasks: [{ slot: 0, steps }], drops: [] });
  }
  const task = { slot: 0, steps: [], finish: { trailer: undefined } };
  const [reply] = sessions.run({ tasks: [task], drops: [] });
  if (reply?.kind !== 'done') throw new Error('no digests');
  return reply.digests;
}

const asHex = (digests: Digests): Record<string, string> =>
  Object.fromEntries([...digests].map(([name, bytes]) => [name, hex(bytes)]));

describe('the digests', () => {
  // The check values that the catalogue of CRCs gives for these nine bytes, and OpenSSL's hashes.
  const NINE = Buffer.from('123456789');
  const KNOWN = {
    md5: createHash('md5').update(NINE).digest('hex'),
    sha1: createHash('sha1').update(NINE).digest('hex'),
    sha256: createHash('sha256').update(NINE).digest('hex'),
    crc32: 'cbf43926',
    crc32c: 'e3069283',
    crc64nvme: 'ae8b14860a799888',
    sha512: createHash('sha512').update(NINE).digest('hex'),
    // By the reference implementation.
    xxhash64: '8cb841db40e6ae83',
    xxhash3: '72dcb18b67a17dff',
    xxhash128: '33119477ede5dcd5e9716427681d5860',
  };

  it('have their published values, streamed and at once', () => {
    expect(asHex(streamed(DIGESTS, NINE, [4]))).toEqual(KNOWN);
    expect(asHex(digestOnce(DIGESTS, NINE))).toEqual(KNOWN);
  });

  it('have the length that S3 declares, leading zeros kept, also of nothing', () => {
    for (const digests of [streamed(DIGESTS, NINE.subarray(9), []), digestOnce(DIGESTS, NINE)]) {
      for (const [name, bytes] of digests) expect(bytes.length, name).toBe(DIGEST_BYTES[name]);
    }
    expect(asHex(digestOnce(['crc32'], NINE.subarray(9)))['crc32']).toBe('00000000');
  });

  it('are those that were asked for', () => {
    expect([...digestOnce(['crc32c'], NINE).keys()]).toEqual(['crc32c']);
    expect([...streamed(['md5', 'sha1'], NINE, []).keys()]).toEqual(['md5', 'sha1']);
  });

  it('are the same however the payload is cut', () => {
    const source = patterned(BYTES_MAX);
    fc.assert(
      fc.property(
        fc.nat(BYTES_MAX),
        fc.array(fc.nat(BYTES_MAX), { maxLength: 5 }),
        (length, cuts) => {
          const bytes = source.subarray(0, length);
          expect(asHex(streamed(DIGESTS, bytes, cuts))).toEqual(asHex(digestOnce(DIGESTS, bytes)));
        },
      ),
      { numRuns: 50 },
    );
  });
});
