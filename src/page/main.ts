import type { Status } from '../core/model/status.ts';
import { Chart } from './chart.ts';
import { byId, setText } from './dom.ts';
import { follow } from './feed.ts';
import type { Mark } from './marks.ts';
import { NO_PAST, type Past, pointOfStatus, withHistory, withPoint, withStatus } from './model.ts';
import { drawConnection, drawLegend, drawNow, drawThresholds } from './now.ts';
import {
  drawAgent,
  drawCollections,
  drawDeaths,
  drawGrowth,
  drawRemedies,
  drawTable,
  drawTransitions,
} from './panels.ts';
import { type Columns, type Picture, picture } from './series.ts';
import { announcement, describeChart, title } from './words.ts';

/*
 * The guardian's own page: what comes in changes the past and the status, and those are drawn, at most once a frame.
 */

/** The description of the chart is read out on demand only; it need not change with each reading. */
const DESCRIBE_MS = 10_000;
/** History is at most a second old, so a death is in it only then. */
const TELL_MS = 1200;

const LEGEND = [
  { key: 'held', name: 'Unreclaimable' },
  { key: 'used', name: 'Used, with reclaimable' },
  { key: 'anon', name: 'Anonymous' },
  { key: 'limit', name: 'Limit' },
] as const satisfies readonly { key: keyof Columns; name: string }[];

let past: Past = NO_PAST;
let status: Status | null = null;
let live = false;
let heardMs: number | null = null;
/** How far the guardian's clock is ahead of this one. */
let offsetMs = 0;
let windowMs = 600_000;
let shown: Picture | undefined;
let pointed: number | null = null;
let describedMs = Number.NEGATIVE_INFINITY;
let due = false;

const chart = new Chart(byId('chart'), (index) => {
  pointed = index;
  legend();
});

const { catchUp } = follow({
  history(report) {
    past = withHistory(past, report);
    describedMs = Number.NEGATIVE_INFINITY;
    drawSoon();
  },
  status(next, atMs) {
    const told = announcement(status, next);
    if (told !== null) setText(byId('announce'), told);
    const died = status !== null && next.lastDeath?.at !== status.lastDeath?.at;
    if (died) setTimeout(catchUp, TELL_MS);
    past = withStatus(past, status, next);
    const point = pointOfStatus(next, atMs);
    if (point) past = withPoint(past, point);
    status = next;
    offsetMs = atMs - Date.now();
    drawSoon();
  },
  beat(isLive, lastHeardMs) {
    if (live !== isLive && heardMs !== null)
      setText(byId('announce'), isLive ? 'Connection restored.' : 'Connection to the guardian lost.');
    live = isLive;
    heardMs = lastHeardMs;
    drawSoon();
  },
});

for (const input of document.querySelectorAll<HTMLInputElement>('input[name=range]'))
  input.addEventListener('change', () => {
    windowMs = Number(input.value) * 1000;
    drawSoon();
  });
byId('numbers').addEventListener('toggle', () => {
  describedMs = Number.NEGATIVE_INFINITY;
  drawSoon();
});

function drawSoon(): void {
  if (due || document.hidden) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

function draw(): void {
  document.title = title(status, live);
  drawConnection(live, heardMs);
  drawThresholds(past);
  drawTransitions(byId('transitions'), past);
  drawCollections(byId('collections'), past);
  drawDeaths(byId('deaths'), past);
  setText(byId('version'), past.version ?? '');
  if (status) {
    const { agent } = status;
    setText(byId('who'), agent ? `${agent.name} · pid ${agent.pid}` : 'no agent');
    drawNow(status, live, heardMs);
    drawRemedies(byId('remedies'), status);
    drawGrowth(byId('growth'), status);
    drawAgent(byId('agent'), status);
  }
  drawChart();
}

function drawChart(): void {
  // the chart is about the container's limit; the forecast may be about the heap's own
  const outlook = live && status && !status.blind && status.limitedBy === 'container' ? status : null;
  const nowMs = Date.now() + offsetMs;
  shown = picture(past, outlook, nowMs, windowMs);
  chart.draw(shown, marks());
  legend();
  if (Date.now() - describedMs < DESCRIBE_MS) return;
  describedMs = Date.now();
  byId('chart').setAttribute('aria-label', describeChart(past.points, live));
  const details = byId('numbers');
  if (details.hasAttribute('open')) drawTable(byId('numbers-table'), past);
}

function marks(): Mark[] {
  const seconds = (at: string) => Date.parse(at) / 1000;
  return [
    ...past.collections.map(({ at }) => ({ kind: 'collection' as const, at: seconds(at) })),
    ...past.transitions.map(({ at, to }) => ({ kind: 'level' as const, at: seconds(at), to })),
    ...past.deaths.map(({ at }) => ({ kind: 'death' as const, at: seconds(at) })),
  ];
}

function legend(): void {
  if (!shown) return;
  const { columns } = shown;
  const latest = columns.held.findLastIndex((value) => value !== null);
  const index = pointed ?? latest;
  drawLegend(LEGEND.map(({ key, name }) => ({ key, name, bytes: columns[key][index] ?? null })));
}
