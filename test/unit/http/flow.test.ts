/** Bodies and answers in every order: early answers, unwanted bodies, pauses, slow readers. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FrontLimits } from '../../../src/http/live-request.ts';
import type { HttpKind } from '../../../src/http/server.ts';
import { BLOCK_BYTES, blocks, FrontEnd, GET, KINDS, put, sleep } from '../../support/front-end.ts';
import { headerOf, type RawConnection } from '../../support/raw-client.ts';
import { text } from '../../support/scripted-gateway.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

let kind: HttpKind;
let front: FrontEnd;

async function serve(limits?: Partial<FrontLimits>): Promise<RawConnection> {
  front = await FrontEnd.start(limits, kind);
  return front.open();
}

afterEach(() => front.close());

describe.each(KINDS)('over %s:', (each) => {
  beforeAll(() => {
    kind = each;
  });

  describe('an answer before the end of the body', () => {
    it('waits for a small rest, and the connection lives on', async () => {
      const connection = await serve();
      front.gateway.script = (story) => story.answer(text(403, 'no'));
      await connection.write(put(100_000));
      await sleep(50);
      await connection.trickle(Array(9).fill(Buffer.alloc(10_000)), 5);
      expect(connection.leftover).toHaveLength(0);
      await connection.write(Buffer.alloc(10_000));
      expect((await connection.response()).body.toString()).toBe('no');
      // What came after the answer was not pushed at a body that is over.
      expect(front.gateway.last).toMatchObject({ received: 0, ended: false, cancelled: undefined });
      expect((await connection.request('GET', GET)).status).toBe(403);
      expect(front.gateway.stories[0]?.outcomes).toEqual([{ bytesSent: 2, aborted: false }]);
    });

    it('leaves at once when much is left; a client that still sends can read it', async () => {
      const connection = await serve();
      front.gateway.script = (story) => story.answer(text(403, '<Error/>'));
      const sent = connection.write(
        Buffer.concat([Buffer.from(put(32 * MIB)), Buffer.alloc(32 * MIB)]),
      );
      const response = await connection.response();
      expect(response.status).toBe(403);
      expect(response.body.toString().trim()).toBe('<Error/>');
      expect(headerOf(response, 'connection')).toBe('close');
      expect(Date.parse(headerOf(response, 'date') ?? '')).toBeGreaterThan(Date.now() - 5000);
      // All was read and dropped: no reset.
      expect(await sent).toBe(true);
      expect(await connection.closed).toBe('end');
      await front.gateway.last.until(({ outcomes }) => outcomes.length === 1);
      expect(front.gateway.last.outcomes[0]?.aborted).toBe(false);
      expect(front.gateway.last.cancelled).toBeUndefined();
    });

    it('HEAD with a body gets its early answer without one', async () => {
      const connection = await serve();
      front.gateway.script = (story) => story.answer({ status: 403, headers: [], body: undefined });
      await connection.write(put(32 * MIB).replace('PUT', 'HEAD'));
      const response = await connection.response('HEAD');
      expect(response.status).toBe(403);
      expect(connection.leftover).toHaveLength(0);
    });

    it('drops no more than its bounds', async () => {
      const connection = await serve({ refusedBytes: MIB, refusedIdleMs: 200 });
      front.gateway.script = (story) => story.answer(text(403, 'no'));
      await connection.write(put(5 * 1024 * MIB));
      expect((await connection.response()).status).toBe(403);
      let pieces = 0;
      while (await connection.write(Buffer.alloc(256 * KIB))) pieces += 1;
      expect(pieces).toBeLessThan(64);
      const idle = await front.open();
      await idle.write(put(5 * 1024 * MIB));
      expect((await idle.response()).status).toBe(403);
      expect(await idle.closed).toBe('end');
    });

    it('comes at last when a small rest never does', async () => {
      const connection = await serve({ refusedIdleMs: 200 });
      front.gateway.script = (story) => story.answer(text(403, 'no'));
      await connection.write(put(1000));
      expect((await connection.response()).status).toBe(403);
      expect(await connection.closed).toBe('end');
    });

    it('a body that nobody wants is dropped and the answer is whole', async () => {
      const connection = await serve();
      front.gateway.wantsBody = false;
      front.gateway.script = (story) => story.answer(blocks(4));
      await connection.write(put(6).replace('PUT', 'GET'));
      await connection.trickle(['abc', 'def'], 20);
      expect((await connection.response()).body).toHaveLength(256 * KIB);
      expect((await connection.request('GET', GET)).body).toHaveLength(0 + 256 * KIB);
    });

    it('a chunked body has no known rest: its answer waits for no more than a small one', async () => {
      const connection = await serve();
      const { gateway } = front;
      gateway.script = (story) => story.answer(text(411, 'length'));
      const start = 'PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
      await connection.write(`${start}3\r\nabc\r\n`);
      await connection.write('0\r\n\r\n');
      expect((await connection.response()).status).toBe(411);
      const piece = Buffer.concat([
        Buffer.from('10000\r\n'),
        Buffer.alloc(0x10000),
        Buffer.from('\r\n'),
      ]);
      await connection.write(start);
      for (let count = 0; count < 64; count += 1) await connection.write(piece);
      const response = await connection.response();
      expect([response.status, headerOf(response, 'connection')]).toEqual([411, 'close']);
    });

    it('an answer that ends the connection waits for nothing, and is whole', async () => {
      const connection = await serve();
      front.gateway.script = (story) => story.answer(text(400, 'bad', { close: true }));
      await connection.write(`${put(9)}abc`);
      expect((await connection.response()).status).toBe(400);
      await connection.write('defghi');
      expect(await connection.closed).toBe('end');
      const other = await front.open();
      await other.write(`${put(3)}abc`);
      expect((await other.response()).body.toString().trim()).toBe('bad');
      expect(await other.closed).toBe('end');
    });
  });

  describe('back-pressure', () => {
    it('pauses a body until its consumer goes on, and nothing is lost', async () => {
      const connection = await serve();
      front.gateway.script = (story) => {
        story.full = true;
      };
      const size = 24 * MIB;
      const sent = connection.write(Buffer.concat([Buffer.from(put(size)), Buffer.alloc(size)]));
      await sleep(100);
      const story = front.gateway.last;
      const first = story.received;
      await sleep(300);
      expect(story.received).toBe(first);
      expect(first).toBeLessThan(4 * MIB);
      story.full = false;
      story.transport.resume();
      await story.until(({ ended }) => ended);
      expect(await sent).toBe(true);
      expect(story.received).toBe(size);
      story.answer(text(200, 'ok'));
      expect((await connection.response()).body.toString()).toBe('ok');
    });

    it('a consumer that resumes from inside push is not left paused', async () => {
      const connection = await serve();
      front.gateway.script = (story) => {
        story.full = true;
        Object.defineProperty(story, 'full', {
          get: () => {
            story.transport.resume();
            return true;
          },
        });
      };
      const size = 8 * MIB;
      await connection.write(Buffer.concat([Buffer.from(put(size)), Buffer.alloc(size)]));
      await front.gateway.last.until(({ ended }) => ended);
      front.gateway.last.answer(text(200, 'ok'));
      expect((await connection.response()).status).toBe(200);
    });

    it('a body paused at its very end does not keep the next request away', async () => {
      const connection = await serve();
      front.gateway.script = (story) => {
        story.full = story.head.method === 'PUT';
      };
      await connection.write(`${put(6)}abc`);
      await sleep(20);
      await connection.write('def');
      front.gateway.last.transport.resume();
      await front.gateway.last.until(({ ended }) => ended);
      front.gateway.last.answer(text(200, 'one'));
      expect((await connection.response()).body.toString()).toBe('one');
      await connection.write(GET);
      (await front.gateway.story(1)).answer(text(200, 'two'));
      expect((await connection.response()).body.toString()).toBe('two');
    });

    it('an early answer is not kept behind a pause', async () => {
      const connection = await serve();
      front.gateway.script = (story) => {
        story.full = true;
      };
      void connection.write(Buffer.concat([Buffer.from(put(32 * MIB)), Buffer.alloc(32 * MIB)]));
      await sleep(50);
      front.gateway.last.answer(text(400, 'bad'));
      expect((await connection.response()).status).toBe(400);
      expect(await connection.closed).toBe('end');
    });

    it('a slow reader holds few blocks and gets every byte', async () => {
      const connection = await serve();
      front.gateway.script = (story) => story.answer(blocks(400));
      connection.socket.pause();
      await connection.write(GET);
      await sleep(300);
      expect(front.held).toBeLessThanOrEqual(1);
      expect(front.server.requests()).toBe(1);
      connection.socket.resume();
      const { body } = await connection.response();
      expect(body).toHaveLength(400 * BLOCK_BYTES);
      for (let index = 0; index < 400; index += 1)
        expect(body[index * BLOCK_BYTES]).toBe(index & 0xff);
      expect(front.gateway.last.outcomes).toEqual([
        { bytesSent: 400 * BLOCK_BYTES, aborted: false },
      ]);
    });
  });
});
