import { formatBytes, formatSeconds } from '../core/lib/units.ts';
import type { Notice } from '../core/model/notice.ts';
import { unreclaimableBytes } from '../core/model/reading.ts';
import type { Status } from '../core/model/status.ts';
import { type Content, clockTime, fill, make, time } from './dom.ts';
import type { Past } from './model.ts';
import * as words from './words.ts';

/** Rows of the table that stands for the chart, at most. */
const TABLE_ROWS = 41;

/** What grew: the kinds of memory in a sentence, and the places in the program. */
export function drawGrowth(element: Element, { growth }: Pick<Status, 'growth'>): void {
  fill(element, growth, () => {
    if (!growth) return empty('Profiled from the warning level on.');
    const { sites, note, at, sampledMs } = growth;
    const sampled = sampledMs === null ? '' : `, allocations sampled for ${formatSeconds(sampledMs / 1000)}`;
    return [
      make('p', { class: 'lead' }, note),
      sites.length === 0
        ? null
        : table(
            'Allocation sites',
            ['Function', 'Place', 'Held', 'Growth'],
            sites.map((site) => [
              make('code', {}, site.name),
              make(
                'span',
                { class: 'path' },
                words.place(site.file, site.line),
                site.package ? ` (${site.package})` : '',
              ),
              formatBytes(site.bytes),
              words.signedBytes(site.growthBytes),
            ]),
          ),
      make('p', { class: 'note' }, 'as of ', time(at), sampled),
    ];
  });
}

/** The last collections. */
export function drawCollections(element: Element, { collections }: Past): void {
  fill(element, collections, () =>
    collections.length === 0
      ? empty('None so far.')
      : make(
          'ol',
          { tabindex: '0', class: 'long', 'aria-label': 'Collections, newest first' },
          ...collections.map((record) =>
            make(
              'li',
              {},
              time(record.at),
              make(
                'div',
                {},
                make('p', { class: 'lead' }, words.collection(record)),
                make('p', { class: 'note' }, words.collectionDetail(record)),
              ),
            ),
          ),
        ),
  );
}

/** The last changes of level, newest first. */
export function drawTransitions(element: Element, { transitions }: Past): void {
  fill(element, transitions, () =>
    transitions.length === 0
      ? empty('None so far.')
      : make(
          'ol',
          { tabindex: '0', class: 'long', 'aria-label': 'Changes of level, newest first' },
          ...transitions
            .toReversed()
            .map(({ at, from, to, ratio, reason }) =>
              make(
                'li',
                { 'data-level': to },
                time(at),
                make(
                  'div',
                  {},
                  make(
                    'p',
                    { class: 'lead' },
                    make('span', { class: 'sign', 'aria-hidden': 'true' }, words.LEVEL_WORDS[to].sign),
                    ` ${words.LEVEL_WORDS[from].word} → ${words.LEVEL_WORDS[to].word} at ${words.percent(ratio)}`,
                  ),
                  make('p', { class: 'note' }, reason),
                ),
              ),
            ),
        ),
  );
}

/** The last deaths, each with its report. */
export function drawDeaths(element: Element, { deaths }: Past): void {
  fill(element, deaths, () =>
    deaths.length === 0
      ? empty('None seen.')
      : make(
          'ol',
          {},
          ...deaths.map(({ id, at, cause, reason }) =>
            make(
              'li',
              {},
              time(at),
              make(
                'div',
                {},
                make('p', { class: 'lead' }, words.DEATH_WORDS[cause]),
                make('p', { class: 'note' }, reason),
                make(
                  'p',
                  {},
                  make(
                    'a',
                    {
                      href: `v1/post-mortems/${encodeURIComponent(id)}`,
                      'aria-label': `Post-mortem of ${clockTime(Date.parse(at))}`,
                    },
                    'Post-mortem',
                  ),
                ),
              ),
            ),
          ),
        ),
  );
}

/** What is done about pressure, and why nothing more is. */
export function drawRemedies(element: Element, { remedies, constraints }: Status): void {
  fill(element, [remedies, constraints], () =>
    remedies.length === 0
      ? [empty('Not known yet.')]
      : [
          table(
            'Remedies in the order in which they are tried',
            ['Remedy', 'State', 'Why'],
            remedies.map(({ name, state, why }) => [name, state, why]),
          ),
          constraints.length > 1
            ? table(
                'Constraints',
                ['Constraint', 'Share of its limit', 'Source'],
                constraints.map(({ name, ratio, source }) => [name, words.percent(ratio), source]),
              )
            : null,
        ],
  );
}

/** Who is guarded, by which means, and what would make that better. */
export function drawAgent(element: Element, status: Status): void {
  const { agent, limitSource, usageSource, limitedBy, oomKills, processes, degraded, advice, lastDeath } =
    status;
  const { heapUsedBytes, heapLimitBytes, requests } = status;
  const facts: [string, string][] = [
    ['Name', agent?.name ?? 'none found'],
    ['Process', agent ? String(agent.pid) : words.NONE],
    ['Runtime', words.runtime(agent)],
    ['Restarts', agent ? String(agent.restarts) : words.NONE],
    ['Processes', String(processes)],
    ['OOM kills', String(oomKills)],
    ['Limit from', words.limitSource(limitSource)],
    ['Usage from', words.usageSource(usageSource)],
    ['Limited by', limitedBy],
  ];
  if (heapLimitBytes !== null)
    facts.push(['Heap', `${words.bytes(heapUsedBytes)} of ${words.bytes(heapLimitBytes)}`]);
  if (requests) {
    const { inFlight, waiting, refused } = requests;
    facts.push(['Requests', `${inFlight} in flight, ${waiting} waiting, ${refused} refused`]);
  }
  if (lastDeath)
    facts.push([
      'Last exit',
      `${words.DEATH_WORDS[lastDeath.cause]}, ${clockTime(Date.parse(lastDeath.at))}`,
    ]);
  fill(element, [facts, degraded, advice], () => [
    make(
      'dl',
      { class: 'facts' },
      ...facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))),
    ),
    notices('Degraded', degraded),
    notices('Advice', advice),
  ]);
}

/** The chart's numbers for those who want or need them as text: at even steps over what is kept, newest first. */
export function drawTable(element: Element, { points }: Past): void {
  const step = Math.max(1, Math.ceil(points.length / (TABLE_ROWS - 1)));
  const rows = points.toReversed().filter((_, i) => i % step === 0);
  element.replaceChildren(
    table(
      'Memory over time, newest first',
      ['Time', 'Level', 'Unreclaimable', 'Used', 'Anonymous', 'Limit'],
      rows.map((point) => [
        time(new Date(point.atMs).toISOString()),
        words.LEVEL_WORDS[point.level].word,
        formatBytes(unreclaimableBytes(point)),
        formatBytes(point.usedBytes),
        words.bytes(point.anonBytes),
        formatBytes(point.limitBytes),
      ]),
    ),
  );
}

function notices(name: string, list: readonly Notice[]): Content {
  if (list.length === 0) return null;
  const items = list.map(({ message, hint }) => make('li', {}, `${message}; ${hint}`));
  return [make('h3', {}, name), make('ul', {}, ...items)];
}

function empty(text: string): HTMLElement {
  return make('p', { class: 'note' }, text);
}

function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Content[])[],
): HTMLElement {
  return make(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    make(
      'table',
      {},
      make('caption', { class: 'unseen' }, caption),
      make('thead', {}, make('tr', {}, ...heads.map((head) => make('th', { scope: 'col' }, head)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((cell) => make('td', {}, cell))))),
    ),
  );
}
