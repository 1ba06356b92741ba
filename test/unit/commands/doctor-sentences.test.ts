import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, onTestFinished } from 'vitest';
import { adminEndpoint } from '../../../src/commands/doctor/admin-endpoint.ts';
import { heapLimitCheck, naming } from '../../../src/commands/doctor/agent-checks.ts';
import { type Check, fail, type Outcome, pass } from '../../../src/commands/doctor/check.ts';
import { commandChecks } from '../../../src/commands/doctor/command-checks.ts';
import type { Identity } from '../../../src/commands/doctor/identity.ts';
import { withManifest, withVolume } from '../../../src/commands/doctor/in-pod.ts';
import { inspectorReach } from '../../../src/commands/doctor/inspector-exposure.ts';
import { kubernetesEvents } from '../../../src/commands/doctor/kubernetes-events.ts';
import { ownCpuCheck, ownMemoryCheck } from '../../../src/commands/doctor/own-limits.ts';
import { denied } from '../../../src/commands/doctor/process-access.ts';
import { probeCheck } from '../../../src/commands/doctor/readiness-probe.ts';
import { restartDelay } from '../../../src/commands/doctor/restart-delay.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { type AgentSelector, findAgent } from '../../../src/sources/find-agent.ts';
import { fakeTree } from '../../support/fake-cgroup.ts';
import { type FakeProcess, procFiles } from '../../support/fake-proc.ts';
import { golden } from '../../support/golden.ts';
import { MiB, readingOf } from '../../support/reading.ts';

const said = ({ code, detail, hint, why }: Outcome) => [code, detail, hint, why].filter(Boolean).join(' | ');
const saidOf = (checks: readonly Check[]) => checks.map((check) => `${check.check}: ${said(check)}`);

function tree(files: Record<string, string>): string {
  const { root, remove } = fakeTree(files);
  onTestFinished(remove);
  return root;
}

const procOf = (processes: FakeProcess[]) => `${tree(procFiles(processes))}/proc`;

describe.runIf(process.platform === 'linux')('doctor', () => {
  golden('doctor', async () => {
    const of = async (flags: Record<string, string>) => (await resolveConfig({ flags })).config;
    const started = async (flags: Record<string, string>, nodeOptions = '--inspect-port=0') =>
      saidOf(await commandChecks(await of(flags), { NODE_OPTIONS: nodeOptions }, readingOf(10)));
    return [
      ...(await started({})),
      ...(await started({ gc: 'off', profile: 'off', recycle: 'off' })),
      ...(await started({ gc: 'inspect-only', recycle: 'on' }, '')),
      ...(await started({ restart: 'always' }, '--inspect-port=0 --disable-sigusr1')),
      ...saidOf(heapLimitCheck(192 * MiB, true, readingOf(10))),
      said(naming(await of({}), pass('a connection'), 'functions')),
      ...accessDenied(),
      ...ownLimits(),
      ...notFound(),
      ...(await withoutAgent()),
      ...(await inPods()),
    ];
  });
});

function accessDenied(): string[] {
  const who = (change: Partial<Identity> = {}): Identity => ({
    ...{ uid: 1000, gid: 1000, effective: 0n, permitted: 0n, dumpable: true, label: '' },
    ...change,
  });
  const root = who({ uid: 0, gid: 0 });
  const cases: [Identity, Identity][] = [
    [who({ uid: 1001 }), who()],
    [root, { ...root, permitted: 0x21n }],
    [who(), who({ permitted: 0x21n })],
    [root, { ...root, permitted: 0x1ffffffffffn }],
    [who(), who({ dumpable: false })],
    [who(), who()],
    [who({ label: 'cri-containerd.apparmor.d (enforce)' }), who({ label: 'agent (enforce)' })],
  ];
  return cases.map(([own, agent]) => said(denied(own, agent, 'worker')));
}

function ownLimits(): string[] {
  const memory = [
    { 'memory.max': 'max' },
    { 'memory.max': `${128 * MiB}` },
    { 'memory.max': `${112 * MiB}` },
    { 'memory.max': `${64 * MiB}` },
    { 'memory.max': `${128 * MiB}`, 'memory.events': 'oom 2\noom_kill 2' },
  ];
  const cpu = [
    { 'cpu.max': 'max 100000' },
    { 'cpu.max': '50000 100000', 'cpu.stat': 'nr_periods 100\nnr_throttled 2' },
    { 'cpu.max': '50000 100000', 'cpu.stat': 'nr_periods 100\nnr_throttled 20' },
  ];
  return [
    ...memory.map((files) => said(ownMemoryCheck(tree(files)))),
    ...cpu.map((files) => said(ownCpuCheck(tree(files)))),
  ];
}

const OWN = '0::/own\n';
const PAUSE: FakeProcess = { pid: 1, args: ['/pause'], cgroup: '0::/../pause\n' };
const SELF: FakeProcess = { pid: 20, args: ['node', 'spillway', 'doctor'], cgroup: OWN };
const AGENT: FakeProcess = { pid: 30, args: ['node', 'agent.js'], cgroup: '0::/../agent\n' };
const OTHER: FakeProcess = { pid: 40, args: ['node', 'other.js'], cgroup: '0::/../other\n' };
const PROXY: FakeProcess = { pid: 50, args: ['/usr/lib/linkerd/linkerd2-proxy'], cgroup: '0::/../proxy\n' };

/** What the search says where there is no agent, or more than one. */
function notFound(): string[] {
  const auto: AgentSelector = { kind: 'auto' };
  const named: AgentSelector = { kind: 'container', name: 'agent' };
  const mounted = (pid: number, name: string) => ({
    [`proc/${pid}/mountinfo`]: `9 8 254:0 /pods/u1/containers/${name}/1a2b /dev/termination-log rw - ext4 a rw\n`,
  });
  const cases: [FakeProcess[], AgentSelector, Record<string, string>?][] = [
    [[PAUSE, SELF], { kind: 'pid', pid: 99 }],
    [[PAUSE, SELF], { kind: 'match', text: 'x' }],
    [[PAUSE, SELF], auto],
    [[SELF], auto],
    [[SELF, { ...AGENT, cgroup: OWN }], auto],
    [[PAUSE, SELF, AGENT, OTHER], auto],
    [[PAUSE, SELF, AGENT, OTHER], named],
    [[PAUSE, SELF, PROXY], named],
    [[PAUSE, SELF, AGENT], named, mounted(20, 'agent')],
    [[PAUSE, SELF, PROXY], named, mounted(50, 'agent')],
    [[PAUSE, SELF, OTHER], named, mounted(40, 'other')],
    [[PAUSE, SELF, AGENT], named],
  ];
  return cases.map(([processes, selector, more = {}]) => {
    const procRoot = `${tree({ ...procFiles(processes), ...more })}/proc`;
    const found = findAgent({ procRoot, selfPid: 20, selector });
    return found.kind === 'found' ? (found.remark ?? '') : `${found.code} | ${found.reason} | ${found.hint}`;
  });
}

async function withoutAgent(): Promise<string[]> {
  const { config } = await resolveConfig({ flags: {} });
  const missing = fail('none_running', 'there is none', 'start one');
  const proc: FakeProcess[][] = [
    [{ ...SELF, pid: 1 }, SELF],
    [{ pid: 1, args: ['/sbin/init'], cgroup: '0::/init\n' }, SELF],
    [PAUSE, SELF, AGENT],
    [PAUSE, SELF],
  ];
  const full = fail('not_writable', 'ENOSPC', 'make room');
  return [
    ...proc.map((processes) => said(withManifest(missing, config, 20, procOf(processes)))),
    said(withVolume(full, { recordDir: '/records' })),
  ];
}

/** Of agents that were restarted so often, the next time after so many seconds. */
async function delays(): Promise<string[]> {
  let status = {};
  const server = createServer((_request, answer) => answer.end(JSON.stringify(status)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const cases: [restarts: number, seconds: number][] = [
    [0, 0],
    [1, 10],
    [3, 40],
  ];
  const lines: string[] = [];
  for (const [restarts, restartDelaySeconds] of cases) {
    status = { agent: { restarts }, restartDelaySeconds };
    lines.push(said(await restartDelay({ host: '127.0.0.1', port })));
  }
  return lines;
}

async function inPods(): Promise<string[]> {
  const uids = { 1: 0, 30: 1000, 40: 65534 };
  const status = Object.entries(uids).map(([pid, uid]) => [
    `proc/${pid}/status`,
    `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nGid:\t0\t0\t0\t0\nCapEff:\t0\nCapPrm:\t0\n`,
  ]);
  const reach = (...processes: FakeProcess[]) =>
    said(
      inspectorReach(`${tree({ ...procFiles(processes), ...Object.fromEntries(status) })}/proc`, AGENT.pid),
    );
  const { config } = await resolveConfig({ flags: {} });
  const events = async (env: NodeJS.ProcessEnv, off = config) =>
    said(await kubernetesEvents(off, { env, directory: '/no/such/directory' }));
  return [
    reach(PAUSE, AGENT),
    reach(PAUSE, AGENT, OTHER),
    await events({}),
    await events({ KUBERNETES_SERVICE_HOST: '127.0.0.1' }),
    await events({}, { ...config, events: 'off' }),
    said(await probeCheck({ host: '127.0.0.1', port: 1 }, 600)),
    ...(await delays()),
    said(await adminEndpoint({ ...config, adminListen: { host: '127.0.0.1', port: 0 } }, { beside: false })),
    said(
      await adminEndpoint(
        { ...config, adminListen: { host: '0.0.0.0', port: 0 }, adminToken: 'correct-horse' },
        { beside: false },
      ),
    ),
  ];
}
