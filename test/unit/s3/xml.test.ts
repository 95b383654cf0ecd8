import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.ts';
import { element, escapeXml, xmlDocument } from '../../../src/s3/xml.ts';
import { readXml } from '../../../src/s3/xml-reader.ts';
import { failureCode } from '../../support/s3-failure.ts';

describe('what is written', () => {
  it('is escaped, white space and control characters as references', () => {
    expect(escapeXml(`a&b<c>d"e'f`)).toBe(`a&amp;b&lt;c&gt;d&quot;e'f`);
    expect(escapeXml('a\r\n\tb')).toBe('a&#xD;&#xA;&#x9;b');
    expect(escapeXml('\0\u0001\u007f\ufffe')).toBe('&#x0;&#x1;&#x7F;&#xFFFE;');
    expect(escapeXml('ä\u{1f600}')).toBe('ä\u{1f600}');
  });

  it('is framed in the namespace of S3, or in none', () => {
    expect(xmlDocument('A', element('B', 1) + element('C', false))).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<A xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><B>1</B><C>false</C></A>',
    );
    expect(xmlDocument('Error', '', '')).toContain('\n<Error></Error>');
  });
});

describe('what is read', () => {
  it('is a tree of local names, attributes and text', () => {
    const text =
      '\ufeff<?xml version="1.0"?>\n<!-- c --><s:A xmlns:s="u" s:x="&lt;1">\n' +
      ' <B>a &amp; b<![CDATA[<c>]]></B>\n <B/> </s:A>\n';
    const root = readXml(text, 'A');
    expect(root.attributes.get('x')).toBe('<1');
    expect(root.children.map((child) => child.text)).toEqual(['a & b<c>', '']);
  });

  it('keeps white space inside text, and characters by their number', () => {
    expect(readXml('<A> a\n b&#13;&#x1F600;&apos;</A>', 'A').text).toBe(" a\n b\r\u{1f600}'");
  });

  it('reads references to control characters, which keys may have and S3 writes', () => {
    expect(readXml('<A>&#x1;&#x01;&#x0001;&#1;&#x1F;&#x1f;&#x0;&#xFFFE;</A>', 'A').text).toBe(
      '\u0001\u0001\u0001\u0001\u001f\u001f\0\ufffe',
    );
  });

  it.each([
    ['nothing', ''],
    ['no XML', 'hello'],
    ['another root', '<B/>'],
    ['an open element', '<A><B></A>'],
    ['two roots', '<A/><A/>'],
    ['text after the root', '<A/>x'],
    ['text between elements', '<A>x<B/></A>'],
    ['a document type', '<!DOCTYPE A><A/>'],
    ['an entity of its own', '<!DOCTYPE A [<!ENTITY e "x">]><A>&e;</A>'],
    ['an external entity', '<!DOCTYPE A SYSTEM "file:///etc/passwd"><A/>'],
    ["an entity of HTML's", '<A>&copy;</A>'],
    ['a number that is none', '<A>&#x1g;</A>'],
    ['a number beyond Unicode', '<A>&#x110000;</A>'],
    ['half a surrogate pair', '<A>&#xD800;</A>'],
    ['a processing instruction', '<A><?php echo 1?></A>'],
    ['an unquoted attribute', '<A x=1/>'],
    ['too deep a tree', '<A>'.repeat(LIMITS.xmlDepth + 1) + '</A>'.repeat(LIMITS.xmlDepth + 1)],
    ['too many nodes', `<A>${'<B/>'.repeat(LIMITS.xmlNodes)}</A>`],
  ])('is not %s', async (_, text) => {
    expect(await failureCode(() => readXml(text, 'A'))).toBe('MalformedXML');
  });

  it('may be as deep and as long as the limits say', () => {
    const depth = LIMITS.xmlDepth;
    expect(readXml('<A>'.repeat(depth) + '</A>'.repeat(depth), 'A').children).toHaveLength(1);
    const many = LIMITS.xmlNodes - 1;
    expect(readXml(`<A>${'<B/>'.repeat(many)}</A>`, 'A').children).toHaveLength(many);
  });
});
