/**
 * One measurement and what is made of several: the same five fields from a C program's JSON line
 * and from our own side. Refuses lines that are no measurement, because a figure that was misread
 * is worse than none.
 */
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export interface Sample {
  readonly name: string;
  readonly bytes: number;
  /** User and system time of the process under measurement. */
  readonly cpuNs: number;
  readonly wallNs: number;
  /** 10^6 bytes per CPU second. */
  readonly mbPerSecond: number;
}

const FIELDS = ['bytes', 'cpuNs', 'wallNs', 'mbPerSecond'] as const;

export function parseSample(line: string): Sample {
  const value = JSON.parse(line) as Record<string, unknown>;
  const whole = FIELDS.every((field) => Number.isFinite(value[field]));
  if (typeof value['name'] !== 'string' || !whole) throw new Error(`no measurement: ${line}`);
  return value as unknown as Sample;
}

export function sampleOf(name: string, bytes: number, cpuNs: number, wallNs: number): Sample {
  return { name, bytes, cpuNs, wallNs, mbPerSecond: cpuNs === 0 ? 0 : (bytes * 1e3) / cpuNs };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export const wallRate = (sample: Sample): number => (sample.bytes * 1e3) / sample.wallNs;

const run = promisify(execFile);
const RUN_MS = 120_000;

/** Undefined: the program said that this machine cannot do it. Throws when it failed. */
export async function runProgram(
  path: string,
  args: readonly string[],
  note: (text: string) => void,
): Promise<Sample | undefined> {
  const { stdout, stderr } = await run(path, [...args], { timeout: RUN_MS });
  if (stderr !== '') note(stderr.trim());
  const line = stdout.trim().split('\n').at(-1) ?? '';
  return line === '' ? undefined : parseSample(line);
}

/** A program that first says on which port it listens, then, at its end, what it measured. */
export async function runReceiver(
  command: string,
  args: readonly string[],
  feed: (port: number) => Promise<void>,
): Promise<Sample> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: RUN_MS });
  const lines = createInterface({ input: child.stdout });
  let last = '';
  let feeding: Promise<void> | undefined;
  for await (const line of lines) {
    const { port } = JSON.parse(line) as { port?: number };
    if (port === undefined) last = line;
    else feeding = feed(port);
  }
  await feeding;
  return parseSample(last);
}
