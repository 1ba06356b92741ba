import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { makeAuthority, makeServing } from '../../../src/adapters/certificates.ts';
import { quantile, table } from '../support/numbers.ts';
import { cpuMs, residentMiB } from '../support/process-cost.ts';
import { launch, nodeVersion, type Running, type Setting } from '../support/programs.ts';

const SECONDS = 30;
/** A rollout of a large fleet: 1,000 pods in a minute. */
const PER_MINUTE = 1000;
const FLAT_OUT_CONNECTIONS = 8;

/** The admission webhook at 1,000 pods a minute, and flat out: time to the answer over TLS, memory, CPU. */
export async function inject(setting: Setting): Promise<void> {
  const rows = [['Node', 'load', 'per second', 'p50, ms', 'p99, ms', 'most, ms', 'RSS, MiB', 'CPU, %']];
  const directory = await mkdtemp(join(tmpdir(), 'bench-inject-'));
  try {
    const authority = await makeAuthority(Date.now());
    const pair = await makeServing('localhost', authority, Date.now());
    await writeFile(join(directory, 'tls.crt'), pair.certificate);
    await writeFile(join(directory, 'tls.key'), pair.key);
    const body = await reviewText();
    for (const node of setting.nodes) {
      const args = ['injector', '--listen', '127.0.0.1:0', '--cert-dir', directory, '--log-format', 'json'];
      const injector = launch(node, [join(setting.dist, 'spillway.js'), ...args]);
      const port = Number((await injector.line(/listening on https:\/\/[\d.]+:(\d+)/))[1]);
      await injector.line(/certificate: valid/);
      const agent = new Agent({ ca: authority.certificate, servername: 'localhost', keepAlive: true });
      const ask = () => timed(port, agent, body);
      const seconds = setting.seconds ?? SECONDS;
      const label = nodeVersion(node);
      rows.push([
        label,
        `${PER_MINUTE} a minute`,
        ...(await measured(injector, seconds, (end) => paced(ask, end))),
      ]);
      rows.push([label, 'flat out', ...(await measured(injector, seconds, (end) => flatOut(ask, end)))]);
      agent.destroy();
      await injector.end();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  table('Admissions by the webhook, each with the patch of a sidecar', rows);
}

/** A pod of the corpus as the API server would send it. */
async function reviewText(): Promise<string> {
  const file = join(process.env['BENCH_HOME'] ?? '.', '../fixtures/pods/restricted.yaml');
  const object: unknown = parse(await readFile(file, 'utf8'));
  const request = { uid: '00000000-0000-0000-0000-000000000000', operation: 'CREATE', object };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

async function measured(
  { pid }: Running,
  seconds: number,
  load: (endMs: number) => Promise<number[]>,
): Promise<string[]> {
  const [startMs, startCpuMs] = [performance.now(), cpuMs(pid)];
  const times = await load(startMs + seconds * 1000);
  const tookMs = performance.now() - startMs;
  return [
    (times.length / (tookMs / 1000)).toFixed(0),
    ...[quantile(times, 0.5), quantile(times, 0.99), Math.max(...times)].map((ms) => ms.toFixed(1)),
    residentMiB(pid).rss.toFixed(0),
    (((cpuMs(pid) - startCpuMs) / tookMs) * 100).toFixed(1),
  ];
}

/** Requests at an even pace, each sent in its time whether or not the last one is answered. */
async function paced(ask: () => Promise<number>, endMs: number): Promise<number[]> {
  const sent: Promise<number>[] = [];
  const startMs = performance.now();
  for (let i = 0; ; i++) {
    const atMs = startMs + i * (60_000 / PER_MINUTE);
    if (atMs >= endMs) return Promise.all(sent);
    await sleep(Math.max(0, atMs - performance.now()));
    sent.push(ask());
  }
}

async function flatOut(ask: () => Promise<number>, endMs: number): Promise<number[]> {
  const times: number[] = [];
  const one = async () => {
    while (performance.now() < endMs) times.push(await ask());
  };
  await Promise.all(Array.from({ length: FLAT_OUT_CONNECTIONS }, one));
  return times;
}

/** Milliseconds from a request to the last byte of its answer. */
function timed(port: number, agent: Agent, body: string): Promise<number> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    request({ host: '127.0.0.1', port, path: '/inject', method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.on('data', (data) => {
        text += data;
      });
      response.on('end', () => {
        if (text.includes('"patch":')) resolve(performance.now() - startMs);
        else reject(new Error(`it did not inject: ${text}`));
      });
    })
      .on('error', reject)
      .end(body);
  });
}
