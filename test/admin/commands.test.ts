/** Commands to a running server, as a person types them: real processes over the real socket. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const PRINCIPAL = 'testuser/scm@EXAMPLE.COM';

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly complaint: string;
}

let directory: string;
let sluice: SluiceProcess;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-admin-'));
  sluice = await startSluice({ directory, arguments: ['--log-level', 'trace'] });
});
afterAll(async () => {
  await sluice.close();
  rmSync(directory, { recursive: true, force: true });
});

function say(words: readonly string[], input = ''): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...process.env, SLUICE_DATA: directory },
  });
  let [out, complaint] = ['', ''];
  child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (complaint += piece.toString()));
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, out, complaint }));
  });
}

const secretOf = ({ out }: Outcome): string => /^awsSecret=(.*)$/m.exec(out)?.[1] ?? '';

it('getsecret gives a key that signs, once; revokesecret ends it', async () => {
  const made = await say(['s3', 'getsecret', '-u', PRINCIPAL]);
  expect(made.code).toBe(0);
  expect(made.out).toMatch(
    /^awsAccessKey=testuser\/scm@EXAMPLE\.COM\nawsSecret=[A-Za-z0-9]{40}\n$/,
  );
  const key = { accessKey: PRINCIPAL, secretKey: secretOf(made) };
  const client = s3Client({ endpoint: sluice.endpoint, ...key });
  await client.send(new CreateBucketCommand({ Bucket: 'of-the-principal' }));
  const object = { Bucket: 'of-the-principal', Key: 'k' };
  await client.send(new PutObjectCommand({ ...object, Body: 'x' }));
  expect((await client.send(new GetObjectCommand(object))).ContentLength).toBe(1);

  const again = await say(['s3', 'getsecret', '-u', PRINCIPAL]);
  expect([again.code, again.out]).toEqual([1, '']);
  expect(again.complaint).toMatch(/exists and cannot be shown again: revoke it first/);

  const unsure = await say(['s3', 'revokesecret', '-u', PRINCIPAL], 'n\n');
  expect([unsure.code, unsure.out]).toEqual([1, '']);
  expect(unsure.complaint).toContain(`confirm S3 secret revocation for '${PRINCIPAL}'`);
  const closed = await say(['s3', 'revokesecret', '-u', PRINCIPAL]);
  expect(closed.code).toBe(1);
  await client.send(new ListBucketsCommand({}));

  const sure = await say(['s3', 'revokesecret', '-u', PRINCIPAL], 'y\n');
  expect([sure.code, sure.out]).toEqual([0, 'S3 secret revoked.\n']);
  await expectS3Error(client.send(new ListBucketsCommand({})), 403, 'InvalidAccessKeyId');
  const gone = await say(['s3', 'revokesecret', '-u', PRINCIPAL, '-y']);
  expect([gone.code, gone.complaint]).toEqual([1, `sluice: there is no secret for ${PRINCIPAL}\n`]);
  client.destroy();
  expect(sluice.logs()).not.toContain(key.secretKey);
});

it('users are made, listed, switched off and on, and removed', async () => {
  const policy = join(directory, 'policy.json');
  const statement = { Effect: 'Allow', Action: 's3:List*', Resource: '*' };
  writeFileSync(policy, JSON.stringify({ Version: '2012-10-17', Statement: [statement] }));
  const add = ['admin', 'user', 'add', 'ann', '--email', 'ann@example.com', '--policy', policy];
  expect((await say(add)).out).toContain('sluice s3 getsecret -u ann');
  expect((await say(add)).complaint).toBe('sluice: user ann exists\n');
  const made = await say(['s3', 'getsecret', '-u', 'ann']);
  const key = { accessKey: 'ann', secretKey: secretOf(made) };
  const client = s3Client({ endpoint: sluice.endpoint, ...key });
  await client.send(new ListBucketsCommand({}));
  const bucket = new CreateBucketCommand({ Bucket: 'not-allowed' });
  await expectS3Error(client.send(bucket), 403, 'AccessDenied');

  const listed = await say(['admin', 'user', 'list', '--json']);
  const users = JSON.parse(listed.out) as readonly Record<string, unknown>[];
  expect(users.find(({ name }) => name === 'ann')).toMatchObject({
    email: 'ann@example.com',
    accessKeys: ['ann'],
    source: 'store',
  });
  expect((await say(['admin', 'user', 'list'])).out).toMatch(/^ann +[0-9a-f]{64} +store +ann$/m);

  await say(['admin', 'user', 'disable', 'ann']);
  await expectS3Error(client.send(new ListBucketsCommand({})), 403, 'InvalidAccessKeyId');
  await say(['admin', 'user', 'enable', 'ann']);
  await client.send(new ListBucketsCommand({}));
  expect((await say(['admin', 'user', 'remove', 'ann', '-y'])).code).toBe(0);
  await expectS3Error(client.send(new ListBucketsCommand({})), 403, 'InvalidAccessKeyId');
  client.destroy();
});

it('status tells what the server does and holds', async () => {
  const status = JSON.parse((await say(['admin', 'status', '--json'])).out) as Record<
    string,
    unknown
  >;
  expect(status).toMatchObject({
    version: '0.1.0',
    pid: sluice.pid,
    errors: { AccessDenied: 1 },
    corruptShards: 0,
    reclaimBacklog: expect.any(Number) as number,
  });
  expect((status['operations'] as Record<string, number>)['ListBuckets']).toBe(3);
  expect(status['datanodes']).toHaveLength(3);
  const { out } = await say(['admin', 'status']);
  expect(out).toMatch(/^server +Sluice 0\.1\.0, process \d+, up \d+ s$/m);
  expect(out).toMatch(/^datanode 0 +up {2}.*datanode-1$/m);
  expect(out).toMatch(/^arena +0 of 1024 blocks in use$/m);
});

it('a secret outlives the server', async () => {
  const made = await say(['s3', 'getsecret', '-u', 'survivor']);
  await sluice.kill('SIGKILL');
  sluice = await startSluice({ directory });
  const key = { accessKey: 'survivor', secretKey: secretOf(made) };
  const client = s3Client({ endpoint: sluice.endpoint, ...key });
  expect((await client.send(new ListBucketsCommand({}))).Buckets ?? []).toEqual([]);
  client.destroy();
});

it('the socket and the key that seals are their owner’s alone', () => {
  for (const file of ['admin.sock', 'secrets.key']) {
    expect([file, statSync(join(directory, file)).mode & 0o777]).toEqual([file, 0o600]);
  }
});

it('nobody answers where no server runs', async () => {
  const none = await say(['s3', 'getsecret', '--data', join(directory, 'none')]);
  expect([none.code, none.out]).toEqual([1, '']);
  expect(none.complaint).toMatch(/^sluice: no server runs on .*none \(ENOENT\)\n$/);
});

it.each([
  [['s3', '--help'], 'getsecret'],
  [['s3', 'getsecret', '--help'], '--user <name>'],
  [['admin', 'user', '--help'], 'disable'],
])('%j helps', async (words, text) => {
  const { code, out } = await say(words);
  expect([code, out.includes(text)]).toEqual([0, true]);
});

it.each([
  [['s3']],
  [['s3', 'getsecrets']],
  [['admin', 'user', 'add']],
  [['s3', 'getsecret', '-x']],
])('%j is no command: exit code 2', async (words) => {
  const { code, out, complaint } = await say(words);
  expect([code, out]).toEqual([2, '']);
  expect(complaint.split('\n')).toHaveLength(2);
});

it('the key file is not in the metadata', () => {
  const key = readFileSync(join(directory, 'secrets.key'), 'utf8').trim();
  expect(readFileSync(join(directory, 'meta', 'data.mdb')).includes(key)).toBe(false);
});
