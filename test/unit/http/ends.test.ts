/** Clients that are slow or vanish, reads that fail, too many requests, and the server's stop. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { StoreError } from '../../../src/base/store-error.ts';
import type { FrontLimits } from '../../../src/http/live-request.ts';
import { type HttpKind, startServer } from '../../../src/http/server.ts';
import type { BlockBody } from '../../../src/s3/request.ts';
import { BLOCK_BYTES, blocks, FrontEnd, GET, KINDS, put, sleep } from '../../support/front-end.ts';
import { codeOf, headerOf, RawConnection } from '../../support/raw-client.ts';
import { text } from '../../support/scripted-gateway.ts';

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

  describe('slow clients', () => {
    it('a body that stops coming is answered RequestTimeout', async () => {
      const connection = await serve({ bodyIdleMs: 300 });
      await connection.write(`${put(1000)}abc`);
      const response = await connection.response();
      expect([response.status, response.body.toString().trim()]).toEqual([400, 'RequestTimeout']);
      expect(headerOf(response, 'connection')).toBe('close');
    });

    it('a body that keeps coming, however slowly, is not', async () => {
      const connection = await serve({ bodyIdleMs: 400 });
      await connection.write(put(12));
      expect(await connection.trickle('abcdefghijkl', 150)).toBe(true);
      await front.gateway.last.until(({ ended }) => ended);
      front.gateway.last.answer(text(200, 'ok'));
      expect((await connection.response()).status).toBe(200);
    });

    it('time in which the server had the body paused does not count', async () => {
      const connection = await serve({ bodyIdleMs: 200 });
      front.gateway.script = (story) => {
        story.full = true;
      };
      await connection.write(`${put(6)}abc`);
      await sleep(600);
      expect(front.gateway.last.aborted).toBeUndefined();
      front.gateway.last.full = false;
      front.gateway.last.transport.resume();
      await connection.write('def');
      await front.gateway.last.until(({ ended }) => ended);
      front.gateway.last.answer(text(200, 'ok'));
      expect((await connection.response()).status).toBe(200);
    });

    it('a response that nobody reads is cut and its blocks come back', async () => {
      const connection = await serve({ responseIdleMs: 300 });
      front.gateway.script = (story) => story.answer(blocks(400));
      connection.socket.pause();
      await connection.write(GET);
      const story = await front.gateway.story(0);
      await story.until(({ outcomes }) => outcomes.length === 1);
      expect(story.cancelled).toBeDefined();
      expect(story.outcomes[0]?.aborted).toBe(true);
    });

    it('outlive the cut that uWebSockets makes after 10 s', { timeout: 40_000 }, async () => {
      const uploader = await serve();
      await uploader.write(put(15));
      const upload = await front.gateway.story(0);
      const reader = await front.open();
      reader.socket.pause();
      await reader.write(GET);
      (await front.gateway.story(1)).answer(blocks(400));
      const paused = await front.open();
      await paused.write(`${put(2)}a`);
      const body = await front.gateway.story(2);
      await body.until(({ received }) => received === 1);
      // A body that is complete, paused and resumed at its end while the operation takes long.
      body.full = true;
      await paused.write('b');
      await body.until(({ ended }) => ended);
      body.transport.resume();
      expect(await uploader.trickle('a'.repeat(15), 1000)).toBe(true);
      upload.answer(text(200, 'ok'));
      expect((await uploader.response()).status).toBe(200);
      body.answer(text(200, 'ok'));
      expect((await paused.response()).status).toBe(200);
      reader.socket.resume();
      expect((await reader.response()).body).toHaveLength(400 * BLOCK_BYTES);
    });
  });

  describe('while others wait for memory', () => {
    const limits = { contendedMs: 300, contendedBytes: 1000 };
    const text = (response: { body: Buffer }): string => response.body.toString().trim();

    it('a slow upload gives way, a faster one and a small one do not', async () => {
      const slow = await serve(limits);
      const [fast, small] = [await front.open(), await front.open()];
      await slow.write(put(600_000));
      await fast.write(put(600_000));
      await small.write(put(1000));
      await front.gateway.story(2);
      await sleep(600);
      expect(front.gateway.stories.map(({ aborted }) => aborted)).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      const kept = fast.trickle(Array(40).fill(Buffer.alloc(1000)), 20);
      await sleep(100);
      front.contend('ingest');
      const response = await slow.response();
      expect([response.status, text(response)]).toEqual([400, 'RequestTimeout']);
      await front.relax();
      expect(await kept).toBe(true);
      const aborted = front.gateway.stories.map((story) => story.aborted !== undefined);
      expect(aborted).toEqual([true, false, false]);
    });

    it('for parity only bodies that are striped give way', async () => {
      const packed = await serve(limits);
      const striped = await front.open();
      await packed.write(put(400_000));
      await striped.write(put(600_000));
      await front.gateway.story(1);
      front.contend('parity');
      expect((await striped.response()).status).toBe(400);
      await sleep(600);
      expect(front.gateway.stories.map(({ aborted }) => aborted === undefined)).toEqual([
        true,
        false,
      ]);
    });

    it('a reader that stopped gives way', async () => {
      const reader = await serve(limits);
      front.gateway.script = (story) => story.answer(blocks(400));
      reader.socket.pause();
      await reader.write(GET);
      const story = await front.gateway.story(0);
      await sleep(600);
      expect(story.outcomes).toEqual([]);
      front.contend('ingest');
      await sleep(600);
      expect(story.outcomes).toEqual([]);
      front.contend('read');
      await story.until(({ outcomes }) => outcomes.length === 1);
    });
  });

  describe('an end that nobody planned', () => {
    it('a client that leaves during its upload: the body and the operation hear of it', async () => {
      const connection = await serve();
      await connection.write(`${put(1000)}abc`);
      await sleep(20);
      connection.destroy();
      const story = front.gateway.last;
      await story.until(({ outcomes }) => outcomes.length === 1);
      expect(story.aborted).toBeDefined();
      expect(story.cancelled).toBeDefined();
      expect(story.outcomes).toEqual([{ bytesSent: 0, aborted: true }]);
      // The answer that comes too late is dropped, with what it holds.
      story.answer(blocks(2));
    });

    it('a client that leaves during its download: the blocks come back', async () => {
      const connection = await serve();
      front.gateway.script = (story) => story.answer(blocks(400));
      connection.socket.pause();
      await connection.write(GET);
      await sleep(100);
      connection.destroy();
      await front.gateway.last.until(({ outcomes }) => outcomes.length === 1);
      expect(front.gateway.last.outcomes[0]?.aborted).toBe(true);
    });

    it('a read that fails before its first byte becomes an error document', async () => {
      const connection = await serve();
      const fault = { after: 0, error: new StoreError('unavailable', 'gone') };
      front.gateway.script = (story) => story.answer(blocks(3, fault));
      const response = await connection.request('GET', GET);
      expect([response.status, codeOf(response)]).toEqual([503, 'ServiceUnavailable']);
      expect(headerOf(response, 'x-amz-request-id')).toBe('R');
      expect(response.body.toString()).toContain('<RequestId>R</RequestId>');
      front.gateway.script = (story) => story.answer(text(200, 'ok'));
      expect((await connection.request('GET', GET)).status).toBe(200);
    });

    it('a read that fails later cuts the connection: never a short or mixed body', async () => {
      const connection = await serve();
      const fault = { after: 2, error: new StoreError('corrupt', 'bad') };
      front.gateway.script = (story) => story.answer(blocks(3, fault));
      await expect(connection.request('GET', GET)).rejects.toThrow(/closed/);
    });

    it('a body that goes on past its length does no harm to the connection', async () => {
      const connection = await serve();
      front.gateway.script = (story) => {
        const body = blocks(2).body as BlockBody;
        story.answer({ ...blocks(1), body: { length: BLOCK_BYTES, blocks: body.blocks } });
      };
      expect((await connection.request('GET', GET)).body).toHaveLength(BLOCK_BYTES);
      front.gateway.script = (story) => story.answer(text(200, 'ok'));
      const next = await connection.request('GET', GET);
      expect(next.body.toString()).toBe('ok');
    });

    it('a gateway that throws is an InternalError, and the connection ends', async () => {
      const connection = await serve();
      front.gateway.script = () => {
        throw new Error('broken');
      };
      const response = await connection.request('GET', GET);
      expect([response.status, codeOf(response)]).toEqual([500, 'InternalError']);
      front.gateway.stories.length = 0;
    });

    it('pipelined requests: served in turn, or the connection ends', async () => {
      const connection = await serve();
      await connection.write(GET + GET + GET);
      if (kind === 'uwebsockets') {
        expect(await connection.closed).toBe('end');
        expect(front.gateway.stories).toHaveLength(1);
        return;
      }
      for (const index of [0, 1, 2]) {
        await sleep(30);
        expect(front.gateway.stories).toHaveLength(index + 1);
        front.gateway.last.answer(text(200, `answer ${index}`));
        expect((await connection.response()).body.toString()).toBe(`answer ${index}`);
      }
    });
  });

  describe('load and stop', () => {
    it('one request too many is told to slow down, without reaching the protocol', async () => {
      const connection = await serve({ requestCount: 2 });
      const others = await Promise.all([front.open(), front.open()]);
      for (const other of others) await other.write(GET);
      await sleep(50);
      const response = await connection.request('GET', GET);
      expect([response.status, codeOf(response)]).toEqual([503, 'SlowDown']);
      expect(front.gateway.stories).toHaveLength(2);
      for (const story of front.gateway.stories) story.answer(text(200, 'ok'));
      for (const other of others) expect((await other.response()).status).toBe(200);
    });

    it('a stop lets what runs end, refuses what comes and closes what idles', async () => {
      const connection = await serve();
      const idle = await front.open();
      const late = await front.open();
      await connection.write(GET);
      await sleep(30);
      const stopped = front.server.close(5000);
      const refused = await late.request('GET', GET);
      expect([refused.status, codeOf(refused)]).toEqual([503, 'ServiceUnavailable']);
      await expect(RawConnection.open(front.server.port)).rejects.toThrow('ECONNREFUSED');
      expect(idle.isClosed).toBe(false);
      front.gateway.last.answer(text(200, 'done'));
      expect((await connection.response()).body.toString()).toBe('done');
      await stopped;
      expect(await idle.closed).toBe('end');
    });

    it('a stop is bounded', async () => {
      const connection = await serve();
      await connection.write(`${put(10)}abc`);
      await sleep(30);
      const startMs = Date.now();
      await front.server.close(100);
      expect(Date.now() - startMs).toBeLessThan(1000);
      expect(front.gateway.last.cancelled).toBeDefined();
      await connection.closed;
    });

    it('a taken port is an error that names it', async () => {
      await serve();
      const again = {
        gateway: front.gateway,
        arena: { isAwaited: () => false },
        host: '127.0.0.1',
        port: front.server.port,
        log: silentLog,
      };
      await expect(startServer(again)).rejects.toThrow(`127.0.0.1:${front.server.port}`);
    });
  });
});
