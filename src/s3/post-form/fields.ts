/**
 * The part of a multipart/form-data body that stands before its file: names and values of the
 * fields, read from bytes that are bounded by `LIMITS.formBytes`. Refuses what is not well formed,
 * fields that come twice, and values that are not UTF-8. Pure: knows neither policy nor bucket.
 * Source: RFC 7578 and AmazonS3/latest/API/RESTObjectPOST.html
 */
import { LIMITS } from '../../base/limits.ts';
import { utf8Decode } from '../../base/bytes.ts';
import { S3Error } from '../../base/s3-error.ts';

export interface FormHead {
  /** Lower-case names; `${filename}` replaced. Without the file. */
  readonly fields: ReadonlyMap<string, string>;
  /** Index of the file's first byte. */
  readonly fileAt: number;
}

export function malformedForm(): S3Error {
  return new S3Error('MalformedPOSTRequest');
}

/** The boundary that a Content-Type names. Throws MalformedPOSTRequest. */
export function boundaryOf(contentType: string | undefined): string {
  const match = /;\s*boundary=(?:"([^"\\\r\n]+)"|([^\s;,"]+))/i.exec(contentType ?? '');
  const boundary = match?.[1] ?? match?.[2] ?? '';
  if (boundary === '' || boundary.length > LIMITS.boundaryChars) throw malformedForm();
  if (!/^[\x20-\x7e]*[\x21-\x7e]$/.test(boundary)) throw malformedForm();
  return boundary;
}

const HEADERS_END = Buffer.from('\r\n\r\n');

/** Parameters of a Content-Disposition: browsers escape quotes by `%22`, others by a backslash. */
function parameter(disposition: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"((?:\\\\.|[^"\\\\])*)"|([^\\s;"]+))`, 'i').exec(
    disposition,
  );
  if (found === null) return undefined;
  return found[1]?.replaceAll(/\\(["\\])/g, '$1') ?? found[2];
}

interface PartHead {
  readonly name: string;
  readonly filename: string | undefined;
}

function text(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes);
  } catch {
    throw malformedForm();
  }
}

function parsePartHead(bytes: Uint8Array): PartHead {
  for (const line of text(bytes).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 1) throw malformedForm();
    if (line.slice(0, colon).trim().toLowerCase() !== 'content-disposition') continue;
    const value = line.slice(colon + 1).trim();
    const name = parameter(value, 'name');
    if (!/^form-data\s*;/i.test(value) || name === undefined || name === '') throw malformedForm();
    return { name: name.toLowerCase(), filename: parameter(value, 'filename') };
  }
  throw malformedForm();
}

/** Browsers may send a path: what follows the last slash or backslash is the name. */
function baseName(filename: string): string {
  return filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1);
}

/**
 * Reads fields as they come. `read` answers undefined while the file has not begun; it reads no
 * byte of a finished field again, so a form that comes byte by byte costs no more than its length.
 */
export class FieldReader {
  readonly #opening: Buffer;
  readonly #delimiter: Buffer;
  readonly #fields = new Map<string, string>();
  /** Start of the part under way; undefined before the first boundary. */
  #at: number | undefined;
  /** Nothing before this index ends the part under way. */
  #seen = 0;
  /** The part under way, once its headers were read, and where its value starts. */
  #part: (PartHead & { readonly valueAt: number }) | undefined;

  constructor(boundary: string) {
    this.#opening = Buffer.from(`--${boundary}`, 'latin1');
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  get delimiter(): Buffer {
    return this.#delimiter;
  }

  /** `bytes`: everything from the start of the body. Throws S3Error. */
  read(bytes: Buffer): FormHead | undefined {
    if (this.#at === undefined && !this.#open(bytes)) return undefined;
    for (;;) {
      if (this.#part === undefined) {
        const part = this.#head(bytes);
        if (part === undefined) return undefined;
        if (part.name === 'file') return this.#finish(part);
        if (this.#fields.has(part.name)) throw repeated(part.name);
        if (this.#fields.size >= LIMITS.formFieldCount) throw tooLarge();
        this.#part = part;
      }
      if (!this.#value(bytes, this.#part)) return undefined;
    }
  }

  /** A first boundary, with or without a preamble before it. */
  #open(bytes: Buffer): boolean {
    if (bytes.length < this.#opening.length) return false;
    if (bytes.subarray(0, this.#opening.length).equals(this.#opening)) {
      this.#at = this.#opening.length;
    } else {
      const at = bytes.indexOf(this.#delimiter, this.#seen);
      this.#seen = Math.max(0, bytes.length - this.#delimiter.length);
      if (at < 0) return false;
      this.#at = at + this.#delimiter.length;
    }
    this.#seen = this.#at;
    return true;
  }

  /** From behind a boundary: the headers of a part. Undefined until they are complete. */
  #head(bytes: Buffer): (PartHead & { readonly valueAt: number }) | undefined {
    const at = this.#at ?? 0;
    if (bytes.length < at + 2) return undefined;
    const line = bytes.toString('latin1', at, Math.min(bytes.length, at + 32));
    if (line.startsWith('--')) throw fileMissing();
    const start = /^[ \t]*\r\n/.exec(line);
    if (start === null) {
      if (line.length < 32 && /^[ \t]*\r?$/.test(line)) return undefined;
      throw malformedForm();
    }
    const from = at + start[0].length;
    const end = bytes.indexOf(HEADERS_END, Math.max(from, this.#seen));
    if (end < 0) {
      this.#seen = Math.max(from, bytes.length - HEADERS_END.length);
      return undefined;
    }
    const valueAt = end + HEADERS_END.length;
    // A value may be empty: then its delimiter begins with the CRLF that ends the headers' line.
    this.#seen = valueAt;
    return { ...parsePartHead(bytes.subarray(from, end)), valueAt };
  }

  #value(bytes: Buffer, part: PartHead & { readonly valueAt: number }): boolean {
    const end = bytes.indexOf(this.#delimiter, this.#seen);
    if (end < 0) {
      this.#seen = Math.max(part.valueAt, bytes.length - this.#delimiter.length);
      return false;
    }
    this.#fields.set(part.name, text(bytes.subarray(part.valueAt, end)));
    this.#at = end + this.#delimiter.length;
    this.#seen = this.#at;
    this.#part = undefined;
    return true;
  }

  #finish(part: PartHead & { readonly valueAt: number }): FormHead {
    const filename = baseName(part.filename ?? '');
    const fields = new Map<string, string>();
    for (const [name, value] of this.#fields) {
      fields.set(
        name,
        value.replaceAll('${filename}', () => filename),
      );
    }
    return { fields, fileAt: part.valueAt };
  }
}

export function tooLarge(): S3Error {
  return new S3Error('MaxPostPreDataLengthExceeded');
}

export function fileMissing(): S3Error {
  return new S3Error('InvalidArgument', {
    message: 'POST requires exactly one file upload per request.',
    fields: { ArgumentName: 'file', ArgumentValue: '0' },
  });
}

function repeated(name: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: `POST requires at most one field named '${name}'.`,
    fields: { ArgumentName: name, ArgumentValue: '' },
  });
}
