/** Results as JSON, as a table on the terminal, and as one picture (SVG) by echarts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import * as echarts from 'echarts';

export interface Measurement {
  readonly scenario: string;
  readonly medium: string;
  readonly kind: 'bulk' | 'small';
  /** MB/s (10^6 bytes) for bulk, requests a second for small. */
  readonly rate: number;
  /** Server CPU: ns a byte for bulk, µs a request for small. */
  readonly cost: number;
  readonly costUser: number;
  readonly costSystem: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly peakRssMiB: number;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export function table(measurements: readonly Measurement[]): string {
  const header = [
    'medium',
    'scenario',
    'rate',
    'server CPU',
    'user',
    'system',
    'p50',
    'p99',
    'RSS',
  ];
  const rows = measurements.map((one) => [
    one.medium,
    one.scenario,
    one.kind === 'bulk' ? `${one.rate.toFixed(0)} MB/s` : `${one.rate.toFixed(0)}/s`,
    one.kind === 'bulk' ? `${one.cost.toFixed(2)} ns/B` : `${one.cost.toFixed(0)} µs`,
    one.costUser.toFixed(2),
    one.costSystem.toFixed(2),
    `${one.p50Ms.toFixed(1)} ms`,
    `${one.p99Ms.toFixed(1)} ms`,
    `${one.peakRssMiB.toFixed(0)} MiB`,
  ]);
  const widths = header.map((name, at) =>
    Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return [header, ...rows].map(line).join('\n');
}

export function writeReport(directory: string, measurements: readonly Measurement[]): string {
  mkdirSync(directory, { recursive: true });
  const machine = {
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString(),
  };
  writeFileSync(
    join(directory, 'report.json'),
    `${JSON.stringify({ machine, measurements }, null, 2)}\n`,
  );
  const picture = join(directory, 'report.svg');
  writeFileSync(picture, plot(measurements));
  return picture;
}

function plot(measurements: readonly Measurement[]): string {
  const bulk = measurements.filter((one) => one.kind === 'bulk');
  const small = measurements.filter((one) => one.kind === 'small');
  const name = (one: Measurement): string => `${one.scenario} · ${one.medium}`;
  const bars = (
    list: readonly Measurement[],
    index: number,
    pick: (one: Measurement) => number,
  ): echarts.BarSeriesOption => ({
    type: 'bar',
    xAxisIndex: index,
    yAxisIndex: index,
    label: { show: true, position: 'right', formatter: '{c}' },
    data: list.map((one) => Number(pick(one).toFixed(pick(one) < 100 ? 2 : 0))).toReversed(),
  });
  const panels = [
    { title: 'bulk: MB/s', list: bulk, pick: (one: Measurement) => one.rate },
    { title: 'bulk: server CPU, ns a byte', list: bulk, pick: (one: Measurement) => one.cost },
    { title: 'small: requests a second', list: small, pick: (one: Measurement) => one.rate },
    { title: 'small: server CPU, µs a request', list: small, pick: (one: Measurement) => one.cost },
  ];
  const height = 60 + 26 * Math.max(bulk.length, 1) + 60 + 26 * Math.max(small.length, 1) + 40;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 1400, height });
  const split = 60 + 26 * Math.max(bulk.length, 1);
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: panels.map((panel, at) => ({
      text: panel.title,
      left: at % 2 === 0 ? 300 : 1010,
      top: at < 2 ? 5 : split + 5,
      textStyle: { fontSize: 13 },
    })),
    grid: panels.map((_, at) => ({
      left: at % 2 === 0 ? 300 : 1010,
      width: at % 2 === 0 ? 360 : 320,
      top: (at < 2 ? 0 : split) + 30,
      height: 26 * Math.max(at < 2 ? bulk.length : small.length, 1),
    })),
    xAxis: panels.map((_, gridIndex) => ({ type: 'value', gridIndex, axisLabel: { show: false } })),
    yAxis: panels.map((panel, gridIndex) => ({
      type: 'category',
      gridIndex,
      data: panel.list.map(name).toReversed(),
      axisLabel: { show: gridIndex % 2 === 0, width: 280, overflow: 'truncate' },
    })),
    series: panels.map((panel, at) => bars(panel.list, at, panel.pick)),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
