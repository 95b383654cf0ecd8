/**
 * The figures of one run as a table on the terminal, as JSON and as one picture (SVG) by echarts.
 * Percent is ours of native in bytes per CPU second; what was not measured is a dash, never a zero.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import * as echarts from 'echarts';

/** One side of a row: medians over the rounds. */
export interface Side {
  /** 10^6 bytes per CPU second. */
  readonly mbPerCpuSecond: number;
  /** 10^6 bytes per second of wall time. */
  readonly mbPerSecond: number;
}

export interface KernelRow {
  readonly name: string;
  readonly what: string;
  readonly ours: Side | undefined;
  readonly native: Side | undefined;
}

/** Server CPU in ns a byte; the rate by wall time in MB/s. */
export interface PipelineSide {
  readonly userNs: number;
  readonly systemNs: number;
  readonly mbPerSecond: number;
}

export interface PipelineRow {
  readonly scenario: string;
  readonly medium: string;
  readonly ours: PipelineSide;
  readonly native: PipelineSide | undefined;
}

export interface Results {
  readonly compiler: string | undefined;
  /** Why there is no native side, when there is none. */
  readonly missing: string | undefined;
  readonly rounds: number;
  readonly kernels: readonly KernelRow[];
  readonly pipelines: readonly PipelineRow[];
}

const DASH = '–';

function text(value: number | undefined, digits = 0): string {
  return value === undefined || !Number.isFinite(value) ? DASH : value.toFixed(digits);
}

export function percentOf({ ours, native }: KernelRow): number | undefined {
  if (ours === undefined || native === undefined) return undefined;
  return (ours.mbPerCpuSecond / native.mbPerCpuSecond) * 100;
}

export const costOf = (side: PipelineSide | undefined): number | undefined =>
  side === undefined ? undefined : side.userNs + side.systemNs;

export function ratioOf({ ours, native }: PipelineRow): number | undefined {
  const ceiling = costOf(native);
  return ceiling === undefined ? undefined : (ours.userNs + ours.systemNs) / ceiling;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

export function table(results: Results): string {
  const parts: string[] = [];
  if (results.missing !== undefined) parts.push(`Ours alone: ${results.missing}.`);
  const percent = (row: KernelRow): string => {
    const value = percentOf(row);
    return value === undefined ? DASH : `${value.toFixed(0)} %`;
  };
  if (results.kernels.length > 0) {
    const header = ['kernel', 'ours MB/CPU s', 'native MB/CPU s', 'ours/native'];
    const rows = results.kernels.map((row) => [
      row.what,
      text(row.ours?.mbPerCpuSecond),
      text(row.native?.mbPerCpuSecond),
      percent(row),
      text(row.ours?.mbPerSecond),
      text(row.native?.mbPerSecond),
    ]);
    parts.push(aligned([[...header, 'ours MB/s', 'native MB/s'], ...rows]));
  }
  if (results.pipelines.length > 0) {
    const header = [
      'whole pipeline',
      'ours ns/B',
      'user',
      'system',
      'native ns/B',
      'user',
      'system',
    ];
    const rows = results.pipelines.map((row) => [
      `${row.scenario} · ${row.medium}`,
      text(costOf(row.ours), 2),
      text(row.ours.userNs, 2),
      text(row.ours.systemNs, 2),
      text(costOf(row.native), 2),
      text(row.native?.userNs, 2),
      text(row.native?.systemNs, 2),
      ratioOf(row) === undefined ? DASH : `${text(ratioOf(row), 2)} ×`,
      text(row.ours.mbPerSecond),
      text(row.native?.mbPerSecond),
    ]);
    const rates = ['ours/native', 'ours MB/s', 'native MB/s'];
    parts.push(aligned([[...header, ...rates], ...rows]));
  }
  return parts.join('\n\n');
}

export function writeReport(directory: string, results: Results): readonly string[] {
  mkdirSync(directory, { recursive: true });
  const machine = {
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString(),
  };
  const json = join(directory, 'native-bench.json');
  const picture = join(directory, 'native-bench.svg');
  writeFileSync(json, `${JSON.stringify({ machine, ...results }, null, 2)}\n`);
  writeFileSync(picture, plot(results));
  return [json, picture];
}

interface Panel {
  readonly title: string;
  readonly names: readonly string[];
  readonly ours: readonly (number | undefined)[];
  readonly native: readonly (number | undefined)[];
  readonly digits: number;
  readonly top: number;
  readonly height: number;
}

const ROW_PIXELS = 38;
const COLOURS = { ours: '#2f6fb0', native: '#c2c7cd' };

function panelsOf({ kernels, pipelines }: Results): Panel[] {
  const kernelPixels = ROW_PIXELS * Math.max(kernels.length, 1);
  return [
    {
      title: 'kernels: MB per CPU second (percent of native)',
      names: kernels.map((row) => {
        const percent = percentOf(row);
        return percent === undefined ? row.what : `${row.what} (${percent.toFixed(0)} %)`;
      }),
      ours: kernels.map((row) => row.ours?.mbPerCpuSecond),
      native: kernels.map((row) => row.native?.mbPerCpuSecond),
      digits: 0,
      top: 60,
      height: kernelPixels,
    },
    {
      title: 'whole pipeline: server CPU, ns a byte (less is better)',
      names: pipelines.map((row) => {
        const ratio = ratioOf(row);
        const name = `${row.scenario} · ${row.medium}`;
        return ratio === undefined ? name : `${name} (${ratio.toFixed(2)} ×)`;
      }),
      ours: pipelines.map((row) => costOf(row.ours)),
      native: pipelines.map((row) => costOf(row.native)),
      digits: 2,
      top: 60 + kernelPixels + 50,
      height: ROW_PIXELS * Math.max(pipelines.length, 1),
    },
  ].filter((panel) => panel.names.length > 0);
}

function barsOf(panel: Panel, index: number, side: 'ours' | 'native'): echarts.BarSeriesOption {
  return {
    type: 'bar',
    name: side,
    xAxisIndex: index,
    yAxisIndex: index,
    itemStyle: { color: COLOURS[side] },
    label: { show: true, position: 'right', formatter: '{c}', fontSize: 10 },
    data: panel[side].map((value) => (value === undefined ? '-' : value.toFixed(panel.digits))),
  };
}

function plot(results: Results): string {
  const panels = panelsOf(results);
  const last = panels.at(-1);
  const height = last === undefined ? 100 : last.top + last.height + 30;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 1000, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    legend: { top: 5, left: 20, data: ['ours', 'native'] },
    title: panels.map(({ title, top }) => ({
      text: title,
      left: 340,
      top: top - 25,
      textStyle: { fontSize: 13 },
    })),
    grid: panels.map(({ top, height: pixels }) => ({ left: 340, width: 560, top, height: pixels })),
    xAxis: panels.map((_, gridIndex) => ({ type: 'value', gridIndex, axisLabel: { show: false } })),
    yAxis: panels.map(({ names }, gridIndex) => ({
      type: 'category',
      gridIndex,
      inverse: true,
      data: [...names],
      axisLabel: { width: 320, overflow: 'truncate' },
    })),
    series: panels.flatMap((panel, index) => [
      barsOf(panel, index, 'ours'),
      barsOf(panel, index, 'native'),
    ]),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
