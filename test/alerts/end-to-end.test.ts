import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startGuardian, startTidal, TIDAL_OPTIONS, until } from '../support/cli.ts';
import { agent, itWhere, LACKS } from '../support/kernel.ts';
import { LACKS_PROMETHEUS, startMonitoring, type Target } from '../support/prometheus.ts';

/** A guardian in a pod of this name. */
const inPod = ({ port }: { port: number }, pod: string): Target => ({
  port,
  labels: { namespace: 'prod', pod, container: 'spillway' },
});
const named = (alertname: string, pod?: string) => ({ alertname, ...(pod === undefined ? {} : { pod }) });

if (LACKS_PROMETHEUS) console.warn(`skipped, ${LACKS_PROMETHEUS}: alerts end to end`);
describe.skipIf(LACKS_PROMETHEUS)('with a real Prometheus and a real Alertmanager', () => {
  it('a fleet that sheds is told, and told to be over', async () => {
    const monitoring = await startMonitoring();
    const pods = ['chat-7d4b9c6f5d-x2x4z', 'chat-7d4b9c6f5d-b4c5d', 'chat-5c8f6b7d9-qwz4x'] as const;
    const fleet = await Promise.all(pods.map(() => startTidal()));
    await monitoring.watch(fleet.map((guardian, i) => inPod(guardian, pods[i] ?? '')));
    const full = fleet.slice(0, 2);
    for (const guardian of full) guardian.turn();

    const told = await monitoring.receives('firing', { ...named('SpillwayFleetShedding'), workload: 'chat' });
    expect(told.labels).toMatchObject({ severity: 'critical', namespace: 'prod' });
    expect(told.annotations['description']).toContain('66.67% of the replicas of prod/chat');
    expect(told.annotations['runbook_url']).toMatch(/RUNBOOKS\.md#spillwayfleetshedding$/);
    for (const pod of pods.slice(0, 2)) {
      const { annotations } = await monitoring.receives('firing', named('SpillwayMemoryPressure', pod));
      expect(annotations['description']).toMatch(
        new RegExp(
          `^prod/${pod} was at shedding or critical for .+ It holds \\d+(\\.\\d+)?% of its limit\\.$`,
        ),
      );
    }

    for (const guardian of full) guardian.turn();
    await monitoring.receives('resolved', named('SpillwayFleetShedding'));
    for (const pod of pods.slice(0, 2))
      await monitoring.receives('resolved', named('SpillwayMemoryPressure', pod));
    expect(monitoring.notified.filter(({ labels }) => labels['pod'] === pods[2])).toEqual([]);
  });

  it('blind, stuck, without limit, restarted again and again, down; a pod that went away is none of these', async () => {
    const monitoring = await startMonitoring();
    const blind = await startGuardian('guard', ['--agent', 'match:no such program']);
    const loop = await startGuardian('run', ['--restart', 'always', '--', 'sh', '-c', 'sleep 0.3']);
    const full = await startGuardian('run', [
      ...['--limit', '320Mi', '--critical-ratio', '0.5', '--shed-ratio', '0.4', '--warn-ratio', '0.3', '--'],
      ...agent('leak', '--start', 170),
    ]);
    const free = await startGuardian('run', ['--', 'sleep', '100']);
    const others = [inPod(loop, 'loop-0'), inPod(full, 'full-0'), inPod(free, 'free-0')];
    await monitoring.watch([inPod(blind, 'blind-0'), ...others]);
    await monitoring.receives('firing', named('SpillwayAgentRestarting', 'loop-0'));
    await monitoring.receives('firing', named('SpillwayBlind', 'blind-0'));
    await monitoring.receives('firing', named('SpillwayAgentStuck', 'full-0'));
    // a container that runs the tests may have a limit of its own
    if ((await free.status()).limitSource === 'machine')
      await monitoring.receives('firing', named('SpillwayAgentWithoutLimit', 'free-0'));

    blind.child.kill('SIGKILL');
    const { annotations } = await monitoring.receives('firing', named('SpillwayGuardianDown', 'blind-0'));
    expect(annotations['summary']).toBe('A guardian does not answer.');
    await monitoring.receives('resolved', named('SpillwayBlind', 'blind-0'));

    await monitoring.watch(others);
    await monitoring.receives('resolved', named('SpillwayGuardianDown', 'blind-0'));
  });

  itWhere('a leak: forecast, then killed by the kernel', LACKS, async () => {
    const monitoring = await startMonitoring();
    const guardian = await startGuardian('run', [
      ...['--limit', '192Mi', '--restart', 'always', '--recycle', 'off', '--'],
      ...agent('leak', '--start', 40, '--rate', 10),
    ]);
    await monitoring.watch([inPod(guardian, 'leak-0')]);
    const forecast = await monitoring.receives('firing', named('SpillwayLimitForecast', 'leak-0'));
    expect(forecast.annotations['description']).toMatch(/reaches its limit in \d+(\.\d+)?s\./);
    const before = guardian.events();
    expect(before).not.toContain('AgentOOMKilled');
    await monitoring.receives('firing', named('SpillwayAgentOOMKilled', 'leak-0'));
    expect(guardian.events()).toContain('AgentOOMKilled');
  });
});

/** Queries of the dashboard that may have nothing to show, and why. */
const MAY_BE_EMPTY: Readonly<Record<string, string>> = {
  spillway_heap_used_bytes: 'known only near the limit of the heap itself',
  spillway_heap_limit_bytes: 'known only near the limit of the heap itself',
  spillway_read_failures_total: 'nothing failed',
  spillway_gc_stall_seconds: 'no quantile of none, where nothing was collected',
};

interface Dashboard {
  panels: { title: string; targets?: { expr: string }[] }[];
  annotations: { list: { target: { expr: string } }[] };
  templating: { list: { name: string; query: string | { query: string } }[] };
}

describe.skipIf(LACKS_PROMETHEUS)('the Grafana dashboard on a real Prometheus', () => {
  const { panels, annotations, templating } = JSON.parse(
    readFileSync(new URL('../../helm/spillway/files/dashboard.json', import.meta.url), 'utf8'),
  ) as Dashboard;
  /** As Grafana fills in its variables. */
  const filled = (expr: string, choice: string) =>
    expr
      .replaceAll('$__rate_interval', '4s')
      .replaceAll('$__range', '30s')
      .replaceAll('$namespace', choice)
      .replaceAll('$pod', choice);

  it('has something to show in every panel', async () => {
    const monitoring = await startMonitoring();
    const guardian = await startGuardian('run', [
      ...TIDAL_OPTIONS,
      ...['--restart', 'no', '--'],
      ...agent('server', '--start', 20, '--rate', 15, '--stop', 150),
    ]);
    await monitoring.watch([inPod(guardian, 'chat-0')]);
    await guardian.get('/admit');
    await until(() => /port (\d+)/.test(guardian.text.out), 'the agent listens');
    await fetch(`http://127.0.0.1:${/port (\d+)/.exec(guardian.text.out)?.[1]}/`);
    await until(async () => (await guardian.status()).requests !== null, 'its hook has seen a request');
    await until(async () => (await guardian.status()).level === 'shedding', 'it sheds', 30_000);
    const { values = [] } = (await monitoring.query('spillway_ready', 30))[0] ?? {};
    expect(values.length).toBeGreaterThan(1);
    await new Promise((resolve) => setTimeout(resolve, 3000)); // scraped since

    for (const { title, targets = [] } of panels)
      for (const { expr } of targets) {
        const series = await monitoring.query(filled(expr, '.*'), 30);
        const reason = Object.entries(MAY_BE_EMPTY).find(([name]) => expr.includes(name))?.[1];
        const shown = series.some(({ values }) => values.some(([, value]) => value !== 'NaN'));
        if (reason === undefined) expect(shown, `${title}: ${expr}`).toBe(true);
        else if (!shown) console.log(`nothing to show, ${reason}: ${title}`);
        expect(await monitoring.query(filled(expr, 'another'), 30), `${title}: ${expr}`).toEqual([]);
      }
    // no kill here; that it parses is what counts
    for (const { target } of annotations.list) await monitoring.query(filled(target.expr, '.*'), 30);

    for (const { name, query } of templating.list) {
      const match = /^label_values\((.+), (\w+)\)$/.exec(typeof query === 'string' ? '' : query.query);
      if (match?.[1] === undefined || match[2] === undefined) continue;
      const offered = await monitoring.labelValues(match[2], filled(match[1], '.*'));
      expect(offered, name).toEqual([name === 'namespace' ? 'prod' : 'chat-0']);
    }
  });
});
