/**
 * Seeded lives of the object store. `SEED=7 npx vitest run test/sim` replays one; `SEEDS=1000`
 * runs many.
 */
import { describe, expect, it } from 'vitest';
import { Simulation } from './simulator.ts';

const STEPS = 250;
const only = process.env['SEED'];
const count = Number(process.env['SEEDS'] ?? 10);
const seeds = only === undefined ? Array.from({ length: count }, (_, n) => n + 1) : [Number(only)];

describe('the object store through deaths and faults', () => {
  it.each(seeds)('seed %i: nothing acknowledged is lost, nothing is left behind', async (seed) => {
    const { acknowledged, deaths } = await Simulation.run({ seed, steps: STEPS });
    expect(acknowledged).toBeGreaterThan(STEPS / 4);
    if (only !== undefined) process.stderr.write(`${acknowledged} done, ${deaths} deaths\n`);
  });
});
