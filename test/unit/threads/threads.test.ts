import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Arena } from '../../../src/memory/arena.ts';
import { startWorker, workerUrl } from '../../../src/threads/spawn.ts';

const { memory } = new Arena(65_536, 65_536);

describe('workerUrl', () => {
  it('names compiled entry points that exist', () => {
    expect(existsSync(workerUrl('digest'))).toBe(true);
    expect(workerUrl('datanode').pathname).toMatch(/\/dist\/workers\/datanode\.worker\.js$/);
  });
});

describe('startWorker', () => {
  it('rejects when the thread ends before it is ready', async () => {
    process.once('worker', (worker: Worker) => void worker.terminate());
    const slots = new SharedArrayBuffer(0);
    await expect(startWorker('digest', { memory, slots })).rejects.toThrow('exit code 0');
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
