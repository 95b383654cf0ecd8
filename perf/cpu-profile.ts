/**
 * Self time by function from a V8 CPU profile: sampled times summed where the sample's leaf is.
 * Idle time is kept apart, because a thread that waits is no cost.
 */

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly name: string;
  readonly ms: number;
}

export interface ThreadProfile {
  readonly busyMs: number;
  readonly idleMs: number;
  /** The most expensive first. */
  readonly functions: readonly SelfTime[];
}

const IDLE = new Set(['(idle)', '(program)']);
/** A thread that sleeps in Atomics.wait looks busy to the sampler, in the function that waits. */
const WAITS = /^take \S*threads\/mailbox\.[jt]s:/;

const isIdle = ({ name }: SelfTime): boolean => IDLE.has(name) || WAITS.test(name);

/** Where a function stands, from the root of the tree; native ones have no place. */
function placeOf(url: string, line: number): string {
  if (url === '') return '';
  const path = url.replace(/^file:\/\//, '').replace(/^.*\/(dist|node_modules)\//, '');
  return ` ${path}:${line + 1}`;
}

export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): ThreadProfile {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const name = functionName === '' ? '(anonymous)' : functionName;
      return [id, `${name}${placeOf(url, lineNumber)}`];
    }),
  );
  const byName = new Map<string, number>();
  // The time until the next sample belongs to this one.
  for (let at = 0; at < samples.length; at += 1) {
    const name = names.get(samples[at] ?? -1) ?? '(unknown)';
    byName.set(name, (byName.get(name) ?? 0) + (timeDeltas[at + 1] ?? 0) / 1e3);
  }
  const all = [...byName].map(([name, ms]) => ({ name, ms }));
  const sum = (list: readonly SelfTime[]): number => list.reduce((total, { ms }) => total + ms, 0);
  const busy = all.filter((one) => !isIdle(one));
  return {
    busyMs: sum(busy),
    idleMs: sum(all.filter(isIdle)),
    functions: busy.toSorted((left, right) => right.ms - left.ms),
  };
}
