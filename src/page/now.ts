import { formatBytes, formatSeconds } from '../core/lib/units.ts';
import type { Status } from '../core/model/status.ts';
import { byId, clockTime, fill, make, setText } from './dom.ts';
import type { Past } from './model.ts';
import * as words from './words.ts';

/** A number with its name and what it means. */
type Tile = [name: string, value: string, detail: string];

/**
 * Level, readiness and the numbers of this moment. What is not live is never shown as if it were: the level is unknown then,
 * and the numbers say of when they are.
 */
export function drawNow(status: Status, live: boolean, heardMs: number | null): void {
  const known = live && !status.blind;
  byId('now').dataset['level'] = known ? status.level : 'none';
  const { sign, word } = words.LEVEL_WORDS[status.level];
  setText(byId('sign'), known ? sign : '○');
  setText(byId('level-word'), known ? word : live ? 'Blind' : 'Unknown');
  setText(byId('readiness'), live ? words.readiness(status) : `Last data: ${word}`);
  setText(
    byId('since'),
    live
      ? ` · since ${clockTime(Date.parse(status.since))}`
      : heardMs === null
        ? ''
        : `, ${clockTime(heardMs)}`,
  );
  setText(byId('reason'), words.sentence(status.reason));
  drawMeter(status);
  const tiles = tilesOf(status);
  fill(byId('tiles'), tiles, () =>
    tiles.map(([name, value, detail]) =>
      make(
        'div',
        {},
        make('dt', {}, name),
        make('dd', { class: 'value' }, value),
        make('dd', { class: 'note' }, detail),
      ),
    ),
  );
}

function drawMeter({ ratio, limitedBy }: Status): void {
  const share = Math.min(1, Math.max(0, ratio ?? 0));
  byId('bar-fill').style.width = `${share * 100}%`;
  const meter = byId('meter');
  meter.setAttribute('value', String(Math.round(share * 100)));
  const of = words.ofConstraint(limitedBy);
  meter.setAttribute('aria-valuetext', ratio === null ? 'not known' : `${words.percent(ratio)} ${of}`);
}

/** Marks on the bar where the levels begin. */
export function drawThresholds({ thresholds }: Past): void {
  const bar = byId('bar');
  if (!thresholds || bar.childElementCount > 1) return;
  const { warnRatio, shedRatio, criticalRatio } = thresholds;
  for (const ratio of [warnRatio, shedRatio, criticalRatio]) {
    const mark = make('i', {});
    mark.style.left = `${ratio * 100}%`;
    bar.append(mark);
  }
}

function tilesOf(status: Status): Tile[] {
  const { ratio, usedBytes, reclaimableBytes, limitBytes, limitedBy, cpuCores, processes } = status;
  const held = usedBytes === null ? null : Math.max(0, usedBytes - (reclaimableBytes ?? 0));
  const forecast = words.toLimit(status);
  return [
    [
      'In use',
      words.percent(ratio),
      limitedBy === 'container'
        ? `${words.bytes(held)} of ${words.bytes(limitBytes)} unreclaimable`
        : words.ofConstraint(limitedBy),
    ],
    ['Limit reached in', forecast.value, forecast.detail],
    [
      'Growth',
      words.growth(status.growthBytesPerSecond),
      status.leakSuspected ? 'a leak is suspected' : 'of unreclaimable memory',
    ],
    ['Used', words.bytes(usedBytes), `${words.bytes(reclaimableBytes)} of it reclaimable`],
    ['Anonymous', words.bytes(status.anonBytes), `resident ${words.bytes(status.rssBytes)}`],
    [
      'CPU',
      cpuCores === null ? words.NONE : cpuCores.toFixed(2),
      `cores, ${processes} ${processes === 1 ? 'process' : 'processes'}`,
    ],
  ];
}

/** Whether what is shown is live, and what happens if it is not. */
export function drawConnection(live: boolean, heardMs: number | null): void {
  const state = live ? 'live' : heardMs === null ? 'connecting' : 'stale';
  document.body.dataset['live'] = state;
  setText(byId('connection-text'), { live: 'Live', connecting: 'Connecting', stale: 'Not live' }[state]);
  const stale = byId('stale');
  stale.hidden = state !== 'stale';
  if (heardMs !== null && state === 'stale') {
    const quiet = formatSeconds(Math.max(0, Math.floor((Date.now() - heardMs) / 1000)));
    setText(
      stale,
      `No data from the guardian for ${quiet}: the numbers below are from ${clockTime(heardMs)}. The page reconnects automatically.`,
    );
  }
}

/** The legend with the values pointed at, or the latest. */
export function drawLegend(values: readonly { key: string; name: string; bytes: number | null }[]): void {
  const legend = byId('legend');
  if (legend.childElementCount === 0)
    legend.append(
      ...values.map(({ key, name }) =>
        make(
          'li',
          {},
          make('span', { class: `swatch ${key}`, 'aria-hidden': 'true' }),
          `${name} `,
          make('b', {}),
        ),
      ),
    );
  for (const [i, { bytes }] of values.entries()) {
    const value = legend.children[i]?.querySelector('b');
    if (value) setText(value, bytes === null ? words.NONE : formatBytes(bytes));
  }
}
