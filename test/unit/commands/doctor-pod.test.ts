import { once } from 'node:events';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { fail } from '../../../src/commands/doctor/check.ts';
import { asTold, guardianBeside } from '../../../src/commands/doctor/guardian-beside.ts';
import { capabilityNames, type Identity, identityOf } from '../../../src/commands/doctor/identity.ts';
import { meshIn, withManifest } from '../../../src/commands/doctor/in-pod.ts';
import { inspectorReach } from '../../../src/commands/doctor/inspector-exposure.ts';
import { kubernetesEvents } from '../../../src/commands/doctor/kubernetes-events.ts';
import { ownCpuCheck, ownMemoryCheck } from '../../../src/commands/doctor/own-limits.ts';
import { denied } from '../../../src/commands/doctor/process-access.ts';
import { probeCheck } from '../../../src/commands/doctor/readiness-probe.ts';
import { restartDelay } from '../../../src/commands/doctor/restart-delay.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { fakeTree } from '../../support/fake-cgroup.ts';
import { type FakeProcess, procFiles } from '../../support/fake-proc.ts';

function tree(files: Record<string, string>): string {
  const { root, remove } = fakeTree(files);
  onTestFinished(remove);
  return root;
}

async function configOf(flags: Record<string, string> = {}) {
  return (await resolveConfig({ flags })).config;
}

describe('doctor, of an agent that may not be looked into', () => {
  const NONE = 0n;
  const ALL = 0x1ffffffffffn;
  /** What containerd gives to root. */
  const DEFAULT = 0xa80425fbn;
  const who = (change: Partial<Identity> = {}): Identity => ({
    ...{ uid: 1000, gid: 1000, effective: NONE, permitted: NONE, dumpable: true, label: '' },
    ...change,
  });

  it.each([
    ['another uid', who({ uid: 1001 }), who(), 'other_user', /runAsUser: 1000\n +runAsGroup: 1000\n$/],
    ['another gid', who({ gid: 0 }), who(), 'other_user', /runAsGroup: 1000\n$/],
    [
      'root, and the guardian not',
      who(),
      who({ uid: 0, gid: 0, permitted: DEFAULT }),
      'other_user',
      /runAsUser: 0[\s\S]*runAsNonRoot: false\n[\s\S]*add: \[CHOWN, .*SETFCAP\]/,
    ],
    [
      'root with capabilities',
      who({ uid: 0, gid: 0 }),
      who({ uid: 0, gid: 0, permitted: DEFAULT }),
      'lacks_capabilities',
      /add: \[CHOWN, /,
    ],
    [
      'privileged',
      who({ uid: 0, gid: 0 }),
      who({ uid: 0, gid: 0, permitted: ALL }),
      'privileged',
      /- name: worker\n +securityContext:\n +privileged: false/,
    ],
  ])('should give the lines for %s', (_, own, agent, code, yaml) => {
    expect(denied(own, agent, 'worker')).toMatchObject({
      status: 'fail',
      code,
      yaml: expect.stringMatching(yaml),
    });
  });

  it('should tell what no manifest of the sidecar fixes from what one does', () => {
    expect(denied(who(), who({ dumpable: false }), 'worker')).toMatchObject({
      code: 'unreadable_process',
    });
    const parted = denied(
      who({ label: 'cri-containerd.apparmor.d (enforce)' }),
      who({ label: 'agent (enforce)' }),
      'worker',
    );
    expect(parted.code).toBe('other_profile');
    expect(parted.yaml).toBe(undefined);
  });

  it.runIf(process.platform === 'linux')('should know who a process is', () => {
    const self = identityOf('/proc', 'self');
    expect(self).toMatchObject({ uid: process.geteuid?.(), gid: process.getegid?.(), dumpable: true });
    expect(identityOf('/proc', 2 ** 22 + 1)).toBe(undefined);
    expect(capabilityNames(0x80021n)).toEqual(['CHOWN', 'KILL', 'SYS_PTRACE']);
  });
});

describe('doctor, of a pod without its agent', () => {
  const GUARD = ['node', '/opt/spillway/dist/spillway.js', 'guard', '--agent=match:x', '--limit', '64Mi'];
  const OWN = '0::/own\n';
  const guardian: FakeProcess = { pid: 7, args: GUARD, cgroup: OWN };
  const doctor: FakeProcess = { pid: 20, args: ['node', '/usr/local/bin/spillway', 'doctor'], cgroup: OWN };
  const pause: FakeProcess = { pid: 1, args: ['/pause'], cgroup: '0::/../pause\n' };
  const proc = (...processes: FakeProcess[]) => `${tree(procFiles(processes))}/proc`;
  const missing = fail('none_running', 'there is none', 'start one');

  it.each([
    [
      'its processes are not shared',
      [{ ...guardian, pid: 1 }, doctor],
      /^spec:\n {2}shareProcessNamespace: true\n$/,
    ],
    [
      'it has hostPID',
      [{ pid: 1, args: ['/sbin/init'], cgroup: '0::/init\n' }, guardian, doctor],
      /hostPID: false/,
    ],
    [
      'another is asked for',
      [pause, guardian, doctor, { pid: 30, cgroup: '0::/../agent\n' }],
      /value: container:AGENT/,
    ],
  ] as [string, FakeProcess[], RegExp][])('should give the lines where %s', async (_, processes, yaml) => {
    const found = withManifest(missing, await configOf(), 20, proc(...processes));
    expect(found).toMatchObject({ status: 'fail', yaml: expect.stringMatching(yaml) });
  });

  it('should give none where it only has not started yet', async () => {
    const found = withManifest(missing, await configOf(), 20, proc(pause, guardian, doctor));
    expect(found.yaml).toBe(undefined);
  });

  it('should name the containers it sees', async () => {
    const root = tree({
      ...procFiles([pause, guardian, doctor, { pid: 30, cgroup: '0::/../agent\n' }]),
      'proc/30/mountinfo':
        '9 8 254:0 /var/lib/kubelet/pods/u1/containers/worker/1a2b /dev/termination-log rw - ext4 /dev/vda rw\n',
    });
    const found = withManifest(missing, await configOf(), 20, `${root}/proc`);
    expect(found.yaml).toMatch(/value: container:worker/);
  });

  it('should go by what the guardian beside it was told', async () => {
    const beside = guardianBeside(proc(pause, guardian, doctor), 20);
    expect(beside).toMatchObject({ pid: 7, args: GUARD.slice(3) });
    if (!beside) throw new Error('no guardian');
    expect(await asTold(await configOf(), beside)).toMatchObject({
      agent: { kind: 'match', text: 'x' },
      limit: 64 * 2 ** 20,
      hold: 5000,
    });
    // the doctor's own command line counts more; what nobody would take is left alone
    expect((await asTold(await configOf({ limit: '1Gi' }), beside)).limit).toBe(2 ** 30);
    const config = await configOf();
    expect(await asTold(config, { ...beside, args: ['--limit', 'much'] })).toEqual(config);
    expect(guardianBeside(proc(pause, { ...guardian, cgroup: '0::/other\n' }, doctor), 20)).toBe(undefined);
  });
});

describe('doctor, of who reaches an inspector', () => {
  const here = (...processes: (FakeProcess & { uid: number })[]) => {
    const status = processes.map(({ pid, uid }) => [
      `proc/${pid}/status`,
      `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nGid:\t0\t0\t0\t0\nCapEff:\t0\nCapPrm:\t0\n`,
    ]);
    return `${tree({ ...procFiles(processes), ...Object.fromEntries(status) })}/proc`;
  };
  const pause = { pid: 1, args: ['/pause'], uid: 65535 };
  const agent = { pid: 10, args: ['node', 'agent.mjs'], uid: 1000 };
  const guardian = { pid: 20, args: ['node', 'spillway.js', 'guard'], uid: 1000 };

  it('should name processes of other users, but for root and what holds the pod', () => {
    const root = { pid: 30, args: ['/usr/bin/entry'], uid: 0 };
    expect(inspectorReach(here(pause, agent, guardian, root), 10)).toMatchObject({ status: 'pass' });
    const tool = { pid: 40, args: ['/bin/sandboxed\u001b[2J'], uid: 65534 };
    const client = inspectorReach(here(pause, agent, guardian, tool), 10);
    expect(client).toMatchObject({ status: 'warn', code: 'reachable_for_others' });
    expect(client.detail).toContain(' sandboxed [2J (uid 65534)');
  });
});

describe('doctor, of probes', () => {
  /** A guardian that has been asked so often. */
  async function guardianAsked(count: number) {
    const server = createPlainServer((_request, answer) =>
      answer.end(`# TYPE spillway_probes_total counter\nspillway_probes_total ${count}\n`),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    return { host: '0.0.0.0', port: (server.address() as AddressInfo).port };
  }

  it('should see that the kubelet asks', async () => {
    expect(await probeCheck(await guardianAsked(7), 7)).toMatchObject({
      status: 'pass',
      code: 'ok',
    });
  });

  it('should give the lines where it never asked, and wait where it is too early', async () => {
    const never = await guardianAsked(0);
    expect(await probeCheck(never, 600)).toMatchObject({
      status: 'warn',
      code: 'never_probed',
      yaml: expect.stringMatching(/path: \/readyz/),
    });
    expect(await probeCheck(never, 10)).toMatchObject({ code: 'too_early' });
  });

  it('should see a service mesh that keeps the kubelet out', async () => {
    const processes = [
      { pid: 1, args: ['/usr/local/bin/pilot-agent', 'proxy'] },
      { pid: 2, args: ['node'] },
    ];
    const mesh = meshIn(`${tree(procFiles(processes))}/proc`);
    const never = await guardianAsked(0);
    expect(await probeCheck(never, 600, mesh)).toMatchObject({
      status: 'warn',
      code: 'mesh',
      yaml: expect.stringContaining(`traffic.sidecar.istio.io/excludeInboundPorts: "${never.port}"`),
    });
    expect(await probeCheck(await guardianAsked(7), 600, mesh)).toMatchObject({ status: 'pass' });
  });

  it('should say so when the guardian does not answer', async () => {
    expect(await probeCheck({ host: '127.0.0.1', port: 1 }, 600)).toMatchObject({
      status: 'warn',
      code: 'guardian_silent',
    });
  });
});

describe('doctor, of the guardian’s own limits', () => {
  const MIB = 2 ** 20;
  it.each([
    ['v2, as recommended', { 'memory.max': `${128 * MIB}`, 'memory.events': 'oom_kill 0' }, 'ok'],
    ['v2, none', { 'memory.max': 'max' }, 'ok'],
    ['v1, none', { 'memory/memory.limit_in_bytes': '9223372036854771712' }, 'ok'],
    ['v1, tight', { 'memory/memory.limit_in_bytes': `${112 * MIB}` }, 'tight'],
    ['v2, too small', { 'memory.max': `${64 * MIB}` }, 'too_small'],
    ['v2, killed in', { 'memory.max': `${128 * MIB}`, 'memory.events': 'oom 2\noom_kill 2' }, 'oom_killed'],
  ])('should judge memory: %s', (_, files, code) => {
    const check = ownMemoryCheck(tree(files));
    expect(check.code).toBe(code);
    expect(check.yaml).toEqual(code === 'ok' ? undefined : expect.stringMatching(/memory: 128Mi\n$/));
  });

  it.each([
    ['v2, none', { 'cpu.max': 'max 100000' }, 'ok'],
    ['v1, none', { 'cpu/cpu.cfs_quota_us': '-1' }, 'ok'],
    ['v2, enough', { 'cpu.max': '50000 100000', 'cpu.stat': 'nr_periods 100\nnr_throttled 2' }, 'ok'],
    [
      'v2, throttled',
      { 'cpu.max': '50000 100000', 'cpu.stat': 'nr_periods 100\nnr_throttled 20' },
      'throttled',
    ],
    [
      'v1, little',
      { 'cpu,cpuacct/cpu.cfs_quota_us': '5000', 'cpu,cpuacct/cpu.cfs_period_us': '100000' },
      'throttled',
    ],
  ])('should judge CPU: %s', (_, files, code) => {
    expect(ownCpuCheck(tree(files)).code).toBe(code);
  });
});

describe('doctor, of Events', () => {
  let pems: { private: string; cert: string };
  beforeAll(async () => {
    const extensions = [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }];
    pems = (await generate([{ name: 'commonName', value: 'api' }], { extensions } as never)) as typeof pems;
  });
  const forbidden = (verb: string) => ({
    message: `events.events.k8s.io is forbidden: User "system:serviceaccount:demo:runner" cannot ${verb} resource "events" in API group "events.k8s.io" in the namespace "demo"`,
  });

  /** A server that answers by method; one that is not named never gets an answer. */
  async function ask(
    answers: Record<string, [status: number, body: unknown]>,
    flags: Record<string, string> = {},
  ) {
    const asked: { method: string; url: string; body: string }[] = [];
    const server = createServer({ key: pems.private, cert: pems.cert }, (request, response) => {
      let body = '';
      request
        .on('data', (data) => (body += data))
        .on('end', () => {
          asked.push({ method: request.method ?? '', url: request.url ?? '', body });
          const [status, answer] = answers[request.method ?? ''] ?? [];
          if (status !== undefined)
            response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const directory = tree({ token: 'not-a-jwt', 'ca.crt': pems.cert, namespace: 'demo' });
    const { port } = server.address() as AddressInfo;
    const env = {
      ...{ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${port}` },
      ...{ POD_NAME: 'agent-0', POD_UID: 'u1' },
    };
    const ability = await kubernetesEvents(await configOf(flags), { env, directory, answerMs: 300 });
    return { ability, asked };
  }

  it('should try both verbs without effect', async () => {
    const { ability, asked } = await ask({ POST: [201, {}], PATCH: [404, {}] });
    expect(ability).toMatchObject({ status: 'pass', hint: '' });
    expect(asked.map(({ method }) => method)).toEqual(['POST', 'PATCH']);
    for (const { url } of asked)
      expect(url).toMatch(/^\/apis\/events.k8s.io\/v1\/namespaces\/demo\/events.*\?dryRun=All$/);
    expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({
      regarding: { kind: 'Pod', name: 'agent-0', uid: 'u1' },
    });
  });

  it.each([
    [
      'both rights are missing',
      { POST: [403, forbidden('create')], PATCH: [403, forbidden('patch')] },
      'events_forbidden',
      /name: runner, namespace: demo/,
    ],
    [
      'only patching is missing',
      { POST: [201, {}], PATCH: [403, forbidden('patch')] },
      'events_forbidden',
      /verbs: \[create, patch\]/,
    ],
    ['nothing answers', {}, 'no_answer', /kind: NetworkPolicy/],
  ] as [
    string,
    Record<string, [number, unknown]>,
    string,
    RegExp,
  ][])('should give the lines where %s', async (_, answers, code, yaml) => {
    const { ability } = await ask(answers);
    expect(ability).toMatchObject({
      status: 'fail',
      code,
      yaml: expect.stringMatching(yaml),
    });
  });

  it.each([
    [
      'a token that is not taken',
      { POST: [401, { message: 'Unauthorized' }], PATCH: [401, {}] },
      'token_rejected',
    ],
    [
      'an admission policy',
      { POST: [403, { message: 'denied by policy' }], PATCH: [404, {}] },
      'event_refused',
    ],
  ] as [
    string,
    Record<string, [number, unknown]>,
    string,
  ][])('should tell %s from missing rights', async (_, answers, code) => {
    const { ability } = await ask(answers);
    expect(ability).toMatchObject({ status: 'fail', code });
    expect(ability.yaml).toBe(undefined);
  });

  it('should ask nothing where it is switched off, and name the token that is missing', async () => {
    expect((await ask({}, { events: 'off' })).asked).toEqual([]);
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' };
    expect(await kubernetesEvents(await configOf(), { env, directory: tree({}) })).toMatchObject({
      status: 'fail',
      code: 'no_token',
      yaml: expect.stringMatching(/serviceAccountToken/),
    });
  });

  it('should say why nothing can be reached', async () => {
    const directory = tree({ token: 't', 'ca.crt': pems.cert, namespace: 'demo' });
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' };
    const { code, yaml } = await kubernetesEvents(await configOf(), { env, directory });
    expect(code).toBe('unreachable');
    expect(yaml).toMatch(/port: 1\n/);
  });
});

describe('doctor, of restarts', () => {
  async function guardianSaying(status: object) {
    const server = createPlainServer((_request, answer) => answer.end(JSON.stringify(status)));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    return { host: '0.0.0.0', port: (server.address() as AddressInfo).port };
  }

  it('should tell how long the kubelet delays the next one', async () => {
    const agent = { restarts: 3 };
    expect(await restartDelay(await guardianSaying({ agent, restartDelaySeconds: 40 }))).toMatchObject({
      status: 'warn',
      code: 'crash_loop_back_off',
      detail: expect.stringContaining('40 s'),
    });
  });

  it('should pass where there is no delay, and say where nobody answers', async () => {
    const listen = await guardianSaying({ agent: { restarts: 0 }, restartDelaySeconds: 0 });
    expect(await restartDelay(listen)).toMatchObject({ status: 'pass' });
    expect(await restartDelay({ host: '127.0.0.1', port: 1 })).toMatchObject({ code: 'guardian_silent' });
  });
});
