/**
 * The table of settings: one row says everything about one setting, the readers (command line,
 * environment, file) only follow it. `arena-mib` is `--arena-mib`, `SLUICE_ARENA_MIB` and
 * `"arena-mib"` in the config file. Rules between settings stand in `config.ts`.
 */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { LIMITS } from './base/limits.ts';
import { LOG_LEVELS } from './base/log.ts';
import { REPLICATIONS } from './chunks/chunk-store.ts';
import { OWNERSHIPS } from './s3/access-rules.ts';

export const MIB = 1024 * 1024;
/** Offsets into the arena must stay positive as 32-bit integers. */
const ARENA_MIB_MAX = 2047;
const ARENA_MIB_MIN = 32;
const DATANODES_MAX = 64;

function whole(min: number, max: number): z.ZodType<number, string> {
  const message = `expected a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

function oneOf<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, { error: `expected one of ${words.join(', ')}` });
}

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

const hostPort = z.string().transform((text, context) => {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  const valid = match?.[1] === undefined ? HOST_NAME.test(host) : isIP(host) === 6;
  if (match === null || !valid || port > 65_535) {
    context.addIssue('expected HOST:PORT, for instance 127.0.0.1:9878 or [::1]:9878');
    return z.NEVER;
  }
  return { host, port };
});

const domain = z
  .string()
  .transform((text) => text.toLowerCase().replace(/^\./, ''))
  .refine((text) => HOST_NAME.test(text) && isIP(text) === 0, 'expected a domain name');

const eventTarget = z.string().transform((text, context) => {
  const [, name, place] = /^([A-Za-z0-9_-]{1,64})=(.+)$/.exec(text) ?? [];
  const web = place !== undefined && /^[a-z][a-z0-9+.-]*:\/\//i.test(place);
  const valid = !web || (/^https?:/i.test(place) && URL.canParse(place));
  if (name === undefined || place === undefined || !valid) {
    context.addIssue('expected NAME=URL or NAME=FILE, for instance build=https://ci.example/hook');
    return z.NEVER;
  }
  return { name, place: web ? place : resolve(place) };
});

const times = z
  .string()
  .transform(
    (text) => ({ '': 0, '0': 0, false: 0, no: 0, '1': 1, true: 1, yes: 1, '2': 2, twice: 2 })[text],
  )
  .refine((count) => count !== undefined, 'expected true, false or twice');

export interface Row<Schema extends z.ZodType = z.ZodType> {
  /** Placeholder in the help; undefined: a flag without a value, counted. */
  readonly argument: string | undefined;
  /** Given more than once, separated by commas in the environment, an array in the file. */
  readonly many: boolean;
  /** Not taken from the command line, where other users of the machine could read it. */
  readonly secret?: boolean;
  readonly help: string;
  readonly fallback: string | readonly string[] | undefined;
  /** How the help words the default when the value alone would not say it. */
  readonly fallbackText?: string;
  /** Reads the text, or the texts of a setting with `many`. */
  readonly schema: Schema;
}

function row<Schema extends z.ZodType>(row: Row<Schema>): Row<Schema> {
  return row;
}

/** Every setting there is, in the order of the help. */
export const SETTINGS = {
  data: row({
    argument: '<dir...>',
    many: true,
    help: 'data directories; the first also holds metadata and credentials',
    fallback: ['./data'],
    schema: z.array(z.string().min(1, 'expected a directory')).min(1, 'expected a directory'),
  }),
  datanodes: row({
    argument: '<n>',
    many: false,
    help: 'datanodes, spread round robin over the data directories',
    fallback: undefined,
    fallbackText: '3, or one for each data directory if those are more',
    schema: whole(1, DATANODES_MAX).optional(),
  }),
  replication: row({
    argument: '<name>',
    many: false,
    help: `how objects are kept: ${REPLICATIONS.join(', ')}`,
    fallback: 'xor-2-1-1024k',
    schema: oneOf(REPLICATIONS),
  }),
  listen: row({
    argument: '<host:port>',
    many: false,
    help: 'where to serve',
    fallback: '127.0.0.1:9878',
    schema: hostPort,
  }),
  domain: row({
    argument: '<name>',
    many: true,
    help: 'domain of virtual-host style addresses (bucket.<name>); repeatable',
    fallback: [],
    fallbackText: 'none: path style only',
    schema: z.array(domain),
  }),
  region: row({
    argument: '<name>',
    many: false,
    help: 'the one region requests must be signed for',
    fallback: undefined,
    fallbackText: 'none: whatever region the request names',
    schema: z
      .string()
      .regex(/^[a-z0-9-]{1,63}$/, 'expected lower-case letters, digits and dashes')
      .optional(),
  }),
  durability: row({
    argument: '<mode>',
    many: false,
    help: 'durable: a 200 means on stable storage; relaxed: handed to the operating system',
    fallback: 'durable',
    schema: oneOf(['durable', 'relaxed']),
  }),
  io: row({
    argument: '<mode>',
    many: false,
    help: 'how shard files are written: buffered, direct (past the page cache), auto (as it pays)',
    fallback: 'auto',
    schema: oneOf(['auto', 'buffered', 'direct']),
  }),
  http: row({
    argument: '<kind>',
    many: false,
    help: 'who speaks HTTP: node (our own, over its sockets) or uwebsockets (native library)',
    fallback: 'node',
    schema: oneOf(['node', 'uwebsockets']),
  }),
  'tls-cert': row({
    argument: '<file>',
    many: false,
    help: 'PEM file of the certificate chain: serves HTTPS, TLS 1.2 or newer; read again on change',
    fallback: undefined,
    fallbackText: 'none: plain HTTP',
    schema: z.string().min(1, 'expected a file').optional(),
  }),
  'tls-key': row({
    argument: '<file>',
    many: false,
    help: 'PEM file of the private key of --tls-cert',
    fallback: undefined,
    fallbackText: 'none',
    schema: z.string().min(1, 'expected a file').optional(),
  }),
  insecure: row({
    argument: undefined,
    many: false,
    help: 'accept any key and any signature; must be said twice when not on loopback',
    fallback: 'false',
    fallbackText: 'off: every request is verified',
    schema: times,
  }),
  sigv2: row({
    argument: undefined,
    many: false,
    help: 'accept signature version 2 too (HMAC-SHA1), for clients that know nothing newer',
    fallback: 'false',
    fallbackText: 'off: version 4 only',
    schema: times,
  }),
  'arena-mib': row({
    argument: '<n>',
    many: false,
    help: 'memory that all bodies in flight share, in MiB',
    fallback: String(LIMITS.arenaBytes / MIB),
    schema: whole(ARENA_MIB_MIN, ARENA_MIB_MAX),
  }),
  'digest-threads': row({
    argument: '<n>',
    many: false,
    help: 'threads that verify signatures and compute checksums',
    fallback: String(Math.max(1, availableParallelism() - 1)),
    fallbackText: 'cores - 1, at least 1',
    schema: whole(1, 64),
  }),
  'reclaim-grace-seconds': row({
    argument: '<n>',
    many: false,
    help: 'how long replaced and deleted bytes stay on disk, so that running reads finish',
    fallback: String(LIMITS.reclaimGraceMs / 1000),
    schema: whole(0, 604_800),
  }),
  'upload-days': row({
    argument: '<n>',
    many: false,
    help: 'multipart uploads that nobody completed are aborted after this many days',
    fallback: String(LIMITS.uploadDays),
    schema: whole(1, 3650),
  }),
  identities: row({
    argument: '<file>',
    many: false,
    help: 'JSON file of users, their keys and policies, and names of encryption keys',
    fallback: undefined,
    fallbackText: 'none: the root user alone',
    schema: z.string().min(1, 'expected a file').optional(),
  }),
  'default-object-ownership': row({
    argument: '<kind>',
    many: false,
    help: `ownership of objects in buckets without controls: ${OWNERSHIPS.join(', ')}`,
    fallback: 'BucketOwnerEnforced',
    schema: oneOf(OWNERSHIPS),
  }),
  'lifecycle-day-seconds': row({
    argument: '<n>',
    many: false,
    help: 'length of a day in lifecycle rules; shorter only to try rules out',
    fallback: '86400',
    schema: whole(1, 86_400),
  }),
  'website-domain': row({
    argument: '<name>',
    many: true,
    help: 'domain of website addresses (bucket.<name>), besides s3-website.<domain>; repeatable',
    fallback: [],
    fallbackText: 'none',
    schema: z.array(domain),
  }),
  'access-log-seconds': row({
    argument: '<n>',
    many: false,
    help: 'how often gathered access log lines of buckets are delivered',
    fallback: '60',
    schema: whole(1, 86_400),
  }),
  'event-target': row({
    argument: '<name=place>',
    many: true,
    help: 'target of event notifications: NAME=URL (webhook) or NAME=FILE; repeatable',
    fallback: [],
    fallbackText: 'none',
    schema: z.array(eventTarget),
  }),
  'kms-key': row({
    argument: '<name>',
    many: true,
    help: 'key for SSE-KMS that the keyring shall have, made unless it is there; repeatable',
    fallback: [],
    fallbackText: 'none; aws/s3 is made when it is first used',
    schema: z.array(
      z.string().regex(/^[A-Za-z0-9/_-]{1,250}$/, 'expected letters, digits, dashes, slashes'),
    ),
  }),
  'log-level': row({
    argument: '<level>',
    many: false,
    help: `least severe lines to log: ${LOG_LEVELS.join(', ')}`,
    fallback: 'info',
    schema: oneOf(LOG_LEVELS),
  }),
  'log-format': row({
    argument: '<format>',
    many: false,
    help: 'ndjson, pretty, or auto: pretty on a terminal',
    fallback: 'auto',
    schema: oneOf(['auto', 'ndjson', 'pretty']),
  }),
  'root-access-key': row({
    argument: '<key>',
    many: false,
    secret: true,
    help: 'access key of the root user',
    fallback: undefined,
    fallbackText: 'made on first start',
    schema: z
      .string()
      .regex(/^[A-Za-z0-9._-]{3,128}$/, 'expected 3 to 128 letters, digits, dots, dashes')
      .optional(),
  }),
  'root-secret-key': row({
    argument: '<secret>',
    many: false,
    secret: true,
    help: 'secret key of the root user',
    fallback: undefined,
    fallbackText: 'made on first start',
    schema: z
      .string()
      .regex(/^[!-~]{8,128}$/, 'expected 8 to 128 printable characters without spaces')
      .optional(),
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** What the schemas make of the texts. */
export type Values = {
  readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]['schema']>;
};

export function environmentName(name: SettingName | 'config'): string {
  return `SLUICE_${name.toUpperCase().replaceAll('-', '_')}`;
}
