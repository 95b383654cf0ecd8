/**
 * `npm run crash -- --rounds 500`: kill -9 in a loop under mixed load. A model in this process
 * knows what was acknowledged; after each restart every key must hold exactly that, or one of the
 * outcomes that were in flight; LIST must equal GET; at the end, after everything is deleted and
 * the grace time is over, no byte may be left on the datanodes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from './client.ts';
import { Model, random, type Violation } from './model.ts';
import { CrashServer, GRACE_SECONDS, KEYS } from './server.ts';
import { BUCKET, readState, Workload } from './workload.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '25' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
    clients: { type: 'string', default: '6' },
    port: { type: 'string', default: '19878' },
    directory: { type: 'string', default: tmpdir() },
    replication: { type: 'string', default: 'xor-2-1-1024k' },
  },
});

const seed = Number(flags.seed);
const next = random(seed);
const directory = mkdtempSync(join(flags.directory, 'sluice-crash-'));
const datanodes = flags.replication.startsWith('rs-3') ? '5' : '3';
const server = new CrashServer(directory, Number(flags.port), [
  '--replication',
  flags.replication,
  '--datanodes',
  datanodes,
]);
const model = new Model();
const violations: Violation[] = [];

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function listAll(client: Client): Promise<Map<string, number>> {
  const listed = new Map<string, number>();
  let token = '';
  do {
    const query = `${token === '' ? '' : `continuation-token=${encodeURIComponent(token)}&`}list-type=2`;
    const reply = await client.call('GET', `/${BUCKET}`, { query });
    for (const [, key = '', size = ''] of reply.body.matchAll(
      /<Contents><Key>([^<]*)<\/Key>.*?<Size>(\d+)<\/Size>/gs,
    )) {
      listed.set(key, Number(size));
    }
    token = /<NextContinuationToken>([^<]+)</.exec(reply.body)?.[1] ?? '';
  } while (token !== '');
  return listed;
}

/** Every key whose state is open, and a sample of the others; the list against all of them. */
async function verify(round: number, whole: boolean): Promise<void> {
  const client = new Client(server.port, KEYS);
  const open = new Set(model.open());
  for (const key of model.keys()) {
    if (!whole && !open.has(key) && next() > 0.2) continue;
    const legal = model.legal(key);
    const state = await readState(client, key, legal);
    if (state === undefined) {
      violations.push({
        kind: 'lost',
        detail: `round ${round}: ${key} is none of ${JSON.stringify(legal)}`,
      });
    } else {
      model.observe(key, state);
    }
  }
  const listed = await listAll(client);
  for (const key of model.keys()) {
    const state = model.known(key);
    const size = listed.get(key);
    const expected = state === 'absent' ? undefined : state.size;
    if (size !== expected) {
      violations.push({
        kind: 'list',
        detail: `round ${round}: ${key} listed ${size}, known ${expected}`,
      });
    }
    listed.delete(key);
  }
  for (const key of listed.keys()) {
    violations.push({ kind: 'list', detail: `round ${round}: ${key} listed, never written` });
  }
  client.close();
}

async function round(number: number): Promise<void> {
  const workloads = Array.from({ length: Number(flags.clients) }, (_, index) => {
    const client = new Client(server.port, KEYS);
    return new Workload(client, model, `client-${index}`, Math.floor(next() * 2 ** 31));
  });
  const running = workloads.map((workload) => workload.run());
  await sleep(100 + next() * 900);
  const alone = server.diedAlone;
  if (alone !== undefined) throw new Error(`the server died by itself: ${alone}`);
  await server.kill('SIGKILL');
  await Promise.all(running);
  await server.start();
  await verify(number, number % 25 === 0);
}

async function emptied(): Promise<number> {
  const client = new Client(server.port, KEYS);
  for (const key of model.keys()) {
    const reply = await client.call('DELETE', `/${BUCKET}/${key}`);
    if (reply.status !== 204) throw new Error(`delete: ${reply.status}`);
    model.acknowledge(key, 'absent');
  }
  for (;;) {
    const reply = await client.call('GET', `/${BUCKET}`, { query: 'uploads=' });
    const uploads = [...reply.body.matchAll(/<Key>([^<]+)<\/Key><UploadId>([^<]+)</g)];
    if (uploads.length === 0) break;
    for (const [, key = '', uploadId = ''] of uploads) {
      await client.call('DELETE', `/${BUCKET}/${key}`, {
        query: `uploadId=${encodeURIComponent(uploadId)}`,
      });
    }
  }
  client.close();
  await server.kill('SIGTERM');
  await server.start();
  const deadlineMs = Date.now() + 60_000;
  for (;;) {
    await sleep(GRACE_SECONDS * 1000);
    const bytes = server.shardBytes();
    if (bytes === 0 || Date.now() > deadlineMs) return bytes;
  }
}

async function main(): Promise<number> {
  const rounds = Number(flags.rounds);
  process.stdout.write(`seed ${seed}, ${rounds} rounds, ${directory}\n`);
  await server.start();
  const client = new Client(server.port, KEYS);
  const made = await client.call('PUT', `/${BUCKET}`);
  if (made.status !== 200) throw new Error(`create bucket: ${made.status} ${made.body}`);
  client.close();
  for (let number = 1; number <= rounds && violations.length === 0; number += 1) {
    await round(number);
    if (number % 10 === 0 || number === rounds) {
      process.stdout.write(`round ${number}/${rounds}: ${model.acknowledged} acknowledged\n`);
    }
  }
  await verify(rounds, true);
  const orphanBytes = violations.length === 0 ? await emptied() : -1;
  await server.kill('SIGTERM');
  for (const violation of violations)
    process.stdout.write(`${violation.kind}: ${violation.detail}\n`);
  const lost = violations.filter((one) => one.kind === 'lost').length;
  const listed = violations.filter((one) => one.kind === 'list').length;
  process.stdout.write(
    `${rounds} kills, ${model.acknowledged} acknowledged, ${lost} lost or partial, ` +
      `${listed} list differences, ${orphanBytes} orphan bytes\n`,
  );
  const failed = violations.length > 0 || orphanBytes !== 0;
  if (!failed) rmSync(directory, { recursive: true, force: true });
  return failed ? 1 : 0;
}

process.exitCode = await main().catch(async (error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  await server.kill('SIGKILL');
  return 1;
});
