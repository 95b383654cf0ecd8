/** All named scenarios, how they are picked by name on a command line, and our side of them. */
import { BULK_SCENARIOS } from './bulk-scenarios.ts';
import type { Scenario, Side } from './scenario.ts';
import { PerfServer } from './server.ts';
import { SMALL_SCENARIOS } from './small-scenarios.ts';

export const SCENARIOS: readonly Scenario[] = [...BULK_SCENARIOS, ...SMALL_SCENARIOS];

/** `put-*,list-1m`: a star stands for any end. Refuses a word that fits nothing. */
export function pick(words: string, all: readonly Scenario[] = SCENARIOS): readonly Scenario[] {
  const chosen = new Set<Scenario>();
  for (const word of words.split(',')) {
    const fits = (name: string): boolean =>
      word.endsWith('*') ? name.startsWith(word.slice(0, -1)) : name === word;
    const found = all.filter(({ name }) => fits(name));
    if (found.length === 0) {
      throw new Error(`no scenario ${word}; there are ${all.map(({ name }) => name).join(', ')}`);
    }
    for (const scenario of found) chosen.add(scenario);
  }
  return all.filter((scenario) => chosen.has(scenario));
}

/** Our server, once or in the variants a scenario asks for. `extra` goes after its own options. */
export function oursOf(scenario: Scenario, extra: readonly string[] = []): readonly Side[] {
  return (scenario.variants ?? ['sluice']).map((name) => ({
    name,
    ours: true,
    start: ({ directory }) => PerfServer.start(directory, [...(scenario.options ?? []), ...extra]),
  }));
}
