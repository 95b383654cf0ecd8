/**
 * The one mechanism behind every configuration document: a schema is data, and parsing, checking
 * and rendering all follow it. Values are plain objects keyed by element names, so that what is
 * stored is the value's JSON and what is answered is rendered from it, in the schema's order.
 *
 * Refuses what the schema does not name (unknown, misspelt, repeated or missing elements, words
 * outside a list, numbers that are none) as MalformedXML. What AWS answers with other codes are
 * rules between values: each document checks those after parsing.
 */
import { S3Error } from '../../base/s3-error.ts';
import { element, escapeXml, xmlDocument } from '../xml.ts';
import { readXml, type XmlNode } from '../xml-reader.ts';

/** One element's content. Methods, not properties: a node of any value is a `Node<unknown>`. */
export interface Node<Value> {
  parse(node: XmlNode): Value;
  /** The whole element. */
  render(name: string, value: Value): string;
}

/** How an element stands in its parent. */
export interface Field<Value> {
  parse(name: string, nodes: readonly XmlNode[]): Value;
  render(name: string, value: Value): string;
}

type Shape = Readonly<Record<string, Field<unknown>>>;
type ValueOf<Some> = Some extends { parse(...args: never[]): infer Value } ? Value : never;

/** What a struct of these fields parses to: optional fields may be left out. */
export type Struct<Fields extends Shape> = {
  readonly [
    Name in keyof Fields as undefined extends ValueOf<Fields[Name]> ? never : Name
  ]: ValueOf<Fields[Name]>;
} & {
  readonly [Name in keyof Fields as undefined extends ValueOf<Fields[Name]> ? Name : never]?:
    | ValueOf<Fields[Name]>
    | undefined;
};

export type DocumentValue<Some> = Some extends Schema<infer Value> ? Value : never;

/** What a node parses to. */
export type NodeValue<Some> = Some extends Node<infer Value> ? Value : never;

export function malformed(): S3Error {
  return new S3Error('MalformedXML');
}

function leaf(node: XmlNode): string {
  if (node.children.length > 0) throw malformed();
  return node.text;
}

/** Any text, untrimmed: it may be a key or a tag. */
export const text: Node<string> = {
  parse: leaf,
  render: (name, value) => element(name, value),
};

/** Text in which white space around it means nothing. */
export const trimmed: Node<string> = {
  parse: (node) => leaf(node).trim(),
  render: (name, value) => element(name, value),
};

/** One of these words and no other. */
export function word<const Word extends string>(...words: readonly Word[]): Node<Word> {
  return {
    parse: (node) => {
      const found = words.find((one) => one === leaf(node).trim());
      if (found === undefined) throw malformed();
      return found;
    },
    render: (name, value) => element(name, value),
  };
}

/** A whole number; its range is the document's business, because AWS names other codes for it. */
export const whole: Node<number> = {
  parse: (node) => {
    const value = leaf(node).trim();
    if (!/^-?\d{1,15}$/.test(value)) throw malformed();
    return Number(value);
  },
  render: (name, value) => element(name, value),
};

export const flag: Node<boolean> = {
  parse: (node) => {
    const value = leaf(node).trim().toLowerCase();
    if (value !== 'true' && value !== 'false') throw malformed();
    return value === 'true';
  },
  render: (name, value) => element(name, value),
};

const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** A time of ISO 8601, kept and rendered as AWS spells it. */
export const date: Node<string> = {
  parse: (node) => {
    const value = leaf(node).trim();
    const zoned =
      /(Z|T.*[+-]\d\d:?\d\d)$/.test(value) || !value.includes('T') ? value : `${value}Z`;
    const ms = ISO_DATE.test(value) ? Date.parse(zoned) : Number.NaN;
    if (Number.isNaN(ms)) throw malformed();
    return new Date(ms).toISOString();
  },
  render: (name, value) => element(name, value),
};

export function one<Value>(node: Node<Value>): Field<Value> {
  return {
    parse: (_, nodes) => {
      const [only, second] = nodes;
      if (only === undefined || second !== undefined) throw malformed();
      return node.parse(only);
    },
    render: (name, value) => node.render(name, value),
  };
}

export function optional<Value>(node: Node<Value>): Field<Value | undefined> {
  return {
    parse: (_, nodes) => {
      const [only, second] = nodes;
      if (second !== undefined) throw malformed();
      return only === undefined ? undefined : node.parse(only);
    },
    render: (name, value) => (value === undefined ? '' : node.render(name, value)),
  };
}

/** Repeated elements without one around them, at least `min` of them. */
export function many<Value>(node: Node<Value>, min = 0): Field<readonly Value[]> {
  return {
    parse: (_, nodes) => {
      if (nodes.length < min) throw malformed();
      return nodes.map((each) => node.parse(each));
    },
    render: (name, values) => values.map((value) => node.render(name, value)).join(''),
  };
}

/** Elements of one name, in any order, inside an element of this one. */
export function struct<Fields extends Shape>(fields: Fields): Node<Struct<Fields>> {
  return withAttribute(fields, undefined);
}

/** The XML schema instance attribute that tells kinds of grantees apart. */
interface Attribute {
  readonly field: string;
  readonly words: readonly string[];
}

const INSTANCE = 'http://www.w3.org/2001/XMLSchema-instance';

/** A struct with a field that is written as the attribute `xsi:type`. */
export function typed<Fields extends Shape, const Word extends string>(
  words: readonly Word[],
  fields: Fields,
): Node<Struct<Fields> & { readonly type: Word }> {
  return withAttribute(fields, { field: 'type', words }) as Node<
    Struct<Fields> & { readonly type: Word }
  >;
}

function withAttribute<Fields extends Shape>(
  fields: Fields,
  attribute: Attribute | undefined,
): Node<Struct<Fields>> {
  const entries = Object.entries(fields);
  return {
    parse: (node) => {
      const groups = new Map<string, XmlNode[]>(entries.map(([name]) => [name, []]));
      if (node.children.length === 0 && node.text.trim() !== '') throw malformed();
      for (const child of node.children) {
        const group = groups.get(child.name);
        if (group === undefined) throw malformed();
        group.push(child);
      }
      const value: Record<string, unknown> = {};
      if (attribute !== undefined) {
        const type = node.attributes.get('type') ?? '';
        if (!attribute.words.includes(type)) throw malformed();
        value[attribute.field] = type;
      }
      for (const [name, field] of entries) {
        const parsed = field.parse(name, groups.get(name) ?? []);
        if (parsed !== undefined) value[name] = parsed;
      }
      return value as Struct<Fields>;
    },
    render: (name, value) => {
      const values = value as Readonly<Record<string, unknown>>;
      const inner = entries.map(([each, field]) => field.render(each, values[each])).join('');
      if (attribute === undefined) return `<${name}>${inner}</${name}>`;
      const type = escapeXml(String(values[attribute.field]));
      return `<${name} xmlns:xsi="${INSTANCE}" xsi:type="${type}">${inner}</${name}>`;
    },
  };
}

/** A whole document: its root's name, its content, and the rules that no shape can say. */
export interface Schema<Value> {
  readonly root: string;
  /** Throws MalformedXML, or what the rules throw. */
  parse(text: string): Value;
  render(value: Value): string;
}

export function schema<Value>(
  root: string,
  content: Node<Value>,
  rules: (value: Value) => void = () => {},
): Schema<Value> {
  return {
    root,
    parse: (source) => {
      const value = content.parse(readXml(source, root));
      rules(value);
      return value;
    },
    render: (value) => {
      // The root carries S3's namespace and no attribute of its own.
      const whole = content.render(root, value);
      return xmlDocument(root, whole.slice(root.length + 2, -(root.length + 3)));
    },
  };
}
