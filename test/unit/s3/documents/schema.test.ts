/** The mechanism: what is rendered parses to the same value, and nothing unnamed gets in. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  date,
  flag,
  many,
  one,
  optional,
  schema,
  struct,
  text,
  typed,
  whole,
  word,
} from '../../../../src/s3/documents/schema.ts';
import { failure } from '../../../support/s3-failure.ts';

const SAMPLE = schema(
  'Sample',
  struct({
    Name: one(text),
    Size: optional(whole),
    Kind: optional(word('Good', 'Bad')),
    Item: many(struct({ Value: one(text), On: optional(flag) })),
    Who: optional(typed(['User', 'Group'], { Id: one(text) })),
    At: optional(date),
  }),
);

const plain = fc
  .string()
  .filter((value) => !/[\u0000-\u001f\u007f\u0085\u2028\ufffe\uffff]/.test(value));
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const item = fc.record({ Value: plain, On: maybe(fc.boolean()) });
const sample = fc.record({
  Name: plain,
  Size: maybe(fc.integer()),
  Kind: maybe(fc.constantFrom('Good' as const, 'Bad' as const)),
  Item: fc.array(item, { maxLength: 5 }),
  Who: maybe(fc.record({ type: fc.constantFrom('User' as const, 'Group' as const), Id: plain })),
  At: maybe(fc.integer({ min: 0, max: 4e12 }).map((ms) => new Date(ms).toISOString())),
});

it('what is rendered parses to the same value, by way of its JSON too', () => {
  fc.assert(
    fc.property(sample, (value) => {
      const stored = JSON.parse(JSON.stringify(value)) as typeof value;
      expect(SAMPLE.parse(SAMPLE.render(stored))).toEqual(stored);
    }),
  );
});

const code = async (inner: string, root = 'Sample'): Promise<string> =>
  (await failure(() => SAMPLE.parse(`<${root}>${inner}</${root}>`))).code;

describe('a document is refused', () => {
  it.each([
    ['another root', '<Name>n</Name>', 'Other'],
    ['a missing element', '', 'Sample'],
    ['an unknown element', '<Name>n</Name><Colour/>', 'Sample'],
    ['another case', '<name>n</name>', 'Sample'],
    ['a repeated element', '<Name>n</Name><Name>n</Name>', 'Sample'],
    ['a word that is none', '<Name>n</Name><Kind>good</Kind>', 'Sample'],
    ['a number that is none', '<Name>n</Name><Size>1.5</Size>', 'Sample'],
    ['an empty number', '<Name>n</Name><Size/>', 'Sample'],
    ['a date that is none', '<Name>n</Name><At>20200101</At>', 'Sample'],
    ['a thirteenth month', '<Name>n</Name><At>2020-13-01</At>', 'Sample'],
    ['elements inside text', '<Name><b>n</b></Name>', 'Sample'],
    ['text instead of elements', '<Name>n</Name><Item>x</Item>', 'Sample'],
    ['a type that is none', '<Name>n</Name><Who type="Dog"><Id>i</Id></Who>', 'Sample'],
  ])('for %s', async (_, inner, root) => {
    expect(await code(inner, root)).toBe('MalformedXML');
  });
});

it('dates are read with and without time and zone', () => {
  for (const [sent, kept] of [
    ['2020-01-02', '2020-01-02T00:00:00.000Z'],
    ['2020-01-02T00:00:00', '2020-01-02T00:00:00.000Z'],
    ['2020-01-02T00:00:00Z', '2020-01-02T00:00:00.000Z'],
    ['2020-01-02T02:00:00+02:00', '2020-01-02T00:00:00.000Z'],
  ]) {
    expect(SAMPLE.parse(`<Sample><Name/><At>${sent}</At></Sample>`).At).toBe(kept);
  }
});
