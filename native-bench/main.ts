/**
 * Every hot kernel and the whole write path beside their native ceilings: builds the C programs,
 * runs ours and theirs in turn, prints a table, writes JSON and a picture. Progress goes to
 * standard error. Without a compiler it says so and shows ours alone; it claims nothing.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { PayloadMode } from '../perf/bulk-load.ts';
import { build, type ProgramName, type Programs } from './compiler.ts';
import { WRITE_PLANS, writeFile } from './our-files.ts';
import { measure, ourKernels } from './our-kernels.ts';
import { comparePipelines, type Scenario, stopRunning } from './pipeline-load.ts';
import { type KernelRow, type PipelineRow, type Side, table, writeReport } from './report.ts';
import { median, runProgram, runReceiver, type Sample, wallRate } from './sample.ts';
import { send } from './sender.ts';

interface Flags {
  readonly quick: boolean;
  readonly only: 'all' | 'kernels' | 'io' | 'pipeline';
  readonly rounds?: number;
  readonly medium: 'both' | 'disk' | 'ram';
  readonly io: Scenario['io'];
  readonly streams: number;
  readonly modes: readonly string[];
  readonly out: string;
}

const MODES: readonly PayloadMode[] = ['signed-chunks', 'unsigned-trailer', 'unsigned', 'signed'];

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a number from 1 on');
  return value;
}

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

function sideOf(samples: readonly (Sample | undefined)[]): Side | undefined {
  const taken = samples.filter((sample) => sample !== undefined);
  if (taken.length === 0) return undefined;
  return {
    mbPerCpuSecond: median(taken.map((sample) => sample.mbPerSecond)),
    mbPerSecond: median(taken.map(wallRate)),
  };
}

/** Ours, native, ours, native: whatever else the machine does meets both. */
async function alternate(
  name: string,
  what: string,
  rounds: number,
  ours: () => Promise<Sample | undefined> | Sample | undefined,
  native: (() => Promise<Sample | undefined>) | undefined,
): Promise<KernelRow> {
  const mine: (Sample | undefined)[] = [];
  const theirs: (Sample | undefined)[] = [];
  for (let round = 0; round < rounds; round += 1) {
    mine.push(await ours());
    if (native !== undefined) theirs.push(await native());
  }
  const row = { name, what, ours: sideOf(mine), native: sideOf(theirs) };
  const [left, right] = [row.ours, row.native].map((side) => side?.mbPerCpuSecond.toFixed(0));
  progress(`${what}: ours ${left ?? 'none'}, native ${right ?? 'none'} MB per CPU second`);
  return row;
}

class Bench {
  readonly #flags: Flags;
  readonly #programs: Programs | undefined;
  readonly #rounds: number;

  constructor(flags: Flags, programs: Programs | undefined) {
    this.#flags = flags;
    this.#programs = programs;
    this.#rounds = flags.rounds ?? (flags.quick ? 1 : 5);
  }

  get rounds(): number {
    return this.#rounds;
  }

  #native(
    name: ProgramName,
    args: readonly string[],
  ): (() => Promise<Sample | undefined>) | undefined {
    const path = this.#programs?.pathOf(name);
    return path === undefined ? undefined : () => runProgram(path, args, progress);
  }

  async kernels(): Promise<KernelRow[]> {
    const milliseconds = this.#flags.quick ? 60 : 250;
    const rows: KernelRow[] = [];
    for (const kernel of ourKernels()) {
      const args = ['--only', kernel.name, '--milliseconds', String(milliseconds)];
      const native = this.#native(kernel.program, args);
      const ours = (): Sample => measure(kernel, milliseconds);
      rows.push(await alternate(kernel.name, kernel.what, this.#rounds, ours, native));
    }
    return rows;
  }

  async io(): Promise<KernelRow[]> {
    const rows: KernelRow[] = [];
    const megabytes = this.#flags.quick ? 64 : 512;
    for (const size of ['256k', '512k', '1m']) rows.push(await this.#receive(size, megabytes));
    for (const { name: medium, directory } of media(this.#flags.medium)) {
      for (const plan of WRITE_PLANS) {
        const args = ['--only', plan.name, '--megabytes', String(megabytes)];
        const native = this.#native('files', [...args, '--directory', directory]);
        const ours = (): Sample | undefined => writeFile(directory, plan, megabytes);
        const what = `${plan.what} · ${medium}`;
        rows.push(await alternate(`${plan.name}-${medium}`, what, this.#rounds, ours, native));
      }
    }
    return rows;
  }

  /** The sender is this process, for both. */
  #receive(size: string, megabytes: number): Promise<KernelRow> {
    const bytes = megabytes * 1e6;
    const receiver = fileURLToPath(new URL('our-receive.js', import.meta.url));
    const ours = (): Promise<Sample> =>
      runReceiver(process.execPath, [receiver], (port) => send(port, bytes, true));
    const path = this.#programs?.pathOf('loopback');
    const args = ['--listen', '--only', `recv-${size}`, '--megabytes', String(megabytes)];
    const native =
      path === undefined
        ? undefined
        : () => runReceiver(path, args, (port) => send(port, bytes, false));
    return alternate(`recv-${size}`, `receive (recv ${size})`, this.#rounds, ours, native);
  }

  async pipelines(): Promise<PipelineRow[]> {
    const rows: PipelineRow[] = [];
    const parts = this.#flags.quick ? 16 : 64;
    const { streams, io } = this.#flags;
    for (const medium of media(this.#flags.medium)) {
      for (const mode of MODES.filter((one) => this.#flags.modes.includes(one))) {
        const program = this.#programs?.pathOf('pipeline');
        const scenario = { mode, streams, parts, io, medium };
        rows.push(await comparePipelines(scenario, program, this.#rounds, progress));
      }
    }
    return rows;
  }
}

function media(asked: Flags['medium']): { readonly name: string; readonly directory: string }[] {
  const all = [
    { name: 'ram', directory: '/dev/shm' },
    { name: 'disk', directory: tmpdir() },
  ];
  return all.filter(
    ({ name, directory }) => (asked === 'both' || asked === name) && existsSync(directory),
  );
}

async function bench(flags: Flags): Promise<void> {
  const built = await build();
  const programs = 'programs' in built ? built.programs : undefined;
  const missing = 'missing' in built ? built.missing : undefined;
  if (missing !== undefined) progress(`native-bench: ours alone: ${missing}`);
  const one = new Bench(flags, programs);
  const remove = (): void => programs?.remove();
  process.once('exit', remove);
  const wants = (part: Flags['only']): boolean => flags.only === 'all' || flags.only === part;
  const kernels = [
    ...(wants('kernels') ? await one.kernels() : []),
    ...(wants('io') ? await one.io() : []),
  ];
  const pipelines = wants('pipeline') ? await one.pipelines() : [];
  const { rounds } = one;
  const results = { compiler: programs?.compiler, missing, rounds, kernels, pipelines };
  const paths = writeReport(flags.out, results);
  process.stdout.write(`${table(results)}\n\n${paths.join('\n')}\n`);
}

/** Ending by a signal goes through `exit` too, where what was made is removed. */
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => void stopRunning().finally(() => process.exit(code)));
}

await new Command('native-bench')
  .description('prints every hot kernel and the whole write path beside its native ceiling')
  .option('--quick', 'one short round of each', false)
  .addOption(
    new Option('--only <part>', 'what to measure')
      .choices(['all', 'kernels', 'io', 'pipeline'])
      .default('all'),
  )
  .option('--rounds <count>', 'rounds of each pair; medians are shown', wholeNumber)
  .addOption(
    new Option('--medium <name>', 'where files are written')
      .choices(['both', 'ram', 'disk'])
      .default('ram'),
  )
  .addOption(
    new Option('--io <mode>', 'how either pipeline writes its shards')
      .choices(['auto', 'buffered', 'direct'])
      .default('auto'),
  )
  .option('--streams <count>', 'parts in flight through the whole pipeline', wholeNumber, 8)
  .addOption(
    new Option('--modes <names...>', 'payload modes of the whole pipeline')
      .choices(MODES)
      .default(['signed-chunks', 'unsigned-trailer', 'unsigned']),
  )
  .option('--out <directory>', 'where the report is written', 'perf/out')
  .action(bench)
  .parseAsync();
