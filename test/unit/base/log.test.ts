import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openLog } from '../../../src/base/log.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-log-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('openLog', () => {
  it('writes one JSON object a line, with level, time, fields, error and sentence', async () => {
    const path = join(directory, 'ndjson');
    const descriptor = openSync(path, 'w');
    const log = await openLog({ level: 'info', format: 'ndjson', descriptor });
    log.debug({}, 'below the level');
    log.child({ room: 'chunks' }).warn({ err: new Error('torn'), node: 2 }, 'a shard is damaged');
    log.flush();
    const [line, rest] = readFileSync(path, 'utf8').split('\n');
    const fields = JSON.parse(line ?? '') as Record<string, unknown>;
    expect(rest).toBe('');
    expect(fields).toMatchObject({
      level: 'warn',
      room: 'chunks',
      node: 2,
      msg: 'a shard is damaged',
    });
    expect(fields['err']).toMatchObject({ message: 'torn' });
    expect(Date.parse(String(fields['time']))).toBeGreaterThan(0);
    closeSync(descriptor);
  });

  it('loses nothing at a fatal line: it is on the descriptor when the call returns', async () => {
    const path = join(directory, 'fatal');
    const descriptor = openSync(path, 'w');
    const log = await openLog({ level: 'info', format: 'ndjson', descriptor });
    log.info({}, 'first');
    log.fatal({}, 'last');
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2);
    closeSync(descriptor);
  });

  it('writes readable text without colours when not on a terminal', async () => {
    const path = join(directory, 'pretty');
    const descriptor = openSync(path, 'w');
    const log = await openLog({ level: 'info', format: 'pretty', descriptor });
    log.info({ port: 9878 }, 'serving');
    expect(readFileSync(path, 'utf8')).toMatch(/INFO: serving\n +port: 9878\n$/);
    closeSync(descriptor);
  });
});
