/**
 * Several accounts on one server: an identities file with a main user, another one and an
 * administrator, clients for each of them, and requests that nobody signed.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { s3Client } from './client.ts';
import { type SluiceProcess, startSluice } from './server.ts';

export interface TestUser {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

function user(name: string): TestUser {
  return {
    id: Buffer.from(name.padEnd(32, '.')).toString('hex'),
    name,
    email: `${name}@example.com`,
    accessKey: `KEYOF${name.toUpperCase()}`,
    secretKey: `secret-of-${name}-secret-of-${name}`,
  };
}

export const MAIN = user('main');
export const ALT = user('alt');
/** May only read, by an inline policy. */
export const READER = user('reader');
export const ADMIN = user('admin');
/** May make buckets in two regions, without anything that needs another right. */
export const BUILDER = user('builder');

const READER_POLICY = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:Get*', 's3:List*', 's3:CreateBucket'], Resource: '*' },
    { Effect: 'Deny', Action: 's3:GetObject', Resource: 'arn:aws:s3:::*/${aws:username}-secret' },
  ],
};

const BUILDER_POLICY = {
  Version: '2012-10-17',
  Statement: {
    Effect: 'Allow',
    Action: 's3:CreateBucket',
    Resource: '*',
    Condition: { StringEquals: { 's3:LocationConstraint': ['eu-west-3', 'us-east-1'] } },
  },
};

export function identitiesText(): string {
  const users = [MAIN, ALT, READER, ADMIN, BUILDER].map((one) => ({
    id: one.id,
    name: one.name,
    email: one.email,
    admin: one === ADMIN,
    keys: [{ accessKey: one.accessKey, secretKey: one.secretKey }],
    ...(one === READER ? { policy: READER_POLICY } : {}),
    ...(one === BUILDER ? { policy: BUILDER_POLICY } : {}),
  }));
  return JSON.stringify({ users, kmsKeys: ['test-key'] });
}

export interface Town {
  readonly sluice: SluiceProcess;
  client(user: TestUser): S3Client;
  close(): Promise<void>;
}

/** A server with all of them. */
export async function startTown(...more: readonly string[]): Promise<Town> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-identities-'));
  const file = join(folder, 'identities.json');
  writeFileSync(file, identitiesText(), { mode: 0o600 });
  const sluice = await startSluice({ arguments: ['--identities', file, ...more] });
  const clients = new Map<string, S3Client>();
  return {
    sluice,
    client: (who) => {
      const known = clients.get(who.id);
      if (known !== undefined) return known;
      const { accessKey, secretKey } = who;
      const client = s3Client({ endpoint: sluice.endpoint, accessKey, secretKey });
      clients.set(who.id, client);
      return client;
    },
    close: async () => {
      for (const client of clients.values()) client.destroy();
      await sluice.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What nobody gets: status and error code. */
export async function anonymously(
  { endpoint }: SluiceProcess,
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Promise<[number, string | undefined]> {
  const init = body === undefined ? { method, headers } : { method, headers, body };
  const response = await fetch(endpoint + target, init);
  return [response.status, /<Code>(.*?)<\/Code>/.exec(await response.text())?.[1]];
}
