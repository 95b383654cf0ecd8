/**
 * How a scenario becomes a result: servers of all sides in turn, so that whatever else the machine
 * does meets all of them; the server's CPU and the generator's read right before and after each
 * window. Nothing is measured that was not prepared and warmed before.
 */
import type { PerfServer } from './server.ts';
import { latencyOf, type Window } from './load.ts';
import { minus, totalMs } from './process-cost.ts';
import {
  costOf,
  figure,
  rateOf,
  type Result,
  type Sample,
  type Unit,
  unitNames,
} from './results.ts';
import type { Target } from './target.ts';

export interface Medium {
  readonly name: string;
  /** An existing directory on it. */
  readonly directory: string;
}

/** One prepared server, as a scenario sees it. */
export interface Stage {
  readonly target: Target;
  readonly side: string;
  readonly medium: Medium;
  readonly quick: boolean;
  /** Which round, from 0 on; -1 while warming. */
  round: number;
}

export interface Scenario {
  /** Unique; what the command line and stored results say. */
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  /** A fresh server for each round; else one for all rounds, warmed by one window. */
  readonly fresh: boolean;
  /** Settings of our server. */
  readonly options?: readonly string[];
  /** Media it makes sense on; absent: all. */
  readonly media?: readonly string[];
  /** Variants of ours that are run in turn, by name; absent: `sluice` alone. */
  readonly variants?: readonly string[];
  /** Whether peers can take part. */
  readonly peers?: boolean;
  readonly referenceName?: string;
  prepare(stage: Stage): Promise<void>;
  /** Only with the stage of `sluice` itself: damages it, say. After `prepare`. */
  spoil?(server: PerfServer, side: string): Promise<void>;
  /** Gets everything ready that is not to be measured; what it returns is one window. */
  arm(stage: Stage): () => Promise<Window>;
  /** In the unit of the rate; measured right after each window of ours. */
  reference?(stage: Stage): Promise<number>;
}

/** Something that can be started: ours, or a peer. */
export interface Side {
  readonly name: string;
  readonly ours: boolean;
  start(medium: Medium, scenario: Scenario): Promise<Target>;
}

export interface RunOptions {
  readonly rounds: number;
  readonly quick: boolean;
  readonly progress: (text: string) => void;
  /** A peer that fails is left out of the rest of the scenario; absent, or ours: it throws. */
  readonly onFailure?: (side: string, words: string) => void;
}

const stages = new Set<Stage>();

/** For a runner that is told to end: no server and no data is left behind. */
export async function stopAll(): Promise<void> {
  await Promise.allSettled([...stages].map(({ target }) => target.stop()));
}

async function open(
  side: Side,
  scenario: Scenario,
  medium: Medium,
  quick: boolean,
): Promise<Stage> {
  const target = await side.start(medium, scenario);
  const stage: Stage = { target, side: side.name, medium, quick, round: -1 };
  stages.add(stage);
  try {
    await scenario.prepare(stage);
    if (side.ours) await scenario.spoil?.(target as PerfServer, side.name);
    return stage;
  } catch (error) {
    await close(stage);
    throw error;
  }
}

async function close(stage: Stage): Promise<void> {
  await stage.target.stop();
  stages.delete(stage);
}

async function measure(scenario: Scenario, stage: Stage, ours: boolean): Promise<Sample> {
  const { target } = stage;
  const run = scenario.arm(stage);
  const generatorBefore = process.cpuUsage();
  const before = target.cost();
  const window = await run();
  const cost = minus(target.cost(), before);
  const generator = process.cpuUsage(generatorBefore);
  const reference = ours ? await scenario.reference?.(stage) : undefined;
  return {
    units: window.units,
    wallMs: window.wallMs,
    ...cost,
    generatorMs: (generator.user + generator.system) / 1e3,
    ...latencyOf(window),
    peakRssBytes: target.peakRssBytes(),
    mappedBytes: target.mappedBytes(),
    ...(reference === undefined ? {} : { reference }),
  };
}

function emptyResult(scenario: Scenario, medium: Medium, side: string, target: Target): Result {
  const { name, title, unit, referenceName } = scenario;
  const { redundancy, durability } = target;
  const known = { scenario: name, title, unit, medium: medium.name, side, redundancy, durability };
  return { ...known, ...(referenceName === undefined ? {} : { referenceName }), samples: [] };
}

/** All rounds of one scenario on one medium; a result for each side. */
export async function runScenario(
  scenario: Scenario,
  medium: Medium,
  sides: readonly Side[],
  { rounds, quick, progress, onFailure }: RunOptions,
): Promise<readonly Result[]> {
  const failed = new Set<string>();
  const guard = async (side: Side, work: () => Promise<void>): Promise<void> => {
    if (failed.has(side.name)) return;
    try {
      await work();
    } catch (error) {
      if (side.ours || onFailure === undefined) throw error;
      failed.add(side.name);
      onFailure(side.name, error instanceof Error ? error.message : String(error));
    }
  };
  const results = new Map<string, Result>();
  const kept = new Map<string, Stage>();
  const turn = async (side: Side, round: number): Promise<void> => {
    const stage = kept.get(side.name) ?? (await open(side, scenario, medium, quick));
    try {
      if (!scenario.fresh && round === 0) await scenario.arm(stage)();
      stage.round = round;
      const sample = await measure(scenario, stage, side.ours);
      const before =
        results.get(side.name) ?? emptyResult(scenario, medium, side.name, stage.target);
      const result = { ...before, samples: [...before.samples, sample] };
      results.set(side.name, result);
      progress(line({ ...result, samples: [sample] }));
    } finally {
      if (scenario.fresh) await close(stage);
    }
  };
  try {
    if (!scenario.fresh) {
      for (const side of sides) {
        await guard(side, async () => {
          kept.set(side.name, await open(side, scenario, medium, quick));
        });
      }
    }
    for (let round = 0; round < rounds; round += 1) {
      // Whoever was last is first the next time: nobody always comes after the same neighbour.
      const order = round % 2 === 0 ? sides : sides.toReversed();
      for (const side of order) await guard(side, () => turn(side, round));
    }
  } finally {
    for (const stage of kept.values()) await close(stage);
  }
  return [...results.values()];
}

function line(result: Result): string {
  const { cost, rate } = unitNames(result.unit);
  const [sample] = result.samples;
  const own = sample === undefined ? 0 : sample.generatorMs / totalMs(sample);
  return (
    `${result.medium} ${result.scenario} ${result.side}: ${figure(costOf(result).median)} ${cost}, ` +
    `${figure(rateOf(result).median)} ${rate}, generator ${figure(own)} × the server's CPU`
  );
}
