/**
 * The whole space of bulk scenarios, on demand: size × payload mode × streams × replication ×
 * durability. Names say every coordinate, so that two runs compare. Refuses words it does not know.
 */
import { putName, putScenario, putTitle } from './bulk-scenarios.ts';
import { PAYLOAD_MODES, type PayloadMode } from './payload.ts';
import type { Scenario } from './scenario.ts';

const MIB = 1024 * 1024;

export interface MatrixFlags {
  /** Of a part, in MiB. */
  readonly sizes: string;
  readonly modes: string;
  readonly streams: string;
  readonly replications: string;
  readonly durabilities: string;
}

/** Short names of replications, as issues and people say them. */
const REPLICATIONS: Readonly<Record<string, string>> = {
  'xor-2-1': 'xor-2-1-1024k',
  'rs-3-2': 'rs-3-2-1024k',
  'rs-6-3': 'rs-6-3-1024k',
  'rs-10-4': 'rs-10-4-1024k',
};

const COLUMNS: Readonly<Record<string, number>> = {
  'rs-3-2-1024k': 5,
  'rs-6-3-1024k': 9,
  'rs-10-4-1024k': 14,
};

export function serverOptions(replication: string, durability: string): readonly string[] {
  const name = REPLICATIONS[replication] ?? replication;
  const datanodes = String(COLUMNS[name] ?? 3);
  return ['--replication', name, '--datanodes', datanodes, '--durability', durability];
}

function numbers(text: string, what: string): readonly number[] {
  return text.split(',').map((word) => {
    const value = Number(word);
    if (!Number.isInteger(value) || value < 1) throw new Error(`${what}: ${word} is no number`);
    return value;
  });
}

function modesOf(text: string): readonly PayloadMode[] {
  return text.split(',').map((word) => {
    const mode = PAYLOAD_MODES.find((one) => one === word);
    if (mode === undefined) throw new Error(`mode ${word}: ${PAYLOAD_MODES.join(', ')}`);
    return mode;
  });
}

export function matrix(flags: MatrixFlags): readonly Scenario[] {
  const scenarios: Scenario[] = [];
  for (const durability of flags.durabilities.split(',')) {
    for (const replication of flags.replications.split(',')) {
      for (const mode of modesOf(flags.modes)) {
        for (const size of numbers(flags.sizes, 'size')) {
          for (const streams of numbers(flags.streams, 'streams')) {
            const where = `${size}m-${replication}-${durability}`;
            const put = { mode, streams, partBytes: size * MIB };
            const options = serverOptions(replication, durability);
            const title = `${putTitle(mode, streams)}, parts of ${size} MiB, ${replication}`;
            const name = `${putName(mode, streams)}-${where}`;
            scenarios.push(putScenario(name, `${title}, ${durability}`, { ...put, options }));
          }
        }
      }
    }
  }
  return scenarios;
}
