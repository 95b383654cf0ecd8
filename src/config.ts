/**
 * Settings: plain, validated, frozen data from flags, environment, one JSON file and defaults, in
 * this order of precedence. What settings there are stands in `config-table.ts`; this file reads
 * them and holds the rules between them.
 *
 * Nothing is created or opened for writing here: bad settings throw ConfigError with one line and
 * leave no trace.
 */
import { type CertificateFiles, readCertificate } from './admin/certificate.ts';
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { RootKey } from './admin/credentials.ts';
import { type Identities, NO_IDENTITIES, parseIdentities } from './admin/identities.ts';
import type { LogLevel } from './base/log.ts';
import { columnsOf, type Replication } from './chunks/chunk-store.ts';
import {
  environmentName,
  MIB,
  type Row,
  type SettingName,
  SETTING_NAMES,
  SETTINGS,
  type Values,
} from './config-table.ts';
import type { Ownership } from './s3/access-rules.ts';
import { parsePolicy } from './s3/policy/policy.ts';

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface Settings {
  /** Absolute paths. The first one also holds the metadata and the credentials. */
  readonly dataDirectories: readonly string[];
  readonly metaDirectory: string;
  readonly credentialsFile: string;
  /** Holds the key under which users' secrets are sealed; made when there is none. */
  readonly secretsKeyFile: string;
  /** Keys of encrypted objects. */
  readonly keyringFile: string;
  /** One directory for each datanode, spread round robin over the data directories. */
  readonly datanodeDirectories: readonly string[];
  readonly replication: Replication;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Lower case, without a leading dot. */
  readonly domains: readonly string[];
  /** Undefined: a request is verified with the region that its scope names. */
  readonly region: string | undefined;
  readonly durability: 'durable' | 'relaxed';
  readonly io: 'auto' | 'buffered' | 'direct';
  readonly http: 'node' | 'uwebsockets';
  readonly insecure: boolean;
  readonly sigv2: boolean;
  readonly arenaBytes: number;
  readonly digestThreads: number;
  readonly reclaimGraceMs: number;
  readonly uploadDays: number;
  /** Undefined: plain HTTP. The pair was good when the settings were read. */
  readonly tls: CertificateFiles | undefined;
  /** Undefined: no users besides root. */
  readonly identitiesFile: string | undefined;
  readonly identities: Identities;
  readonly defaultOwnership: Ownership;
  readonly lifecycleDayMs: number;
  /** Besides those below `domains`. */
  readonly websiteDomains: readonly string[];
  readonly accessLogMs: number;
  /** Names differ. */
  readonly eventTargets: readonly { readonly name: string; readonly place: string }[];
  /** Keys for SSE-KMS that the keyring has from the start. */
  readonly kmsKeys: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: 'auto' | 'ndjson' | 'pretty';
  /** Undefined: generated on the first start and kept in `credentialsFile`. */
  readonly rootKey: RootKey | undefined;
}

type Texts = string | readonly string[];

/** What the command line said: texts by setting name, plus `config`. Absent: not said. */
export type Flags = Readonly<Partial<Record<SettingName | 'config', Texts>>>;

/** Flags before environment before file before defaults. Throws ConfigError. */
export function readSettings(flags: Flags, env: Readonly<NodeJS.ProcessEnv>): Settings {
  const file = readFile(flags['config'] ?? env[environmentName('config')]);
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of SETTING_NAMES) {
    const setting: Row = SETTINGS[name];
    const [source, texts] = pick(name, flags, env, file);
    const raw = setting.many && typeof texts === 'string' ? texts.split(',') : texts;
    const parsed = setting.schema.safeParse(raw);
    if (!parsed.success) {
      const got = setting.secret === true ? '' : `, got ${JSON.stringify(raw)}`;
      throw new ConfigError(`${source}: ${parsed.error.issues[0]?.message ?? 'invalid'}${got}`);
    }
    values[name] = parsed.data;
  }
  return settle(values as Values);
}

function pick(
  name: SettingName,
  flags: Flags,
  env: Readonly<NodeJS.ProcessEnv>,
  file: ReadonlyMap<string, Texts>,
): [source: string, texts: Texts | undefined] {
  const flag = flags[name];
  if (flag !== undefined) return [`--${name}`, flag];
  const variable = env[environmentName(name)];
  if (variable !== undefined && variable !== '') return [environmentName(name), variable];
  const entry = file.get(name);
  if (entry !== undefined) return [`"${name}" in the config file`, entry];
  return [`--${name}`, SETTINGS[name].fallback];
}

const fileSchema = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
);

function readFile(path: Texts | undefined): ReadonlyMap<string, Texts> {
  if (path === undefined || path === '') return new Map();
  const shown = JSON.stringify(String(path));
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(String(path), 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ConfigError(`config file ${shown} cannot be read: ${why}`);
  }
  const entries = fileSchema.safeParse(parsed);
  if (!entries.success) {
    const where = entries.error.issues[0]?.path.join('.') ?? '';
    throw new ConfigError(`config file ${shown}: expected one object of plain values ${where}`);
  }
  const known = new Set<string>(SETTING_NAMES);
  const texts = new Map<string, Texts>();
  for (const [name, value] of Object.entries(entries.data)) {
    if (!known.has(name)) throw new ConfigError(`config file ${shown}: unknown setting "${name}"`);
    texts.set(name, Array.isArray(value) ? value : String(value));
  }
  return texts;
}

/** The rules between settings, and the names of everything below the data directories. */
function settle(values: Values): Settings {
  const dataDirectories = checkDirectories(values.data.map((directory) => resolve(directory)));
  const first = dataDirectories[0] as string;
  const count = values.datanodes ?? Math.max(3, dataDirectories.length);
  checkDatanodes(count, dataDirectories.length, values.replication);
  const { host, port } = values.listen;
  if (values.insecure === 1 && !isLoopback(host)) {
    throw new ConfigError(
      `--insecure lets anybody who reaches ${host} read and write: say it twice to mean it`,
    );
  }
  const accessKey = values['root-access-key'];
  const secretKey = values['root-secret-key'];
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw new ConfigError(
      `${environmentName('root-access-key')} and ${environmentName('root-secret-key')} go together`,
    );
  }
  const identities = readIdentities(values.identities, accessKey);
  return Object.freeze({
    dataDirectories,
    metaDirectory: join(first, 'meta'),
    credentialsFile: join(first, 'credentials.json'),
    secretsKeyFile: join(first, 'secrets.key'),
    keyringFile: join(first, 'keyring.json'),
    datanodeDirectories: Array.from({ length: count }, (_, index) =>
      join(dataDirectories[index % dataDirectories.length] as string, `datanode-${index + 1}`),
    ),
    replication: values.replication,
    host,
    port,
    domains: values.domain,
    region: values.region,
    durability: values.durability,
    io: values.io,
    http: values.http,
    insecure: (values.insecure ?? 0) > 0,
    sigv2: (values.sigv2 ?? 0) > 0,
    arenaBytes: values['arena-mib'] * MIB,
    digestThreads: values['digest-threads'],
    reclaimGraceMs: values['reclaim-grace-seconds'] * 1000,
    uploadDays: values['upload-days'],
    tls: checkTls(values['tls-cert'], values['tls-key'], values.http),
    identitiesFile: values.identities,
    identities,
    defaultOwnership: values['default-object-ownership'],
    lifecycleDayMs: values['lifecycle-day-seconds'] * 1000,
    websiteDomains: values['website-domain'],
    accessLogMs: values['access-log-seconds'] * 1000,
    eventTargets: checkTargets(values['event-target']),
    kmsKeys: [...new Set([...values['kms-key'], ...identities.kmsKeys])],
    logLevel: values['log-level'],
    logFormat: values['log-format'],
    rootKey:
      accessKey === undefined || secretKey === undefined ? undefined : { accessKey, secretKey },
  });
}

function readIdentities(file: string | undefined, rootKey: string | undefined): Identities {
  if (file === undefined) return NO_IDENTITIES;
  let identities: Identities;
  try {
    const home = { bucket: undefined, knows: () => true };
    identities = parseIdentities(readFileSync(file, 'utf8'), (text) => parsePolicy(text, home));
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ConfigError(`--identities: ${file}: ${why}`);
  }
  for (const { id, keys } of identities.users) {
    if (!keys.some(({ accessKey }) => accessKey === rootKey)) continue;
    throw new ConfigError(`--identities: ${file}: user ${id} has the root access key`);
  }
  return identities;
}

function checkTls(
  certFile: string | undefined,
  keyFile: string | undefined,
  http: Settings['http'],
): CertificateFiles | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new ConfigError('--tls-cert and --tls-key go together');
  }
  if (http !== 'node') throw new ConfigError(`--http ${http} does not speak TLS here`);
  try {
    readCertificate({ certFile, keyFile });
  } catch (error) {
    throw new ConfigError(`--tls-cert: ${(error as Error).message}`);
  }
  return { certFile, keyFile };
}

function checkTargets(targets: Settings['eventTargets']): Settings['eventTargets'] {
  const names = new Set<string>();
  for (const { name } of targets) {
    if (names.has(name)) throw new ConfigError(`--event-target: ${name} is given twice`);
    names.add(name);
  }
  return targets;
}

function checkDirectories(directories: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  for (const directory of directories) {
    if (seen.has(directory)) throw new ConfigError(`--data: ${directory} is given twice`);
    seen.add(directory);
    checkDirectory(directory, directory);
  }
  return directories;
}

/** It, or what it would be made in, has to be a directory that can be looked at. */
function checkDirectory(directory: string, path: string): void {
  let found;
  try {
    found = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new ConfigError(`--data: ${directory} cannot be used: ${(error as Error).message}`);
  }
  if (found === undefined) checkDirectory(directory, dirname(path));
  else if (!found.isDirectory()) throw new ConfigError(`--data: ${path} is not a directory`);
}

function checkDatanodes(count: number, directories: number, replication: Replication): void {
  const { data, parity } = columnsOf(replication);
  const needed = data + parity;
  if (count < needed) {
    throw new ConfigError(
      `replication ${replication} needs ${needed} datanodes, not ${count}: ` +
        `say --datanodes ${needed}`,
    );
  }
  if (count < directories) {
    throw new ConfigError(
      `--datanodes ${count} leaves some of the ${directories} data directories unused: ` +
        `say --datanodes ${directories}`,
    );
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
