import { DEFAULT_JUDGEMENT } from '../../../src/core/pressure/judge.ts';
import type { MetricName } from '../../../src/core/report/metric-table.ts';

export type AnyMetric = MetricName<'gauge' | 'counter' | 'histogram'>;

/** A value from which on a panel is drawn in a colour; the first has none. */
export interface Step {
  value: number | null;
  color: string;
}

/** A query of its own, where the one that follows from the metric's type would not do. */
export interface Query {
  expr: string;
  legend: string;
}

export interface PanelSpec {
  title: string;
  /** Drawn with the query that fits their type, and described by their help. */
  metrics: readonly AnyMetric[];
  /** Default `timeseries`; a `table` shows the labels. */
  kind?: 'timeseries' | 'state-timeline' | 'stat' | 'table';
  /** Of 24 columns. */
  width: number;
  /** Grafana's name of the unit. Default: by the metric's name. */
  unit?: string;
  queries?: readonly Query[];
  /** One sentence more than the metrics' help. */
  note?: string;
  steps?: readonly Step[];
  max?: number;
  logScale?: boolean;
}

/** What every query selects by: the variables of the dashboard. */
export const SELECTOR = 'namespace=~"$namespace",pod=~"$pod"';

const { warnRatio, shedRatio, criticalRatio } = DEFAULT_JUDGEMENT;
const LEVELS_IN_ORDER = ['ok', 'warning', 'shedding', 'critical'];
const LEVEL_NUMBERS = LEVELS_IN_ORDER.map(
  (level, i) => `spillway_level{level="${level}",${SELECTOR}} * ${i}`,
).join(' or ');
/** Of guardians, which say whether their agent is ready, whatever else exports the metric. */
const own = (expr: string) => `${expr} and on (job, instance) spillway_ready{${SELECTOR}}`;
const flag = (expr: string, what: string) => ({ expr, legend: `{{pod}} ${what}` });

/** Rows from top to bottom, each with its panels from left to right: what is asked first stands first. */
export const ROWS: readonly { title: string; panels: readonly PanelSpec[] }[] = [
  {
    title: 'Pressure',
    panels: [
      {
        title: 'Level',
        metrics: ['spillway_level'],
        kind: 'state-timeline',
        width: 12,
        queries: [{ expr: `max by (namespace, pod) (${LEVEL_NUMBERS})`, legend: '{{pod}}' }],
        steps: ['green', 'yellow', 'orange', 'red'].map((color, i) => ({ value: i === 0 ? null : i, color })),
      },
      {
        title: 'State',
        metrics: ['spillway_ready', 'spillway_blind', 'spillway_recycling', 'spillway_leak_suspected'],
        kind: 'state-timeline',
        width: 12,
        queries: [
          flag(`1 - spillway_ready{${SELECTOR}}`, 'un-ready'),
          flag(`spillway_blind{${SELECTOR}}`, 'blind'),
          flag(`spillway_recycling{${SELECTOR}}`, 'recycling'),
          flag(`spillway_leak_suspected{${SELECTOR}}`, 'leak suspected'),
        ],
        steps: [
          { value: null, color: 'green' },
          { value: 1, color: 'red' },
        ],
      },
      {
        title: 'Memory, share of the limit',
        metrics: ['spillway_memory_ratio', 'spillway_constraint_ratio'],
        width: 12,
        max: 1,
        note: 'The lines are the defaults of `warn-ratio`, `shed-ratio` and `critical-ratio`.',
        steps: [
          { value: null, color: 'green' },
          { value: warnRatio, color: 'yellow' },
          { value: shedRatio, color: 'orange' },
          { value: criticalRatio, color: 'red' },
        ],
      },
      {
        title: 'Time to the limit',
        metrics: ['spillway_seconds_to_limit'],
        width: 12,
        logScale: true,
        note: 'The lines are those of the alert SpillwayLimitForecast and of the event MemoryLimitForecast.',
        steps: [
          { value: null, color: 'red' },
          { value: 60, color: 'orange' },
          { value: 600, color: 'green' },
        ],
      },
    ],
  },
  {
    title: 'Memory',
    panels: [
      {
        title: 'Memory',
        metrics: [
          'spillway_memory_used_bytes',
          'spillway_memory_limit_bytes',
          'spillway_memory_anon_bytes',
          'spillway_memory_reclaimable_bytes',
          'spillway_agent_rss_bytes',
        ],
        width: 12,
      },
      { title: 'Growth', metrics: ['spillway_memory_growth_bytes_per_second'], width: 12 },
      { title: 'Heap', metrics: ['spillway_heap_used_bytes', 'spillway_heap_limit_bytes'], width: 8 },
      { title: 'CPU', metrics: ['spillway_agent_cpu_cores'], width: 8, unit: 'none' },
      { title: 'Processes', metrics: ['spillway_agent_processes'], width: 8 },
    ],
  },
  {
    title: 'Results',
    panels: [
      {
        title: 'Requests to /admit',
        metrics: ['spillway_admissions_total'],
        width: 8,
        unit: 'reqps',
      },
      {
        title: 'Requests in the agent',
        metrics: ['spillway_requests_in_flight', 'spillway_requests_waiting'],
        width: 8,
      },
      {
        title: 'Requests refused by the gate',
        metrics: ['spillway_requests_refused_total'],
        width: 8,
        unit: 'reqps',
      },
      {
        title: "Delay of the agent's event loop",
        metrics: ['spillway_agent_event_loop_delay_seconds'],
        width: 8,
      },
      { title: 'Changes of level', metrics: ['spillway_level_transitions_total'], width: 8 },
      { title: 'Collections', metrics: ['spillway_gc_runs_total'], width: 8 },
      { title: 'Freed by collections', metrics: ['spillway_gc_freed_bytes_total'], width: 8 },
      { title: 'Stalls', metrics: ['spillway_gc_stall_seconds'], width: 8 },
      { title: 'Recycled', metrics: ['spillway_recycles_total'], width: 8 },
      {
        title: 'OOM kills and restarts in the time shown',
        metrics: ['spillway_oom_kills_total', 'spillway_agent_restarts_total'],
        kind: 'stat',
        width: 12,
        queries: ['oom_kills', 'agent_restarts'].map((name) => ({
          expr: `sum by (namespace, pod) (increase(spillway_${name}_total{${SELECTOR}}[$__range]))`,
          legend: `{{pod}} ${name.replace('_', ' ')}`,
        })),
        steps: [
          { value: null, color: 'green' },
          { value: 0.5, color: 'red' },
        ],
      },
      { title: 'Events', metrics: ['spillway_events_total'], width: 12 },
    ],
  },
  {
    title: 'The guardians themselves',
    panels: [
      { title: 'Sources', metrics: ['spillway_source_info'], kind: 'table', width: 12 },
      { title: 'Versions', metrics: ['spillway_build_info'], kind: 'table', width: 12 },
      { title: 'Tick duration', metrics: ['spillway_tick_duration_seconds'], width: 8 },
      { title: 'Time between readings', metrics: ['spillway_sample_interval_seconds'], width: 8 },
      { title: 'Failed readings', metrics: ['spillway_read_failures_total'], width: 8 },
      { title: 'Probes', metrics: ['spillway_probes_total'], width: 8 },
      {
        title: 'Clients of the stream',
        metrics: ['spillway_stream_clients', 'spillway_stream_dropped_total'],
        width: 8,
        unit: 'short',
      },
      {
        title: 'Own memory',
        metrics: [],
        width: 8,
        unit: 'bytes',
        note: 'Resident memory of the guardians.',
        queries: [{ expr: own(`process_resident_memory_bytes{${SELECTOR}}`), legend: '{{pod}}' }],
      },
      {
        title: 'Own CPU',
        metrics: [],
        width: 8,
        unit: 'none',
        note: 'CPU of the guardians, in cores.',
        queries: [
          { expr: own(`rate(process_cpu_seconds_total{${SELECTOR}}[$__rate_interval])`), legend: '{{pod}}' },
        ],
      },
    ],
  },
];
