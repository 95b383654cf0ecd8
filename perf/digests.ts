/**
 * What digesting costs: bodies fed from memory through the real front half (decoder, the one copy,
 * digest threads), nothing stored. Prints nanoseconds of CPU per byte, all threads together, for
 * 1, 2, 4 and 8 bodies at once, beside what feeding alone costs. Run as
 * `node dist/perf/digests.js [--seconds 1] [--rounds 3]`; the best round counts.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { Bodies, BodyPlan, ChunkSigner, DigestName } from '../src/body/body.ts';
import { openBodies } from '../src/body/stream-body.ts';
import { Arena } from '../src/memory/arena.ts';

const MIB = 1024 * 1024;
const PART_BYTES = 8 * MIB;
const CHUNK_BYTES = 64 * 1024;
/** As the HTTP library hands them over under load. */
const PIECE_BYTES = 128 * 1024;
const STREAMS = [1, 2, 4, 8] as const;

const SIGNER: ChunkSigner = {
  seed: 'ab'.repeat(32),
  signingKey: randomBytes(32),
  scope: '20261123/us-east-1/s3/aws4_request',
  date: '20261123T000000Z',
};

interface Mode {
  readonly name: string;
  readonly plan: BodyPlan;
  readonly wire: Uint8Array;
}

function planOf(digests: readonly DigestName[], signer?: ChunkSigner): BodyPlan {
  return {
    framing: signer === undefined ? 'identity' : 'aws-chunked',
    payloadLength: PART_BYTES,
    digests: new Set(digests),
    expected: new Map(),
    sha256From: undefined,
    trailer: undefined,
    hasTrailer: false,
    signer,
  };
}

/** The payload as signed chunks of 64 KiB. */
function chunked(payload: Uint8Array): Uint8Array {
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const empty = sha256(new Uint8Array(0));
  const parts: Uint8Array[] = [];
  let previous = SIGNER.seed;
  for (let at = 0; at <= payload.length; at += CHUNK_BYTES) {
    const chunk = payload.subarray(at, at + CHUNK_BYTES);
    const head = `AWS4-HMAC-SHA256-PAYLOAD\n${SIGNER.date}\n${SIGNER.scope}`;
    const text = `${head}\n${previous}\n${empty}\n${sha256(chunk)}`;
    previous = createHmac('sha256', SIGNER.signingKey).update(text).digest('hex');
    const line = `${chunk.length.toString(16)};chunk-signature=${previous}\r\n`;
    parts.push(Buffer.from(line), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

async function drain(bodies: Bodies, { plan, wire }: Mode): Promise<void> {
  let resumed: () => void = () => {};
  const { body, feed } = bodies.open(plan, { resume: () => resumed() });
  const pulled = (async () => {
    for await (const block of body.blocks()) block.release();
  })();
  for (let at = 0; at < wire.length; at += PIECE_BYTES) {
    const wait = new Promise<void>((resolve) => (resumed = resolve));
    if (!feed.push(wire.subarray(at, at + PIECE_BYTES))) await wait;
    // Each piece comes in a turn of its own, as from a socket.
    await new Promise((resolve) => setImmediate(resolve));
  }
  feed.end();
  await Promise.all([pulled, body.settled]);
}

async function cost(bodies: Bodies, mode: Mode, streams: number, ms: number): Promise<number> {
  let bytes = 0;
  const end = performance.now() + ms;
  const before = process.cpuUsage();
  const stream = async (): Promise<void> => {
    while (performance.now() < end) {
      await drain(bodies, mode);
      bytes += PART_BYTES;
    }
  };
  await Promise.all(Array.from({ length: streams }, stream));
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1e3) / bytes;
}

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '0.5' },
    rounds: { type: 'string', default: '3' },
  },
});

const payload = randomBytes(PART_BYTES);
const wire = chunked(payload);
const MODES: readonly Mode[] = [
  { name: 'feeding alone', plan: planOf([]), wire: payload },
  { name: 'md5', plan: planOf(['md5']), wire: payload },
  { name: 'md5+chunks', plan: planOf(['md5'], SIGNER), wire },
  { name: 'md5+crc64nvme', plan: planOf(['md5', 'crc64nvme']), wire: payload },
  { name: 'md5+crc32', plan: planOf(['md5', 'crc32']), wire: payload },
];

const bodies = await openBodies({ arena: new Arena(128 * MIB) });
for (const mode of MODES) await cost(bodies, mode, 2, 200);
process.stdout.write(`ns of CPU per byte  ${STREAMS.map((n) => `${n} bodies`).join('  ')}\n`);
for (const mode of MODES) {
  const cells: string[] = [];
  for (const streams of STREAMS) {
    let best = Infinity;
    for (let round = 0; round < Number(flags.rounds); round += 1) {
      best = Math.min(best, await cost(bodies, mode, streams, 1000 * Number(flags.seconds)));
    }
    cells.push(best.toFixed(3).padStart(8));
  }
  process.stdout.write(`${mode.name.padEnd(19)} ${cells.join('  ')}\n`);
}
await bodies.close();
