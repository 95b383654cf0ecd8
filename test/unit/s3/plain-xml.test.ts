import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../src/base/s3-error.ts';
import { readPlainXml } from '../../../src/s3/plain-xml.ts';
import { readAnyXml, type XmlNode } from '../../../src/s3/xml-reader.ts';

function bySax(text: string): XmlNode | undefined {
  try {
    return readAnyXml(text);
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MalformedXML') return undefined;
    throw error;
  }
}

const PIECES = [
  '<a>',
  '</a>',
  '<b>',
  '</b>',
  '<a/>',
  '<b x="1">',
  '<n:a>',
  '</n:a>',
  '</a >',
  '<a >',
  '<a xmlns="u">',
  '<?xml version="1.0" encoding="UTF-8"?>',
  '<?pi?>',
  '<!-- c -->',
  '<![CDATA[x]]>',
  '<!DOCTYPE a>',
  '&amp;',
  '&lt;',
  '&quot;',
  '&apos;',
  '&gt;',
  '&#65;',
  '&#x1;',
  '&nbsp;',
  '&',
  ';',
  'text',
  ' ',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '\u0001',
  '\ufeff',
  ']]>',
  '>',
  '"',
  '\u00e9',
  '\ud800',
  '\u00a0',
  '<',
  '<ab>',
  '</ab>',
  '<1>',
];

describe('readPlainXml', () => {
  it('answers as sax does, or not at all', () => {
    const soup = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((all) => all.join(''));
    const inRoot = soup.map((inner) => `<a>${inner}</a>`);
    fc.assert(
      fc.property(fc.oneof(soup, inRoot), (text) => {
        const plain = readPlainXml(text);
        if (plain !== undefined) expect(plain).toEqual(bySax(text));
      }),
      { numRuns: 5000 },
    );
  });

  it('reads every document that is plain', () => {
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/);
    const text = fc
      .string({ unit: 'grapheme' })
      .filter((value) => !/[\0-\x08\x0b\x0c\x0e-\x1f\ufeff\r]|\]\]>/.test(value))
      .map((value) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;'));
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.tuple(name, text).map(([tag, inner]) => `<${tag}>${inner}</${tag}>`),
        fc
          .tuple(name, fc.array(tie('tree'), { maxLength: 4 }))
          .map(([tag, inner]) => `<${tag}>\n  ${inner.join('\n')}</${tag}>`),
      ),
    }));
    fc.assert(
      fc.property(tree, (document) => {
        const plain = readPlainXml(`<?xml version="1.0" encoding="UTF-8"?>\n${document}\n`);
        expect(plain).toBeDefined();
        expect(plain).toEqual(bySax(document));
      }),
    );
  });

  it('takes no white space but XML’s own around the root', () => {
    expect(readPlainXml(' \t\r\n<a></a>\n')).toBeDefined();
    for (const text of ['\u00a0<a></a>', '<a></a>\u00a0', '\u2028<a></a>']) {
      expect(readPlainXml(text)).toBeUndefined();
    }
  });

  it('reads the namespace that SDKs write, and leaves other attributes to sax', () => {
    const plain = readPlainXml('<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></Delete>');
    expect(plain?.attributes.get('xmlns')).toBe('http://s3.amazonaws.com/doc/2006-03-01/');
    expect(readPlainXml('<Delete other="1"></Delete>')).toBeUndefined();
  });
});
