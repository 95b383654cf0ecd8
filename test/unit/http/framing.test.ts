/** Responses on one kept-alive connection: framed so that the next one is always found. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { type HttpKind, type HttpServer, startServer } from '../../../src/http/server.ts';
import { Arena } from '../../../src/memory/arena.ts';
import type { S3Response } from '../../../src/s3/request.ts';
import { KINDS } from '../../support/front-end.ts';
import { headerOf, RawConnection } from '../../support/raw-client.ts';
import { blocksBody, ScriptedGateway, text } from '../../support/scripted-gateway.ts';

const KIB = 1024;
const get = (path: string, method = 'GET'): string =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

let kind: HttpKind;
let gateway: ScriptedGateway;
let server: HttpServer;
let connection: RawConnection;
const arena = new Arena(64 * 64 * KIB, 64 * KIB);

beforeEach(async () => {
  gateway = new ScriptedGateway(() => {});
  server = await startServer({ gateway, arena, host: '127.0.0.1', port: 0, kind, log: silentLog });
  connection = await RawConnection.open(server.port);
});
afterEach(async () => {
  connection.destroy();
  await server.close(0);
  expect(server.requests()).toBe(0);
  expect(arena.freeCount).toBe(arena.blockCount);
});

/** Sends one request, answers it so, and reads the response. */
async function exchange(response: S3Response, method = 'GET') {
  gateway.script = (story) => story.answer(response);
  return connection.request(method, get('/p', method));
}

async function nextIsFound(): Promise<void> {
  const next = await exchange(text(200, 'next'));
  expect([next.status, next.body.toString()]).toEqual([200, 'next']);
  expect(connection.leftover).toHaveLength(0);
}

describe.each(KINDS)('over %s:', (each) => {
  beforeAll(() => {
    kind = each;
  });

  describe('framing', () => {
    it('HEAD keeps the length GET would have, without a body', async () => {
      for (const contentLength of [0, 1, 5 * 1024 ** 4]) {
        const answer = { status: 200, headers: [], body: undefined, contentLength };
        expect(headerOf(await exchange(answer, 'HEAD'), 'content-length')).toBe(
          String(contentLength),
        );
      }
      const unknown = await exchange({ status: 404, headers: [], body: undefined }, 'HEAD');
      expect(headerOf(unknown, 'content-length')).toBeUndefined();
      await nextIsFound();
    });

    it('304 and 204 have no body; 304 keeps a length it was given', async () => {
      const plain = await exchange({ status: 304, headers: [['ETag', '"e"']], body: undefined });
      expect(headerOf(plain, 'content-length')).toBeUndefined();
      expect(headerOf(plain, 'etag')).toBe('"e"');
      const long = await exchange({ status: 304, headers: [], body: undefined, contentLength: 99 });
      expect(headerOf(long, 'content-length')).toBe('99');
      const none = await exchange({ status: 204, headers: [], body: undefined });
      expect(headerOf(none, 'content-length')).toBeUndefined();
      await nextIsFound();
    });

    it('no body and empty bodies say length 0', async () => {
      for (const body of [undefined, '', new Uint8Array(0), blocksBody(arena, 0)]) {
        const response = await exchange({ status: 200, headers: [], body });
        expect(headerOf(response, 'content-length')).toBe('0');
      }
      await nextIsFound();
    });

    it('text is counted in bytes', async () => {
      const response = await exchange(text(206, 'é€'));
      expect([response.status, response.body.toString()]).toEqual([206, 'é€']);
      await nextIsFound();
    });

    it('arena blocks arrive whole and in order', async () => {
      for (const count of [1, 2, 24]) {
        const response = await exchange({
          status: 200,
          headers: [],
          body: blocksBody(arena, count),
        });
        expect(response.body.length).toBe(count * 64 * KIB);
        for (let index = 0; index < count; index += 1) {
          const block = response.body.subarray(index * 64 * KIB, (index + 1) * 64 * KIB);
          expect(block.every((byte) => byte === index)).toBe(true);
        }
      }
      await nextIsFound();
    });

    it('has one Date, no product name, and the words of the front end on framing', async () => {
      const headers: [string, string][] = [
        ['Content-Length', '7'],
        ['Transfer-Encoding', 'chunked'],
        ['Connection', 'upgrade'],
        ['Date', 'yesterday'],
      ];
      const response = await exchange({ status: 200, headers, body: 'x' });
      expect(Date.parse(headerOf(response, 'date') ?? '')).toBeGreaterThan(Date.now() - 5000);
      expect(headerOf(response, 'content-length')).toBe('1');
      expect(headerOf(response, 'transfer-encoding')).toBeUndefined();
      expect(headerOf(response, 'connection')).toBeUndefined();
      expect(headerOf(response, 'uwebsockets')).toBeUndefined();
      await nextIsFound();
    });

    it('a line break in a header value cannot end the header', async () => {
      const headers: [string, string][] = [
        ['Content-Disposition', 'a\r\nSet-Cookie: b\r\n\r\n<x>'],
      ];
      const response = await exchange({ status: 200, headers, body: 'x' });
      expect(headerOf(response, 'content-disposition')).toBe('a Set-Cookie: b <x>');
      await nextIsFound();
    });

    it('closes after a response that asks for it, with the whole response sent', async () => {
      const response = await exchange(text(200, 'bye', { close: true }));
      expect(headerOf(response, 'connection')).toBe('close');
      expect(response.body.toString()).toBe('bye');
      expect(await connection.closed).toBe('end');
    });

    it('closes when the client asks for it', async () => {
      gateway.script = (story) =>
        story.answer({ status: 200, headers: [], body: blocksBody(arena, 8) });
      await connection.write('GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      expect((await connection.response()).body.length).toBe(8 * 64 * KIB);
      expect(await connection.closed).toBe('end');
    });

    it('hands over the head as it was on the wire', async () => {
      gateway.script = (story) => story.answer(text(200, ''));
      await connection.request(
        'GET',
        'GET /b/a%2Fb//../c?x=%20&y+z HTTP/1.1\r\nHOST: h\r\nX-A: 1\r\nx-a:   2  \r\nx-e: a é b\r\n\r\n',
      );
      const { head } = gateway.last;
      expect(head).toMatchObject({
        method: 'GET',
        rawPath: '/b/a%2Fb//../c',
        rawQuery: 'x=%20&y+z',
        remoteAddress: '127.0.0.1',
      });
      expect(head.headers).toEqual([
        ['host', 'h'],
        ['x-a', '1'],
        ['x-a', '2'],
        ['x-e', 'a é b'],
      ]);
    });
  });
});
