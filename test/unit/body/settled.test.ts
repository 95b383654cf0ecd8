import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import type { Bodies, BodyPlan, DigestName } from '../../../src/body/body.ts';
import { digestOnce } from '../../../src/body/digests.ts';
import { openBodies } from '../../../src/body/stream-body.ts';
import { Arena } from '../../../src/memory/arena.ts';
import { BodySocket } from '../../support/body-socket.ts';
import { chunkedWire, patterned, piecesOf, planOf, SIGNER } from '../../support/chunked-wire.ts';

const BLOCK = 64 * 1024;
const arena = new Arena(32 * BLOCK, BLOCK);
let bodies: Bodies;

beforeAll(async () => {
  bodies = await openBodies({ arena, threads: 1 });
});
afterAll(() => bodies.close());

// Digest tasks may still be away when a body failed: their blocks come back a moment later.
afterEach(() => expect.poll(() => arena.freeCount, { interval: 2 }).toBe(arena.blockCount));

async function verdict(plan: BodyPlan, wire: Uint8Array): Promise<unknown> {
  const socket = new BodySocket(bodies, plan);
  const done = Promise.all([socket.drain(), socket.send(piecesOf(wire, [40_000]))]);
  const outcome = await socket.body.settled.catch((error: unknown) => error);
  await done;
  return outcome;
}

// Handled on this thread, reserved as a whole, and streamed.
describe.each([9000, 100_000, LIMITS.packedBytes + 50_000])('a body of %i bytes', (size) => {
  const payload = patterned(size);
  const digest = (name: DigestName): Uint8Array =>
    digestOnce([name], payload).get(name) ?? new Uint8Array(0);
  const base64 = (name: DigestName): string => Buffer.from(digest(name)).toString('base64');
  const wrong = (name: DigestName): Uint8Array => digest(name).map((byte) => byte ^ 1);
  const chunkBytes = 8192;

  const signedPlan = planOf(size, { framing: 'aws-chunked', digests: ['md5'], signer: SIGNER });
  const signedWire = chunkedWire(payload, { chunkBytes, signer: SIGNER });
  const trailerPlan = planOf(size, { framing: 'aws-chunked', signer: SIGNER, trailer: 'sha1' });
  const trailerWire = chunkedWire(payload, {
    chunkBytes,
    signer: SIGNER,
    trailer: [`x-amz-checksum-sha1:${base64('sha1')}`],
  });

  it.each<[DigestName, BodyPlan['sha256From'], string, string]>([
    ['md5', undefined, 'BadDigest', 'The Content-MD5 you specified did not match'],
    ['sha1', undefined, 'BadDigest', 'The SHA1 you specified did not match the calculated'],
    ['crc32', undefined, 'BadDigest', 'The CRC32 you specified did not match the calculated'],
    ['crc32c', undefined, 'BadDigest', 'The CRC32C you specified did not match the calculated'],
    ['crc64nvme', undefined, 'BadDigest', 'The CRC64NVME you specified did not match'],
    ['sha256', 'x-amz-checksum-sha256', 'BadDigest', 'The SHA256 you specified did not match'],
    ['sha256', 'x-amz-content-sha256', 'XAmzContentSHA256Mismatch', 'x-amz-content-sha256'],
  ])('with a wrong %s from %s is refused', async (name, sha256From, code, message) => {
    const right = planOf(size, { expected: [[name, digest(name)]], sha256From });
    expect(await verdict(right, payload)).toMatchObject({ size });
    const plan = planOf(size, { expected: [[name, wrong(name)]], sha256From });
    const error = await verdict(plan, payload);
    expect(error).toMatchObject({ name: 'S3Error', code });
    expect((error as Error).message).toContain(message);
  });

  it('whose payload changed is refused by its chunk, wherever it changed', async () => {
    expect(await verdict(signedPlan, signedWire)).toMatchObject({ size });
    for (const at of [100, signedWire.length >> 1, signedWire.length - 200]) {
      const changed = Buffer.from(signedWire);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await verdict(signedPlan, changed)).toMatchObject({ name: 'S3Error' });
    }
    const changed = Buffer.from(signedWire);
    changed[100] = (changed[100] ?? 0) ^ 1;
    expect(await verdict(signedPlan, changed)).toMatchObject({ code: 'SignatureDoesNotMatch' });
  });

  it('whose last, empty chunk is forged is refused', async () => {
    const text = signedWire.toString('latin1');
    const forged = text.slice(0, -8) + text.slice(-8).replace(/[0-9a-f]{4}/, 'beef');
    expect(forged).not.toBe(text);
    expect(await verdict(signedPlan, Buffer.from(forged, 'latin1'))).toMatchObject({
      code: 'SignatureDoesNotMatch',
    });
  });

  it('signed by somebody else is refused', async () => {
    const stranger = { ...SIGNER, signingKey: new Uint8Array(32) };
    const wire = chunkedWire(payload, { chunkBytes, signer: stranger });
    expect(await verdict(signedPlan, wire)).toMatchObject({ code: 'SignatureDoesNotMatch' });
  });

  it('whose trailer was changed, or signed by somebody else, is refused', async () => {
    expect(await verdict(trailerPlan, trailerWire)).toMatchObject({ size });
    const text = trailerWire.toString('latin1');
    const other = Buffer.from(wrong('sha1')).toString('base64');
    const changed = text.replace(base64('sha1'), other);
    expect(await verdict(trailerPlan, Buffer.from(changed, 'latin1'))).toMatchObject({
      code: 'SignatureDoesNotMatch',
    });
  });

  it('whose trailer is well signed but wrong is refused', async () => {
    const trailer = [`x-amz-checksum-sha1:${Buffer.from(wrong('sha1')).toString('base64')}`];
    const wire = chunkedWire(payload, { chunkBytes, signer: SIGNER, trailer });
    expect(await verdict(trailerPlan, wire)).toMatchObject({
      code: 'BadDigest',
      message: 'The SHA1 you specified did not match the calculated checksum.',
    });
  });

  it.each([
    ['lacks the promised checksum', [], 'MalformedTrailerError'],
    ['brings another checksum', ['x-amz-checksum-crc32:AAAAAA=='], 'MalformedTrailerError'],
    ['brings no base64', ['x-amz-checksum-sha1:!'], 'InvalidRequest'],
    ['brings too few bytes', ['x-amz-checksum-sha1:AAAAAA=='], 'InvalidRequest'],
  ])('whose trailer %s is refused', async (_, trailer, code) => {
    const wire = chunkedWire(payload, { chunkBytes, signer: SIGNER, trailer });
    expect(await verdict(trailerPlan, wire)).toMatchObject({ name: 'S3Error', code });
  });

  it('reports what is wrong with a chunk before what is wrong with the trailer', async () => {
    const wire = chunkedWire(payload, { chunkBytes, signer: SIGNER, trailer: ['nonsense'] });
    expect(await verdict(trailerPlan, wire)).toMatchObject({ code: 'MalformedTrailerError' });
    wire[100] = (wire[100] ?? 0) ^ 1;
    expect(await verdict(trailerPlan, wire)).toMatchObject({ code: 'SignatureDoesNotMatch' });
  });

  it('that is shorter or longer than declared is refused', async () => {
    const plain = planOf(size, { digests: ['md5'] });
    const short = await verdict(plain, payload.subarray(1));
    expect(short).toMatchObject({ code: 'IncompleteBody' });
    const long = await verdict(plain, Buffer.concat([payload, Buffer.from('x')]));
    expect(long).toMatchObject({ code: 'IncompleteBody' });
    for (const cut of [1, 100, signedWire.length >> 1]) {
      const wire = signedWire.subarray(0, signedWire.length - cut);
      expect(await verdict(signedPlan, wire)).toMatchObject({ code: 'IncompleteBody' });
    }
  });

  it('gives everything back when it is aborted, anywhere', async () => {
    const gone = new Error('the client went away');
    const pieces = piecesOf(trailerWire, [30_011]);
    for (let sent = 0; sent <= pieces.length; sent += 1 + (pieces.length >> 3)) {
      for (const side of ['abort', 'cancel'] as const) {
        const socket = new BodySocket(bodies, trailerPlan);
        const drained = socket.drain();
        await socket.push(piecesOf(trailerWire, [30_011]).slice(0, sent));
        if (side === 'abort') socket.feed.abort(gone);
        else socket.body.cancel(gone);
        await expect(socket.body.settled).rejects.toBe(gone);
        await drained;
        // What still arrives is swallowed, the end too.
        expect(socket.feed.push(new Uint8Array(10))).toBe(true);
        socket.feed.end();
        socket.feed.abort(new Error('again'));
        await expect(socket.body.settled).rejects.toBe(gone);
      }
    }
  });

  it('gives back what nobody pulled, also after a good verdict', async () => {
    const plan = planOf(size, { digests: ['md5'] });
    const socket = new BodySocket(bodies, plan);
    const iterator = socket.body.blocks()[Symbol.asyncIterator]();
    const first = iterator.next();
    await socket.push(piecesOf(payload.subarray(0, BLOCK), [BLOCK]));
    if (size > BLOCK) (await first).value?.release();
    socket.body.cancel(new Error('no longer wanted'));
    if (size <= BLOCK) await expect(first).rejects.toThrow('no longer wanted');
    else await expect(iterator.next()).rejects.toThrow('no longer wanted');
  });
});

describe('a body without payload', () => {
  it('settles at once, and says what is wrong at once', async () => {
    const good = bodies.open(planOf(0, { digests: ['md5'] }), { resume: () => {} });
    expect((await good.body.settled).size).toBe(0);
    good.feed.end();
    const plan = planOf(0, { expected: [['md5', new Uint8Array(16)]] });
    const bad = bodies.open(plan, { resume: () => {} });
    await expect(bad.body.settled).rejects.toMatchObject({ code: 'BadDigest' });
  });

  it('still brings its chunk and trailer', async () => {
    const plan = planOf(0, { framing: 'aws-chunked', signer: SIGNER, trailer: 'crc32' });
    const trailer = ['x-amz-checksum-crc32:AAAAAA=='];
    const wire = chunkedWire(new Uint8Array(0), { chunkBytes: 8192, signer: SIGNER, trailer });
    expect(await verdict(plan, wire)).toMatchObject({ size: 0 });
    expect(await verdict(plan, wire.subarray(0, 20))).toMatchObject({ code: 'IncompleteBody' });
  });
});

describe('a socket that does not stop', () => {
  it('is cut past the bound of what is kept for it', async () => {
    const piece = new Uint8Array(512 * 1024);
    const socket = new BodySocket(bodies, planOf(64 * piece.length));
    const rounds = LIMITS.bodyStashBytes / piece.length;
    for (let round = 0; round < rounds; round += 1) expect(socket.feed.push(piece)).toBe(false);
    expect(socket.feed.push(piece)).toBe(true);
    await expect(socket.body.settled).rejects.toMatchObject({ code: 'SlowDown' });
  });
});
