/**
 * Server access logs of buckets: one line a request in S3's format, gathered and delivered as
 * objects into the bucket that the configuration names. Best effort, as AWS has it: lines gather
 * in memory, so a crash loses those of the last interval; what doesn't fit the bound is dropped
 * and told. A bucket without logging costs one lookup a request.
 *
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { S3Error } from '../base/s3-error.ts';
import type { Bodies } from '../body/body.ts';
import type { Bucket, ObjectStore } from '../objects/contract.ts';
import type { LoggingStatus } from './documents/logging.ts';
import { ANONYMOUS_ID } from './accounts.ts';
import type { S3Request } from './request.ts';

export interface AccessEntry {
  readonly request: S3Request;
  readonly hostId: string;
  /** Canonical id; undefined: anonymous. */
  readonly requester: string | undefined;
  readonly startedMs: number;
  readonly status: number;
  readonly code: string | undefined;
  readonly bytesSent: number;
  readonly objectSize: number | undefined;
  readonly totalMs: number;
  readonly turnAroundMs: number;
  readonly website: boolean;
}

type Target = NonNullable<LoggingStatus['LoggingEnabled']>;

interface Gathered {
  lines: string[];
  bytes: number;
  dropped: number;
}

const PIECE_BYTES = 64 * 1024;
/** One log object: stays in memory as a whole while it is stored. */
const OBJECT_BYTES = 512 * 1024;

export interface AccessLogOptions {
  readonly objects: Pick<ObjectStore, 'bucket' | 'put'>;
  readonly bodies: Bodies;
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs: number;
  readonly region: string;
}

export class AccessLog {
  readonly #options: AccessLogOptions;
  /** By the name of the bucket that the lines speak of. */
  readonly #gathered = new Map<string, Gathered>();
  readonly #timer: NodeJS.Timeout;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.flush(), options.intervalMs);
    this.#timer.unref();
  }

  /** Whether the bucket has a log: only then an entry need be made. */
  wants(name: string): boolean {
    return this.#bucket(name)?.configs.has('logging') ?? false;
  }

  note(name: string, entry: AccessEntry): void {
    const bucket = this.#bucket(name);
    if (bucket === undefined) return;
    const line = `${accessLine(bucket, entry)}\n`;
    const gathered = this.#gathered.get(name) ?? { lines: [], bytes: 0, dropped: 0 };
    this.#gathered.set(name, gathered);
    if (gathered.bytes + line.length > LIMITS.accessLogBytes) {
      gathered.dropped += 1;
      return;
    }
    gathered.lines.push(line);
    gathered.bytes += line.length;
  }

  /** Delivers what is gathered; never rejects. One delivery at a time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#deliverAll());
    return this.#flushing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  async #deliverAll(): Promise<void> {
    for (const [name, gathered] of [...this.#gathered]) {
      this.#gathered.delete(name);
      const { dropped } = gathered;
      if (dropped > 0) {
        this.#options.log.warn({ bucket: name, dropped }, 'access log lines were dropped');
      }
      try {
        await this.#deliver(name, gathered.lines);
      } catch (error) {
        const fields = { bucket: name, lines: gathered.lines.length, err: error };
        this.#options.log.warn(fields, 'access log lines could not be delivered');
      }
    }
  }

  async #deliver(name: string, lines: readonly string[]): Promise<void> {
    const source = this.#bucket(name);
    const text = source?.configs.get('logging');
    // Switched off meanwhile: nobody wants them any more.
    if (source === undefined || text === undefined) return;
    const target = (JSON.parse(text) as LoggingStatus).LoggingEnabled;
    if (target === undefined) return;
    const { ownerId } = this.#options.objects.bucket(target.TargetBucket);
    // The name may have come to another owner since.
    if (ownerId !== source.ownerId) return;
    for (let from = 0; from < lines.length;) {
      let bytes = 0;
      let to = from;
      while (to < lines.length && bytes < OBJECT_BYTES)
        bytes += Buffer.byteLength(lines[to++] ?? '');
      const body = Buffer.from(lines.slice(from, to).join(''));
      await this.#store(target.TargetBucket, this.#keyOf(source, target), ownerId, body);
      from = to;
    }
  }

  #keyOf(source: Bucket, target: Target): string {
    const iso = new Date(this.#options.clock.now()).toISOString();
    const [year, month, day] = iso.slice(0, 10).split('-');
    const name = `${iso.slice(0, 19).replaceAll(/[T:]/g, '-')}-${randomBytes(8).toString('hex').toUpperCase()}`;
    const { TargetPrefix: prefix, TargetObjectKeyFormat: format } = target;
    if (format?.PartitionedPrefix === undefined) return prefix + name;
    const { region } = this.#options;
    return `${prefix}${source.ownerId}/${region}/${source.name}/${year}/${month}/${day}/${name}`;
  }

  async #store(bucket: string, key: string, ownerId: string, bytes: Buffer): Promise<void> {
    let resume = (): void => {};
    const { body, feed } = this.#options.bodies.open(
      {
        framing: 'identity',
        payloadLength: bytes.length,
        digests: new Set(['md5']),
        expected: new Map(),
        sha256From: undefined,
        trailer: undefined,
        hasTrailer: false,
        signer: undefined,
      },
      { resume: () => resume() },
    );
    const stored = this.#options.objects.put(
      {
        bucket,
        key,
        ownerId,
        attributes: {
          headers: { 'content-type': 'text/plain' },
          metadata: {},
          tags: {},
          storageClass: 'STANDARD',
        },
        conditions: {},
        checksumAlgorithm: undefined,
        signal: new AbortController().signal,
      },
      body,
    );
    // Awaited below; until then a failure must not look forgotten.
    stored.catch(() => undefined);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const resumed = new Promise<void>((resolve) => {
        resume = resolve;
      });
      if (!feed.push(bytes.subarray(at, at + PIECE_BYTES))) await resumed;
    }
    feed.end();
    await stored;
  }

  #bucket(name: string): Bucket | undefined {
    try {
      return this.#options.objects.bucket(name);
    } catch (error) {
      if (error instanceof S3Error) return undefined;
      throw error;
    }
  }
}

const RESOURCES: readonly (readonly [query: string, bucket: string, object: string])[] = [
  ['accelerate', 'ACCELERATE', ''],
  ['acl', 'ACL', 'ACL'],
  ['attributes', '', 'OBJECT_ATTRIBUTES'],
  ['cors', 'CORS', ''],
  ['delete', 'MULTI_OBJECT_DELETE', ''],
  ['encryption', 'ENCRYPTION', ''],
  ['legal-hold', '', 'LEGAL_HOLD'],
  ['lifecycle', 'LIFECYCLE', ''],
  ['location', 'LOCATION', ''],
  ['logging', 'LOGGING_STATUS', ''],
  ['notification', 'NOTIFICATION', ''],
  ['object-lock', 'OBJECT_LOCK_CONFIGURATION', ''],
  ['ownershipControls', 'OWNERSHIP_CONTROLS', ''],
  ['policy', 'BUCKETPOLICY', ''],
  ['policyStatus', 'POLICY_STATUS', ''],
  ['publicAccessBlock', 'PUBLIC_ACCESS_BLOCK', ''],
  ['requestPayment', 'REQUEST_PAYMENT', ''],
  ['retention', '', 'RETENTION'],
  ['tagging', 'TAGGING', 'OBJECT_TAGGING'],
  ['uploads', 'UPLOADS', 'UPLOADS'],
  ['versioning', 'VERSIONING', ''],
  ['versions', 'BUCKETVERSIONS', ''],
  ['website', 'WEBSITE', ''],
  ['partNumber', '', 'PART'],
  ['uploadId', '', 'UPLOAD'],
];

/** `REST.GET.OBJECT` and its like. */
export function operationField(request: S3Request, website: boolean): string {
  const { method, query, key } = request;
  if (website) return `WEBSITE.${method}.OBJECT`;
  if (method === 'OPTIONS') return 'REST.OPTIONS.PREFLIGHT';
  const column = key === undefined ? 1 : 2;
  const sub = RESOURCES.find((row) => query.has(row[0]) && row[column] !== '');
  const copies = method === 'PUT' && request.headers.has('x-amz-copy-source');
  return `REST.${copies ? 'COPY' : method}.${sub?.[column] ?? (column === 1 ? 'BUCKET' : 'OBJECT')}`;
}

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';

function timeField(ms: number): string {
  const iso = new Date(ms).toISOString();
  const month = Number(iso.slice(5, 7)) - 1;
  const name = MONTHS.slice(month * 3, month * 3 + 3);
  return `[${iso.slice(8, 10)}/${name}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000]`;
}

/** No field can end before its quote, nor a line before its end. */
function quoted(text: string | undefined): string {
  if (text === undefined || text === '') return '"-"';
  return `"${text.replaceAll(/["\\\u0000-\u001f\u007f]/g, encodeURIComponent)}"`;
}

function plain(text: string | undefined): string {
  return text === undefined || text === '' ? '-' : text.replaceAll(/\s/g, '+');
}

function signatureFields({ headers, query }: S3Request): [version: string, type: string] {
  const authorization = headers.get('authorization');
  if (authorization !== undefined) {
    return [authorization.startsWith('AWS4-') ? 'SigV4' : 'SigV2', 'AuthHeader'];
  }
  if (query.has('X-Amz-Signature')) return ['SigV4', 'QueryString'];
  return query.has('Signature') ? ['SigV2', 'QueryString'] : ['-', '-'];
}

/** A customer's key in an address is refused; the log must not keep it all the same. */
function withoutKeys(rawQuery: string): string {
  // Undecoded names are looked at too: what is encoded oddly says no more than its name.
  if (!/customer/i.test(rawQuery) && !rawQuery.includes('%')) return rawQuery;
  const shown = rawQuery.split('&').map((pair) => {
    const [name = ''] = pair.split('=', 1);
    return isKeyName(name) ? `${name}=-` : pair;
  });
  return shown.join('&');
}

function isKeyName(name: string): boolean {
  try {
    return /-customer-key(-md5)?$/i.test(decodeURIComponent(name));
  } catch {
    return true;
  }
}

export function accessLine(bucket: Bucket, entry: AccessEntry): string {
  const { request, code, bytesSent, objectSize } = entry;
  const { head, headers, key } = request;
  const { rawPath, rawQuery } = head;
  const target = rawQuery === '' ? rawPath : `${rawPath}?${withoutKeys(rawQuery)}`;
  return [
    plain(bucket.ownerId),
    bucket.name,
    timeField(entry.startedMs),
    plain(head.remoteAddress),
    plain(entry.requester === ANONYMOUS_ID ? undefined : entry.requester),
    request.id,
    operationField(request, entry.website),
    key === undefined ? '-' : encodeURIComponent(key).replaceAll('%2F', '/'),
    quoted(`${head.method} ${target} HTTP/1.1`),
    entry.status,
    plain(code),
    bytesSent === 0 ? '-' : bytesSent,
    objectSize ?? '-',
    entry.totalMs,
    entry.turnAroundMs,
    quoted(headers.get('referer')),
    quoted(headers.get('user-agent')),
    plain(request.query.get('versionId')),
    entry.hostId,
    ...signatureFields(request).flatMap((field, index) => (index === 0 ? [field, '-'] : [field])),
    plain(headers.get('host')),
    '-',
    '-',
    '-',
  ].join(' ');
}
