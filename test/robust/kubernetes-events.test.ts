import { spawnSync } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { failure, startApiServer } from '../support/api-server.ts';
import {
  type CliOptions,
  cleanEnv,
  freePort,
  pressAndRelease,
  startTidal,
  until,
  watchSampling,
} from '../support/cli.ts';

/** Where a pod finds its token; a mount namespace of its own lets it be there for the guardian alone. */
const MOUNTED = '/var/run/secrets/kubernetes.io/serviceaccount';
const INSIDE = `mount -t tmpfs none /var/run && mkdir -p ${MOUNTED} && cp "$0"/* ${MOUNTED} && exec "$@"`;
const canMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/var/run']).status === 0;

type ApiServer = Awaited<ReturnType<typeof startApiServer>>;

/** A process that takes itself for one of a pod in the cluster of this API server. */
const inPod = ({ access, directory }: ApiServer, port = access.port): CliOptions => ({
  prefix: ['unshare', '-m', 'sh', '-c', INSIDE, directory],
  env: cleanEnv({
    KUBERNETES_SERVICE_HOST: access.host,
    KUBERNETES_SERVICE_PORT: String(port),
    POD_NAME: 'agent-1',
    POD_NAMESPACE: 'team',
    POD_UID: 'u-1',
  }),
});

/** Takes connections and never says anything: a peer that is gone behind a load balancer. */
async function silentPort(): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const DENIED =
  'events.events.k8s.io is forbidden: User "system:serviceaccount:team:runner" cannot create resource "events"';
const UNTOLD = /kubernetes: \d+ events were not delivered/;
const playing = (fault: ApiServer['state']['fault']) => async (server: ApiServer) => {
  server.state.fault = fault;
  return server.access.port;
};

/** What the API server does, and what must be in the log in the end. */
const TROUBLES: [name: string, play: (server: ApiServer) => Promise<number>, said: RegExp][] = [
  ['that nobody serves', freePort, /ECONNREFUSED.*retrying/],
  ['that takes connections and never speaks', silentPort, UNTOLD],
  ['that never answers', playing(() => 'hang'), UNTOLD],
  [
    'that comes and goes',
    (server) => {
      let asked = 0;
      const plays = ['lose', failure(503, 'ServiceUnavailable', 'shutting down'), undefined] as const;
      return playing(() => plays[asked++ % plays.length])(server);
    },
    /retrying/,
  ],
  ['that gives no right', playing(() => failure(403, 'Forbidden', DENIED)), /name: runner, namespace: team/],
  [
    'that answers without an end',
    playing(() => ({ status: 500, body: 'x'.repeat(1_000_000) })),
    /the answer is too large; retrying/,
  ],
];

describe.skipIf(!canMount)('Kubernetes Events (needs root, unshare, mount)', () => {
  it('should be told as they happen, and the last ones before the end', async () => {
    const server = await startApiServer();
    const guardian = await startTidal([], inPod(server));
    guardian.turn();
    await until(() => server.told().includes('MemoryPressureShedding'), 'shedding is told');
    guardian.turn();
    await until(() => server.told().includes('MemoryPressureRecovered'), 'recovery is told');
    guardian.turn();
    await until(async () => (await guardian.get('/readyz')).status === 503, 'it sheds again');
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(143);
    expect(server.told()).toContain('MemoryPressureShedding ×2');
    expect([...server.state.events.values()][0]).toMatchObject({
      regarding: { kind: 'Pod', namespace: 'team', name: 'agent-1', uid: 'u-1' },
    });
  });

  it.each(
    TROUBLES,
  )('should delay neither sampling nor answers nor the end: an API server %s', async (_, play, said) => {
    const server = await startApiServer();
    const port = await play(server);
    const guardian = await startTidal([], inPod(server, port));
    const measured = await watchSampling(guardian);
    await pressAndRelease(guardian);
    expect((await measured()).p99Ms).toBeLessThanOrEqual(250);
    const asked = performance.now();
    guardian.child.kill('SIGTERM');
    const { code, err } = await guardian.ended;
    expect(code).toBe(143);
    expect(performance.now() - asked).toBeLessThan(6000);
    expect(err).toMatch(said);
  });

  it('should lose nothing to an API server that comes back just before the end', async () => {
    const server = await startApiServer();
    await server.away();
    const guardian = await startTidal([], inPod(server));
    guardian.turn();
    await until(async () => (await guardian.get('/readyz')).status === 503, 'it sheds');
    await until(() => guardian.text.err.includes('ECONNREFUSED'), 'it has tried');
    guardian.turn();
    await until(async () => (await guardian.get('/readyz')).status === 200, 'it is ready again');
    await server.back();
    guardian.child.kill('SIGTERM');
    const { err } = await guardian.ended;
    expect(err).not.toContain('not delivered');
    const told = server.told();
    expect(told.indexOf('MemoryPressureShedding')).toBeGreaterThanOrEqual(0);
    expect(told.indexOf('MemoryPressureRecovered')).toBeGreaterThan(told.indexOf('MemoryPressureShedding'));
  });

  it.each([
    ['auto', /^$/],
    ['on', /no Kubernetes Events: KUBERNETES_SERVICE_HOST is not set/],
  ])('should say of a missing cluster what `--events %s` asks for', async (mode, said) => {
    const guardian = await startTidal(['--events', mode]);
    guardian.child.kill('SIGTERM');
    const { err } = await guardian.ended;
    expect(/.*Kubernetes.*/.exec(err)?.[0] ?? '').toMatch(said);
  });
});
