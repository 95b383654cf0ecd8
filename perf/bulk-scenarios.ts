/**
 * The scenarios of large bodies: multipart PUT in every payload mode, one PUT of 5 GiB beside MD5,
 * writing beside `dd`, GET of whole objects, of 1 MiB objects and ranges, and with one datanode's
 * folder gone. Sizes are those of the targets; `quick` divides them.
 */
import { bulkGetPaths, multipartPut, type Read, reads, singlePuts } from './bulk-load.ts';
import { askOnce, type Window } from './load.ts';
import { PAYLOAD_MODES, type PayloadMode } from './payload.ts';
import { ddRate, md5Rate } from './reference.ts';
import type { Scenario, Stage } from './scenario.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
export const BUCKET = 'perf';
const PART_BYTES = 16 * MIB;

export async function createBucket({ target }: Stage): Promise<void> {
  await askOnce(target, { method: 'PUT', path: `/${BUCKET}` });
}

const whereOf = ({ target }: Stage) => ({ port: target.port, keys: target.keys, bucket: BUCKET });

export interface PutOptions {
  readonly mode: PayloadMode;
  readonly streams: number;
  readonly partBytes?: number;
  /** Over all streams. */
  readonly bytes?: number;
  readonly options?: readonly string[];
}

function partsOf(stage: Stage, { streams, partBytes = PART_BYTES, bytes = 2 * GIB }: PutOptions) {
  const all = stage.quick ? bytes / 8 : bytes;
  return { partBytes, partsPerStream: Math.max(1, Math.round(all / partBytes / streams)) };
}

/** Multipart PUT, the parts of `streams` objects in flight. */
export function putScenario(name: string, title: string, put: PutOptions): Scenario {
  const { mode, streams } = put;
  return {
    name,
    title,
    unit: 'byte',
    fresh: true,
    peers: true,
    ...(put.options === undefined ? {} : { options: put.options }),
    async prepare(stage) {
      await createBucket(stage);
      const { partBytes } = partsOf(stage, put);
      await multipartPut({ ...whereOf(stage), streams, mode, partBytes, partsPerStream: 1 });
    },
    arm: (stage) => () =>
      multipartPut({ ...whereOf(stage), streams, mode, ...partsOf(stage, put) }),
  };
}

const SHORT: Readonly<Record<PayloadMode, string>> = {
  unsigned: 'unsigned',
  signed: 'signed',
  'signed-chunks': 'signed-chunks',
  'unsigned-trailer': 'crc32',
  'unsigned-trailer-crc64nvme': 'crc64nvme',
};

const TITLES: Readonly<Record<PayloadMode, string>> = {
  unsigned: 'unsigned payload',
  signed: 'payload signed as a whole',
  'signed-chunks': 'signed 64 KiB chunks',
  'unsigned-trailer': 'CRC32 trailer',
  'unsigned-trailer-crc64nvme': 'CRC64NVME trailer',
};

export const putName = (mode: PayloadMode, streams: number): string =>
  `put-${SHORT[mode]}-x${streams}`;

export const putTitle = (mode: PayloadMode, streams: number): string =>
  `multipart PUT, ${TITLES[mode]}, ${streams} ${streams === 1 ? 'stream' : 'streams'}`;

const PUTS: readonly Scenario[] = PAYLOAD_MODES.map((mode) =>
  putScenario(putName(mode, 8), putTitle(mode, 8), { mode, streams: 8 }),
);

/** xor-2-1: three shard bytes for two of payload. */
const SHARD_FACTOR = 1.5;

const DISK_BYTES = 2 * GIB;

const PUT_BESIDE_DD: Scenario = {
  ...putScenario('put-beside-dd', 'multipart PUT, unsigned, 8 streams, beside dd', {
    mode: 'unsigned',
    streams: 8,
    bytes: DISK_BYTES,
  }),
  media: ['disk'],
  peers: false,
  referenceName: 'of dd + fdatasync of the same shard bytes',
  async reference({ medium, quick }) {
    const bytes = (quick ? DISK_BYTES / 8 : DISK_BYTES) * SHARD_FACTOR;
    return (await ddRate(medium.directory, bytes)) / SHARD_FACTOR;
  },
};

const PUT_5GIB: Scenario = {
  name: 'put-5gib-x1',
  title: 'one PUT of 5 GiB, one stream',
  unit: 'byte',
  fresh: true,
  peers: true,
  referenceName: 'of one-lane OpenSSL MD5',
  prepare: createBucket,
  arm: (stage) => () => singlePuts({ ...whereOf(stage), ...single(stage) }),
  reference: (stage) => Promise.resolve(md5Rate(stage.quick ? 256 * MIB : GIB)),
};

function single({ quick }: Stage) {
  return { streams: 1, bytes: quick ? 512 * MIB : 5 * GIB, count: 1, prefix: 'single-' };
}

const READERS = 8;

async function prepareLarge(stage: Stage): Promise<void> {
  await createBucket(stage);
  const put = { mode: 'unsigned', streams: READERS, bytes: 2 * GIB } as const;
  await multipartPut({ ...whereOf(stage), ...put, ...partsOf(stage, put) });
}

function getLarge(stage: Stage): Promise<Window> {
  const put = { mode: 'unsigned', streams: READERS, bytes: 2 * GIB } as const;
  const { partBytes, partsPerStream } = partsOf(stage, put);
  const list = bulkGetPaths(BUCKET, READERS, partBytes * partsPerStream);
  return reads({ ...whereOf(stage), streams: READERS }, list);
}

const GETS: readonly Scenario[] = [
  {
    name: 'get-large-x8',
    title: 'GET of large objects, 8 clients',
    unit: 'byte',
    fresh: false,
    peers: true,
    prepare: prepareLarge,
    arm: (stage) => () => getLarge(stage),
  },
  {
    name: 'get-degraded-x8',
    title: 'GET of large objects, 8 clients, whole and with one datanode folder gone',
    unit: 'byte',
    fresh: false,
    variants: ['whole', 'degraded'],
    prepare: prepareLarge,
    // Both start anew, so that both have read nothing before.
    spoil: (server, side) => (side === 'degraded' ? server.loseDatanode(1) : server.restart()),
    arm: (stage) => () => getLarge(stage),
  },
];

const MIB_CLIENTS = 16;
const MIB_OBJECTS = 256;

function mibReads(stage: Stage, read: (index: number) => Read): Promise<Window> {
  const count = stage.quick ? 512 : 4096;
  const list = Array.from({ length: count }, (_, index) => read(index));
  return reads({ ...whereOf(stage), streams: MIB_CLIENTS }, list);
}

const MIB_GETS: readonly Scenario[] = [
  {
    name: 'get-1mib-x16',
    title: 'GET of 1 MiB objects, 16 clients',
    unit: 'byte',
    fresh: false,
    peers: true,
    async prepare(stage) {
      await createBucket(stage);
      const objects = { streams: 8, bytes: MIB, count: MIB_OBJECTS, prefix: 'mib-' };
      await singlePuts({ ...whereOf(stage), ...objects });
    },
    arm: (stage) => () =>
      mibReads(stage, (at) => ({ path: `/${BUCKET}/mib-${at % MIB_OBJECTS}`, bytes: MIB })),
  },
  {
    name: 'get-1mib-ranges-x16',
    title: 'GET of 1 MiB ranges of large objects, 16 clients',
    unit: 'byte',
    fresh: false,
    peers: true,
    async prepare(stage) {
      await createBucket(stage);
      const object = { streams: 4, mode: 'unsigned', partBytes: PART_BYTES } as const;
      await multipartPut({ ...whereOf(stage), ...object, partsPerStream: 8 });
    },
    arm: (stage) => () =>
      mibReads(stage, (at) => {
        // No multiple of anything: a range begins in the middle of a block.
        const first = ((at * 37) % 126) * MIB + 300_007;
        const range = [first, first + MIB - 1] as const;
        return { path: `/${BUCKET}/object-${at % 4}`, range, bytes: MIB };
      }),
  },
];

export const BULK_SCENARIOS: readonly Scenario[] = [
  ...PUTS,
  PUT_5GIB,
  PUT_BESIDE_DD,
  ...GETS,
  ...MIB_GETS,
];
