import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { GcRecord } from '../core/model/gc-record.ts';
import { LEVELS, type Level, type Status } from '../core/model/status.ts';
import { BUCKETS, KNOWN_LABELS } from '../core/report/metric-series.ts';
import { METRICS, type MetricName, type MetricSpec } from '../core/report/metric-table.ts';

/** Where the values come from, asked for when the metrics are, and not before. */
export interface MetricsDeps {
  version: string;
  status(): Status;
  /** Clients of `/v1/stream` now, and dropped so far. */
  streams(): { clients: number; dropped: number };
  /** Readiness probes of the kubelet so far. */
  probes(): number;
}

/** The guardian's metrics: those of the table, and its own cost under prom-client's default names. */
export interface Metrics {
  readonly contentType: string;
  /** Prometheus text of this moment. */
  render(): Promise<string>;
  /** One round of the loop and the time since the round before, in seconds; allocates nothing. */
  observeTick(durationSeconds: number, intervalSeconds: number): void;
  transition(from: Level, to: Level): void;
  /** `count` more events met this end at this sink. */
  event(sink: string, result: string, count?: number): void;
  admission(admitted: boolean): void;
  restarted(): void;
  readFailed(source: string): void;
  collected(record: Pick<GcRecord, 'verdict' | 'freedBytes' | 'stallMs'>): void;
  /** The guardian paused the agent's main loop for this long, in milliseconds. */
  stalled(ms: number): void;
  recycled(result: string): void;
}

// prom-client's event-loop monitor wakes the process every 10 ms, more often than the sampling it would accompany, and its
// values include that interval. Once an hour costs nothing; what it would tell, `spillway_sample_interval_seconds` tells.
const EVENT_LOOP_MONITOR_MS = 3_600_000;
const EVENT_LOOP_MONITOR_VALUES = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'];
// gauges with the suffix of a counter, which `promtool check metrics` refuses; they are the sums of others, which stay
const MISNAMED = ['active_resources', 'active_handles', 'active_requests'];

/** Sets up the metrics on a registry of their own. */
export function createMetrics(deps: MetricsDeps): Metrics {
  const registry = new Registry();
  const gauges = byName('gauge', (spec) => new Gauge({ ...configOf(spec), registers: [registry] }));
  const counters = byName('counter', (spec) => new Counter({ ...configOf(spec), registers: [registry] }));
  const histograms = byName(
    'histogram',
    (spec, name) =>
      new PlainHistogram({ ...configOf(spec), registers: [registry], buckets: [...BUCKETS[name]] }),
  );
  collectProcessMetrics(registry);

  gauges.spillway_build_info.set({ version: deps.version }, 1);
  for (const labels of KNOWN_LABELS.spillway_level_transitions_total)
    counters.spillway_level_transitions_total.inc(labels, 0);
  for (const labels of KNOWN_LABELS.spillway_admissions_total)
    counters.spillway_admissions_total.inc(labels, 0);
  for (const labels of KNOWN_LABELS.spillway_gc_runs_total) counters.spillway_gc_runs_total.inc(labels, 0);
  for (const labels of KNOWN_LABELS.spillway_recycles_total) counters.spillway_recycles_total.inc(labels, 0);
  const stalled = (ms: number) => histograms.spillway_gc_stall_seconds.record(ms / 1000);
  const admitted = counters.spillway_admissions_total.labels('admitted');
  const refused = counters.spillway_admissions_total.labels('refused');

  const collect = () => {
    const status = deps.status();
    for (const { name, of } of METRICS as readonly MetricSpec[]) {
      const value = of?.(status);
      if (value === undefined) continue;
      const gauge = gauges[name as MetricName<'gauge'>];
      if (value === null) gauge.remove();
      else gauge.set(value);
    }
    for (const level of LEVELS) gauges.spillway_level.set({ level }, level === status.level ? 1 : 0);
    gauges.spillway_constraint_ratio.reset();
    for (const { name, ratio } of status.constraints)
      gauges.spillway_constraint_ratio.set({ constraint: name }, ratio);
    gauges.spillway_source_info.reset();
    if (status.limitSource !== null && status.usageSource !== null)
      gauges.spillway_source_info.set({ limit: status.limitSource, usage: status.usageSource }, 1);
    const { clients, dropped } = deps.streams();
    gauges.spillway_stream_clients.set(clients);
    setTotal(counters.spillway_stream_dropped_total, dropped);
    setTotal(counters.spillway_probes_total, deps.probes());
    setTotal(counters.spillway_oom_kills_total, status.oomKills);
    setTotal(counters.spillway_requests_refused_total, status.requests?.refused ?? 0);
  };

  return {
    contentType: registry.contentType,
    render: () => {
      collect();
      return registry.metrics();
    },
    observeTick: (durationSeconds, intervalSeconds) => {
      histograms.spillway_tick_duration_seconds.record(durationSeconds);
      histograms.spillway_sample_interval_seconds.record(intervalSeconds);
    },
    transition: (from, to) => counters.spillway_level_transitions_total.inc({ from, to }),
    event: (sink, result, count = 1) => counters.spillway_events_total.inc({ sink, result }, count),
    admission: (isAdmitted) => (isAdmitted ? admitted : refused).inc(),
    restarted: () => counters.spillway_agent_restarts_total.inc(),
    readFailed: (source) => counters.spillway_read_failures_total.inc({ source }),
    collected: ({ verdict, freedBytes, stallMs }) => {
      counters.spillway_gc_runs_total.inc({ result: verdict });
      counters.spillway_gc_freed_bytes_total.inc(freedBytes);
      if (stallMs > 0) stalled(stallMs);
    },
    stalled,
    recycled: (result) => counters.spillway_recycles_total.inc({ result }),
  };
}

/** prom-client's own `observe` makes some 20 objects each time; up to 200 times a second, this one makes none. */
class PlainHistogram extends Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  readonly #metric: { name: string; help: string };
  #sum = 0;

  constructor(config: { name: string; help: string; buckets: number[]; registers: Registry[] }) {
    super(config);
    this.#bounds = config.buckets;
    this.#counts = new Float64Array(config.buckets.length + 1);
    this.#metric = { name: config.name, help: config.help };
  }

  record(value: number): void {
    let bucket = 0;
    while (value > (this.#bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  /** What the registry asks for, and the base class's `get()`; it stands in prom-client 15's code and not in its types. */
  async getForPromString() {
    const { name, help } = this.#metric;
    let count = 0;
    const buckets = Array.from(this.#counts, (inBucket, i) => {
      count += inBucket;
      return sample(`${name}_bucket`, count, { le: this.#bounds[i] ?? '+Inf' });
    });
    const values = [...buckets, sample(`${name}_sum`, this.#sum), sample(`${name}_count`, count)];
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}

function sample(metricName: string, value: number, labels: { le?: number | string } = {}) {
  return { metricName, value, labels, sharedLabels: {} };
}

function byName<Type extends MetricSpec['type'], Made>(
  type: Type,
  make: (spec: MetricSpec, name: MetricName<Type>) => Made,
): Record<MetricName<Type>, Made> {
  const specs = METRICS.filter((spec) => spec.type === type);
  return Object.fromEntries(
    specs.map((spec) => [spec.name, make(spec, spec.name as MetricName<Type>)]),
  ) as Record<MetricName<Type>, Made>;
}

function configOf({ name, help, labels }: MetricSpec) {
  return { name, help, labelNames: [...labels] };
}

/** Sets a counter to a total that is counted elsewhere. */
function setTotal(counter: Counter, total: number): void {
  counter.reset();
  counter.inc(total);
}

/** A metric of another server than the guardian's; `buckets` make it a histogram. */
export interface MeterSpec {
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels?: readonly string[];
  buckets?: readonly number[];
}

/** Metrics by name, and the process's own cost. */
export interface Meters<Name extends string> {
  readonly contentType: string;
  /** Prometheus text of this moment. */
  render(): Promise<string>;
  /** Adds to a counter. */
  count(name: Name, labels?: Record<string, string>, by?: number): void;
  set(name: Name, value: number): void;
  observe(name: Name, value: number): void;
}

/** Sets up metrics on a registry of their own, and the version under `spillway_build_info`. */
export function createMeters<Name extends string>(
  version: string,
  specs: Readonly<Record<Name, MeterSpec>>,
): Meters<Name> {
  const registry = new Registry();
  const registers = [registry];
  const counters = new Map<Name, Counter>();
  const gauges = new Map<Name, Gauge>();
  const histograms = new Map<Name, Histogram>();
  for (const [name, { type, help, labels = [], buckets = [] }] of Object.entries<MeterSpec>(specs) as [
    Name,
    MeterSpec,
  ][]) {
    const config = { name, help, labelNames: [...labels], registers };
    if (type === 'counter') counters.set(name, new Counter(config));
    else if (type === 'gauge') gauges.set(name, new Gauge(config));
    else histograms.set(name, new Histogram({ ...config, buckets: [...buckets] }));
  }
  collectProcessMetrics(registry);
  new Gauge({
    name: 'spillway_build_info',
    help: 'Version of Spillway',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1);
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    count: (name, labels = {}, by = 1) => counters.get(name)?.inc(labels, by),
    set: (name, value) => gauges.get(name)?.set(value),
    observe: (name, value) => histograms.get(name)?.observe(value),
  };
}

function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_MONITOR_MS });
  for (const value of EVENT_LOOP_MONITOR_VALUES)
    registry.removeSingleMetric(`nodejs_eventloop_lag_${value}_seconds`);
  for (const name of MISNAMED) registry.removeSingleMetric(`nodejs_${name}_total`);
}
