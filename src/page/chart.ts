import UPlot from 'uplot';
import { clockTime } from './dom.ts';
import { drawMarks, type Ink, type Mark } from './marks.ts';
import type { Columns, Picture } from './series.ts';
import { shortBytes } from './words.ts';

/** The lines, in the order in which they are drawn; what is nearest to the question comes last, on top. */
export const LINES = [
  { key: 'limit', color: '--text', width: 1.5, dash: [] },
  { key: 'critical', color: '--critical', width: 1, dash: [8, 3] },
  { key: 'shedding', color: '--shedding', width: 1, dash: [4, 3] },
  { key: 'warning', color: '--warning', width: 1, dash: [2, 3] },
  { key: 'used', color: '--used', width: 1, dash: [] },
  { key: 'anon', color: '--anon', width: 1.25, dash: [1, 3] },
  { key: 'held', color: '--held', width: 2, dash: [] },
  { key: 'forecast', color: '--held', width: 2, dash: [6, 5] },
] as const satisfies readonly {
  key: Exclude<keyof Columns, 'seconds'>;
  color: string;
  width: number;
  dash: number[];
}[];

const indexOf = (key: (typeof LINES)[number]['key']) => 1 + LINES.findIndex((line) => line.key === key);
const USED = indexOf('used');
const HELD = indexOf('held');
const KIB = 1024;
/** Binary steps, so that the scale reads 128, 256, 384 MiB. */
const STEPS = Array.from({ length: 34 }, (_, i) => KIB * 2 ** i).flatMap((step) => [step, step * 1.5]);
const FONT = '11px system-ui, sans-serif';
const WIDE = 700;

/** The chart of memory over time. */
export class Chart {
  readonly #host: HTMLElement;
  readonly #plot: UPlot;
  readonly #onPoint: (index: number | null) => void;
  #ink: Ink;
  #picture: Picture | undefined;
  #marks: readonly Mark[] = [];

  /** @param onPoint told which column is pointed at, or `null` */
  constructor(host: HTMLElement, onPoint: (index: number | null) => void) {
    this.#host = host;
    this.#onPoint = onPoint;
    this.#ink = inkOf(host);
    this.#plot = new UPlot(this.#options(), this.#data(), host);
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(host);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.#ink = inkOf(host);
      this.#plot.redraw(true, true);
    });
  }

  draw(picture: Picture, marks: readonly Mark[]): void {
    this.#picture = picture;
    this.#marks = marks;
    this.#plot.setData(this.#data(), true);
  }

  #size(): { width: number; height: number } {
    const width = Math.max(280, this.#host.clientWidth);
    return { width, height: width < WIDE ? 260 : 340 };
  }

  #data(): UPlot.AlignedData {
    const columns = this.#picture?.columns;
    return columns
      ? [columns.seconds, ...LINES.map(({ key }) => columns[key])]
      : [[], ...LINES.map(() => [])];
  }

  #options(): UPlot.Options {
    const ink = (name: string) => () => this.#ink(name);
    const axis = {
      stroke: ink('--faint'),
      font: FONT,
      grid: { stroke: ink('--grid'), width: 1 },
      ticks: { show: false },
    };
    return {
      ...this.#size(),
      padding: [14, () => (this.#host.clientWidth < WIDE ? 62 : 84), 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { range: () => this.#picture?.span ?? [0, 1] },
        y: { range: () => [0, this.#picture?.topBytes ?? 1] },
      },
      axes: [
        {
          ...axis,
          space: 80,
          size: 26,
          values: (_, splits) => splits.map((seconds) => clockTime(seconds * 1000)),
        },
        {
          ...axis,
          size: 62,
          incrs: STEPS,
          values: (_, splits) => splits.map(shortBytes),
        },
      ],
      series: [
        {},
        ...LINES.map(({ key, color, width, dash }) => ({
          stroke: ink(color),
          width,
          dash: [...dash],
          points: { show: false },
          ...(key === 'held' ? { fill: ink('--held-area') } : {}),
          spanGaps: key === 'forecast',
        })),
      ],
      bands: [{ series: [USED, HELD], fill: ink('--used-area') }],
      hooks: {
        draw: [(plot) => this.#picture && drawMarks(plot, this.#picture, this.#marks, this.#ink)],
        setCursor: [({ cursor }) => this.#onPoint(cursor.idx ?? null)],
      },
    };
  }
}

/** The colours of the theme in force, by the names the style sheet gives them. */
function inkOf(host: Element): Ink {
  const style = getComputedStyle(host);
  return (name) => style.getPropertyValue(name).trim();
}
