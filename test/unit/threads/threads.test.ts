import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { DigestReply, DigestTask } from '../../../src/body/digest-sessions.ts';
import { Arena } from '../../../src/memory/arena.ts';
import { startWorker, workerUrl } from '../../../src/threads/spawn.ts';
import { StickyPool } from '../../../src/threads/sticky-pool.ts';

const { memory } = new Arena(65_536, 65_536);
const failOnFatal = (error: Error): never => {
  throw error;
};

function openPool(threads: number): Promise<StickyPool<DigestTask, DigestReply>> {
  return StickyPool.open('digest', threads, { memory }, { onFatal: failOnFatal });
}

const opening = (session: number): DigestTask => ({
  session,
  open: { digests: ['md5'], signer: undefined },
  steps: [],
});
const finishing = (session: number): DigestTask => ({
  session,
  steps: [],
  finish: { trailer: undefined },
});

describe('workerUrl', () => {
  it('names compiled entry points that exist', () => {
    expect(existsSync(workerUrl('digest'))).toBe(true);
    expect(workerUrl('datanode').pathname).toMatch(/\/dist\/workers\/datanode\.worker\.js$/);
  });
});

describe('startWorker', () => {
  it('rejects when the thread ends before it is ready', async () => {
    // The entry point of the pool speaks piscina's protocol, not this one: it loads and ends.
    await expect(startWorker('digest', { memory })).rejects.toThrow('exit code 0');
  });

  it('rejects when the entry point throws', async () => {
    await expect(startWorker('digest', {})).rejects.toThrow('the digest thread failed');
  });
});

describe('a started thread', () => {
  const start = async (onFatal: (error: Error) => void) => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-threads-'));
    writeFileSync(join(directory, 'id.json'), '{}');
    const settings = { directory, memory, id: 'x', durable: false, volumeBytes: 1 << 20 };
    const started: Worker[] = [];
    const listener = (worker: Worker): void => void started.push(worker);
    process.on('worker', listener);
    const link = await startWorker('datanode', settings, { onFatal });
    process.off('worker', listener);
    const [worker] = started;
    if (worker === undefined) throw new Error('no thread was started');
    return { link, worker, clean: () => rmSync(directory, { recursive: true }) };
  };

  it('is reported when it ends unasked', async () => {
    let report: (error: Error) => void = () => {};
    const fatal = new Promise<Error>((resolve) => (report = resolve));
    const { worker, clean } = await start(report);
    await worker.terminate();
    expect((await fatal).message).toContain('the datanode thread ended');
    clean();
  });

  it('may end when it was asked to', async () => {
    const reports: Error[] = [];
    const { link, worker, clean } = await start((error) => reports.push(error));
    const exited = link.exited();
    await worker.terminate();
    expect(await exited).toBe(1);
    const other = await start((error) => reports.push(error));
    await other.link.terminate();
    expect(reports).toEqual([]);
    clean();
    other.clean();
  });
});

describe('StickyPool', () => {
  it('keeps the state of a seat on its thread, for many seats at once', async () => {
    const pool = await openPool(2);
    try {
      const sessions = Array.from({ length: 20 }, (_, index) => index);
      const replies = await Promise.all(
        sessions.map(async (session) => {
          const seat = pool.seat();
          await seat.run(opening(session));
          // Were this on the other thread, it would know no such session.
          for (let round = 0; round < 3; round += 1) await seat.run({ session, steps: [] });
          const reply = await seat.run(finishing(session));
          seat.release();
          return reply.kind;
        }),
      );
      expect(new Set(replies)).toEqual(new Set(['done']));
    } finally {
      await pool.close();
    }
  });

  it('spreads seats over the threads and gives a released place away again', async () => {
    const pool = await openPool(2);
    try {
      const [first, second] = [pool.seat(), pool.seat()];
      await first.run(opening(1));
      // The same name is free on the other thread only.
      await second.run(opening(1));
      await expect(second.run(opening(1))).rejects.toThrow('a session is opened once');
      first.release();
      const third = pool.seat();
      await expect(third.run(opening(1))).rejects.toThrow('a session is opened once');
      expect(() => first.run(finishing(1))).toThrow('held seat');
      expect(() => first.release()).toThrow('released once');
    } finally {
      await pool.close();
    }
  });

  it('reports a thread that ends unasked: its state is lost', async () => {
    const started: Worker[] = [];
    const listener = (worker: Worker): void => void started.push(worker);
    process.on('worker', listener);
    let report: (error: Error) => void = () => {};
    const fatal = new Promise<Error>((resolve) => (report = resolve));
    const pool = await StickyPool.open('digest', 1, { memory }, { onFatal: report });
    process.off('worker', listener);
    await started[0]?.terminate();
    expect((await fatal).message).toBe('a pool thread ended');
    await pool.close();
  });

  it('says when its threads do not start', async () => {
    const pool = StickyPool.open('digest', 1, {}, { onFatal: failOnFatal });
    await expect(pool).rejects.toThrow('the digest threads do not start');
  });

  it('refuses tasks after the end', async () => {
    const pool = await openPool(1);
    const seat = pool.seat();
    await pool.close();
    await expect(seat.run(opening(1))).rejects.toThrow('closed');
  });
});
