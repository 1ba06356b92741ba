import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/adapters/metrics.ts';
import type { Status } from '../../../src/core/model/status.ts';
import { BUCKETS } from '../../../src/core/report/metric-series.ts';
import { METRICS } from '../../../src/core/report/metric-table.ts';
import { statusWith } from '../../support/status.ts';

function metricsOf(status: Status, streams = { clients: 2, dropped: 7 }) {
  return createMetrics({ version: '1.2.3', status: () => status, streams: () => streams, probes: () => 3 });
}

/** Sample lines without comments, as a map from name with labels to value. */
function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

describe('createMetrics', () => {
  it('tells the status of the moment', async () => {
    const status = statusWith({ level: 'shedding', ready: false, usedBytes: 900, ratio: 0.88, oomKills: 3 });
    const metrics = metricsOf(status);
    const first = samples(await metrics.render());
    expect(first.get('spillway_memory_used_bytes')).toBe(900);
    expect(first.get('spillway_memory_ratio')).toBe(0.88);
    expect(first.get('spillway_ready')).toBe(0);
    expect(first.get('spillway_level{level="shedding"}')).toBe(1);
    expect(first.get('spillway_level{level="ok"}')).toBe(0);
    expect(first.get('spillway_oom_kills_total')).toBe(3);
    expect(first.get('spillway_stream_clients')).toBe(2);
    expect(first.get('spillway_probes_total')).toBe(3);
    expect(first.get('spillway_stream_dropped_total')).toBe(7);
    expect(first.get('spillway_build_info{version="1.2.3"}')).toBe(1);
    expect(first.get('spillway_source_info{limit="cgroup-v2",usage="cgroup-v2"}')).toBe(1);

    Object.assign(status, { level: 'ok', limitSource: 'option' });
    const second = samples(await metrics.render());
    expect(second.get('spillway_level{level="shedding"}')).toBe(0);
    expect(second.get('spillway_oom_kills_total')).toBe(3);
    expect([...second.keys()].filter((key) => key.startsWith('spillway_source_info'))).toEqual([
      'spillway_source_info{limit="option",usage="cgroup-v2"}',
    ]);
  });

  it('leaves out what is not known, and has it again once it is', async () => {
    const status = statusWith({ blind: true, ratio: null, usedBytes: null, limitSource: null });
    const metrics = metricsOf(status);
    const blind = samples(await metrics.render());
    expect(blind.get('spillway_blind')).toBe(1);
    for (const name of ['spillway_memory_ratio', 'spillway_memory_used_bytes', 'spillway_seconds_to_limit'])
      expect(blind.has(name)).toBe(false);
    expect([...blind.keys()].some((key) => key.startsWith('spillway_source_info'))).toBe(false);
    Object.assign(status, { ratio: 0.5 });
    expect(samples(await metrics.render()).get('spillway_memory_ratio')).toBe(0.5);
  });

  it('counts what happens, from a zero that is there before', async () => {
    const metrics = metricsOf(statusWith());
    const before = samples(await metrics.render());
    expect(before.get('spillway_level_transitions_total{from="ok",to="warning"}')).toBe(0);
    expect(before.get('spillway_admissions_total{result="refused"}')).toBe(0);
    expect(before.get('spillway_recycles_total{result="left_running"}')).toBe(0);
    metrics.transition('ok', 'warning');
    metrics.admission(true);
    metrics.admission(false);
    metrics.admission(false);
    metrics.restarted();
    metrics.event('webhook', 'delivered');
    metrics.event('webhook', 'dropped', 5);
    metrics.readFailed('cgroup');
    const after = samples(await metrics.render());
    expect(after.get('spillway_level_transitions_total{from="ok",to="warning"}')).toBe(1);
    expect(after.get('spillway_admissions_total{result="admitted"}')).toBe(1);
    expect(after.get('spillway_admissions_total{result="refused"}')).toBe(2);
    expect(after.get('spillway_agent_restarts_total')).toBe(1);
    expect(after.get('spillway_events_total{sink="webhook",result="delivered"}')).toBe(1);
    expect(after.get('spillway_events_total{sink="webhook",result="dropped"}')).toBe(5);
    expect(after.get('spillway_read_failures_total{source="cgroup"}')).toBe(1);
  });

  it('has histograms whose buckets add up', async () => {
    const metrics = metricsOf(statusWith());
    const intervals = [0.004, 0.005, 0.0051, 0.05, 99];
    for (const interval of intervals) metrics.observeTick(0.0001, interval);
    const got = samples(await metrics.render());
    const name = 'spillway_sample_interval_seconds';
    expect(got.get(`${name}_bucket{le="0.005"}`)).toBe(2);
    expect(got.get(`${name}_bucket{le="0.0075"}`)).toBe(3);
    expect(got.get(`${name}_bucket{le="0.05"}`)).toBe(4);
    expect(got.get(`${name}_bucket{le="5"}`)).toBe(4);
    expect(got.get(`${name}_bucket{le="+Inf"}`)).toBe(5);
    expect(got.get(`${name}_count`)).toBe(5);
    expect(got.get(`${name}_sum`)).toBeCloseTo(99.0641);
    expect(got.get('spillway_tick_duration_seconds_bucket{le="0.0001"}')).toBe(5);
    const buckets = [...got.keys()].filter((key) => key.startsWith(`${name}_bucket`));
    expect(buckets).toHaveLength(BUCKETS[name].length + 1);
  });

  it('has every metric of the table by its type, and nothing else under its prefix', async () => {
    const text = await metricsOf(statusWith()).render();
    const types = [...text.matchAll(/^# TYPE (spillway_\S+) (\S+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    expect(types.sort()).toEqual(METRICS.map(({ name, type }) => `${name} ${type}`).sort());
    for (const { name, help } of METRICS) expect(text).toContain(`# HELP ${name} ${help}`);
  });

  it('tells its own cost, without a monitor that wakes it all the time', async () => {
    const text = await metricsOf(statusWith()).render();
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
    expect(text).not.toContain('nodejs_eventloop_lag_p99');
    expect(text).not.toMatch(/^# TYPE \S+_total gauge$/m);
  });
});
