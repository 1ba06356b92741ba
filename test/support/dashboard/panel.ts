import { LEVELS } from '../../../src/core/model/status.ts';
import { METRICS, type MetricSpec } from '../../../src/core/report/metric-table.ts';
import { type AnyMetric, type PanelSpec, type Query, SELECTOR } from './layout.ts';

/** The variable of that name. */
export const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

const UNITS: readonly [suffix: string, unit: string][] = [
  ['_bytes_per_second', 'Bps'],
  ['_bytes', 'bytes'],
  ['_seconds', 's'],
  ['seconds_to_limit', 's'],
  ['_ratio', 'percentunit'],
  ['_bytes_total', 'Bps'],
  ['_total', 'cpm'],
];
const QUANTILES = [0.5, 0.99];

function specOf(name: AnyMetric): MetricSpec {
  const spec = METRICS.find((metric) => metric.name === name);
  if (!spec) throw new Error(`no such metric: ${name}`);
  return spec;
}

function unitOf(name: string | undefined): string {
  return UNITS.find(([suffix]) => name?.endsWith(suffix))?.[1] ?? 'short';
}

/** `spillway_memory_used_bytes` → `memory used`. */
function shortName(name: string): string {
  return name
    .replace(/^spillway_/, '')
    .replace(/_(bytes|total)$/, '')
    .replaceAll('_', ' ');
}

/** What draws a metric of this type: a gauge as it is, a counter by its rate, a histogram by its quantiles. */
function queriesOf({ name, type, labels }: MetricSpec, alone: boolean, unit: string): Query[] {
  const what = alone ? '' : ` ${shortName(name)}`;
  const values = labels.map((label) => ` {{${label}}}`).join('');
  if (type === 'gauge') return [{ expr: `${name}{${SELECTOR}}`, legend: `{{pod}}${what}${values}` }];
  const by = ['namespace', 'pod', ...labels].join(', ');
  if (type === 'counter') {
    const rate = `sum by (${by}) (rate(${name}{${SELECTOR}}[$__rate_interval]))`;
    return [{ expr: unit === 'cpm' ? `60 * ${rate}` : rate, legend: `{{pod}}${what}${values}` }];
  }
  const buckets = `sum by (le, ${by}) (rate(${name}_bucket{${SELECTOR}}[$__rate_interval]))`;
  return QUANTILES.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, ${buckets})`,
    legend: `{{pod}}${what} p${quantile * 100}`,
  }));
}

function describe({ metrics, note }: PanelSpec): string {
  const alone = metrics.length === 1;
  const helps = metrics.map((name) =>
    alone ? specOf(name).help : `${shortName(name)}: ${specOf(name).help}`,
  );
  return [...helps, ...(note === undefined ? [] : [note])].join('\n\n');
}

function mappings({ kind, steps = [], metrics }: PanelSpec): object[] {
  if (kind !== 'state-timeline') return [];
  const texts = metrics[0] === 'spillway_level' ? LEVELS : ['no', 'yes'];
  const options = texts.map((text, index) => [String(index), { text, color: steps[index]?.color, index }]);
  return [{ type: 'value', options: Object.fromEntries(options) }];
}

const PLAIN_STEPS = [{ value: null, color: 'green' }];

/** A limit is a line, not an area. */
const LIMIT_LINE = {
  matcher: { id: 'byRegexp', options: '/ limit$/' },
  properties: [
    { id: 'custom.lineStyle', value: { fill: 'dash', dash: [10, 10] } },
    { id: 'custom.fillOpacity', value: 0 },
    { id: 'color', value: { mode: 'fixed', fixedColor: 'red' } },
  ],
};

function fieldConfig(panel: PanelSpec, unit: string): object {
  const { kind = 'timeseries', steps, max, logScale = false, metrics } = panel;
  const lines = {
    drawStyle: 'line',
    lineInterpolation: 'linear',
    lineWidth: 1,
    fillOpacity: metrics.length > 1 ? 0 : 10,
    showPoints: 'never',
    spanNulls: false,
    scaleDistribution: logScale ? { type: 'log', log: 10 } : { type: 'linear' },
    thresholdsStyle: { mode: steps ? 'dashed' : 'off' },
  };
  return {
    defaults: {
      unit,
      ...(logScale || unit === 'Bps' ? {} : { min: 0 }),
      ...(max === undefined ? {} : { max }),
      color: { mode: kind === 'timeseries' ? 'palette-classic' : 'thresholds' },
      thresholds: { mode: 'absolute', steps: steps ?? PLAIN_STEPS },
      mappings: mappings(panel),
      custom:
        kind === 'timeseries' ? lines : kind === 'state-timeline' ? { fillOpacity: 80, lineWidth: 0 } : {},
    },
    overrides: metrics.some((name) => name.endsWith('_limit_bytes')) ? [LIMIT_LINE] : [],
  };
}

const OPTIONS: Readonly<Record<NonNullable<PanelSpec['kind']>, object>> = {
  timeseries: {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  'state-timeline': {
    mergeValues: true,
    rowHeight: 0.9,
    showValue: 'never',
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
    tooltip: { mode: 'single', sort: 'none' },
  },
  stat: {
    colorMode: 'value',
    graphMode: 'none',
    justifyMode: 'auto',
    orientation: 'auto',
    textMode: 'value_and_name',
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  },
  table: { cellHeight: 'sm', showHeader: true },
};

/** A panel as Grafana's JSON has it. */
export function panelOf(panel: PanelSpec, id: number, gridPos: object): object {
  const { title, kind = 'timeseries', metrics } = panel;
  const unit = panel.unit ?? (kind === 'timeseries' ? unitOf(metrics[0]) : 'short');
  const alone = metrics.length === 1;
  const queries = panel.queries ?? metrics.flatMap((name) => queriesOf(specOf(name), alone, unit));
  const instant = kind === 'table' || kind === 'stat';
  const hidden = { Time: true, Value: true, __name__: true, job: true, endpoint: true, container: true };
  return {
    id,
    title,
    description: describe(panel),
    type: kind,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: fieldConfig(panel, unit),
    options: OPTIONS[kind],
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr,
      legendFormat: legend,
      instant,
      range: !instant,
      ...(kind === 'table' ? { format: 'table' } : {}),
    })),
    ...(kind === 'table'
      ? { transformations: [{ id: 'organize', options: { excludeByName: hidden } }] }
      : {}),
  };
}
