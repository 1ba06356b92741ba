import type { DemoRun, ReplicaRun } from '../../src/demo/recording.ts';

const MIB = 2 ** 20;
const WIDTH = 1000;
/** Of all panels, which share the axis of time. */
const LEFT = 62;
const RIGHT = 722;
/** Where the figures at the right begin. */
const FIGURES = 744;
const PANEL_HEIGHT = 138;
const TOPS = { unguarded: 104, guarded: 290, users: 464 };
const USERS_HEIGHT = 34;
const AXIS_SECONDS = 5;
/** Room above the limit. */
const HEADROOM = 1.08;
const MARK = 6;
const LEGEND_ENTRY = 190;

/** Its own ground, for light and for dark: GitHub puts the same file on white and on black. */
const STYLE = `
.ground{fill:#fff;stroke:#d1d9e0}.t{fill:#1f2328}.f{fill:#59636e}.grid{stroke:#eaeef2}.axis{stroke:#818b98}
.line{fill:none;stroke:#0969da;stroke-width:1.8;stroke-linejoin:round}.area{fill:#0969da;fill-opacity:.1}
.limit{stroke:#1f2328;stroke-width:1.4}.shed{stroke:#9a6700;stroke-dasharray:4 3}.w{fill:#9a6700}
.refuses{fill:#d4a72c;fill-opacity:.32}.down{fill:#cf222e;fill-opacity:.14}
.bad{fill:#cf222e}.good{fill:#1a7f37}.kill{fill:none;stroke:#cf222e;stroke-width:3;stroke-linecap:round}
.fall{stroke:#cf222e;stroke-dasharray:2 3}.users{fill:#818b98;fill-opacity:.55}
text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
.title{font-size:19px;font-weight:600}.name{font-size:15px;font-weight:600}.b{font-weight:600}
.big{font-size:23px;font-weight:600}.of{font-size:14px}.m{text-anchor:middle}.e{text-anchor:end}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117;stroke:#3d444d}.t{fill:#f0f6fc}.f{fill:#9198a1}.grid{stroke:#21262d}.axis{stroke:#656c76}
.line{stroke:#58a6ff}.area{fill:#58a6ff;fill-opacity:.14}.limit{stroke:#f0f6fc}.shed{stroke:#d29922}.w{fill:#e3b341}
.refuses{fill:#d29922;fill-opacity:.3}.down{fill:#f85149;fill-opacity:.2}
.bad{fill:#ff7b72}.good{fill:#3fb950}.kill,.fall{stroke:#ff7b72}.users{fill:#9198a1;fill-opacity:.5}
}`;

const NAMES: Record<Side, string> = { unguarded: 'Without Spillway', guarded: 'With Spillway' };
/** What is done to the agent that is not guarded, where the other one has its command. */
const MEASURED = 'measured and restarted only: no garbage collection, no gate, no 503';

type Stretch = [from: number, to: number];
type Side = 'unguarded' | 'guarded';

/** The picture in words. */
export function describeRun({ offered, unguarded, guarded }: DemoRun): string {
  const side = ({ deaths, requests, conversations }: ReplicaRun) =>
    `${killsOf(deaths.length)}, ${requests.served} of ${offered.requests} requests served, ${conversations.lost} of ${offered.conversations} conversations lost, ${conversations.elsewhere} users sent to other replicas`;
  return `Memory of the same agent under the same load. Without Spillway: ${side(unguarded)}. With Spillway: ${side(guarded)}.`;
}

/** The picture of a run as SVG text; the same run gives the same text. */
export function draw(run: DemoRun): string {
  const height = TOPS.users + USERS_HEIGHT + 62;
  const { conversations } = run.offered;
  const limit = Math.round(run.guarded.limitBytes / MIB);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`,
    text(22, 34, 't title', 'The same agent and the same users, without and with Spillway'),
    text(
      22,
      56,
      'f',
      `npm run demo: the same ${conversations} users come to two agents of ${limit} MiB. Unreclaimable memory in MiB, as recorded.`,
    ),
    ...panel(run, 'unguarded'),
    ...panel(run, 'guarded'),
    ...users(run),
    ...axis(run),
    ...legend(run, height - 16),
    '</svg>',
  ].join('\n')}\n`;
}

function panel(run: DemoRun, side: Side): string[] {
  const replica = run[side];
  const top = TOPS[side];
  const bottom = top + PANEL_HEIGHT;
  const limit = replica.limitBytes / MIB;
  const x = scaleOf(run);
  const y = (mib: number) => one(bottom - (mib / (limit * HEADROOM)) * PANEL_HEIGHT);
  const shed = limit * replica.thresholds.shedRatio;
  const rows = [0, 1, 2, 3, 4].map((i) => (i * limit) / 4);
  return [
    `<text class="t" x="22" y="${top - 12}"><tspan class="name">${NAMES[side]}</tspan><tspan class="f" dx="10">${side === 'guarded' ? replica.command : MEASURED}</tspan></text>`,
    ...rows.map((mib) => line('grid', LEFT, y(mib), RIGHT, y(mib))),
    ...rows.map((mib) => text(LEFT - 8, y(mib) + 4, 'f e', `${Math.round(mib)}`)),
    ...stretches(replica, run.seconds, 'down').map((each) => band('down', each, x, top, bottom)),
    ...stretches(replica, run.seconds, 503).map((each) => band('refuses', each, x, top, bottom)),
    ...lives(replica).flatMap((points) => curve(points, x, y, bottom)),
    line('limit', LEFT, y(limit), RIGHT, y(limit)),
    text(LEFT + 6, y(limit) + 15, 't b', `limit ${Math.round(limit)} MiB`),
    ...(side === 'guarded'
      ? [
          line('shed', LEFT, y(shed), RIGHT, y(shed)),
          text(LEFT + 6, y(shed) + 15, 'w b', `503 from ${Math.round(replica.thresholds.shedRatio * 100)} %`),
        ]
      : []),
    ...replica.deaths.flatMap(({ seconds, exitStatus }) => [
      line('fall', x(seconds), y(limit), x(seconds), bottom),
      `<path class="kill" d="${cross(x(seconds), y(limit))}"/>`,
      text(x(seconds) + 10, y(limit) + 19, 'bad b', `exit ${exitStatus}`),
    ]),
    ...figures(run, replica, top),
  ];
}

/** What it came to. */
function figures({ offered }: DemoRun, replica: ReplicaRun, top: number): string[] {
  const { requests, conversations, deaths } = replica;
  const { lost, elsewhere } = conversations;
  const row = (y: number, style: string, value: number, of: string, unit: string) =>
    `<text class="t" x="${FIGURES}" y="${top + y}"><tspan class="big ${style}">${value}</tspan><tspan class="f of">${of}</tspan><tspan class="t of"> ${unit}</tspan></text>`;
  const verdict = (count: number) => (count > 0 ? 'bad' : 'good');
  return [
    row(20, verdict(deaths.length), deaths.length, '', killsOf(deaths.length).replace(/^\d+ /, '')),
    row(56, verdict(lost), lost, ` / ${offered.conversations}`, 'conversations lost'),
    row(92, 't', requests.served, ` / ${offered.requests}`, 'requests served'),
    text(FIGURES, top + 122, 'f', `${elsewhere} users sent to other replicas`),
  ];
}

function killsOf(count: number): string {
  return count === 1 ? '1 OOM kill' : `${count} OOM kills`;
}

/** How many come in each second: the same users in both panels. */
function users(run: DemoRun): string[] {
  const { arrivals } = run.offered;
  const x = scaleOf(run);
  const bottom = TOPS.users + USERS_HEIGHT;
  const most = Math.max(...arrivals);
  const bars = arrivals.map((count, second) => {
    const height = one((count / most) * USERS_HEIGHT);
    return `<rect class="users" x="${one(x(second) + 1)}" y="${one(bottom - height)}" width="${one(x(1) - x(0) - 2)}" height="${height}"/>`;
  });
  return [...bars, text(FIGURES, TOPS.users + 22, 'f', 'new users per second, in both')];
}

function axis(run: DemoRun): string[] {
  const x = scaleOf(run);
  const y = TOPS.users + USERS_HEIGHT;
  const ticks = Array.from(
    { length: Math.floor(run.seconds / AXIS_SECONDS) + 1 },
    (_, i) => i * AXIS_SECONDS,
  );
  return [
    line('axis', LEFT, y, RIGHT, y),
    ...ticks.map((second) => line('axis', x(second), y, x(second), y + 4)),
    ...ticks.map((second) => text(x(second), y + 18, 'f m', `${second} s`)),
  ];
}

/** What the marks mean that the panels have. */
function legend(run: DemoRun, y: number): string[] {
  const replicas = [run.unguarded, run.guarded];
  const has = (answer: 503 | 'down') =>
    replicas.some((replica) => stretches(replica, run.seconds, answer).length > 0);
  const swatch = (style: string) => (x: number) =>
    `<rect class="${style}" x="${x}" y="${y - 10}" width="16" height="12"/>`;
  const entries = [
    {
      shown: replicas.some(({ deaths }) => deaths.length > 0),
      mark: (x: number) => `<path class="kill" d="${cross(x + MARK, y - 4)}"/>`,
      meaning: 'killed by the kernel',
    },
    { shown: has('down'), mark: swatch('down'), meaning: 'the agent does not answer' },
    {
      shown: has(503),
      mark: swatch('refuses'),
      meaning: '/readyz answers 503: the balancer sends new users to other replicas',
    },
  ].filter(({ shown }) => shown);
  let x = LEFT;
  return entries.flatMap(({ mark, meaning }) => {
    const drawn = [mark(x), text(x + 22, y, 'f', meaning)];
    x += LEGEND_ENTRY;
    return drawn;
  });
}

/** When the balancer got this answer. */
function stretches({ probes }: ReplicaRun, endSeconds: number, answer: 503 | 'down'): Stretch[] {
  const found: Stretch[] = [];
  let since: number | undefined;
  for (const [seconds, got] of [...probes, [endSeconds, undefined] as const]) {
    if (got === answer) since ??= seconds;
    else if (since !== undefined) {
      found.push([since, seconds]);
      since = undefined;
    }
  }
  return found;
}

/** The readings of each life of the agent. */
function lives({ readings, deaths }: ReplicaRun): ReplicaRun['readings'][] {
  const ends = [...deaths.map(({ seconds }) => seconds), Number.POSITIVE_INFINITY];
  return ends
    .map((end, i) => readings.filter(([at]) => at <= end && at > (ends[i - 1] ?? Number.NEGATIVE_INFINITY)))
    .filter((points) => points.length > 0);
}

function curve(
  points: ReplicaRun['readings'],
  x: (seconds: number) => number,
  y: (mib: number) => number,
  bottom: number,
): string[] {
  const path = points.map(([seconds, bytes]) => `${x(seconds)} ${y(bytes / MIB)}`).join('L');
  const [first = 0, last = 0] = [points[0]?.[0], points.at(-1)?.[0]];
  return [
    `<path class="area" d="M${x(first)} ${bottom}L${path}L${x(last)} ${bottom}Z"/>`,
    `<path class="line" d="M${path}"/>`,
  ];
}

function band(style: string, [from, to]: Stretch, x: (s: number) => number, top: number, bottom: number) {
  return `<rect class="${style}" x="${x(from)}" y="${top}" width="${one(x(to) - x(from))}" height="${bottom - top}"/>`;
}

function scaleOf({ seconds: end }: DemoRun): (seconds: number) => number {
  return (seconds) => one(LEFT + (seconds / end) * (RIGHT - LEFT));
}

function cross(x: number, y: number): string {
  const [l, r, t, b] = [x - MARK, x + MARK, y - MARK, y + MARK].map(one);
  return `M${l} ${t}L${r} ${b}M${r} ${t}L${l} ${b}`;
}

function text(x: number, y: number, style: string, content: string): string {
  return `<text class="${style}" x="${one(x)}" y="${one(y)}">${content}</text>`;
}

function line(style: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${style}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

function one(value: number): number {
  return Math.round(value * 10) / 10;
}
