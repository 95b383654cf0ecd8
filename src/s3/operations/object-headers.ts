/**
 * The headers of objects, both ways: what a request says about an object (system headers, user
 * metadata, tags, storage class, conditions, checksums) and how an object's head is sent back.
 * Refuses, by name, headers whose meaning is not built: they must never be ignored silently.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type {
  Checksum,
  ChecksumAlgorithm,
  ChecksumType,
  Conditions,
  ObjectAttributes,
  ObjectHead,
  PartChecksum,
} from '../../objects/contract.ts';
import type { S3Request } from '../request.ts';

type Headers = S3Request['headers'];
type HeaderList = (readonly [name: string, value: string])[];

const SYSTEM_HEADERS = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
] as const;

const META_PREFIX = 'x-amz-meta-';

const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'GLACIER_IR',
  'SNOW',
  'EXPRESS_ONEZONE',
]);

export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
];

/** Full-object, and combined from the checksums of parts without reading them. */
export const DEFAULT_CHECKSUM: ChecksumAlgorithm = 'CRC64NVME';

/** What a delete may demand of the object beside its ETag. */
export const DELETE_CONDITIONS: ReadonlySet<string> = new Set([
  'x-amz-if-match-last-modified-time',
  'x-amz-if-match-size',
]);

const NONE: ReadonlySet<string> = new Set();

const UNBUILT_PREFIXES = [
  'x-amz-write-offset-bytes',
  // Conditions that only a delete has: nothing else may seem to keep them.
  ...DELETE_CONDITIONS,
];

/** Throws NotImplemented for a header that asks for something that is not built. */
export function refuseUnbuiltHeaders(headers: Headers, built: ReadonlySet<string> = NONE): void {
  for (const name of headers.keys()) {
    if (!name.startsWith('x-amz-') || built.has(name)) continue;
    if (UNBUILT_PREFIXES.some((prefix) => name.startsWith(prefix))) throw notBuilt(name);
  }
}

function notBuilt(header: string): S3Error {
  return new S3Error('NotImplemented', { fields: { Header: header } });
}

/** `aws-chunked` names the transfer, not the content: it is not kept. */
function contentEncoding(value: string): string {
  return value
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked')
    .join(',');
}

export function parseHeadersAndMetadata(
  headers: Headers,
): Pick<ObjectAttributes, 'headers' | 'metadata'> {
  const system = new Map([['content-type', 'binary/octet-stream']]);
  for (const name of SYSTEM_HEADERS) {
    const raw = headers.get(name);
    if (raw === undefined || raw === '') continue;
    const value = name === 'content-encoding' ? contentEncoding(raw) : raw;
    if (value !== '') system.set(name, value);
  }
  // A map, not a record: a record would swallow the name `__proto__`.
  const metadata = new Map<string, string>();
  for (const [name, value] of headers) {
    if (name.startsWith(META_PREFIX)) metadata.set(name.slice(META_PREFIX.length), value);
  }
  // S3 bounds both kinds, each by itself.
  checkMetadataSize(system);
  checkMetadataSize(metadata);
  return { headers: Object.fromEntries(system), metadata: Object.fromEntries(metadata) };
}

function checkMetadataSize(pairs: ReadonlyMap<string, string>): void {
  let bytes = 0;
  for (const [name, value] of pairs) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  if (bytes <= LIMITS.metadataBytes) return;
  throw new S3Error('MetadataTooLarge', {
    fields: { Size: String(bytes), MaxSizeAllowed: String(LIMITS.metadataBytes) },
  });
}

export function parseStorageClass(headers: Headers): string | undefined {
  const value = headers.get('x-amz-storage-class');
  if (value !== undefined && !STORAGE_CLASSES.has(value)) throw new S3Error('InvalidStorageClass');
  return value;
}

export function parseAttributes(headers: Headers): ObjectAttributes {
  return {
    ...parseHeadersAndMetadata(headers),
    tags: parseTaggingHeader(headers.get('x-amz-tagging')),
    storageClass: parseStorageClass(headers) ?? 'STANDARD',
  };
}

/** `x-amz-tagging`: url-encoded pairs. */
export function parseTaggingHeader(value: string | undefined): Record<string, string> {
  if (value === undefined || value === '') return {};
  const pairs: [string, string][] = [];
  for (const pair of value.split('&')) {
    const at = pair.indexOf('=');
    const name = at < 0 ? pair : pair.slice(0, at);
    try {
      const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
      pairs.push([decode(name), at < 0 ? '' : decode(pair.slice(at + 1))]);
    } catch {
      throw new S3Error('InvalidArgument', {
        message:
          "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query " +
          'parameters without tag name duplicates.',
        fields: { ArgumentName: 'x-amz-tagging', ArgumentValue: value },
      });
    }
  }
  return checkTags(pairs);
}

const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** The rules for tag sets, whatever carried them. Throws InvalidTag or BadRequest. */
export function checkTags(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  if (pairs.length > LIMITS.tagCount) {
    throw new S3Error('BadRequest', {
      message: `Object tags cannot be greater than ${LIMITS.tagCount}`,
    });
  }
  const tags = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (tags.has(name)) {
      throw new S3Error('InvalidTag', {
        message: 'Cannot provide multiple Tags with the same key',
        fields: { TagKey: name },
      });
    }
    if (name === '' || name.length > LIMITS.tagKeyChars || !TAG_TEXT.test(name)) {
      throw new S3Error('InvalidTag', {
        message: 'The TagKey you have provided is invalid',
        fields: { TagKey: name },
      });
    }
    if (name.toLowerCase().startsWith('aws:')) {
      throw new S3Error('InvalidTag', {
        message: 'System tags cannot be added/updated by requester',
        fields: { TagKey: name },
      });
    }
    if (value.length > LIMITS.tagValueChars || !TAG_TEXT.test(value)) {
      throw new S3Error('InvalidTag', {
        message: 'The TagValue you have provided is invalid',
        fields: { TagKey: name, TagValue: value },
      });
    }
    tags.set(name, value);
  }
  return Object.fromEntries(tags);
}

/** An HTTP date in ms; undefined when absent or unreadable (RFC 9110: ignore it then). */
function httpDate(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}

/** `prefix`: `x-amz-copy-source-` or `x-amz-rename-source-` for conditions on a source. */
export function parseConditions(headers: Headers, prefix = ''): Conditions {
  // Names made anew for every request would have to be hashed for every look into the map.
  const names = prefix === '' ? PLAIN_CONDITIONS : conditionNames(prefix);
  return {
    ifMatch: headers.get(names.match),
    ifNoneMatch: headers.get(names.noneMatch),
    ifModifiedSinceMs: httpDate(headers.get(names.modifiedSince)),
    ifUnmodifiedSinceMs: httpDate(headers.get(names.unmodifiedSince)),
  };
}

function conditionNames(prefix: string) {
  return {
    match: `${prefix}if-match`,
    noneMatch: `${prefix}if-none-match`,
    modifiedSince: `${prefix}if-modified-since`,
    unmodifiedSince: `${prefix}if-unmodified-since`,
  };
}

const PLAIN_CONDITIONS = conditionNames('');

/** Sizes and times of conditions; undefined: neither a whole number nor a date. */
export function conditionSize(value: string): number | undefined {
  return /^\d{1,15}$/.test(value.trim()) ? Number(value) : undefined;
}

export function conditionTime(value: string): number | undefined {
  return httpDate(value);
}

/** Deletes know If-Match, and the size and the time that the object must have. */
export function parseDeleteConditions(headers: Headers): Conditions {
  const read = (name: string, parse: (value: string) => number | undefined) => {
    const value = headers.get(name);
    if (value === undefined) return undefined;
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    throw new S3Error('InvalidArgument', {
      message: `Invalid value for the header ${name}`,
      fields: { ArgumentName: name, ArgumentValue: value },
    });
  };
  return {
    ifMatch: headers.get('if-match'),
    ifMatchSize: read('x-amz-if-match-size', conditionSize),
    ifMatchMtimeMs: read('x-amz-if-match-last-modified-time', conditionTime),
  };
}

/** Writes know If-Match and `If-None-Match: *` only; S3 refuses an ETag in the latter. */
export function parseWriteConditions(headers: Headers): Conditions {
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') throw notBuilt('If-None-Match');
  return { ifMatch: headers.get('if-match'), ifNoneMatch };
}

function algorithm(value: string): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((one) => one === value.toUpperCase());
}

export function parseChecksumAlgorithm(value: string | undefined): ChecksumAlgorithm | undefined {
  if (value === undefined) return undefined;
  const known = algorithm(value);
  if (known === undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'Checksum algorithm provided is unsupported. Please try again with any of the valid ' +
        `types: [${CHECKSUM_ALGORITHMS.join(', ')}]`,
    });
  }
  return known;
}

export function parseChecksumType(value: string | undefined): ChecksumType | undefined {
  if (value === undefined || value === 'COMPOSITE' || value === 'FULL_OBJECT') return value;
  throw new S3Error('InvalidRequest', {
    message: 'Value for x-amz-checksum-type header is invalid.',
  });
}

/**
 * The checksum that the body carries, in a header or in its trailer. A client that announces an
 * algorithm (`x-amz-sdk-checksum-algorithm`) must send a value of that algorithm.
 */
export function bodyChecksumAlgorithm(headers: Headers): ChecksumAlgorithm | undefined {
  const announced = parseChecksumAlgorithm(headers.get('x-amz-sdk-checksum-algorithm'));
  const trailer = headers.get('x-amz-trailer')?.trim().toLowerCase();
  const carried = CHECKSUM_ALGORITHMS.find((one) => {
    const header = `x-amz-checksum-${one.toLowerCase()}`;
    return headers.has(header) || trailer === header;
  });
  if (announced !== undefined && carried === undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or ' +
        'x-amz-trailer headers were found.',
    });
  }
  if (announced !== undefined && announced !== carried) {
    throw new S3Error('InvalidRequest', {
      message: 'Value for x-amz-sdk-checksum-algorithm header is invalid.',
    });
  }
  return carried;
}

/** What S3 computes of an object whose client sends no checksum of its own. */
export function impliedChecksum(headers: Headers): ChecksumAlgorithm | undefined {
  const trailer = headers.get('x-amz-trailer');
  if (trailer !== undefined && trailer !== '') return undefined;
  return headerChecksum(headers) === undefined ? DEFAULT_CHECKSUM : undefined;
}

/** The one `x-amz-checksum-*` value of a request without a body of its own (Complete). */
export function headerChecksum(headers: Headers): PartChecksum | undefined {
  for (const one of CHECKSUM_ALGORITHMS) {
    const value = headers.get(`x-amz-checksum-${one.toLowerCase()}`);
    if (value !== undefined) return { algorithm: one, value };
  }
  return undefined;
}

export function checksumHeaders(checksum: Checksum | undefined): HeaderList {
  if (checksum === undefined) return [];
  return [
    [`x-amz-checksum-${checksum.algorithm.toLowerCase()}`, checksum.value],
    ['x-amz-checksum-type', checksum.type],
  ];
}

const HEADER_NAMES: Readonly<Record<string, string>> = {
  'content-type': 'Content-Type',
  'cache-control': 'Cache-Control',
  'content-disposition': 'Content-Disposition',
  'content-encoding': 'Content-Encoding',
  'content-language': 'Content-Language',
  expires: 'Expires',
};

/** All stored headers of an object; `overrides` are the `response-*` query parameters. */
export function objectHeaders(
  head: ObjectHead,
  overrides: Readonly<Record<string, string>> = {},
): HeaderList {
  const list: HeaderList = [
    ['Last-Modified', new Date(head.mtimeMs).toUTCString()],
    ['ETag', `"${head.etag}"`],
    ['Accept-Ranges', 'bytes'],
  ];
  for (const [name, value] of Object.entries({ ...head.headers, ...overrides })) {
    list.push([HEADER_NAMES[name] ?? name, value]);
  }
  for (const [name, value] of Object.entries(head.metadata)) {
    list.push([`${META_PREFIX}${name}`, value]);
  }
  const tagCount = Object.keys(head.tags).length;
  if (tagCount > 0) list.push(['x-amz-tagging-count', String(tagCount)]);
  if (head.storageClass !== 'STANDARD') list.push(['x-amz-storage-class', head.storageClass]);
  const { retention, legalHold } = head.lock ?? {};
  if (retention !== undefined) {
    const until = new Date(retention.untilMs).toISOString();
    list.push(['x-amz-object-lock-mode', retention.mode]);
    list.push(['x-amz-object-lock-retain-until-date', until]);
  }
  if (legalHold !== undefined) {
    list.push(['x-amz-object-lock-legal-hold', legalHold ? 'ON' : 'OFF']);
  }
  if (head.versionId !== undefined) list.push(['x-amz-version-id', head.versionId]);
  return list;
}
