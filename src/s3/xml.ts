/**
 * Writes XML answers: escaped elements and whole documents. Answers are strings built once, in
 * order; there is no tree. Characters that XML 1.0 can't hold are replaced, so that a document is
 * always well formed (clients that use such keys ask for encoding-type=url).
 */

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

const SPECIAL = /[&<>"\r\n\t\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const EVERY_SPECIAL = new RegExp(SPECIAL, 'g');

function escapeOne(char: string): string {
  switch (char) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    case '\r':
      return '&#13;';
    case '\n':
      return '&#10;';
    case '\t':
      return '&#9;';
    default:
      return '\ufffd';
  }
}

export function escapeXml(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(EVERY_SPECIAL, escapeOne) : text;
}

/** `name` is a constant of ours; the value is escaped. */
export function element(name: string, value: string | number | boolean): string {
  return `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`;
}

/** A whole document in S3's namespace; `inner` is XML already. */
export function xmlDocument(root: string, inner: string, namespace = S3_NAMESPACE): string {
  const attribute = namespace === '' ? '' : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${inner}</${root}>`;
}
