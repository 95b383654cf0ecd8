/** The readers of forms against slow, clear twins: whatever the bytes, however they are split. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BodyFeed } from '../../../../src/body/body.ts';
import { S3Error } from '../../../../src/base/s3-error.ts';
import { DelimiterScan } from '../../../../src/s3/post-form/delimiter.ts';
import { boundaryOf, FieldReader } from '../../../../src/s3/post-form/fields.ts';
import { FormFeed } from '../../../../src/s3/post-form/form-feed.ts';
import { BOUNDARY, formBody } from '../../../support/post-form.ts';
import { failureCode } from '../../../support/s3-failure.ts';

const DELIMITER = Buffer.from('\r\n--ab');

/** Bytes that are mostly beginnings of the delimiter. */
const tricky = fc
  .array(fc.constantFrom('\r', '\n', '\r\n', '-', '--', 'a', 'b', '\r\n--', '\r\n--a', 'x'), {
    maxLength: 30,
  })
  .map((parts) => Buffer.from(parts.join('')));

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  at.sort((left, right) => left - right);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const cuts = fc.array(fc.nat(), { maxLength: 8 });

describe('the scan for a delimiter', () => {
  it('finds what a search in the whole finds', () => {
    fc.assert(
      fc.property(tricky, cuts, (bytes, where) => {
        const passed: Buffer[] = [];
        const scan = new DelimiterScan(DELIMITER, (piece) => passed.push(Buffer.from(piece)));
        let behind = -1;
        let before = 0;
        for (const piece of split(bytes, where)) {
          const at = scan.push(piece);
          if (at >= 0) {
            behind = before + at;
            break;
          }
          before += piece.length;
        }
        const found = bytes.indexOf(DELIMITER);
        expect(behind).toBe(found < 0 ? -1 : found + DELIMITER.length);
        const all = Buffer.concat(passed);
        if (found >= 0) expect(all.equals(bytes.subarray(0, found))).toBe(true);
        // What is held back is the beginning of a delimiter, and nothing else.
        else {
          const held = bytes.subarray(all.length);
          expect(Buffer.concat([all, held]).equals(bytes)).toBe(true);
          expect(DELIMITER.subarray(0, held.length).equals(held)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** Reads a whole form by splitting text: no state, no pieces. */
function slowForm(body: Buffer): { fields: [string, string][]; file: string } {
  const parts = body.toString('latin1').split(`--${BOUNDARY}`);
  const fields: [string, string][] = [];
  for (const part of parts.slice(1)) {
    const end = part.indexOf('\r\n\r\n');
    const name = /name="([^"]*)"/.exec(part.slice(0, end))?.[1] ?? '';
    const value = part.slice(end + 4, -2);
    if (name === 'file') return { fields, file: value };
    fields.push([name.toLowerCase(), Buffer.from(value, 'latin1').toString()]);
  }
  throw new Error('no file');
}

function headersFor(body: Buffer): Map<string, string> {
  return new Map([
    ['content-type', `multipart/form-data; boundary=${BOUNDARY}`],
    ['content-length', String(body.length)],
  ]);
}

interface Fed {
  readonly fields: ReadonlyMap<string, string> | undefined;
  readonly file: Buffer;
  readonly ended: boolean;
  readonly error: Error | undefined;
}

function feed(body: Buffer, where: readonly number[]): Fed {
  const pieces: Buffer[] = [];
  let fields: ReadonlyMap<string, string> | undefined;
  let error: Error | undefined;
  let ended = false;
  const target: BodyFeed = {
    push: (bytes) => pieces.push(Buffer.from(bytes)) > 0,
    end: () => void (ended = true),
    abort: (reason) => void (error = reason),
  };
  const form = new FormFeed(headersFor(body), {
    onFile: (found, { lengthMin, lengthMax }) => {
      fields = found;
      expect(lengthMin).toBeLessThanOrEqual(lengthMax);
      return { feed: target, sizeMin: 0, sizeMax: 1e9 };
    },
    onFault: (reason) => void (error = reason),
  });
  for (const piece of split(body, where)) form.push(piece);
  form.end();
  return { fields, file: Buffer.concat(pieces), ended, error };
}

const names = fc.uniqueArray(fc.constantFrom('key', 'acl', 'Policy', 'x-amz-meta-a', 'TAGGING'), {
  maxLength: 5,
});
const value = fc.constantFrom(
  '',
  'v',
  'ä€😀',
  '\r\n',
  '--',
  `--${BOUNDARY.slice(0, 9)}`,
  'a\r\n\r\nb',
);

describe('a form', () => {
  it('reads the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(
        names,
        fc.array(value, { minLength: 5, maxLength: 5 }),
        tricky,
        cuts,
        (fieldNames, values, content, where) => {
          const fields = fieldNames.map((name, index) => [name, values[index] ?? ''] as const);
          const body = formBody(fields, { content });
          const fed = feed(body, where);
          expect(fed.error).toBeUndefined();
          expect(fed.ended).toBe(true);
          const slow = slowForm(body);
          expect([...(fed.fields ?? [])]).toEqual(slow.fields);
          expect(fed.file.toString('latin1')).toBe(slow.file);
          expect(fed.file.equals(content)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('that is cut anywhere is refused, not stored', () => {
    const body = formBody([['key', 'k']], { content: 'content' });
    for (let end = 0; end < body.length - 4; end += 1) {
      const { ended, error } = feed(body.subarray(0, end), [end >> 1]);
      expect([end, ended]).toEqual([end, false]);
      expect(error).toBeInstanceOf(S3Error);
    }
  });

  it('never fails but by an S3Error', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            '--',
            BOUNDARY,
            '\r\n',
            '\r\n\r\n',
            'a: b',
            'name="file"',
            'Content-Disposition: form-data;',
            '"',
            ';',
          ),
        ),
        cuts,
        (parts, where) => {
          const { error } = feed(Buffer.from(parts.join('')), where);
          if (error !== undefined) expect(error).toBeInstanceOf(S3Error);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a boundary', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['multipart/form-data; charset=utf-8; Boundary="a b:c"', 'a b:c'],
    ['multipart/form-data;boundary=----x;y=z', '----x'],
  ])('%s', (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary);
  });

  it.each([
    undefined,
    'multipart/form-data',
    'multipart/form-data; boundary=',
    `multipart/form-data; boundary=${'x'.repeat(71)}`,
    'multipart/form-data; boundary="a "',
    'multipart/form-data; boundary=ä',
  ])('%s is none', async (type) => {
    expect(await failureCode(() => boundaryOf(type))).toBe('MalformedPOSTRequest');
  });
});

describe('a field', () => {
  it('may quote its name, stand behind a preamble, and name the file in its value', () => {
    const text =
      'preamble\r\n--b  \r\nX: y\r\ncontent-disposition: FORM-DATA; name="a\\"b"\r\n\r\n' +
      '${filename}$&\r\n--b\r\nContent-Disposition: form-data; filename=p/$&.txt; name=file\r\n\r\n!';
    const head = new FieldReader('b').read(Buffer.from(text));
    expect([...(head?.fields ?? [])]).toEqual([['a"b', '$&.txt$&']]);
    expect(text.slice(head?.fileAt)).toBe('!');
  });
});
