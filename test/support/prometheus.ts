import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFailed, onTestFinished } from 'vitest';
import { freePort, until } from './cli.ts';

export const RULES = fileURLToPath(new URL('../../helm/spillway/files/alerts.yaml', import.meta.url));
const BIN = process.env['TEST_PROMETHEUS'] ?? '';

/** What is missing here for tests with the real programs, in words. */
export const LACKS_PROMETHEUS =
  BIN === '' ? 'TEST_PROMETHEUS names no folder with them (.ci/prometheus FOLDER fetches it)' : undefined;

/** Runs `promtool`; `input` is its standard input. */
export function promtool(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(join(BIN, 'promtool'), args, {
    input,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, said: `${stdout}${stderr}`.trim() };
}

/** A guardian as Prometheus finds it: its address, and the labels a PodMonitor would give it. */
export interface Target {
  port: number;
  labels: Record<string, string>;
}

/** An alert as the receiver got it. */
export interface Notified {
  status: 'firing' | 'resolved';
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface Series {
  metric: Record<string, string>;
  values: [number, string][];
}

export interface Monitoring {
  /** What has come to the receiver, in order. */
  notified: readonly Notified[];
  /** Waits for an alert with these labels in this state. */
  receives(status: Notified['status'], labels: Record<string, string>, withinMs?: number): Promise<Notified>;
  /** Replaces the targets; what is left out is gone, as a deleted pod is. */
  watch(targets: readonly Target[]): Promise<void>;
  /** The last `seconds` of a query. Throws what Prometheus says when it does not parse. */
  query(expr: string, seconds: number): Promise<Series[]>;
  labelValues(label: string, selector: string): Promise<string[]>;
}

/** How much faster a test goes than the rules: a minute of theirs is two seconds. */
const FASTER = 30;
const UNIT_SECONDS = { s: 1, m: 60, h: 3600 } as const;

/** The rules with every `for` and every range shortened; conditions, labels and words are as they are. */
export function fasterRules(): string {
  const shorten = (count: string, unit: string) =>
    `${(Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS]) / FASTER}s`;
  return readFileSync(RULES, 'utf8')
    .replace(/^( +for: )(\d+)([smh])$/gm, (_all, key, count, unit) => `${key}${shorten(count, unit)}`)
    .replace(/\[(\d+)([smh])\]/g, (_all, count, unit) => `[${shorten(count, unit)}]`);
}

/** Starts a program of the folder; ended with the test. */
function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(join(BIN, program), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (data) => (said += data));
  onTestFinished(() => void child.kill('SIGKILL'));
  onTestFailed(() => console.log(program, said.split('\n').slice(-30).join('\n')));
  return child;
}

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function startReceiver(notified: Notified[]): Promise<number> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    notified.push(...(JSON.parse(Buffer.concat(chunks).toString()) as { alerts: Notified[] }).alerts);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** Starts Prometheus with the faster rules, Alertmanager, and a receiver of its notifications. */
export async function startMonitoring(): Promise<Monitoring> {
  const folder = mkdtempSync(join(tmpdir(), 'monitoring-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, `${name}.new`), text);
    renameSync(join(folder, `${name}.new`), join(folder, name));
    return join(folder, name);
  };
  const notified: Notified[] = [];
  const [receiver, alertmanager, prometheus] = [
    await startReceiver(notified),
    await freePort(),
    await freePort(),
  ];
  const alertmanagerConfig = {
    route: {
      receiver: 'test',
      group_by: ['alertname'],
      group_wait: '100ms',
      group_interval: '500ms',
      repeat_interval: '1h',
    },
    receivers: [
      { name: 'test', webhook_configs: [{ url: `http://127.0.0.1:${receiver}/`, send_resolved: true }] },
    ],
  };
  const targets = write('targets.json', '[]');
  const prometheusConfig = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
    rule_files: [write('rules.yml', fasterRules())],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanager}`] }] }] },
    scrape_configs: [
      { job_name: 'spillway/spillway', file_sd_configs: [{ files: [targets], refresh_interval: '500ms' }] },
    ],
  };
  start('alertmanager', [
    `--config.file=${write('alertmanager.yml', JSON.stringify(alertmanagerConfig))}`,
    `--storage.path=${join(folder, 'alertmanager')}`,
    `--web.listen-address=127.0.0.1:${alertmanager}`,
    '--cluster.listen-address=',
  ]);
  start('prometheus', [
    `--config.file=${write('prometheus.yml', JSON.stringify(prometheusConfig))}`,
    `--storage.tsdb.path=${join(folder, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${prometheus}`,
  ]);
  await until(() => answers(`http://127.0.0.1:${alertmanager}/-/ready`), 'Alertmanager is ready', 30_000);
  await until(() => answers(`http://127.0.0.1:${prometheus}/-/ready`), 'Prometheus is ready', 30_000);

  const ask = async <Data>(path: string, parameters: Record<string, string>): Promise<Data> => {
    const url = `http://127.0.0.1:${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`;
    const answer = (await (await fetch(url)).json()) as { data: Data; error?: string };
    if (answer.error !== undefined) throw new Error(`${answer.error}: ${parameters['query']}`);
    return answer.data;
  };
  const matches = (alert: Notified, labels: Record<string, string>) =>
    Object.entries(labels).every(([name, value]) => alert.labels[name] === value);
  return {
    notified,
    async receives(status, labels, withinMs = 40_000) {
      const find = () => notified.findLast((alert) => alert.status === status && matches(alert, labels));
      await until(() => find() !== undefined, `${JSON.stringify(labels)} is ${status}`, withinMs);
      return find() as Notified;
    },
    async watch(list) {
      write(
        'targets.json',
        JSON.stringify(list.map(({ port, labels }) => ({ targets: [`127.0.0.1:${port}`], labels }))),
      );
      const active = async () =>
        (await ask<{ activeTargets: { health: string }[] }>('targets', { state: 'active' })).activeTargets;
      await until(
        async () => {
          const now = await active();
          return now.length === list.length && now.every(({ health }) => health !== 'unknown');
        },
        'Prometheus has looked at its targets',
        20_000,
      );
    },
    async query(expr, seconds) {
      const end = Date.now() / 1000;
      const range = { start: String(end - seconds), end: String(end), step: '1' };
      return (await ask<{ result: Series[] }>('query_range', { query: expr, ...range })).result;
    },
    labelValues: async (label, selector) => await ask(`label/${label}/values`, { 'match[]': selector }),
  };
}
