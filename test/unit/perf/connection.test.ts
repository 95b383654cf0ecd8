import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Connection, unchunk } from '../../../perf/connection.ts';

let server: Server | undefined;
let connection: Connection | undefined;
afterEach(() => {
  connection?.close();
  server?.close();
});

/** Answers every request with the same bytes, cut into pieces of `step` that travel apart. */
async function talkTo(answer: string, step: number): Promise<Connection> {
  const bytes = Buffer.from(answer, 'latin1');
  server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', () => {
      const send = (at: number): void => {
        if (at >= bytes.length) return;
        socket.write(bytes.subarray(at, at + step), () => setImmediate(send, at + step));
      };
      send(0);
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  connection = await Connection.open(port);
  return connection;
}

const SIZED = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello';
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nA\r\nlo world!!\r\n0\r\n\r\n';

describe.each([1, 2, 7, 1000])('answers that come %i bytes at a time', (step) => {
  it('with a length, again and again on one connection', async () => {
    const one = await talkTo(SIZED, step);
    for (let count = 0; count < 3; count += 1) {
      const answer = await one.request('GET', '/', {}, [], true);
      expect([answer.status, answer.bytes.toString(), answer.bodyBytes]).toEqual([200, 'hello', 5]);
      expect(answer.head).toContain('X: y');
    }
  });

  it('in chunks', async () => {
    const one = await talkTo(CHUNKED, step);
    for (let count = 0; count < 2; count += 1) {
      const answer = await one.request('GET', '/', {}, [], true);
      expect([answer.bytes.toString(), answer.bodyBytes]).toEqual(['hello world!!', 13]);
    }
  });

  it('after 100 Continue', async () => {
    const one = await talkTo(`HTTP/1.1 100 Continue\r\n\r\n${SIZED}`, step);
    expect((await one.request('PUT', '/', {}, [Buffer.from('x')], true)).status).toBe(200);
  });

  it('to HEAD, which promise a body that does not come', async () => {
    const one = await talkTo('HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n', step);
    for (let count = 0; count < 2; count += 1) {
      expect((await one.request('HEAD', '/', {})).bodyBytes).toBe(0);
    }
  });
});

it('drops bodies that nobody asked for, but keeps what an error says', async () => {
  expect((await (await talkTo(SIZED, 9)).request('GET', '/', {})).bytes).toHaveLength(0);
  connection?.close();
  const sorry = await talkTo('HTTP/1.1 503 Slow\r\nContent-Length: 5\r\n\r\nsorry', 9);
  expect((await sorry.request('GET', '/', {})).bytes.toString()).toBe('sorry');
});

it('fails the request that its peer left without an answer', async () => {
  const one = await talkTo('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort', 1000);
  const asked = one.request('GET', '/', {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  one.close();
  await expect(Promise.race([asked, Promise.reject(new Error('closed'))])).rejects.toThrow();
  await expect(one.request('GET', '/', {})).rejects.toThrow('connection closed');
});

it('refuses a chunk without a length', () => {
  expect(() => unchunk(Buffer.from('zz\r\nabc'))).toThrow('without its length');
  expect(() => unchunk(Buffer.from('3\r\nabc\r\n'))).toThrow('without its length');
});
