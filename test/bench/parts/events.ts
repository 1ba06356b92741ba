import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeAuthority, makeServing } from '../../../src/adapters/certificates.ts';
import { spread, table } from '../support/numbers.ts';
import { residentMiB } from '../support/process-cost.ts';
import { launch, launchIdle, nodeVersion, type Setting } from '../support/programs.ts';

const RUNS = 5;
const SETTLE_MS = 5000;
const MOUNTED = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A pod's token and authority, in a mount namespace of the guardian's own. */
const INSIDE = `mount -t tmpfs none /var/run && mkdir -p ${MOUNTED} && cp "$0"/* ${MOUNTED} && exec "$@"`;

interface Cost {
  anonBefore: number;
  anonAfter: number;
  rssBefore: number;
  rssAfter: number;
  peak: number;
}

/** Memory before and after the first event, the agent's end, with Kubernetes Events and without. Needs root, for the mount. */
export async function events(setting: Setting): Promise<void> {
  const rows = [['Node', 'Events', 'anonymous before', 'after', 'more', 'RSS before', 'after', 'peak']];
  const server = await startServer();
  try {
    for (const node of setting.nodes)
      for (const mode of ['off', 'on']) {
        const costs: Cost[] = [];
        for (let i = 0; i < (setting.runs ?? RUNS); i++)
          costs.push(await measure(setting, node, mode, server));
        const of = (cost: (each: Cost) => number) => spread(costs.map(cost));
        rows.push([
          nodeVersion(node),
          mode,
          of(({ anonBefore }) => anonBefore),
          of(({ anonAfter }) => anonAfter),
          of(({ anonBefore, anonAfter }) => anonAfter - anonBefore),
          of(({ rssBefore }) => rssBefore),
          of(({ rssAfter }) => rssAfter),
          of(({ peak }) => peak),
        ]);
      }
  } finally {
    server.close();
  }
  table('Memory in MiB before and after the first event: median (least–most)', rows);
}

/** Takes every Event, over TLS, as an API server would. */
async function startServer() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-events-'));
  const authority = await makeAuthority(Date.now());
  const { certificate, key } = await makeServing('localhost', authority, Date.now());
  writeFileSync(join(directory, 'ca.crt'), authority.certificate);
  writeFileSync(join(directory, 'token'), 'token');
  let taken = 0;
  const server = createServer({ cert: certificate, key }, (request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    request.on('end', () => {
      taken++;
      response.writeHead(201, { 'content-type': 'application/json' }).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return {
    directory,
    port: (server.address() as AddressInfo).port,
    taken: () => taken,
    close() {
      server.close();
      server.closeAllConnections();
      rmSync(directory, { recursive: true });
    },
  };
}

async function measure(
  { dist }: Setting,
  node: string,
  mode: string,
  server: Awaited<ReturnType<typeof startServer>>,
): Promise<Cost> {
  const idle = launchIdle();
  const guard = launch('unshare', [
    ...['-m', 'sh', '-c', INSIDE, server.directory, 'env'],
    ...['KUBERNETES_SERVICE_HOST=localhost', `KUBERNETES_SERVICE_PORT=${server.port}`],
    ...['POD_NAME=agent', 'POD_NAMESPACE=bench', 'POD_UID=1'],
    ...[node, join(dist, 'spillway.js'), 'guard', '--agent', `pid:${idle.pid}`],
    ...['--events', mode, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--log-format', 'json'],
  ]);
  await guard.line(/listening on/);
  await sleep(SETTLE_MS);
  const before = residentMiB(guard.pid);
  const takenBefore = server.taken();
  await idle.end();
  await guard.line(/"event":"Agent/);
  await sleep(SETTLE_MS);
  const after = residentMiB(guard.pid);
  const peakKiB = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${guard.pid}/status`, 'latin1'))?.[1];
  await guard.end();
  if (server.taken() > takenBefore !== (mode === 'on'))
    throw new Error(`events ${mode}: ${server.taken()} came`);
  return {
    anonBefore: before.anon,
    anonAfter: after.anon,
    rssBefore: before.rss,
    rssAfter: after.rss,
    peak: Number(peakKiB) / 1024,
  };
}
