import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHAIN_BYTES, ChunkChain } from '../../../src/body/chunk-chain.ts';
import { chunkedWire, SIGNER } from '../../support/chunked-wire.ts';

// Chunks, trailer and signatures of the two examples that AWS documents.
const CHUNKS = [Buffer.alloc(65_536, 'a'), Buffer.alloc(1024, 'a'), Buffer.alloc(0)];
const SIGNATURES = [
  'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
  '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
  'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
];
const TRAILER_SEED = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e';
const TRAILER_SIGNATURES = [
  'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
  '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
  '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
];
const TRAILER = 'x-amz-checksum-crc32c:sOO8/Q==';
const TRAILER_SIGNATURE = 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';

function verify(chain: ChunkChain, chunks: readonly Uint8Array[], signatures: readonly string[]) {
  return chunks.map((chunk, index) =>
    chain.verifyChunk(createHash('sha256').update(chunk).digest('hex'), signatures[index] ?? ''),
  );
}

describe('ChunkChain', () => {
  it('verifies the streaming example of AWS', () => {
    expect(verify(ChunkChain.of(SIGNER), CHUNKS, SIGNATURES)).toEqual([true, true, true]);
  });

  it('verifies the trailer example of AWS', () => {
    const chain = ChunkChain.of({ ...SIGNER, seed: TRAILER_SEED });
    expect(verify(chain, CHUNKS, TRAILER_SIGNATURES)).toEqual([true, true, true]);
    expect(chain.verifyTrailer(`${TRAILER}\n`, TRAILER_SIGNATURE)).toBe(true);
  });

  it('goes on from the bytes it is kept in', () => {
    const bytes = Buffer.alloc(CHAIN_BYTES);
    ChunkChain.begin(bytes, SIGNER);
    for (const [index, chunk] of CHUNKS.entries()) {
      const moved = new ChunkChain(Buffer.from(bytes));
      expect(verify(moved, [chunk], SIGNATURES.slice(index))).toEqual([true]);
      expect(verify(new ChunkChain(bytes), [chunk], SIGNATURES.slice(index))).toEqual([true]);
    }
  });

  it('signs as HMAC over the documented text does, whatever the scope, key and signatures', () => {
    const word = fc.stringMatching(/^[a-z0-9-]{1,64}$/);
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(word, key, fc.array(fc.uint8Array(), { maxLength: 5 }), (region, secret, all) => {
        const scope = `20260101/${region}/s3/aws4_request`;
        const signer = { seed: 'ab'.repeat(32), signingKey: secret, scope, date: SIGNER.date };
        const chain = ChunkChain.of(signer);
        const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
        let previous = signer.seed;
        for (const bytes of all) {
          const text =
            `AWS4-HMAC-SHA256-PAYLOAD\n${signer.date}\n${scope}\n${previous}\n` +
            `${sha(new Uint8Array(0))}\n${sha(bytes)}`;
          previous = createHmac('sha256', secret).update(text).digest('hex');
          expect(chain.verifyChunk(sha(bytes), previous)).toBe(true);
        }
        expect(chain.verifyChunk(sha(new Uint8Array(0)), previous)).toBe(false);
      }),
    );
  });

  it('refuses signatures of another length', () => {
    const dataHash = createHash('sha256')
      .update(CHUNKS[0] ?? '')
      .digest('hex');
    const longer = `${SIGNATURES[0]}0`;
    expect(ChunkChain.of(SIGNER).verifyChunk(dataHash, longer)).toBe(false);
    expect(ChunkChain.of(SIGNER).verifyChunk(dataHash, '')).toBe(false);
  });

  it.each<[string, Partial<typeof SIGNER>]>([
    ['seed', { seed: '0'.repeat(64) }],
    ['key', { signingKey: createHash('sha256').digest() }],
    ['scope', { scope: '20130525/us-east-1/s3/aws4_request' }],
    ['date', { date: '20130524T000001Z' }],
  ])('refuses a chunk signed with another %s', (_, change) => {
    const chain = ChunkChain.of({ ...SIGNER, ...change });
    expect(verify(chain, CHUNKS.slice(0, 1), SIGNATURES)).toEqual([false]);
  });

  it('refuses chunks out of order and changed trailers', () => {
    const swapped = [SIGNATURES[1] ?? '', SIGNATURES[0] ?? ''];
    const [first] = verify(ChunkChain.of(SIGNER), [CHUNKS[1] ?? Buffer.alloc(0)], swapped);
    expect(first).toBe(false);
    const chain = ChunkChain.of({ ...SIGNER, seed: TRAILER_SEED });
    verify(chain, CHUNKS, TRAILER_SIGNATURES);
    expect(chain.verifyTrailer(`${TRAILER} \n`, TRAILER_SIGNATURE)).toBe(false);
  });

  it('agrees with the wire bytes that the other tests are made of', () => {
    const payload = Buffer.concat(CHUNKS);
    const wire = chunkedWire(payload, { chunkBytes: 65_536, signer: SIGNER }).toString('latin1');
    const found = [...wire.matchAll(/chunk-signature=([0-9a-f]{64})/g)].map((match) => match[1]);
    expect(found).toEqual(SIGNATURES);
    const signer = { ...SIGNER, seed: TRAILER_SEED };
    const trailed = chunkedWire(payload, { chunkBytes: 65_536, signer, trailer: [TRAILER] });
    expect(trailed.toString('latin1')).toContain(`x-amz-trailer-signature:${TRAILER_SIGNATURE}`);
  });
});
