/** Pictures of results as SVG text by echarts: bars with their spread, and lines of growth. */
import * as echarts from 'echarts';
import { costOf, figure, rateOf, type Result, type Unit, unitNames } from './results.ts';

const WIDTH = 1200;
const ROW = 24;
const HEAD = 56;
const LEFT = 420;

function render(height: number, option: echarts.EChartsCoreOption): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, backgroundColor: '#ffffff', ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const TITLES: Readonly<Record<Unit, readonly [cost: string, rate: string]>> = {
  byte: ['bulk: server CPU', 'bulk: rate'],
  request: ['small requests: server CPU', 'small requests: rate'],
  key: ['listing: server CPU', 'listing: rate'],
  call: ['metadata: server CPU of one call', 'metadata: calls'],
};

interface Panel {
  readonly results: readonly Result[];
  readonly unit: Unit;
  readonly top: number;
}

const OURS = '#2f6fdb';
const PEERS = '#b9bec9';
const isOurs = (result: Result): boolean => ['sluice', 'whole', 'degraded'].includes(result.side);

/** One pair of bar panels (cost and rate) for each unit that there are results of. */
export function bars(results: readonly Result[]): string {
  const units = (['byte', 'request', 'key', 'call'] as const).filter((unit) =>
    results.some((one) => one.unit === unit),
  );
  let top = 0;
  const panels: Panel[] = units.map((unit) => {
    const panel = { unit, top, results: results.filter((one) => one.unit === unit) };
    top += HEAD + ROW * panel.results.length + 20;
    return panel;
  });
  const grids = panels.flatMap((panel) => [grid(panel, LEFT, 300), grid(panel, LEFT + 400, 280)]);
  return render(Math.max(top, HEAD), {
    title: grids.map((one) => one.title),
    grid: grids.map((one) => one.grid),
    xAxis: grids.map((_, gridIndex) => ({
      type: 'value',
      gridIndex,
      axisLabel: { show: false },
      splitLine: { show: false },
    })),
    yAxis: grids.map(({ panel }, gridIndex) => ({
      type: 'category',
      gridIndex,
      data: panel.results.map(nameOf).toReversed(),
      axisTick: { show: false },
      axisLabel: { show: gridIndex % 2 === 0, width: LEFT - 20, overflow: 'truncate' },
    })),
    series: grids.map(({ panel }, index) => bar(panel, index)),
  });
}

const nameOf = ({ scenario, medium, side }: Result): string => `${scenario} · ${medium} · ${side}`;

function grid(panel: Panel, left: number, width: number) {
  const [cost, rate] = TITLES[panel.unit];
  const names = unitNames(panel.unit);
  const text = left === LEFT ? `${cost}, ${names.cost}` : `${rate}, ${names.rate}`;
  const height = ROW * panel.results.length;
  return {
    panel,
    title: { text, left, top: panel.top + 8, textStyle: { fontSize: 13 } },
    grid: { left, width, top: panel.top + 32, height },
  };
}

function bar({ results }: Panel, index: number): echarts.BarSeriesOption {
  const valueOf = index % 2 === 0 ? costOf : rateOf;
  return {
    type: 'bar',
    xAxisIndex: index,
    yAxisIndex: index,
    barCategoryGap: '25%',
    data: results.toReversed().map((result) => {
      const { median, min, max } = valueOf(result);
      const range = min === max ? '' : `  [${figure(min)} … ${figure(max)}]`;
      return {
        value: median,
        itemStyle: { color: isOurs(result) ? OURS : PEERS },
        label: { show: true, position: 'right', formatter: `${figure(median)}${range}` },
      };
    }),
  };
}

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LinePanel {
  /** Names the unit of y. */
  readonly title: string;
  readonly xName: string;
  readonly logarithmic: boolean;
  readonly lines: readonly Line[];
}

const PANEL_HEIGHT = 260;

/** One panel below the other; y begins at zero, so that flat looks flat. */
export function lines(panels: readonly LinePanel[]): string {
  return render(panels.length * (PANEL_HEIGHT + 90), {
    title: panels.map(({ title }, at) => ({
      text: title,
      left: 20,
      top: at * (PANEL_HEIGHT + 90) + 6,
      textStyle: { fontSize: 13 },
    })),
    grid: panels.map((_, at) => ({
      left: 80,
      right: 220,
      top: at * (PANEL_HEIGHT + 90) + 44,
      height: PANEL_HEIGHT - 20,
    })),
    xAxis: panels.map(({ logarithmic, xName, lines: list }, gridIndex) => {
      const all = list.flatMap(({ points }) => points.map(([x]) => x));
      return {
        type: logarithmic ? 'log' : 'value',
        gridIndex,
        name: xName,
        ...(logarithmic ? { min: Math.min(...all), max: Math.max(...all) } : {}),
      };
    }),
    yAxis: panels.map((_, gridIndex) => ({ type: 'value', gridIndex, min: 0 })),
    series: panels.flatMap(({ lines: list }, at) =>
      list.map(({ name, points }) => ({
        type: 'line',
        name,
        xAxisIndex: at,
        yAxisIndex: at,
        data: points.map((point) => [...point]),
        endLabel: { show: true, formatter: name },
      })),
    ),
  });
}
