/** XML both ways: what is written reads back the same, and any text at all is read or refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../src/base/s3-error.ts';
import { parseWanted } from '../../src/s3/operations/bucket.ts';
import { parseCompletedParts } from '../../src/s3/operations/multipart.ts';
import { parseTagging } from '../../src/s3/documents/object-tags.ts';
import { element, xmlDocument } from '../../src/s3/xml.ts';
import { readXml, type XmlNode } from '../../src/s3/xml-reader.ts';

const SECONDS = Number(process.env['SLUICE_FUZZ_SECONDS'] ?? '2');
const BUDGET = {
  numRuns: SECONDS > 2 ? 1_000_000_000 : 2000,
  interruptAfterTimeLimit: SECONDS * 1000,
} as const;

const markup = fc.string({
  unit: fc.constantFrom(
    ...'<>/="\'&;![]-? \n\0x1'.split(''),
    '<A>',
    '</A>',
    '<Part>',
    '</Part>',
    '<Tag',
    '<?xml version="1.0"?>',
    '<!DOCTYPE A [',
    '<!ENTITY a "b">',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '&amp;',
    '&#x1F600;',
    '&#xD800;',
    '&nbsp;',
    'xmlns:a=',
    '\u{1f600}',
    '\ud800',
  ),
  maxLength: 60,
});

function nodesOf(node: XmlNode): number {
  return node.children.reduce((sum, child) => sum + nodesOf(child), 1);
}

describe('what is written', () => {
  it('reads back the same, control characters too', () => {
    const texts = fc.string({ unit: fc.oneof(fc.string({ unit: 'binary' }), markup) });
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 5 }), (values) => {
        const written = values.map((value) => value.replaceAll(/\p{Surrogate}/gu, ''));
        const inner = written.map((value) => element('Key', value)).join('');
        const read = readXml(xmlDocument('List', inner), 'List');
        expect(read.children.map((child) => child.text)).toEqual(written);
      }),
      BUDGET,
    );
  });
});

describe('any text at all', () => {
  const parsers: readonly (readonly [string, (text: string) => unknown])[] = [
    ['a tree', (text) => nodesOf(readXml(text, 'A'))],
    ['parts', parseCompletedParts],
    ['tags', parseTagging],
    ['a location', parseWanted],
  ];

  it.each(parsers)('is %s or refused', (_, parse) => {
    fc.assert(
      fc.property(fc.oneof(markup, fc.string({ unit: 'binary' })), (text) => {
        for (const written of [text, `<A>${text}</A>`, `<Tagging>${text}</Tagging>`]) {
          try {
            parse(written);
          } catch (error) {
            if (!(error instanceof S3Error)) throw error;
            expect(error.status).toBe(error.code === 'NotImplemented' ? 501 : 400);
          }
        }
      }),
      BUDGET,
    );
  });

  it('declares nothing: no entity is ever replaced by more than one character', () => {
    fc.assert(
      fc.property(markup, (text) => {
        const declared = `<!DOCTYPE A [<!ENTITY e "${'e'.repeat(100)}">${text}]><A>&e;</A>`;
        expect(() => readXml(declared, 'A')).toThrow(S3Error);
      }),
      BUDGET,
    );
  });
});
