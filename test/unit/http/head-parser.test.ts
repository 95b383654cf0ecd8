/** Heads as bytes: what HTTP/1.1 allows is read as it stands, all else is a flaw. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHead, tooLongHead } from '../../../src/http/head-parser.ts';

const parse = (text: string | Buffer) => parseHead(Buffer.from(text as string), '127.0.0.1');
const TOKEN_CHARS =
  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".split('');

describe('a head', () => {
  it('is read as it stands', () => {
    const parsed = parse(
      'put /b/a%2Fb//../c?x=%20&y+z?q HTTP/1.1\r\nHOST: h\r\nX-A: 1\r\nx-a: \t 2 \t\r\nx-e:\r\nContent-Length: 5',
    );
    expect(parsed).toMatchObject({ bodyLength: 5, flaw: undefined, keepAlive: true });
    expect(parsed.head).toEqual({
      method: 'PUT',
      rawPath: '/b/a%2Fb//../c',
      rawQuery: 'x=%20&y+z?q',
      headers: [
        ['host', 'h'],
        ['x-a', '1'],
        ['x-a', '2'],
        ['x-e', ''],
        ['content-length', '5'],
      ],
      remoteAddress: '127.0.0.1',
      secure: false,
    });
  });

  it('may have any token for a header name and any visible text for its value', () => {
    const name = fc
      .array(fc.constantFrom(...TOKEN_CHARS), { minLength: 1, maxLength: 40 })
      .map((chars) => `x${chars.join('')}`);
    const value = fc
      .string({ unit: 'grapheme', maxLength: 60 })
      // eslint-disable-next-line no-control-regex
      .map((text) => text.replace(/[\u0000-\u001f\u007f]/g, '').replace(/^[ \t]+|[ \t]+$/g, ''));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (headers) => {
        const lines = headers.map(([n, v]) => `${n}: ${v}\r\n`).join('');
        const { head, flaw } = parse(`GET / HTTP/1.1\r\n${lines}Host: x`);
        expect(flaw).toBeUndefined();
        const wanted = headers.map(([n, v]) => [n.toLowerCase(), v]);
        expect(head.headers).toEqual([...wanted, ['host', 'x']]);
      }),
    );
  });

  it('keeps bytes that are not UTF-8, one by one', () => {
    const bytes = Buffer.concat([
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nx-amz-meta-a: '),
      Buffer.from([0xe9, 0x20, 0xff]),
    ]);
    expect(parseHead(bytes, '').head.headers[1]).toEqual(['x-amz-meta-a', '\u00e9 \u00ff']);
  });

  it('of a proxied request names its path', () => {
    expect(parse('GET http://h:1/a/b?c HTTP/1.1\r\nHost: h').head).toMatchObject({
      rawPath: '/a/b',
      rawQuery: 'c',
    });
    expect(parse('GET http://h HTTP/1.1\r\nHost: h').head.rawPath).toBe('/');
  });

  it('says whether the connection lives on and whether the client waits', () => {
    const ask = (more: string, version = '1.1') =>
      parse(`PUT / HTTP/${version}\r\nHost: h${more}\r\nContent-Length: 1`);
    expect(ask('').keepAlive).toBe(true);
    expect(ask('\r\nConnection: keep-alive').keepAlive).toBe(true);
    expect(ask('\r\nConnection: TE, Close').keepAlive).toBe(false);
    expect(ask('', '1.0')).toMatchObject({ keepAlive: false, flaw: undefined });
    expect(ask('\r\nExpect: 100-Continue').expectsContinue).toBe(true);
    expect(ask('\r\nExpect: 100-continue', '1.0').expectsContinue).toBe(false);
  });
});

describe('a flaw', () => {
  const host = 'Host: x';
  it.each([
    ['no HTTP', 'HELO there'],
    ['an empty line', ''],
    ['two spaces', `GET  / HTTP/1.1\r\n${host}`],
    ['a tab', `GET\t/ HTTP/1.1\r\n${host}`],
    ['a method with a colon', `GE:T / HTTP/1.1\r\n${host}`],
    ['a target without a slash', `GET b/k HTTP/1.1\r\n${host}`],
    ['an asterisk', `OPTIONS * HTTP/1.1\r\n${host}`],
    ['a lower-case version', `GET / http/1.1\r\n${host}`],
    ['a space in the target', `GET /a b HTTP/1.1\r\n${host}`],
    ['a folded line', `GET / HTTP/1.1\r\n${host}\r\nx-a: 1\r\n 2`],
    ['a space before the colon', `GET / HTTP/1.1\r\n${host}\r\nx-a : 1`],
    ['a nameless header', `GET / HTTP/1.1\r\n${host}\r\n: 1`],
    ['a line without a colon', `GET / HTTP/1.1\r\n${host}\r\nxa\r\nx-b: 1`],
    ['a name with a parenthesis', `GET / HTTP/1.1\r\n${host}\r\nx(a): 1`],
    ['a name beyond ASCII', `GET / HTTP/1.1\r\n${host}\r\nxé: 1`],
    ['a bare line feed', `GET / HTTP/1.1\r\n${host}\nx-a: 1`],
    ['a bare carriage return', `GET / HTTP/1.1\r\n${host}\r\nx-a: 1\r2`],
    ['a zero byte', `GET / HTTP/1.1\r\n${host}\r\nx-a: 1\0`],
    ['a delete', `GET / HTTP/1.1\r\n${host}\r\nx-a: \x7f`],
    ['a coding with HTTP/1.0', `PUT / HTTP/1.0\r\n${host}\r\nTransfer-Encoding: chunked`],
  ])('%s', (_, text) => {
    expect(parse(text)).toMatchObject({
      flaw: { code: 'BadRequest' },
      bodyLength: 0,
      keepAlive: false,
      expectsContinue: false,
    });
  });

  it.each([
    ['HTTP/2.0', 'HttpVersionNotSupported'],
    ['HTTP/1.2', 'HttpVersionNotSupported'],
    ['HTTP/0.9', 'HttpVersionNotSupported'],
  ])('%s', (version, code) => {
    expect(parse(`GET / ${version}\r\n${host}`).flaw?.code).toBe(code);
  });

  it('a head too long keeps its first line', () => {
    const head = tooLongHead(Buffer.from(`GET /a HTTP/1.1\r\n${host}\r\nx: ${'a'.repeat(99)}`), '');
    expect(head.flaw?.code).toBe('RequestHeaderSectionTooLarge');
    expect(head.head.rawPath).toBe('/a');
    expect(tooLongHead(Buffer.alloc(99_999, 97), '').flaw).toBeDefined();
  });
});
