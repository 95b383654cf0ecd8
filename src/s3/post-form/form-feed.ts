/**
 * The push side of a posted form: collects the fields (bounded), then passes the file's bytes on
 * to a body as they come, up to the delimiter that ends it. What follows the file is counted,
 * bounded and ignored, as AWS documents it.
 *
 * Invariant: `onFile` runs once, inside the `push` that completed the file part's headers, and
 * before a byte of the file is taken. Without a body everything is swallowed.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { BodyFeed } from '../../body/body.ts';
import { DelimiterScan } from './delimiter.ts';
import { FieldReader, boundaryOf, fileMissing, malformedForm, tooLarge } from './fields.ts';

/** How long the file can be, given how long the request is. */
export interface FileBounds {
  readonly lengthMin: number;
  readonly lengthMax: number;
}

/** Where the file's bytes go, and how many of them the policy wants. */
export interface FileTarget {
  readonly feed: BodyFeed;
  readonly sizeMin: number;
  readonly sizeMax: number;
}

export interface FormEvents {
  /** All fields came. A throw refuses the request: the rest is of no interest. */
  onFile(fields: ReadonlyMap<string, string>, bounds: FileBounds): FileTarget;
  /** Something is wrong before there is a body to tell it; what `onFile` threw too. */
  onFault(error: Error): void;
}

export class FormFeed implements BodyFeed {
  readonly #events: FormEvents;
  readonly #fields: FieldReader;
  readonly #contentLength: number;
  #head: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #headBytes = 0;
  /** Nobody wants the rest. */
  #refused = false;
  #target: FileTarget | undefined;
  #scan: DelimiterScan | undefined;
  #fileBytes = 0;
  #fileBytesMax = 0;
  #more = true;
  /** What stands behind the file's delimiter, up to two bytes, and how much came there. */
  #closing = '';
  #closingBytes = 0;
  #fileEnded = false;

  /** Throws S3Error for a request that is no form. */
  constructor(headers: ReadonlyMap<string, string>, events: FormEvents) {
    const length = headers.get('content-length');
    if (length === undefined) throw new S3Error('MissingContentLength');
    this.#contentLength = Number(length);
    this.#fields = new FieldReader(boundaryOf(headers.get('content-type')));
    this.#events = events;
  }

  push(bytes: Uint8Array): boolean {
    if (this.#refused) return true;
    if (this.#target === undefined) return this.#pushHead(bytes);
    return this.#pushFile(bytes);
  }

  end(): void {
    if (this.#refused) return;
    if (this.#target === undefined) {
      // A form that was never closed, or one of which not even the file's headers came.
      this.#fault(this.#headBytes === 0 ? fileMissing() : malformedForm());
    } else if (!this.#fileEnded || !/^(--|\r\n|[ \t])/.test(this.#closing)) {
      this.#refuse(malformedForm());
    } else {
      this.#target.feed.end();
    }
  }

  abort(reason: Error): void {
    if (this.#refused) return;
    if (this.#target === undefined) this.#fault(reason);
    else this.#refuse(reason);
  }

  #pushHead(bytes: Uint8Array): boolean {
    // A piece may bring the file along: only what can be fields is kept.
    const taken = Math.min(bytes.length, LIMITS.formBytes - this.#headBytes);
    this.#append(bytes.subarray(0, taken));
    try {
      const head = this.#fields.read(this.#head.subarray(0, this.#headBytes));
      if (head === undefined) {
        if (this.#headBytes >= LIMITS.formBytes) throw tooLarge();
        return true;
      }
      const { fields, fileAt } = head;
      const bounds = this.#bounds(fileAt);
      this.#fileBytesMax = bounds.lengthMax;
      this.#target = this.#events.onFile(fields, bounds);
      const first = this.#head.subarray(fileAt, this.#headBytes);
      this.#head = Buffer.alloc(0);
      this.#scan = new DelimiterScan(this.#fields.delimiter, (piece) => this.#pass(piece));
      const more = this.#pushFile(first);
      return taken === bytes.length ? more : this.#pushFile(bytes.subarray(taken));
    } catch (error) {
      this.#fault(error as Error);
      return true;
    }
  }

  #append(bytes: Uint8Array): void {
    const length = this.#headBytes + bytes.length;
    if (length > this.#head.length) {
      const grown = Buffer.alloc(Math.min(LIMITS.formBytes, Math.max(2048, 2 * length)));
      this.#head.copy(grown, 0, 0, this.#headBytes);
      this.#head = grown;
    }
    this.#head.set(bytes, this.#headBytes);
    this.#headBytes = length;
  }

  /** At least the file's delimiter follows it, and at most what a form may have. */
  #bounds(fileAt: number): FileBounds {
    const lengthMax = this.#contentLength - fileAt - this.#fields.delimiter.length;
    if (lengthMax < 0) throw malformedForm();
    return { lengthMin: Math.max(0, lengthMax - LIMITS.formBytes), lengthMax };
  }

  #pushFile(bytes: Uint8Array): boolean {
    if (this.#refused) return true;
    this.#more = true;
    let at = 0;
    if (!this.#fileEnded) {
      at = this.#scan?.push(bytes) ?? -1;
      if (at < 0 || this.#refused) return this.#more;
      this.#fileEnded = true;
      this.#checkMinimum();
    }
    const first = bytes.subarray(at, at + 2 - this.#closing.length);
    this.#closing += String.fromCharCode(...first);
    this.#closingBytes += bytes.length - at;
    if (this.#closingBytes > LIMITS.formBytes) this.#refuse(malformedForm());
    return this.#more;
  }

  #pass(piece: Uint8Array): void {
    const target = this.#target;
    if (target === undefined || this.#refused) return;
    this.#fileBytes += piece.length;
    if (this.#fileBytes > this.#fileBytesMax) {
      // The rest is too short for a delimiter.
      this.#refuse(malformedForm());
    } else if (this.#fileBytes > target.sizeMax) {
      this.#refuse(
        new S3Error('EntityTooLarge', {
          fields: {
            ProposedSize: String(this.#fileBytes),
            MaxSizeAllowed: String(target.sizeMax),
          },
        }),
      );
    } else {
      this.#more = target.feed.push(piece);
    }
  }

  #checkMinimum(): void {
    const sizeMin = this.#target?.sizeMin ?? 0;
    if (this.#fileBytes >= sizeMin) return;
    this.#refuse(
      new S3Error('EntityTooSmall', {
        fields: { ProposedSize: String(this.#fileBytes), MinSizeAllowed: String(sizeMin) },
      }),
    );
  }

  #fault(error: Error): void {
    this.#refused = true;
    this.#events.onFault(error);
  }

  #refuse(error: Error): void {
    this.#refused = true;
    this.#target?.feed.abort(error);
  }
}
