/** Heads at and past their bounds: an S3 error or a closed connection, never a hang, never a crash. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.ts';
import { codeOf, RawConnection, type RawResponse, signHead } from '../support/raw-client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

let sluice: SluiceInside;

beforeAll(async () => {
  sluice = await openSluice();
});
afterAll(async () => {
  await sluice.idle();
  await sluice.close();
});

async function listBuckets(headers: Record<string, string> = {}): Promise<string> {
  return (await signHead(sluice, { method: 'GET', port: sluice.port, path: '/', headers })).text;
}

const many = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-test-${index}`, 'v']));

/** Headers that signing adds: host, date, payload hash, authorization. */
const SIGNED_HEADERS = 4;

/** The response, or undefined when the connection was closed without one. */
async function answer(bytes: string): Promise<RawResponse | undefined> {
  const connection = await RawConnection.open(sluice.port);
  await connection.write(bytes);
  const response = await connection.response().catch((error: Error) => {
    expect(error.message).toMatch(/^closed/);
    return undefined;
  });
  if (response !== undefined && response.status >= 400) await connection.closed;
  connection.destroy();
  return response;
}

describe('the count of headers', () => {
  it('is served up to its bound and refused above', async () => {
    const most = LIMITS.headerCount - SIGNED_HEADERS;
    expect((await answer(await listBuckets(many(most))))?.status).toBe(200);
    for (const count of [most + 1, 2 * most]) {
      const response = await answer(await listBuckets(many(count)));
      expect(response?.status).toBe(400);
      expect(codeOf(response as RawResponse)).toBe('RequestHeaderSectionTooLarge');
    }
  });
});

describe('the bytes of a head', () => {
  it('is served up to its bound', async () => {
    const headers = { 'x-test': 'a'.repeat(LIMITS.headerBytes - 1500) };
    expect((await answer(await listBuckets(headers)))?.status).toBe(200);
  });

  it.each([1, 100])('is refused at %i bytes more than the bound', async (more) => {
    const response = await answer(
      await listBuckets({ 'x-test': 'a'.repeat(LIMITS.headerBytes + more) }),
    );
    expect([400, 431]).toContain(response?.status);
  });

  it.each([1, 16, 256])('is refused when it never ends, in pieces of %i KiB', async (kib) => {
    const connection = await RawConnection.open(sluice.port);
    await connection.write('GET / HTTP/1.1\r\nHost: x\r\nx: ');
    const piece = 'a'.repeat(kib * 1024);
    let pieces = 0;
    while (pieces < 1000 && (await connection.trickle([piece], 2))) pieces += 1;
    expect(pieces * kib).toBeLessThan(1000);
    await connection.closed;
  });

  it('a head that comes byte by byte is understood', async () => {
    const connection = await RawConnection.open(sluice.port);
    expect(await connection.trickle(await listBuckets(), 0)).toBe(true);
    expect((await connection.response()).status).toBe(200);
    connection.destroy();
  });
});

describe('a head that was damaged', () => {
  it('gets an answer or an end, and the server goes on', { timeout: 60_000 }, async () => {
    const put = { method: 'PUT', port: sluice.port, path: '/bucket/key' };
    const signed = await signHead(sluice, { ...put, headers: { 'content-length': '4' } });
    const whole = Buffer.from(`${signed.text}body`);
    const damage = fc.record({
      at: fc.nat(whole.length - 1),
      drop: fc.nat(3),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 4 }),
        fc.constantFrom('\r\n', '\n', ': ', ' ', '\0', 'Content-Length: 9\r\n').map(Buffer.from),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
        let bytes: Buffer = whole;
        for (const { at, drop, insert } of damages) {
          bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + drop)]);
        }
        const connection = await RawConnection.open(sluice.port);
        await connection.write(bytes);
        // What waits for more bytes is ended by the idle cut, which another test waits for.
        const limit = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 30));
        const response = await Promise.race([connection.response().catch(() => undefined), limit]);
        connection.destroy();
        if (response !== undefined) expect(response.status).toBeGreaterThanOrEqual(400);
      }),
      { numRuns: 300 },
    );
    await sluice.idle();
    expect((await answer(await listBuckets()))?.status).toBe(200);
  });
});
