/**
 * The scenarios of small requests and of metadata: 4 KiB PUT, GET, HEAD and a missing key, listing
 * pages of a large bucket, CompleteMultipartUpload of 10,000 parts, CopyObject of 5 GiB. All keys
 * are new in every PUT window: overwriting would measure reclaiming as well.
 */
import { BUCKET, createBucket } from './bulk-scenarios.ts';
import { completeUpload, createUpload, singlePuts } from './bulk-load.ts';
import { Connection } from './connection.ts';
import { LIST_FIRST, LIST_PREFIX, listPages } from './list-load.ts';
import { ask, inParallel, type Place, type Window } from './load.ts';
import type { Scenario, Stage } from './scenario.ts';
import { cannonLoad, seed, type SmallOptions, smallRequests } from './small-load.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const CLIENTS = 64;
const SEEDED = 2000;
const OBJECT_BYTES = 4096;

const whereOf = ({ target }: Stage) => ({ port: target.port, keys: target.keys, bucket: BUCKET });

interface Small {
  readonly method: SmallOptions['method'];
  readonly prefix?: string;
  readonly status?: number;
}

function smallWindow(
  stage: Stage,
  { method, prefix = 'small-', status = 200 }: Small,
): () => Promise<Window> {
  const count = (stage.quick ? 4000 : 30_000) * (method === 'PUT' ? 1 : 2);
  const keyPrefix = method === 'PUT' ? `put-${stage.round}-` : prefix;
  const keyCount = method === 'PUT' ? count : SEEDED;
  const common = { ...whereOf(stage), bodyBytes: OBJECT_BYTES, connections: CLIENTS };
  const request = { ...common, method, keyPrefix, keyCount, expectStatus: status };
  return smallRequests(request, count);
}

function smallScenario(name: string, title: string, small: Small): Scenario {
  return {
    name,
    title,
    unit: 'request',
    fresh: false,
    peers: true,
    async prepare(stage) {
      await createBucket(stage);
      const seeded = { keyPrefix: 'small-', keyCount: SEEDED, connections: 32 };
      await seed({ ...whereOf(stage), ...seeded, bodyBytes: OBJECT_BYTES });
    },
    arm: (stage) => smallWindow(stage, small),
  };
}

/** The generator's own figures from outside: the same GETs by autocannon. */
const CANNON: Scenario = {
  ...smallScenario('get-4k-cannon', 'GET of 4 KiB, 64 clients, by autocannon', { method: 'GET' }),
  arm: (stage) => () => {
    const keys = { keyPrefix: 'small-', keyCount: SEEDED, bodyBytes: OBJECT_BYTES };
    const load = { ...whereOf(stage), ...keys, connections: CLIENTS };
    const count = stage.quick ? 4000 : 30_000;
    return cannonLoad({ ...load, method: 'GET', expectStatus: 200 }, count);
  },
};

/** A bucket of that many empty objects under the keys that `listPages` walks through. */
export async function fillBucket(stage: Stage, keyCount: number): Promise<Window> {
  const keys = { keyPrefix: LIST_PREFIX, keyFirst: LIST_FIRST, keyCount };
  return seed({ ...whereOf(stage), ...keys, bodyBytes: 0, connections: CLIENTS });
}

export function listScenario(name: string, keyCount: number, peers: boolean): Scenario {
  const countOf = ({ quick }: Stage): number => (quick ? keyCount / 50 : keyCount);
  return {
    name,
    title: `ListObjectsV2, pages of 1,000 in a bucket of ${keyCount.toLocaleString('en-US')}`,
    unit: 'key',
    fresh: false,
    peers,
    async prepare(stage) {
      await createBucket(stage);
      await fillBucket(stage, countOf(stage));
    },
    arm: (stage) => () =>
      listPages({
        ...whereOf(stage),
        keyCount: countOf(stage),
        clients: 2,
        pages: stage.quick ? 200 : 1000,
      }),
  };
}

const PARTS = 10_000;
const PART_BYTES = 5 * MIB;

/**
 * 10,000 parts of 5 MiB without writing 50 GiB: each is an UploadPartCopy of a stored 5 MiB object.
 * What CompleteMultipartUpload has to check and join is the same.
 */
async function copyParts(place: Place, path: string, uploadId: string): Promise<readonly string[]> {
  const etags: string[] = [];
  const headers = { 'x-amz-copy-source': `/${BUCKET}/part-0` };
  await inParallel(place, 32, PARTS, async (connection, index) => {
    const query = `partNumber=${index + 1}&uploadId=${uploadId}`;
    const answer = await ask(connection, place, { method: 'PUT', path, query, headers });
    const etag = /<ETag>(?:&quot;|&#34;|")?([0-9a-f-]+)/.exec(answer.bytes.toString())?.[1];
    if (etag === undefined) throw new Error(`no ETag: ${answer.bytes.toString()}`);
    etags[index] = etag;
    return 1;
  });
  return etags;
}

const COMPLETE: Scenario = {
  name: 'complete-10000',
  title: 'CompleteMultipartUpload of 10,000 parts',
  unit: 'call',
  fresh: true,
  async prepare(stage) {
    await createBucket(stage);
    const source = { streams: 1, bytes: PART_BYTES, count: 1, prefix: 'part-' };
    await singlePuts({ ...whereOf(stage), ...source });
    const connection = await Connection.open(stage.target.port);
    const path = `/${BUCKET}/joined`;
    const uploadId = await createUpload(connection, whereOf(stage), path);
    connection.close();
    prepared.set(stage, { uploadId, etags: await copyParts(stage.target, path, uploadId) });
  },
  arm: (stage) => async () => {
    const { uploadId, etags } = prepared.get(stage) ?? { uploadId: '', etags: [] };
    const connection = await Connection.open(stage.target.port);
    const startedMs = performance.now();
    await completeUpload(connection, whereOf(stage), `/${BUCKET}/joined`, uploadId, etags);
    const wallMs = performance.now() - startedMs;
    connection.close();
    return { units: 1, wallMs, latencies: [wallMs] };
  },
};

const prepared = new WeakMap<Stage, { uploadId: string; etags: readonly string[] }>();

const COPIES = 50;

/** Copied again and again into new keys, one call after the other. */
const COPY: Scenario = {
  name: 'copy-5gib',
  title: 'CopyObject of a 5 GiB object',
  unit: 'call',
  fresh: false,
  async prepare(stage) {
    await createBucket(stage);
    const bytes = stage.quick ? 256 * MIB : 5 * GIB;
    await singlePuts({ ...whereOf(stage), streams: 1, bytes, count: 1, prefix: 'large-' });
  },
  arm: (stage) => () => {
    const headers = { 'x-amz-copy-source': `/${BUCKET}/large-0` };
    return inParallel(stage.target, 1, COPIES, async (connection, index) => {
      const path = `/${BUCKET}/copy-${stage.round}-${index}`;
      await ask(connection, stage.target, { method: 'PUT', path, headers });
      return 1;
    });
  },
};

export const SMALL_SCENARIOS: readonly Scenario[] = [
  smallScenario('put-4k-x64', 'PUT of 4 KiB, 64 clients', { method: 'PUT' }),
  smallScenario('get-4k-x64', 'GET of 4 KiB, 64 clients', { method: 'GET' }),
  smallScenario('head-4k-x64', 'HEAD, 64 clients', { method: 'HEAD' }),
  smallScenario('head-404-x64', 'HEAD of missing keys, 64 clients', {
    method: 'HEAD',
    prefix: 'missing-',
    status: 404,
  }),
  CANNON,
  listScenario('list-1m', 1_000_000, true),
  COMPLETE,
  COPY,
];
