/**
 * Reads XML documents as clients really write them: elements, character data, XML's own named
 * entities and nothing else; attributes on the root only. Lists of 10,000 parts or 1,000 keys are
 * read ten times as fast as by `sax`, which decides whatever is not so plain.
 *
 * Invariant, held by a property test: where this reader answers, `sax` would answer the same.
 */
import { LIMITS } from '../base/limits.ts';
import type { XmlNode } from './xml-reader.ts';

interface OpenNode extends XmlNode {
  readonly children: OpenNode[];
  text: string;
}

const NAME = /[A-Za-z][A-Za-z0-9]*/y;
const DECLARATION = /(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")? ?\?>)?[ \t\r\n]*/y;
const NAMESPACE = /(?: xmlns="[^"<>&]*")?/y;
const LAYOUT = /^[ \t\r\n]*$/;
/** What `sax`, or its options here, treat in other ways than plain character data. */
// eslint-disable-next-line no-control-regex -- these characters are what is looked for
const UNPLAIN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufeff]|\]\]>/;
const ENTITY = /&(?:amp|gt|lt|quot|apos);|&/g;
const CHARACTERS: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&gt;': '>',
  '&lt;': '<',
  '&quot;': '"',
  '&apos;': "'",
};
const NO_ATTRIBUTES: ReadonlyMap<string, string> = new Map();

const LESS_THAN = 0x3c;
const SLASH = 0x2f;
const GREATER_THAN = 0x3e;

/** The root element; undefined: not plain, or not well-formed. */
export function readPlainXml(text: string): XmlNode | undefined {
  if (UNPLAIN.test(text)) return undefined;
  return new PlainReader(text).read();
}

class PlainReader {
  readonly #text: string;
  #at = 0;
  #nodes = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): XmlNode | undefined {
    this.#match(DECLARATION);
    if (this.#text.charCodeAt(this.#at) !== LESS_THAN) return undefined;
    this.#at += 1;
    const name = this.#match(NAME);
    const namespace = this.#match(NAMESPACE);
    if (name === '' || !this.#eat(GREATER_THAN)) return undefined;
    const attributes =
      namespace === '' ? NO_ATTRIBUTES : new Map([['xmlns', namespace.slice(8, -1)]]);
    this.#nodes = 1 + attributes.size;
    const root: OpenNode = { name, attributes, children: [], text: '' };
    if (!this.#content(root, 1) || !LAYOUT.test(this.#text.slice(this.#at))) return undefined;
    return root;
  }

  /** Everything up to and including the end tag of `node`. */
  #content(node: OpenNode, depth: number): boolean {
    const text = this.#text;
    for (;;) {
      const next = text.indexOf('<', this.#at);
      if (next === -1) return false;
      if (next > this.#at) {
        const characters = plainText(text.slice(this.#at, next));
        if (characters === undefined) return false;
        node.text += characters;
      }
      this.#at = next + 1;
      if (text.charCodeAt(this.#at) === SLASH) {
        if (!text.startsWith(node.name, this.#at + 1)) return false;
        this.#at += 1 + node.name.length;
        return this.#eat(GREATER_THAN) && (node.children.length === 0 || LAYOUT.test(node.text));
      }
      this.#nodes += 1;
      if (this.#nodes > LIMITS.xmlNodes || depth >= LIMITS.xmlDepth) return false;
      const name = this.#match(NAME);
      if (name === '' || !this.#eat(GREATER_THAN)) return false;
      const child: OpenNode = { name, attributes: NO_ATTRIBUTES, children: [], text: '' };
      if (!this.#content(child, depth + 1)) return false;
      node.children.push(child);
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const matched = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += matched.length;
    return matched;
  }

  #eat(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at += 1;
    return true;
  }
}

/** Character data with its entities read; undefined: an entity of another kind. */
function plainText(raw: string): string | undefined {
  if (!raw.includes('&')) return raw;
  let plain = true;
  const text = raw.replace(ENTITY, (entity) => {
    const character = CHARACTERS[entity];
    if (character === undefined) plain = false;
    return character ?? '';
  });
  return plain ? text : undefined;
}
