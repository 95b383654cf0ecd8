/**
 * `npm run perf -- --write` and `node dist/perf/page.js`: PERFORMANCE.md from the results in
 * `perf/results` (perf, peers, growth, soak, native-bench). Everything between the two markers is
 * generated; what people write around them stays. What is not in a file is not on the page.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  costOf,
  figure,
  generatorOf,
  p50Of,
  p99Of,
  memoryText,
  rateOf,
  type Report,
  type Result,
  shareOf,
  splitOf,
  spreadText,
  unitNames,
} from './results.ts';
import { besideText, type Measured, type PipelinePair, TARGETS } from './targets.ts';

const BEGIN = '<!-- generated: begin -->';
const END = '<!-- generated: end -->';

const markdown = (rows: readonly (readonly string[])[]): string => {
  const [header = [], ...body] = rows;
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...body.map(line)].join('\n');
};

const verdict = (met: boolean | undefined): string =>
  met === undefined ? 'not measured' : met ? 'yes' : '**no**';

export function targetTable(measured: Measured): string {
  const rows = TARGETS.map((target) => {
    const { text, met } = target.judge(measured);
    return [target.work, target.aim, text, verdict(met), besideText(measured, target)];
  });
  return markdown([['work', 'target', 'ours', 'met', 'in one run with peers'], ...rows]);
}

/** Short windows of a server that is still warming judge nothing; the page says so. */
const isQuick = (report: Report | undefined): boolean =>
  report !== undefined && report.command.includes('--quick');

const QUICK_NOTE =
  'These figures come from a run with `--quick`: one short round each, the server still warming. ' +
  'They show that the commands work and judge nothing.';

export function resultTable(results: readonly Result[]): string {
  const header = [
    'scenario',
    'medium',
    'side',
    'server CPU, median [min … max]',
    'user + system',
    'rate',
    'p50 / p99 ms',
    'generator CPU',
    'RSS MiB',
  ];
  const rows = results.map((one) => {
    const { cost, rate } = unitNames(one.unit);
    const { user, system } = splitOf(one);
    const share = shareOf(one);
    const beside = share === undefined ? '' : `; ${spreadText(share)} × ${one.referenceName ?? ''}`;
    return [
      one.title,
      one.medium,
      one.side,
      `${spreadText(costOf(one))} ${cost}`,
      `${figure(user)} + ${figure(system)}`,
      `${spreadText(rateOf(one))} ${rate}${beside}`,
      `${figure(p50Of(one).median)} / ${figure(p99Of(one).median)}`,
      `${figure(generatorOf(one).median)} ${cost}`,
      memoryText(one),
    ];
  });
  return markdown([header, ...rows]);
}

function machineText({ machine, command, results }: Report): string {
  const { cpu, cores, memoryGiB, kernel, node, date } = machine;
  const counts = results.map(({ samples }) => samples.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const rounds = least === most ? String(least) : `${least} to ${most}`;
  return (
    `\`${command}\` on ${date.slice(0, 10)}: ${cores} × ${cpu}, ${memoryGiB} GiB, ` +
    `Linux ${kernel}, Node ${node}; rounds per scenario: ${rounds}.`
  );
}

function promisesOf(results: readonly Result[]): string {
  const sides = new Map(results.map((one) => [one.side, one]));
  const rows = [...sides.values()].map((one) => [one.side, one.redundancy, one.durability]);
  return markdown([['side', 'redundancy', 'durability'], ...rows]);
}

function read<T>(directory: string, name: string): T | undefined {
  const path = join(directory, `${name}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
}

interface NativeReport {
  readonly pipelines?: readonly PipelinePair[];
}

interface PeerReport extends Report {
  readonly failures?: readonly string[];
}

interface TextReport {
  readonly command: string;
  /** A table in columns. */
  readonly text: string;
}

function picture(directory: string, name: string): string {
  return existsSync(join(directory, `${name}.svg`)) ? `![${name}](perf/results/${name}.svg)` : '';
}

/** The generated part, from whatever results there are. */
export function generatedPart(directory: string): string {
  const perf = read<Report>(directory, 'perf');
  const peers = read<PeerReport>(directory, 'peers');
  const native = read<NativeReport>(directory, 'native-bench');
  const measured: Measured = {
    perf: perf?.results ?? [],
    peers: peers?.results ?? [],
    pipelines: native?.pipelines ?? [],
  };
  const note = isQuick(perf) || isQuick(peers) ? [`**${QUICK_NOTE}**`] : [];
  const parts = ['## Targets', ...note, targetTable(measured)];
  if (perf !== undefined) {
    parts.push('## Ours', machineText(perf), picture(directory, 'perf'), resultTable(perf.results));
  }
  if (peers !== undefined) {
    parts.push('## Beside peers', machineText(peers), promisesOf(peers.results));
    parts.push(picture(directory, 'peers'), resultTable(peers.results));
    if ((peers.failures ?? []).length > 0) {
      parts.push(
        'Failed and left out:',
        (peers.failures ?? []).map((one) => `* ${one}`).join('\n'),
      );
    }
  }
  for (const [name, title] of [
    ['growth', 'Growth'],
    ['soak', 'A long mixed load'],
  ] as const) {
    const report = read<TextReport>(directory, name);
    if (report === undefined) continue;
    parts.push(`## ${title}`, `\`${report.command}\``, picture(directory, name));
    parts.push(`\`\`\`\n${report.text}\n\`\`\``);
  }
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Throws when the page lost one of its markers. */
export function fill(page: string, generated: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error('PERFORMANCE.md: no markers');
  return `${before}${BEGIN}\n\n${generated}\n\n${END}${after}`;
}

/** Where the page was written. */
export function writePage(): string {
  const path = 'PERFORMANCE.md';
  writeFileSync(path, fill(readFileSync(path, 'utf8'), generatedPart('perf/results')));
  return path;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${writePage()}\n`);
