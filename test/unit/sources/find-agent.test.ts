import { afterEach, describe, expect, it } from 'vitest';
import { type AgentSelector, findAgent } from '../../../src/sources/find-agent.ts';
import { type ProcessCache, shortName } from '../../../src/sources/process-table.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { type FakeProcess, procFiles } from '../../support/fake-proc.ts';
import { type Started, start, until } from '../../support/started.ts';

const V2 = { pause: '0::/../pause\n', self: '0::/\n', agent: '0::/../agent\n', other: '0::/../other\n' };
const v1 = (name: string) => `5:cpu:/same\n4:memory:/kubepods/pod1/${name}\n1:name=systemd:/\n0::/\n`;
const PAUSE: FakeProcess = { pid: 1, comm: 'pause', args: ['/pause'], cgroup: V2.pause };
const SELF: FakeProcess = {
  pid: 20,
  args: ['node', 'spillway.js', 'guard', '--agent', 'match:agent.js'],
  cgroup: V2.self,
};
const AUTO: AgentSelector = { kind: 'auto' };

let tree: FakeTree | undefined;
afterEach(() => tree?.remove());

function search(processes: FakeProcess[], selector: AgentSelector = AUTO, cache?: ProcessCache) {
  tree?.remove();
  tree = fakeTree(procFiles(processes));
  return findAgent({ procRoot: `${tree.root}/proc`, selfPid: 20, selector, ...(cache && { cache }) });
}

describe('auto, in a shared process namespace', () => {
  it('takes the root of the only other container', () => {
    const processes = [
      PAUSE,
      SELF,
      { pid: 30, args: ['node', '--inspect', '/app/agent.js'], cgroup: V2.agent, startTime: 5000 },
      { pid: 31, ppid: 30, args: ['python3', 'tool.py'], cgroup: V2.agent },
      // `kubectl exec`: its parent is out of sight too, but it is younger
      { pid: 25, args: ['sh'], cgroup: V2.agent, startTime: 9000 },
    ];
    expect(search(processes)).toEqual({ kind: 'found', pid: 30, startTime: 5000, name: 'agent.js' });
  });

  it('tells containers apart by the memory line on v1 and hybrid hosts', () => {
    const processes = [
      { ...PAUSE, cgroup: v1('p') },
      { ...SELF, cgroup: v1('g') },
      { pid: 30, cgroup: v1('a') },
    ];
    expect(search(processes)).toMatchObject({ kind: 'found', pid: 30 });
  });

  it('never takes threads of the kernel, zombies, a pause process, its own container or its own children', () => {
    const processes = [
      PAUSE,
      SELF,
      { pid: 2, comm: 'kthreadd', args: [], kernelThread: true, cgroup: V2.other },
      { pid: 3, ppid: 2, comm: 'kworker/0:1', args: [], kernelThread: true, cgroup: V2.other },
      { pid: 21, ppid: 20, args: ['sh', '-c', 'getconf CLK_TCK'], cgroup: V2.agent },
      { pid: 22, args: ['sh'], cgroup: V2.self },
      { pid: 30, state: 'Z', args: [], cgroup: V2.agent },
      { pid: 40, comm: 'pause', args: ['/pause'], cgroup: V2.other },
    ];
    expect(search(processes)).toMatchObject({
      kind: 'none',
      code: 'none_running',
    });
  });

  it('takes cgroups made inside the container for the same agent', () => {
    const processes = [
      PAUSE,
      SELF,
      { pid: 30, cgroup: V2.agent },
      { pid: 31, ppid: 30, cgroup: '0::/../agent/tools\n' },
    ];
    expect(search(processes)).toMatchObject({ kind: 'found', pid: 30 });
  });

  it('names up to five when several fit', () => {
    const others = [30, 31, 32, 33, 34, 35].map((pid) => ({ pid, cgroup: `0::/../c${pid}\n` }));
    const found = search([PAUSE, SELF, ...others]);
    expect(found).toMatchObject({
      kind: 'ambiguous',
      code: 'several_fit',
      reason: expect.stringMatching(/ pid 30 node agent\.js, .*, pid 34 node agent\.js, and 1 more$/),
    });
    expect(found.kind === 'ambiguous' && found.candidates).toHaveLength(6);
  });

  it('says why there is none, and what to do', () => {
    expect(search([SELF])).toMatchObject({
      kind: 'none',
      code: 'none_visible',
    });
    expect(search([SELF, { pid: 30, cgroup: V2.self }])).toMatchObject({
      kind: 'none',
      code: 'not_identified',
    });
  });
});

describe('container', () => {
  const POD: FakeProcess[] = [
    PAUSE,
    { ...SELF, container: 'spillway' },
    { pid: 21, args: ['sh'], cgroup: V2.self, container: 'spillway' },
    { pid: 30, args: ['node', '/app/agent.js'], cgroup: V2.agent, container: 'agent' },
    { pid: 31, ppid: 30, args: ['python3', 'tool.py'], cgroup: V2.agent, container: 'agent' },
    { pid: 40, args: ['nginx'], cgroup: V2.other, container: 'proxy' },
  ];
  const ISTIO: FakeProcess[] = [
    { pid: 40, args: ['/usr/local/bin/pilot-agent', 'proxy', 'sidecar'], cgroup: V2.other },
    { pid: 41, ppid: 40, args: ['/usr/local/bin/envoy', '-c', 'etc'], cgroup: V2.other },
  ];
  const withIstio = (container?: string) => [
    ...POD.filter(({ pid }) => pid !== 40).map(({ container: its, ...rest }) =>
      container === undefined || its === undefined ? rest : { ...rest, container: its },
    ),
    ...ISTIO.map((each) => (container === undefined ? each : { ...each, container })),
  ];
  const container = (name: string): AgentSelector => ({ kind: 'container', name });

  it('takes the root of the container with the name', () => {
    expect(search(POD, container('agent'))).toMatchObject({ kind: 'found', pid: 30, name: 'agent.js' });
    expect(search(POD, container('proxy'))).toMatchObject({ kind: 'found', pid: 40 });
  });

  it('takes the oldest where something was started in the container from outside', () => {
    const exec = { pid: 25, args: ['sh'], cgroup: V2.agent, container: 'agent', startTime: 9000 };
    expect(search([...POD, exec], container('agent'))).toMatchObject({ kind: 'found', pid: 30 });
  });

  it('finds it again after a restart, and not the runtime that is about to start it', () => {
    const cache: ProcessCache = new Map();
    expect(search(POD, container('agent'), cache)).toMatchObject({ pid: 30 });
    const others = POD.filter(({ cgroup }) => cgroup !== V2.agent);
    const next = { pid: 87, cgroup: '0::/../agent2\n', container: 'agent' };
    const starting = { ...next, comm: 'runc:[2:INIT]', args: ['runc', 'init'] };
    expect(search([...others, starting], container('agent'), cache)).toMatchObject({ kind: 'none' });
    expect(search([...others, next], container('agent'), cache)).toMatchObject({ kind: 'found', pid: 87 });
  });

  it('names the containers that there are', () => {
    expect(search(POD, container('app'))).toMatchObject({
      kind: 'none',
      code: 'not_running',
      reason: expect.stringContaining('agent, proxy'),
    });
  });

  it('never takes its own container', () => {
    expect(search(POD, container('spillway'))).toMatchObject({
      kind: 'none',
      code: 'own_container',
    });
  });

  it('takes the only other one where none tells its name, and says so', () => {
    const untold = POD.map(({ container: _, ...rest }) => rest).filter(({ pid }) => pid !== 40);
    expect(search(untold, container('agent'))).toMatchObject({
      kind: 'found',
      pid: 30,
      remark: expect.stringContaining('"agent"'),
    });
  });

  it('never takes a known proxy: not by its name, not where none tells its name, not in auto', () => {
    expect(search(withIstio('istio-proxy'), container('istio-proxy'))).toMatchObject({
      kind: 'none',
      code: 'proxy',
    });
    expect(search(withIstio(), container('agent'))).toMatchObject({ kind: 'found', pid: 30 });
    expect(search(withIstio(), AUTO)).toMatchObject({ kind: 'found', pid: 30 });
    const early = withIstio().filter(({ cgroup }) => cgroup !== V2.agent);
    expect(search(early, container('agent'))).toMatchObject({
      kind: 'none',
      code: 'only_proxies',
    });
    expect(search(early, AUTO)).toMatchObject({ kind: 'none' });
    const linkerd = { pid: 40, args: ['/usr/lib/linkerd/linkerd2-proxy'], cgroup: V2.other };
    expect(search([PAUSE, SELF, linkerd], container('agent'))).toMatchObject({ kind: 'none' });
  });

  it('tells the container that was found, by auto too', () => {
    const two = POD.filter(({ pid }) => pid !== 40);
    expect(search(two, AUTO)).toMatchObject({ pid: 30, container: 'agent' });
    expect(search(two, container('agent'))).toMatchObject({ pid: 30, container: 'agent' });
  });

  it('takes none of several where none tells its name, and names the hint', () => {
    const untold = POD.map(({ container: _, ...rest }) => rest);
    expect(search(untold, container('agent'))).toMatchObject({
      kind: 'none',
      code: 'names_unknown',
    });
  });

  it('says what is missing where no other container is seen', () => {
    expect(search([SELF], container('agent'))).toMatchObject({
      code: 'none_visible',
    });
    expect(search([PAUSE, SELF], container('agent'))).toMatchObject({
      code: 'none_running',
    });
  });
});

describe('auto in a pod with a sidecar alone', () => {
  it('never takes the sidecar, a shell in it, or what holds the pod', () => {
    for (const pause of ['/pause', '/usr/bin/pod', 'catatonit'])
      expect(
        search([
          { ...PAUSE, comm: 'x', args: [pause] },
          { ...SELF, container: 'spillway' },
          { pid: 21, args: ['sh'], cgroup: V2.self, container: 'spillway' },
          { pid: 22, comm: 'runc:[2:INIT]', args: ['runc', 'init'], cgroup: V2.agent },
        ]),
      ).toMatchObject({
        kind: 'none',
        code: 'none_running',
      });
  });
});

describe('match', () => {
  const match = { kind: 'match', text: 'agent.js' } as const;

  it('takes the topmost match, and not the guardian or the shell that started it, whose command lines hold the text too', () => {
    const processes = [
      { pid: 5, args: ['sh', '-c', 'node agent.js & spillway guard --agent match:agent.js'] },
      { ...SELF, ppid: 5 },
      { pid: 21, ppid: 20, args: ['ps', 'agent.js'] },
      { pid: 30, ppid: 5, args: ['sh', '-c', 'node agent.js'] },
      { pid: 31, ppid: 30, args: ['node', 'agent.js'] },
    ];
    expect(search(processes, match)).toMatchObject({ kind: 'found', pid: 30 });
  });

  it('says when none or several match', () => {
    expect(search([SELF], match)).toMatchObject({
      kind: 'none',
      reason: expect.stringMatching(/"agent.js"/),
    });
    expect(search([SELF, { pid: 30 }, { pid: 31 }], match)).toMatchObject({ kind: 'ambiguous' });
  });

  it('survives a listing whose parents go in a circle', () => {
    const circle = [
      { pid: 30, ppid: 31, args: ['a'] },
      { pid: 31, ppid: 32, args: ['a'] },
      { pid: 32, ppid: 31 },
    ];
    expect(search([SELF, ...circle], match)).toMatchObject({ kind: 'found', pid: 32 });
  });
});

it('sees a restart and a new program under the same pid through its cache', () => {
  const cache: ProcessCache = new Map();
  const match = { kind: 'match', text: 'agent.js' } as const;
  for (let i = 0; i < 20; i++) search([SELF, { pid: 30, args: ['node', 'agent.js'] }], match, cache);
  expect(search([SELF, { pid: 30, startTime: 1, args: ['node', 'x.js'] }], match, cache)).toMatchObject({
    kind: 'none',
  });
  expect(search([SELF, { pid: 30, startTime: 1, comm: 'new' }], match, cache)).toMatchObject({
    kind: 'found',
  });
  search([SELF], match, cache);
  expect([...cache.keys()]).toEqual([20]);
});

it('refuses a /proc that does not show the guardian', () => {
  expect(() => search([{ pid: 30 }])).toThrow(expect.objectContaining({ code: 'read' }));
});

describe('real processes', () => {
  let started: Started | undefined;
  afterEach(() => started?.kill());

  it('finds one by text and by pid, and says when it has ended', async () => {
    const text = `agent-${process.pid}-${Date.now()}`;
    const options = { procRoot: '/proc', selfPid: process.pid };
    // Forked away, so that it is no child of the guardian.
    started = await start('setsid', ['--fork', 'sh', '-c', `: ${text}; echo $$; sleep 60; :`], {
      awaitOutput: true,
    });
    const pid = Number(started.output());
    const found = findAgent({ ...options, selector: { kind: 'match', text } });
    expect(found).toMatchObject({ kind: 'found', pid });
    expect(findAgent({ ...options, selector: { kind: 'pid', pid } })).toMatchObject({ kind: 'found', pid });
    process.kill(-pid, 'SIGKILL');
    await until(() => findAgent({ ...options, selector: { kind: 'pid', pid } }).kind === 'none');
  });
});

it.each([
  [['node', '--max-old-space-size=64', '-r', './hook.js', '/app/src/agent.js', 'x.js'], 'agent.js'],
  [['/usr/bin/node', '-e', 'setInterval(() => {}, 1000)'], 'node'],
  [['python3.11', '-u', '/srv/app.py'], 'app.py'],
  [['python3', '-m', 'agent.server'], 'agent.server'],
  [['java', '-Xmx1g', '-cp', 'a.jar:b.jar', '-jar', '/opt/agent.jar'], 'agent.jar'],
  [['/usr/local/bin/agent', 'serve'], 'agent'],
  [['npm run start'], 'npm'],
  [['a\nb\u001b[31m'], 'a b [31m'],
  [[], 'comm'],
])('names %j %s', (args, name) => {
  expect(shortName(args, 'comm')).toBe(name);
});
