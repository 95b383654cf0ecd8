/**
 * Writes XML answers: escaped elements and whole documents. Answers are strings built once, in
 * order; there is no tree. Control characters, which XML 1.0 can't hold, are written as character
 * references, as S3 does: a strict parser refuses the document, but none ever reads another name
 * (clients that use such keys ask for encoding-type=url).
 */

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

const SPECIAL = /[&<>"\u0000-\u001f\u007f\u0085\u2028\ufffe\uffff]/;
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
    default:
      return `&#x${char.charCodeAt(0).toString(16).toUpperCase()};`;
  }
}

export function escapeXml(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(EVERY_SPECIAL, escapeOne) : text;
}

/** `name` is a constant of ours; the value is escaped. */
export function element(name: string, value: string | number | boolean): string {
  return `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`;
}

/** Whole seconds, as S3 has them everywhere: listings and Last-Modified must say the same. */
export function timestamp(ms: number): string {
  const minute = Math.floor(ms / MINUTE_MS);
  if (minute !== lastMinute) {
    lastMinute = minute;
    // `2026-11-23T04:20:`, which the neighbours in a listing mostly share.
    lastStart = new Date(minute * MINUTE_MS).toISOString().slice(0, -'00.000Z'.length);
  }
  const second = Math.floor(ms / 1000) - minute * 60;
  return `${lastStart}${second < 10 ? '0' : ''}${second}.000Z`;
}

const MINUTE_MS = 60_000;
let lastMinute = Number.NaN;
let lastStart = '';

/** A whole document in S3's namespace; `inner` is XML already. */
export function xmlDocument(root: string, inner: string, namespace = S3_NAMESPACE): string {
  const attribute = namespace === '' ? '' : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${inner}</${root}>`;
}
