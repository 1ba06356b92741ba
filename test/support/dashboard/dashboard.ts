import { ROWS, SELECTOR } from './layout.ts';
import { DATASOURCE, panelOf } from './panel.ts';

/** The latest version of Grafana's classic dashboard schema: the default of @grafana/schema 13.2. */
const SCHEMA_VERSION = 42;
const HEIGHT = 8;
const COLUMNS = 24;

/** The Grafana dashboard, made from the table of metrics, as the formatter of this repository would have it. */
export function dashboardText(): string {
  const text = JSON.stringify(dashboard(), null, 2);
  // lists of plain values on one line
  return `${text.replace(/\[([^[\]{}]+)\]/g, (_all, list: string) => `[${list.trim().replace(/\n\s+/g, ' ')}]`)}\n`;
}

function dashboard(): object {
  return {
    uid: 'spillway',
    title: 'Spillway: agents under guard',
    description: 'Memory of guarded agents, what their guardians do about it, and what that costs.',
    tags: ['spillway', 'memory'],
    schemaVersion: SCHEMA_VERSION,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: { list: variables() },
    annotations: { list: [kills()] },
    panels: panels(),
  };
}

function panels(): object[] {
  const all: object[] = [];
  let id = 0;
  let y = 0;
  for (const { title, panels } of ROWS) {
    all.push({
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { h: 1, w: COLUMNS, x: 0, y },
    });
    y++;
    let x = 0;
    for (const panel of panels) {
      if (x + panel.width > COLUMNS) {
        x = 0;
        y += HEIGHT;
      }
      all.push(panelOf(panel, ++id, { h: HEIGHT, w: panel.width, x, y }));
      x += panel.width;
    }
    y += HEIGHT;
  }
  return all;
}

function variables(): object[] {
  const choice = (name: string, query: string) => ({
    name,
    type: 'query',
    label: name,
    datasource: DATASOURCE,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    // also what has no such label
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
    options: [],
  });
  return [
    {
      name: 'datasource',
      type: 'datasource',
      label: 'data source',
      query: 'prometheus',
      refresh: 1,
      options: [],
    },
    choice('namespace', 'label_values(spillway_ready, namespace)'),
    choice('pod', 'label_values(spillway_ready{namespace=~"$namespace"}, pod)'),
  ];
}

/** A mark at each kill, over all panels. */
function kills(): object {
  return {
    name: 'OOM kills',
    enable: true,
    iconColor: 'red',
    datasource: DATASOURCE,
    target: {
      refId: 'kills',
      editorMode: 'code',
      expr: `increase(spillway_oom_kills_total{${SELECTOR}}[$__rate_interval]) > 0`,
      interval: '30s',
      range: true,
    },
    titleFormat: 'OOM kill',
    textFormat: '{{namespace}}/{{pod}}',
  };
}
