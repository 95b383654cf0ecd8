/** HTTPS with real clients: what is refused, what is renewed, and what conditions see of it. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { content } from '../support/content.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';

const pem = (name: string): string =>
  fileURLToPath(new URL(`../vectors/tls/${name}`, import.meta.url));
const ca = readFileSync(pem('ca.pem'));
const Bucket = 'over-tls';
let folder: string;
let sluice: SluiceProcess;
let client: S3Client;

function install(pair: 'first' | 'second'): void {
  copyFileSync(pem(`${pair}.key`), join(folder, 'server.key'));
  copyFileSync(pem(`${pair}.pem`), join(folder, 'server.pem'));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  install('first');
  const files = ['--tls-cert', join(folder, 'server.pem'), '--tls-key', join(folder, 'server.key')];
  sluice = await startSluice({ arguments: files });
  client = new S3Client({
    endpoint: `https://127.0.0.1:${sluice.port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: sluice.accessKey, secretAccessKey: sluice.secretKey },
    requestHandler: new NodeHttpHandler({ httpsAgent: new Agent({ ca, keepAlive: true }) }),
  });
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The common name of the certificate that a new connection is shown. */
function served(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: sluice.port, host: '127.0.0.1', ca }, () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      resolve(String(CN));
    });
    socket.once('error', reject);
  });
}

async function until(wanted: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while ((await served()) !== wanted) {
    if (Date.now() > deadline) throw new Error(`${wanted} is not served`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

it.each([0, 5, 20_000, 300_000, 9_000_000])('%i bytes go there and back', async (length) => {
  const Body = content(length);
  const object = { Bucket, Key: `of-${length}` };
  await client.send(new PutObjectCommand({ ...object, Body }));
  const found = await client.send(new GetObjectCommand(object));
  expect(Buffer.from((await found.Body?.transformToByteArray()) ?? []).equals(Body)).toBe(true);
});

it('a policy that wants TLS has it', async () => {
  const Condition = { Bool: { 'aws:SecureTransport': 'false' } };
  const Resource = [`arn:aws:s3:::${Bucket}/*`];
  const deny = { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource, Condition };
  const allow = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [deny, allow] });
  await client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
  const status = await new Promise((resolve, reject) => {
    const options = { port: sluice.port, host: '127.0.0.1', path: `/${Bucket}/k`, ca };
    const asked = request(options, (answer) => resolve(answer.resume().statusCode));
    asked.once('error', reject);
    asked.end();
  });
  expect(status).toBe(200);
});

it('plain HTTP is not answered on the port', async () => {
  const plain = s3Client({ ...sluice, endpoint: `http://127.0.0.1:${sluice.port}` });
  const asked = plain.send(new CreateBucketCommand({ Bucket: 'plain' }));
  await expect(asked).rejects.toThrow();
  plain.destroy();
});

it.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
  const handshake = new Promise<TLSSocket>((resolve, reject) => {
    const old = { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' } as const;
    const where = { port: sluice.port, host: '127.0.0.1', ca };
    const socket = connect({ ...where, ...old }, () => resolve(socket));
    socket.once('error', reject);
  });
  await expect(handshake).rejects.toThrow();
});

it('a new pair is served to new connections, and none that runs is dropped', async () => {
  expect(await served()).toBe('first.sluice.test');
  let stop = false;
  const Body = content(2_000_000);
  const load = async (lane: number): Promise<number> => {
    let count = 0;
    for (; !stop; count += 1) {
      await client.send(new PutObjectCommand({ Bucket, Key: `lane-${lane}`, Body }));
    }
    return count;
  };
  const lanes = [1, 2, 3].map(load);
  install('second');
  await until('second.sluice.test');
  stop = true;
  for (const count of await Promise.all(lanes)) expect(count).toBeGreaterThan(0);
});

it('half a pair, or none, is not served, and the old one goes on', async () => {
  install('second');
  await until('second.sluice.test');
  writeFileSync(join(folder, 'server.key'), 'no key');
  process.kill(sluice.pid, 'SIGHUP');
  const deadline = Date.now() + 15_000;
  while (!sluice.logs().includes('the old one is kept')) {
    expect(Date.now()).toBeLessThan(deadline);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await served()).toBe('second.sluice.test');
  install('first');
  process.kill(sluice.pid, 'SIGHUP');
  await until('first.sluice.test');
  await expectS3Error(
    client.send(new GetObjectCommand({ Bucket, Key: 'absent' })),
    404,
    'NoSuchKey',
  );
});
