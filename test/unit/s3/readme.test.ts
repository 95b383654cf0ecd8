/** The README names every operation that the routes know, each in the state that the routes say. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ROUTES } from '../../../src/s3/routes.ts';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

const built = new Set<string>();
const byName = new Set<string>();
for (const { operation } of ROUTES) {
  if (typeof operation === 'string') built.add(operation);
  else byName.add(operation.notImplemented);
}

/** The operations of one line of the list, which opens with its state in bold. */
function listed(state: string): string[] {
  const line = README.split('\n').find((text) => text.startsWith(`* **${state}**:`));
  return [...(line ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name ?? '');
}

it.each([
  ['Built', built],
  ['By name', byName],
] as const)('the README lists what is: %s', (state, names) => {
  const partly = (name: string): boolean => state === 'By name' && built.has(name);
  expect(listed(state)).toEqual([...names].filter((name) => !partly(name)).toSorted());
});
