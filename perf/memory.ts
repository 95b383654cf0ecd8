/**
 * `npm run perf:memory`: the memory bound, shown. One object of 10 GiB by 8 concurrent parts and
 * one single PUT of 5 GiB; peak resident set of the server process after each, against the bound
 * of arena + 200 MiB. Exits with 1 when it is exceeded.
 */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { call } from './bulk-load.ts';
import { Connection } from './connection.ts';
import { PerfServer } from './server.ts';
import { sign } from './sign.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const BOUND_MIB = 256 + 200;

const { values: flags } = parseArgs({
  options: {
    directory: { type: 'string', default: tmpdir() },
    gib: { type: 'string', default: '10' },
  },
});

const piece = randomBytes(16 * MIB);

async function put(
  server: PerfServer,
  connection: Connection,
  path: string,
  query: string,
  bytes: number,
): Promise<string> {
  const signed = sign(server.keys, {
    method: 'PUT',
    host: `127.0.0.1:${server.port}`,
    path,
    query,
    payloadHash: 'UNSIGNED-PAYLOAD',
  });
  const body = Array.from({ length: bytes / piece.length }, () => piece);
  const target = query === '' ? path : `${path}?${query}`;
  const answer = await connection.request('PUT', target, signed.headers, body);
  if (answer.status !== 200) throw new Error(`PUT: ${answer.status} ${answer.bytes.toString()}`);
  return /\r\netag: *"?([0-9a-f]+)/i.exec(answer.head)?.[1] ?? '';
}

async function multipart(server: PerfServer, bytes: number): Promise<void> {
  const path = '/memory/parts';
  const control = await Connection.open(server.port);
  const created = await call(control, server, 'POST', path, 'uploads=');
  control.close();
  const uploadId = /<UploadId>([^<]+)</.exec(created)?.[1] ?? '';
  const partBytes = 64 * MIB;
  const etags = new Map<number, string>();
  const count = bytes / partBytes;
  let next = 1;
  const streams = Array.from({ length: 8 }, async () => {
    const connection = await Connection.open(server.port);
    for (let number = next; number <= count; number = next) {
      next += 1;
      const query = `partNumber=${number}&uploadId=${uploadId}`;
      etags.set(number, await put(server, connection, path, query, partBytes));
      process.stderr.write(`\rpart ${etags.size}/${count}`);
    }
    connection.close();
  });
  await Promise.all(streams);
  const parts = Array.from(
    { length: count },
    (_, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etags.get(at + 1)}</ETag></Part>`,
  );
  const xml = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  // The first connection was idle for longer than any server keeps one.
  const last = await Connection.open(server.port);
  await call(last, server, 'POST', path, `uploadId=${uploadId}`, xml);
  last.close();
  process.stderr.write('\n');
}

async function measure(
  name: string,
  work: (server: PerfServer) => Promise<void>,
): Promise<boolean> {
  const server = await PerfServer.start(flags.directory, []);
  try {
    const control = await Connection.open(server.port);
    await call(control, server, 'PUT', '/memory');
    control.close();
    const startedMs = performance.now();
    await work(server);
    const seconds = (performance.now() - startedMs) / 1000;
    const peakMiB = (server.peakRssBytes() - server.mappedBytes()) / MIB;
    const verdict = peakMiB <= BOUND_MIB ? 'within' : 'OVER';
    process.stdout.write(
      `${name}: peak RSS ${peakMiB.toFixed(0)} MiB, ${verdict} the bound of ${BOUND_MIB} MiB ` +
        `(${seconds.toFixed(0)} s)\n`,
    );
    return peakMiB <= BOUND_MIB;
  } finally {
    await server.stop();
  }
}

const bytes = Number(flags.gib) * GIB;
const parts = await measure(`${flags.gib} GiB by 8 concurrent parts`, (server) =>
  multipart(server, bytes),
);
const single = await measure('one PUT of 5 GiB', async (server) => {
  const connection = await Connection.open(server.port);
  await put(server, connection, '/memory/single', '', 5 * GIB);
  connection.close();
});
process.exitCode = parts && single ? 0 : 1;
