/**
 * The report of a command whose result is a table of its own and not a list of scenarios: text,
 * picture and data side by side, in the folder that the page reads.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LinePanel, lines } from './plot.ts';
import { thisMachine, writeJson } from './results.ts';

/** Writes JSON and SVG, prints the text and where the files are. */
export function finish(
  name: string,
  { write, out }: { readonly write: boolean; readonly out: string },
  text: string,
  panels: readonly LinePanel[],
  data: unknown,
): void {
  const directory = write ? 'perf/results' : out;
  const command = `npm run perf:${name} -- ${process.argv.slice(2).join(' ')}`.trim();
  const path = join(directory, `${name}.json`);
  writeJson(path, { version: 1, machine: thisMachine(), command, text, data });
  writeFileSync(join(directory, `${name}.svg`), lines(panels));
  process.stdout.write(`${text}\n\n${path}\n`);
}
