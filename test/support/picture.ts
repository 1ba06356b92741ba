import * as echarts from 'echarts';
import type { DemoRun } from '../../src/demo/recording.ts';

const WIDTH = 1000;
const HEIGHT = 460;
const MIB = 2 ** 20;
// its own background and no colour that only one theme can show: GitHub puts the same file on white and on black
const COLOR = {
  ground: '#ffffff',
  text: '#1f2328',
  faint: '#59636e',
  grid: '#eaeef2',
  line: '#0b5cad',
  people: '#8c959f',
  recovered: '#1a7f37',
};
interface Line {
  name: string;
  ratio: number;
  color: string;
  /** Colour of the band up to the next line. */
  band?: string;
}

const LEVELS: readonly Line[] = [
  { name: 'warning', ratio: 0.75, color: '#9a6700', band: 'rgba(212,167,44,0.10)' },
  { name: 'shedding', ratio: 0.85, color: '#bc4c00', band: 'rgba(251,143,68,0.12)' },
  { name: 'critical', ratio: 0.92, color: '#cf222e', band: 'rgba(250,69,73,0.14)' },
  { name: 'limit', ratio: 1, color: '#1f2328' },
];

/** The picture of a run as SVG text; the same run gives the same text. */
export function draw(run: DemoRun): string {
  const limit = run.limitBytes / MIB;
  const endSeconds = run.end.seconds;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: COLOR.ground,
    textStyle: { fontFamily: 'system-ui, Helvetica, Arial, sans-serif' },
    title: {
      text: `npm run demo: an agent in ${limit} MiB under spillway run`,
      subtext: 'Unreclaimable memory, in MiB. Red: /readyz answers 503, no new conversation comes in.',
      left: 20,
      top: 12,
      textStyle: { fontSize: 18, color: COLOR.text },
      subtextStyle: { fontSize: 13, color: COLOR.faint },
    },
    grid: [
      { left: 60, right: 100, top: 84, height: 250 },
      { left: 60, right: 100, top: 372, height: 44 },
    ],
    xAxis: [0, 1].map((gridIndex) => ({
      type: 'value',
      gridIndex,
      min: 0,
      max: Math.ceil(endSeconds) + 1,
      interval: 5,
      axisLabel: { show: gridIndex === 1, color: COLOR.faint, formatter: '{value} s', showMaxLabel: false },
      axisLine: { lineStyle: { color: COLOR.faint } },
      splitLine: { show: false },
    })),
    yAxis: [
      {
        type: 'value',
        min: 0,
        max: Math.ceil(limit * 1.06),
        interval: limit / 4,
        axisLabel: {
          color: COLOR.faint,
          showMaxLabel: false,
          formatter: (value: number) => String(Math.round(value)),
        },
        splitLine: { lineStyle: { color: COLOR.grid } },
      },
      {
        type: 'value',
        gridIndex: 1,
        min: 0,
        interval: 15,
        axisLabel: { color: COLOR.faint },
        splitLine: { lineStyle: { color: COLOR.grid } },
      },
    ],
    series: [
      {
        type: 'line',
        data: run.readings.map(([seconds, bytes]) => [seconds, round(bytes / MIB)]),
        symbol: 'none',
        lineStyle: { color: COLOR.line, width: 2 },
        areaStyle: { color: COLOR.line, opacity: 0.08 },
        markLine: { silent: true, symbol: 'none', data: LEVELS.map((level) => threshold(level, limit)) },
        markArea: {
          silent: true,
          data: [...LEVELS.flatMap((level, i) => bandTo(level, LEVELS[i + 1], limit)), ...refusals(run)],
        },
        markPoint: { silent: true, data: marks(run, limit) },
      },
      {
        type: 'line',
        step: 'end',
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: [...run.probes.map(([seconds, , talking]) => [seconds, talking]), [endSeconds, 0]],
        symbol: 'none',
        lineStyle: { color: COLOR.people, width: 1.5 },
        areaStyle: { color: COLOR.people, opacity: 0.15 },
        markArea: { silent: true, data: refusals(run, false) },
      },
    ],
    graphic: [
      {
        type: 'text',
        left: 64,
        top: 352,
        style: { text: 'conversations', fill: COLOR.faint, font: '12px sans-serif' },
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${numbered(svg)}\n`;
}

function threshold({ name, ratio, color }: Line, limit: number) {
  const label = name === 'limit' ? `limit ${limit}` : `${name} ${Math.round(ratio * 100)} %`;
  return {
    yAxis: ratio * limit,
    lineStyle: { color, type: name === 'limit' ? 'solid' : 'dashed', width: name === 'limit' ? 1.5 : 1 },
    label: { formatter: label, color, position: 'end', fontSize: 12 },
  };
}

function bandTo(level: Line, next: Line | undefined, limit: number) {
  if (!next) return [];
  return [[{ yAxis: level.ratio * limit, itemStyle: { color: level.band } }, { yAxis: next.ratio * limit }]];
}

/** The times at which /readyz said 503, as the balancer saw it. */
function refusals({ probes, end }: DemoRun, labelled = true) {
  const spans: [from: number, to?: number][] = [];
  for (const [seconds, code] of probes) {
    const open = spans.at(-1)?.length === 1;
    if (code === 503 && !open) spans.push([seconds]);
    else if (code === 200 && open) spans.at(-1)?.push(seconds);
  }
  if (spans.at(-1)?.length === 1) spans.at(-1)?.push(end.seconds);
  const label = {
    show: labelled,
    formatter: '503',
    color: '#cf222e',
    fontWeight: 'bold',
    position: 'insideBottom',
  };
  return spans.map(([from, to]) => [
    { xAxis: from, itemStyle: { color: 'rgba(207,34,46,0.13)' }, label },
    { xAxis: to },
  ]);
}

function marks({ events, end }: DemoRun, limit: number) {
  const recoveries = events.filter(
    ({ event, seconds }) => event === 'MemoryPressureRecovered' && seconds < end.seconds,
  );
  const words: Record<string, string> = {
    'oom-killed': 'killed by the kernel',
    'heap-limit': 'aborted by V8',
  };
  const label = { show: true, fontSize: 12 };
  return [
    ...recoveries.map(({ seconds }) => ({
      coord: [seconds, 0],
      symbol: 'circle',
      symbolSize: 9,
      itemStyle: { color: COLOR.recovered },
      label: {
        ...label,
        formatter: 'recovered',
        position: 'right',
        offset: [0, -10],
        color: COLOR.recovered,
      },
    })),
    {
      coord: [end.seconds, limit],
      symbol: 'path://M0,0 L10,10 M10,0 L0,10',
      symbolSize: 13,
      itemStyle: { color: 'none', borderColor: COLOR.text, borderWidth: 2.5 },
      label: {
        ...label,
        formatter: words[end.cause] ?? end.cause,
        position: 'top',
        offset: [-46, 2],
        color: COLOR.text,
      },
    },
  ];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** echarts counts its pictures in their ids; a second one in the same process would differ. */
function numbered(svg: string): string {
  return svg.replace(/zr\d+-/g, 'zr-');
}
