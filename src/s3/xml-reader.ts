/**
 * Reads the small XML documents that requests carry, strictly: plain ones by `plain-xml.ts`, all
 * others by `sax`. Refuses document type declarations, processing instructions and entities beyond
 * XML's five; bounds depth and nodes (bytes are bounded by the body plan). Any violation is
 * MalformedXML.
 *
 * One thing is read that XML 1.0 does not have: references to control characters. S3's own answers
 * write keys with them, and a client must be able to name such a key in a document.
 */
import sax from 'sax';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import { readPlainXml } from './plain-xml.ts';

export interface XmlNode {
  /** Local name: S3 accepts documents with and without its namespace. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlNode[];
  /** Character data directly inside, untrimmed. */
  readonly text: string;
}

interface OpenNode {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: OpenNode[];
  text: string;
}

/** Without `strictEntities`, which the package's types do not know, HTML's entities are read. */
const OPTIONS = { trim: false, normalize: false, strictEntities: true };

/** All that is read between `&` and `;` beside references to XML's own characters. */
const XML_ENTITIES = { amp: '&', gt: '>', lt: '<', quot: '"', apos: "'" };

/** Every usual spelling of a reference to a character that XML 1.0 cannot hold. */
const ENTITIES: object = Object.freeze({ ...XML_ENTITIES, ...controlReferences() });

function controlReferences(): Record<string, string> {
  const references: Record<string, string> = {};
  const controls = Array.from({ length: 32 }, (_, code) => code);
  for (const code of [...controls, 0xfffe, 0xffff]) {
    // Tab, line feed and carriage return are XML's own.
    if (code === 9 || code === 10 || code === 13) continue;
    for (const digits of [1, 2, 3, 4]) {
      references[`#${String(code).padStart(digits, '0')}`] = String.fromCharCode(code);
      references[`#x${code.toString(16).padStart(digits, '0')}`] = String.fromCharCode(code);
    }
  }
  return references;
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

/** The root element, which must have this name. Throws S3Error MalformedXML. */
export function readXml(text: string, rootName: string): XmlNode {
  const root = readPlainXml(text) ?? readAnyXml(text);
  if (root.name !== rootName) throw new S3Error('MalformedXML');
  return root;
}

/** The root element of whatever document, by `sax`. Throws S3Error MalformedXML. */
export function readAnyXml(text: string): XmlNode {
  const parser = sax.parser(true, OPTIONS);
  // A table that the package's types do not know; letters are folded.
  Object.assign(parser, { ENTITIES });
  const open: OpenNode[] = [];
  let root: OpenNode | undefined;
  let nodes = 0;
  const refuse = (): never => {
    throw new S3Error('MalformedXML');
  };
  parser.onerror = refuse;
  parser.ondoctype = refuse;
  parser.onsgmldeclaration = refuse;
  parser.onprocessinginstruction = (instruction) => {
    if (instruction.name !== 'xml') refuse();
  };
  parser.onopentag = (tag) => {
    const named = Object.entries(tag.attributes);
    nodes += 1 + named.length;
    if (nodes > LIMITS.xmlNodes || open.length >= LIMITS.xmlDepth) refuse();
    const attributes = new Map(named.map(([name, value]) => [localName(name), String(value)]));
    const node: OpenNode = { name: localName(tag.name), attributes, children: [], text: '' };
    const parent = open.at(-1);
    if (parent !== undefined) parent.children.push(node);
    else if (root === undefined) root = node;
    else refuse();
    open.push(node);
  };
  const onText = (piece: string): void => {
    const node = open.at(-1);
    if (node !== undefined) node.text += piece;
    else if (piece.trim() !== '') refuse();
  };
  parser.ontext = onText;
  parser.oncdata = onText;
  parser.onclosetag = () => {
    const node = open.pop();
    // Text between elements is layout; anything else there is not in S3's schemas.
    if (node !== undefined && node.children.length > 0 && node.text.trim() !== '') refuse();
  };
  try {
    parser.write(text.startsWith('\ufeff') ? text.slice(1) : text).close();
  } catch (error) {
    throw error instanceof S3Error ? error : new S3Error('MalformedXML', { cause: error });
  }
  if (root === undefined) throw new S3Error('MalformedXML');
  return root;
}
