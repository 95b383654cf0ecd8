import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { BUCKET, createBucket, putScenario } from '../../../perf/bulk-scenarios.ts';
import { multipartPut, reads, singlePuts } from '../../../perf/bulk-load.ts';
import { listPages } from '../../../perf/list-load.ts';
import { mixedLoad, prepareMixed } from '../../../perf/mixed-load.ts';
import { PAYLOAD_MODES } from '../../../perf/payload.ts';
import { costOf, mappedDatabaseBytes, peakRssBytes, rssBytes } from '../../../perf/process-cost.ts';
import { runScenario, type Scenario, type Side, type Stage } from '../../../perf/scenario.ts';
import { cannonLoad, seed, smallRequests } from '../../../perf/small-load.ts';
import { fillBucket } from '../../../perf/small-scenarios.ts';
import type { Target } from '../../../perf/target.ts';
import { startSluice } from '../../support/server.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const MEDIUM = { name: 'disk', directory: tmpdir() };
const QUIET = { rounds: 1, quick: true, progress: () => {} };

/** The real server as a side, under any name. */
function side(name: string, ours: boolean, events: string[] = []): Side {
  return {
    name,
    ours,
    async start(): Promise<Target> {
      const server = await startSluice();
      events.push(`start ${name}`);
      return {
        name,
        port: server.port,
        keys: { accessKey: server.accessKey, secretKey: server.secretKey },
        redundancy: 'xor',
        durability: 'durable',
        cost: () => costOf(server.pid),
        rssBytes: () => rssBytes(server.pid),
        peakRssBytes: () => peakRssBytes(server.pid),
        mappedBytes: () => mappedDatabaseBytes(server.pid),
        stop: () => {
          events.push(`stop ${name}`);
          return server.close();
        },
      };
    },
  };
}

async function onStage<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  const target = await side('sluice', true).start(MEDIUM, {} as Scenario);
  try {
    const stage = { target, side: 'sluice', medium: MEDIUM, quick: true, round: 0 };
    await createBucket(stage);
    return await work(stage);
  } finally {
    await target.stop();
  }
}

const whereOf = ({ target }: Stage) => ({ port: target.port, keys: target.keys, bucket: BUCKET });

describe('loads against the real server, which verifies all of it', () => {
  it('upload in every payload mode, and what was stored comes back whole and in ranges', () =>
    onStage(async (stage) => {
      for (const mode of PAYLOAD_MODES) {
        const partBytes = 5 * MIB + 77;
        const load = { mode, streams: 2, partBytes, partsPerStream: 2 };
        const window = await multipartPut({ ...whereOf(stage), ...load });
        expect([window.units, window.latencies.length]).toEqual([4 * partBytes, 4]);
        const whole = { path: `/${BUCKET}/object-1`, bytes: 2 * partBytes };
        const range = { path: `/${BUCKET}/object-0`, range: [5, 1004] as const, bytes: 1000 };
        const read = await reads({ ...whereOf(stage), streams: 2 }, [whole, range]);
        expect(read.units).toBe(2 * partBytes + 1000);
      }
      const wrong = [{ path: `/${BUCKET}/object-0`, bytes: 1 }];
      await expect(reads({ ...whereOf(stage), streams: 1 }, wrong)).rejects.toThrow('bytes');
    }));

  it('put bodies longer than the piece that is sent again and again', () =>
    onStage(async (stage) => {
      const bytes = 40 * MIB + 5;
      const load = { ...whereOf(stage), streams: 2, bytes, count: 2, prefix: 'long-' };
      expect((await singlePuts(load)).units).toBe(2 * bytes);
      const list = [{ path: `/${BUCKET}/long-1`, bytes }];
      expect((await reads({ ...whereOf(stage), streams: 1 }, list)).units).toBe(bytes);
      await expect(singlePuts({ ...load, mode: 'signed' })).rejects.toThrow('unsigned only');
    }));

  it('send small requests signed ahead, and refuse answers that were not expected', () =>
    onStage(async (stage) => {
      const common = { ...whereOf(stage), keyPrefix: 'k-', keyCount: 20, bodyBytes: 100 };
      await seed({ ...common, connections: 4 });
      const load = { ...common, connections: 4, expectStatus: 200 };
      for (const method of ['PUT', 'GET', 'HEAD'] as const) {
        expect((await smallRequests({ ...load, method }, 50)()).latencies).toHaveLength(50);
      }
      const cannon = await cannonLoad({ ...load, method: 'GET' }, 50);
      expect([cannon.units, cannon.latencies.length]).toEqual([50, 50]);
      const missing = { ...load, method: 'HEAD', keyPrefix: 'none-' } as const;
      await expect(smallRequests(missing, 5)()).rejects.toThrow('HEAD: 404');
    }));

  it('walk through pages of a bucket', () =>
    onStage(async (stage) => {
      await fillBucket(stage, 2500);
      const list = { ...whereOf(stage), keyCount: 2500, clients: 2, pages: 4 };
      // The keys after the first one of each page: 1,000 twice, from either half.
      expect((await listPages(list)).units).toBe(4 * 1000);
      await expect(listPages({ ...list, keyCount: 9000 })).rejects.toThrow('a page of');
    }));

  it(
    'mix everything for a while',
    () =>
      onStage(async (stage) => {
        const options = { ...whereOf(stage), seconds: 1.5 };
        await prepareMixed(options);
        let ticks = 0;
        const kinds = await mixedLoad({ ...options, onTick: () => (ticks += 1) });
        expect(ticks).toBeGreaterThan(0);
        for (const { count, p50Ms, p99Ms, maxMs } of kinds) {
          expect(count).toBeGreaterThan(0);
          expect(p50Ms).toBeLessThanOrEqual(p99Ms);
          expect(p99Ms).toBeLessThanOrEqual(maxMs);
        }
      }),
    60_000,
  );
});

describe('a scenario', () => {
  const tiny = putScenario('tiny', 'tiny', {
    mode: 'unsigned',
    streams: 2,
    partBytes: 5 * MIB,
    bytes: 160 * MIB,
  });

  it('starts a fresh server for each round of each side, in alternating order', async () => {
    const events: string[] = [];
    const sides = [side('sluice', true, events), side('peer', false, events)];
    const found = await runScenario(tiny, MEDIUM, sides, { ...QUIET, rounds: 2 });
    const each = (name: string): string[] => [`start ${name}`, `stop ${name}`];
    const [a, b] = [each('sluice'), each('peer')];
    expect(events).toEqual([...a, ...b, ...b, ...a]);
    expect(found.map((one) => [one.side, one.samples.length])).toEqual([
      ['sluice', 2],
      ['peer', 2],
    ]);
    for (const { samples } of found) {
      for (const sample of samples) {
        expect(sample.units).toBe(20 * MIB);
        expect(sample.userMs + sample.systemMs).toBeGreaterThan(0);
        expect(sample.generatorMs).toBeGreaterThan(0);
        expect(sample.peakRssBytes).toBeGreaterThan(50 * MIB);
      }
    }
  }, 60_000);

  it('leaves out a peer that fails, with its words, and no server behind', async () => {
    const events: string[] = [];
    const failures: string[] = [];
    const fails: Scenario = {
      ...tiny,
      fresh: false,
      prepare: async (stage) => {
        await tiny.prepare(stage);
        if (stage.side === 'peer') throw new Error('no such feature');
      },
    };
    const sides = [side('sluice', true, events), side('peer', false, events)];
    const onFailure = (name: string, words: string): void => void failures.push(name, words);
    const found = await runScenario(fails, MEDIUM, sides, { ...QUIET, onFailure });
    expect(found.map((one) => one.side)).toEqual(['sluice']);
    expect(failures).toEqual(['peer', 'no such feature']);
    expect(events.filter((one) => one.startsWith('stop'))).toHaveLength(2);
    await expect(runScenario(fails, MEDIUM, sides, QUIET)).rejects.toThrow('no such feature');
    expect(events.filter((one) => one.startsWith('start'))).toHaveLength(4);
    expect(events.filter((one) => one.startsWith('stop'))).toHaveLength(4);
  }, 60_000);
});
