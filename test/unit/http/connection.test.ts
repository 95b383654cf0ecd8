/** Our own HTTP over real sockets: heads in pieces, 100-continue, time bounds, and landing. */
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { openBodies } from '../../../src/body/stream-body.ts';
import type { Bodies } from '../../../src/body/body.ts';
import type { FrontLimits } from '../../../src/http/live-request.ts';
import { startServer } from '../../../src/http/server.ts';
import { silentLog } from '../../../src/base/log.ts';
import { Arena } from '../../../src/memory/arena.ts';
import type { Gateway } from '../../../src/s3/request.ts';
import { FrontEnd, GET, put, sleep } from '../../support/front-end.ts';
import { codeOf, headerOf, RawConnection } from '../../support/raw-client.ts';
import { text } from '../../support/scripted-gateway.ts';

let front: FrontEnd | undefined;

async function serve(limits?: Partial<FrontLimits>): Promise<RawConnection> {
  front = await FrontEnd.start(limits);
  return front.open();
}

afterEach(async () => {
  await front?.close();
  front = undefined;
});

describe('a head in pieces', () => {
  it('cut anywhere is understood', async () => {
    const connection = await serve();
    const gateway = front?.gateway;
    if (gateway === undefined) throw new Error('no gateway');
    gateway.script = (story) => story.answer(text(200, story.head.rawPath));
    const wire = 'GET /p?q HTTP/1.1\r\nHost: x\r\nx-amz-meta-foo_bar: é ü\r\n\r\n';
    const bytes = Buffer.from(wire);
    for (let cut = 1; cut < bytes.length; cut += 3) {
      await connection.trickle([bytes.subarray(0, cut), bytes.subarray(cut)], 2);
      expect((await connection.response()).body.toString()).toBe('/p');
      expect(gateway.last.head.headers.at(-1)).toEqual(['x-amz-meta-foo_bar', 'é ü']);
    }
  });

  it('a line end before a request is forgiven', async () => {
    const connection = await serve();
    if (front) front.gateway.script = (story) => story.answer(text(200, 'ok'));
    expect((await connection.request('GET', `\r\n${GET}`)).status).toBe(200);
  });

  it('a head or a connection that stays away is forgotten', async () => {
    const idle = await serve({ headMs: 200, keepAliveMs: 400 });
    const partial = await front?.open();
    await partial?.write('GET / HT');
    expect(await partial?.closed).toBe('end');
    expect(idle.isClosed).toBe(false);
    expect(await idle.closed).toBe('end');
  });

  it('what cannot be read is answered, and nothing after it is served', async () => {
    const connection = await serve();
    await connection.write(`GET / HTTP/1.1\r\nHost : x\r\n\r\n${GET}`);
    const response = await connection.response();
    expect([response.status, codeOf(response)]).toEqual([400, 'BadRequest']);
    expect(await connection.closed).toBe('end');
    expect(front?.gateway.stories).toHaveLength(0);
  });
});

describe('Expect: 100-continue', () => {
  const expecting = put(5).replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n');

  it('is met when the body is wanted', async () => {
    const connection = await serve();
    await connection.write(expecting);
    const story = await front?.gateway.story(0);
    await sleep(50);
    expect(connection.leftover.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    await connection.write('hello');
    await story?.until(({ ended }) => ended);
    story?.answer(text(200, 'ok'));
    expect((await connection.response()).interim).toEqual([100]);
  });

  it('a refusal comes instead of it, and the connection ends', async () => {
    const connection = await serve();
    if (front) front.gateway.script = (story) => story.answer(text(403, 'no'));
    const response = await connection.request('PUT', expecting);
    expect([response.status, response.interim]).toEqual([403, []]);
    expect(headerOf(response, 'connection')).toBe('close');
  });
});

describe('broken and half-closed', () => {
  it('a chunked body that cannot be read is refused', async () => {
    const connection = await serve();
    await connection.write(
      'PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    );
    const response = await connection.response();
    expect([response.status, response.body.toString()]).toEqual([400, 'InvalidRequest']);
    expect(await connection.closed).toBe('end');
  });

  it('a client that has said all it will still gets its answer', async () => {
    const connection = await serve();
    await connection.write(GET);
    connection.socket.end();
    const story = await front?.gateway.story(0);
    await sleep(50);
    expect(story?.cancelled).toBeUndefined();
    story?.answer(text(200, 'ok'));
    expect((await connection.response()).body.toString()).toBe('ok');
  });
});

describe('bodies received right into the arena', () => {
  const BLOCK = 64 * 1024;
  let bodies: Bodies | undefined;
  afterEach(() => bodies?.close());

  it('arrive whole, whatever their sizes and pieces, also pipelined', async () => {
    const arena = new Arena(64 * BLOCK, BLOCK);
    bodies = await openBodies({ arena, threads: 1 });
    const gateway = hashing(bodies);
    const options = { gateway, arena, host: '127.0.0.1', port: 0, log: silentLog };
    const server = await startServer(options);
    const connection = await RawConnection.open(server.port);
    const sizes = [17_000, BLOCK, BLOCK + 1, 5_000_000, 600_000, 3 * BLOCK, 1_234_567];
    const wire: Buffer[] = [];
    const wanted: string[] = [];
    for (const size of sizes) {
      const body = randomBytes(size);
      wire.push(Buffer.from(put(size)), body);
      wanted.push(createHash('md5').update(body).digest('hex'));
    }
    const all = Buffer.concat(wire);
    const sent = (async () => {
      let at = 0;
      for (const step of [7, 100_000, 1, 65_536, 300_000, 2048, 2_000_000, all.length]) {
        await connection.write(all.subarray(at, (at += step)));
        await sleep(5);
      }
    })();
    for (const md5 of wanted) expect((await connection.response()).body.toString()).toBe(md5);
    await sent;
    connection.destroy();
    await server.close(1000);
    expect(arena.freeCount).toBe(arena.blockCount);
  });

  it('a client that leaves in the middle leaves no block behind', async () => {
    const arena = new Arena(64 * BLOCK, BLOCK);
    bodies = await openBodies({ arena, threads: 1 });
    const gateway = hashing(bodies);
    const options = { gateway, arena, host: '127.0.0.1', port: 0, log: silentLog };
    const server = await startServer(options);
    for (const sent of [40_000, 200_000, 1_000_000, 2_999_999]) {
      const connection = await RawConnection.open(server.port);
      await connection.write(Buffer.concat([Buffer.from(put(3_000_000)), Buffer.alloc(sent)]));
      await sleep(20);
      connection.destroy();
    }
    await sleep(200);
    expect(arena.freeCount).toBe(arena.blockCount);
    await server.close(0);
  });
});

/** Answers each body with its MD5, as the digests over the arena have it. */
function hashing(bodies: Bodies): Gateway {
  return {
    begin: (head, transport) => {
      const length = Number(head.headers.find(([name]) => name === 'content-length')?.[1]);
      const opened = bodies.open(
        {
          framing: 'identity',
          payloadLength: length,
          digests: new Set(['md5']),
          expected: new Map(),
          sha256From: undefined,
          trailer: undefined,
          hasTrailer: false,
          signer: undefined,
        },
        transport,
      );
      const response = (async () => {
        try {
          for await (const block of opened.body.blocks()) block.release();
          const { digests } = await opened.body.settled;
          return text(200, Buffer.from(digests.get('md5') ?? []).toString('hex'));
        } catch {
          return text(400, 'failed');
        }
      })();
      return {
        feed: opened.feed,
        response,
        cancel: (reason) => opened.body.cancel(reason),
        finished: () => undefined,
      };
    },
  };
}
