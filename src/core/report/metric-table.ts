import type { Status } from '../model/status.ts';

/** One metric of the guardian. This table is what registers, documents and draws them. */
export interface MetricSpec {
  /** Full name. */
  name: `spillway_${string}`;
  type: 'gauge' | 'counter' | 'histogram';
  help: string;
  labels: readonly string[];
  /**
   * The value in a status, where it comes from there; `null` is "not known" and leaves the metric out of the answer.
   */
  of?: (status: Status) => number | null;
}

function flag(value: boolean): number {
  return value ? 1 : 0;
}

/** Every metric, in the order of the answer. The guardian's own cost stands under `process_*` and `nodejs_*` beside these. */
export const METRICS = [
  {
    name: 'spillway_memory_used_bytes',
    type: 'gauge',
    help: 'Memory charged to the agent.',
    labels: [],
    of: (s) => s.usedBytes,
  },
  {
    name: 'spillway_memory_limit_bytes',
    type: 'gauge',
    help: 'Limit in force.',
    labels: [],
    of: (s) => s.limitBytes,
  },
  {
    name: 'spillway_memory_reclaimable_bytes',
    type: 'gauge',
    help: 'Charged memory that the kernel can reclaim at once.',
    labels: [],
    of: (s) => s.reclaimableBytes,
  },
  {
    name: 'spillway_memory_anon_bytes',
    type: 'gauge',
    help: 'Anonymous memory of the agent.',
    labels: [],
    of: (s) => s.anonBytes,
  },
  {
    name: 'spillway_agent_rss_bytes',
    type: 'gauge',
    help: 'Resident memory of the agent and its descendants.',
    labels: [],
    of: (s) => s.rssBytes,
  },
  {
    name: 'spillway_agent_cpu_cores',
    type: 'gauge',
    help: 'CPU usage of the agent and its descendants, in cores.',
    labels: [],
    of: (s) => s.cpuCores,
  },
  {
    name: 'spillway_agent_processes',
    type: 'gauge',
    help: 'Number of processes: the agent and its descendants.',
    labels: [],
    of: (s) => s.processes,
  },
  {
    name: 'spillway_memory_ratio',
    type: 'gauge',
    help: 'Unreclaimable memory as a share of the limit.',
    labels: [],
    of: (s) => s.ratio,
  },
  {
    name: 'spillway_constraint_ratio',
    type: 'gauge',
    help: 'Use of each constraint as a share of its limit: container, heap, injected.',
    labels: ['constraint'],
  },
  {
    name: 'spillway_memory_growth_bytes_per_second',
    type: 'gauge',
    help: 'Growth of unreclaimable memory.',
    labels: [],
    of: (s) => s.growthBytesPerSecond,
  },
  {
    name: 'spillway_seconds_to_limit',
    type: 'gauge',
    help: 'Time until the limit is reached at this growth; absent when not growing.',
    labels: [],
    of: (s) => s.secondsToLimit,
  },
  {
    name: 'spillway_heap_used_bytes',
    type: 'gauge',
    help: "Heap in use in the agent's runtime; only while memory comes near the heap's own limit.",
    labels: [],
    of: (s) => s.heapUsedBytes,
  },
  {
    name: 'spillway_heap_limit_bytes',
    type: 'gauge',
    help: "Heap limit of the agent's runtime; only while memory comes near it.",
    labels: [],
    of: (s) => s.heapLimitBytes,
  },
  {
    name: 'spillway_requests_in_flight',
    type: 'gauge',
    help: 'Requests in flight in the agent; only for agents with the hook.',
    labels: [],
    of: (s) => s.requests?.inFlight ?? null,
  },
  {
    name: 'spillway_requests_waiting',
    type: 'gauge',
    help: 'Requests that the gate in the agent holds back.',
    labels: [],
    of: (s) => s.requests?.waiting ?? null,
  },
  {
    name: 'spillway_agent_event_loop_delay_seconds',
    type: 'gauge',
    help: "Delay of the latest timer in the agent's event loop; only for agents with the hook.",
    labels: [],
    of: (s) => s.requests?.loopDelaySeconds ?? null,
  },
  {
    name: 'spillway_recycling',
    type: 'gauge',
    help: '1 while the agent is recycled: drained, then ended gracefully.',
    labels: [],
    of: (s) => flag(s.recycling),
  },
  {
    name: 'spillway_leak_suspected',
    type: 'gauge',
    help: '1 while the floor after collections keeps rising and load does not.',
    labels: [],
    of: (s) => flag(s.leakSuspected),
  },
  {
    name: 'spillway_level',
    type: 'gauge',
    help: '1 for the level in force, 0 for the others.',
    labels: ['level'],
  },
  {
    name: 'spillway_ready',
    type: 'gauge',
    help: '1 while /readyz answers 200.',
    labels: [],
    of: (s) => flag(s.ready),
  },
  {
    name: 'spillway_blind',
    type: 'gauge',
    help: '1 while there is no valid reading.',
    labels: [],
    of: (s) => flag(s.blind),
  },
  {
    name: 'spillway_source_info',
    type: 'gauge',
    help: 'Always 1; the sources in use.',
    labels: ['limit', 'usage'],
  },
  {
    name: 'spillway_level_transitions_total',
    type: 'counter',
    help: 'Changes of level.',
    labels: ['from', 'to'],
  },
  {
    name: 'spillway_gc_runs_total',
    type: 'counter',
    help: 'Garbage collections triggered, by result.',
    labels: ['result'],
  },
  {
    name: 'spillway_gc_freed_bytes_total',
    type: 'counter',
    help: 'Memory that collections returned to the system.',
    labels: [],
  },
  {
    name: 'spillway_gc_stall_seconds',
    type: 'histogram',
    help: "Pause of the agent's main loop by one collection or profile.",
    labels: [],
  },
  {
    name: 'spillway_recycles_total',
    type: 'counter',
    help: 'Recycles of the agent, by result.',
    labels: ['result'],
  },
  {
    name: 'spillway_events_total',
    type: 'counter',
    help: 'Events, by sink and result.',
    labels: ['sink', 'result'],
  },
  {
    name: 'spillway_admissions_total',
    type: 'counter',
    help: 'Answers of /admit, by result: admitted or refused.',
    labels: ['result'],
  },
  {
    name: 'spillway_requests_refused_total',
    type: 'counter',
    help: 'Requests that the gate in the agent has refused.',
    labels: [],
  },
  {
    name: 'spillway_oom_kills_total',
    type: 'counter',
    help: "OOM kills in the agent's cgroup.",
    labels: [],
  },
  { name: 'spillway_agent_restarts_total', type: 'counter', help: 'Restarts of the agent.', labels: [] },
  {
    name: 'spillway_tick_duration_seconds',
    type: 'histogram',
    help: 'Duration of one tick: reading, judging and deciding.',
    labels: [],
  },
  {
    name: 'spillway_sample_interval_seconds',
    type: 'histogram',
    help: 'Time between two readings.',
    labels: [],
  },
  {
    name: 'spillway_read_failures_total',
    type: 'counter',
    help: 'Readings that failed.',
    labels: ['source'],
  },
  {
    name: 'spillway_probes_total',
    type: 'counter',
    help: 'Readiness probes of the kubelet.',
    labels: [],
  },
  { name: 'spillway_stream_clients', type: 'gauge', help: 'Clients of /v1/stream.', labels: [] },
  {
    name: 'spillway_stream_dropped_total',
    type: 'counter',
    help: 'Slow clients of /v1/stream dropped.',
    labels: [],
  },
  {
    name: 'spillway_build_info',
    type: 'gauge',
    help: 'Always 1; the version of the guardian.',
    labels: ['version'],
  },
] as const satisfies readonly MetricSpec[];

/** Names of the metrics of one type. */
export type MetricName<Type extends MetricSpec['type']> = Extract<
  (typeof METRICS)[number],
  { type: Type }
>['name'];
