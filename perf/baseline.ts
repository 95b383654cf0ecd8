/**
 * How a run is held against a stored one: each cost is divided by the cost of a fixed piece of work
 * in its own run, so that another machine, or a slower hour, is not taken for slower code. Worse
 * means: beyond the noise band that both runs showed, and never less than a floor.
 */
import { costOf, type Result } from './results.ts';
import type { Spread } from './spread.ts';

export interface Entry {
  readonly scenario: string;
  readonly medium: string;
  readonly side: string;
  /** Server CPU per unit over CPU of the calibration. */
  readonly relative: Spread;
}

export interface Baseline {
  readonly version: 1;
  readonly date: string;
  readonly calibrationMs: number;
  readonly entries: readonly Entry[];
}

export interface Comparison extends Entry {
  readonly before: Spread;
  /** New over old median. */
  readonly ratio: number;
  /** How much worse is still noise: 0.15 is 15 %. */
  readonly band: number;
  readonly worse: boolean;
}

export function baselineOf(results: readonly Result[], calibrationMs: number): Baseline {
  const entries = results.map((result) => {
    const { median, min, max } = costOf(result);
    const { scenario, medium, side } = result;
    const of = (value: number): number => value / calibrationMs;
    return { scenario, medium, side, relative: { median: of(median), min: of(min), max: of(max) } };
  });
  return { version: 1, date: new Date().toISOString(), calibrationMs, entries };
}

/** Half the distance between the cheapest and the dearest round, over the median. */
const noise = ({ median, min, max }: Spread): number => (max - min) / 2 / median;

/** What is in both. `floor` is the least band. */
export function compare(before: Baseline, now: Baseline, floor: number): readonly Comparison[] {
  return now.entries.flatMap((entry) => {
    const old = before.entries.find(
      ({ scenario, medium, side }) =>
        scenario === entry.scenario && medium === entry.medium && side === entry.side,
    );
    if (old === undefined) return [];
    const ratio = entry.relative.median / old.relative.median;
    const band = Math.max(floor, noise(old.relative) + noise(entry.relative));
    return [{ ...entry, before: old.relative, ratio, band, worse: ratio > 1 + band }];
  });
}
