import { LEVELS, type Level } from '../core/model/status.ts';
import type { Picture } from './series.ts';
import { LEVEL_WORDS } from './words.ts';

/** A colour of the theme by its name in the style sheet. */
export type Ink = (name: string) => string;

/** Something that happened at one moment, in seconds since the epoch. */
export type Mark = { at: number } & (
  | { kind: 'level'; to: Level }
  | { kind: 'collection' }
  | { kind: 'death' }
);

/** What of a plot is drawn on: a part of uPlot's. */
export interface Canvas {
  readonly ctx: CanvasRenderingContext2D;
  readonly bbox: { left: number; top: number; width: number; height: number };
  valToPos(value: number, scale: string, canvasPixels: boolean): number;
}

const LINE_NAMES = ['limit', 'critical', 'shedding', 'warning'] as const;
const TEXT_HEIGHT = 13;
/** Of the letters above a mark; where two would meet, the graver one is written. */
const NAME_WIDTH = 14;

/** Draws what is no line: gaps, what happened, the names of the thresholds, and where the forecast meets the limit. */
export function drawMarks(canvas: Canvas, picture: Picture, marks: readonly Mark[], ink: Ink): void {
  const { ctx, bbox } = canvas;
  const px = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * px}px system-ui, sans-serif`;
  ctx.textBaseline = 'middle';
  const x = (seconds: number) => canvas.valToPos(seconds, 'x', true);
  const inside = (seconds: number) => seconds >= picture.span[0] && seconds <= picture.span[1];
  const bottom = bbox.top + bbox.height;

  for (const [from, to] of picture.gaps) {
    const left = Math.max(bbox.left, x(from));
    const right = x(to);
    if (right <= left) continue;
    ctx.fillStyle = ink('--gap');
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = ink('--faint');
    nameGap(ctx, { left, right }, bottom - TEXT_HEIGHT * px);
  }

  const named: number[] = [];
  for (const mark of marks.filter(({ at }) => inside(at)).toSorted((a, b) => weight(b) - weight(a))) {
    const at = Math.round(x(mark.at));
    if (mark.kind === 'collection') {
      ctx.fillStyle = ink('--held');
      triangle(ctx, at, bottom, 5 * px);
      continue;
    }
    const death = mark.kind === 'death';
    const color = ink(death ? '--text' : `--${mark.to}`);
    ctx.strokeStyle = color;
    ctx.lineWidth = death ? 2 * px : px;
    ctx.setLineDash(death ? [] : [2 * px, 2 * px]);
    verticalLine(ctx, at, bbox.top, bottom);
    ctx.setLineDash([]);
    if (named.some((other) => Math.abs(other - at) < NAME_WIDTH * px)) continue;
    named.push(at);
    ctx.fillStyle = color;
    ctx.textAlign = 'center';
    ctx.fillText(death ? '✕' : LEVEL_WORDS[mark.to].letter, at, bbox.top - 7 * px);
  }

  if (picture.limitAt !== null && picture.limitBytes !== null) {
    ctx.fillStyle = ink('--critical');
    ctx.beginPath();
    ctx.arc(x(picture.limitAt), canvas.valToPos(picture.limitBytes, 'y', true), 4 * px, 0, 2 * Math.PI);
    ctx.fill();
  }
  nameLines(canvas, picture, ink);
  ctx.restore();
}

/** How grave a mark is. */
function weight(mark: Mark): number {
  if (mark.kind === 'level') return LEVELS.indexOf(mark.to);
  return mark.kind === 'death' ? LEVELS.length : -1;
}

/** Names stand at the right of their lines and never on each other, from the limit down. */
function nameLines(canvas: Canvas, { columns, topBytes }: Picture, ink: Ink): void {
  const { ctx, bbox } = canvas;
  const px = devicePixelRatio;
  let lowest = Number.NEGATIVE_INFINITY;
  let above = false;
  ctx.textAlign = 'left';
  for (const name of LINE_NAMES) {
    const bytes = columns[name].findLast((value) => value !== null);
    if (bytes == null) continue;
    if (bytes > topBytes) {
      above = true;
      continue;
    }
    const y = Math.max(canvas.valToPos(bytes, 'y', true), lowest + TEXT_HEIGHT * px);
    lowest = y;
    ctx.fillStyle = ink(name === 'limit' ? '--text' : `--${name}`);
    ctx.fillText(name, bbox.left + bbox.width + 8 * px, y);
  }
  if (above) {
    ctx.fillStyle = ink('--faint');
    ctx.fillText('limit above ↑', bbox.left + bbox.width + 8 * px, bbox.top + 6 * px);
  }
}

/** Written where there is room for it. */
function nameGap(
  ctx: CanvasRenderingContext2D,
  { left, right }: { left: number; right: number },
  y: number,
): void {
  const words = 'no reading';
  if (ctx.measureText(words).width > right - left) return;
  ctx.textAlign = 'center';
  ctx.fillText(words, (left + right) / 2, y);
}

function triangle(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  ctx.beginPath();
  ctx.moveTo(x - size, y);
  ctx.lineTo(x + size, y);
  ctx.lineTo(x, y - 1.5 * size);
  ctx.fill();
}

function verticalLine(ctx: CanvasRenderingContext2D, x: number, top: number, bottom: number): void {
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, bottom);
  ctx.stroke();
}
