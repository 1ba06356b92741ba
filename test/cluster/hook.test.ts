import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import { describe, expect, inject, it } from 'vitest';
import { pathOf } from './support/api.ts';
import { PATIENCE } from './support/environment.ts';
import { execIn } from './support/exec.ts';
import { statusOf, untilEvents, untilStatus } from './support/guardian.ts';
import { makeNamespace } from './support/namespace.ts';
import {
  type AgentOptions,
  agentTemplate,
  deploy,
  expose,
  isReady,
  patch,
  readyPods,
  untilPod,
} from './support/workload.ts';

/*
 * The hook comes by a label alone into a Deployment that runs already, in a namespace under the restricted Pod Security Standard.
 */

const lacks = inject('clusterLacks');
const HOOK = '/var/run/spillway-hook';
const REQUIRE = `--require=${HOOK}/register.cjs`;

/** What the agent's container sees of the hook, by a program in it; it asks until a process has connected. */
const LOOK = `
const { accessSync, constants, readFileSync, statSync } = require('node:fs');
const attempt = (look) => { try { return look(); } catch (error) { return error.code; } };
const connected = () => readFileSync('/proc/net/unix', 'latin1').split('\\n')
  .filter((line) => line.endsWith(' ${HOOK}/hook.sock') && line.split(' ')[5] === '03').length;
const until = Date.now() + ${60_000 * PATIENCE};
(function look() {
  if (connected() === 0 && Date.now() < until) return setTimeout(look, 100);
  process.stdout.write(JSON.stringify({
    options: process.env.NODE_OPTIONS,
    bytes: attempt(() => statSync('${HOOK}/register.cjs').size),
    writable: attempt(() => accessSync('${HOOK}', constants.W_OK)),
    connected: connected(),
  }));
})();`;

const SPIKE_REQUESTS = 30;
/** Together these hold 300 MiB for a while. */
const SPIKE = `
const ask = () => fetch(process.argv[1] + 'work?mib=10&over=0.1&seconds=0.4', { method: 'POST' }).then(({ status }) => status, () => 0);
Promise.all(Array.from({ length: ${SPIKE_REQUESTS} }, ask)).then((statuses) => process.stdout.write(JSON.stringify(statuses)));`;

interface Look {
  options: string;
  bytes: number;
  writable: string;
  connected: number;
}

async function look(namespace: string, pod: V1Pod): Promise<Look> {
  return JSON.parse(await execIn(namespace, pod.metadata?.name ?? '', 'agent', ['node', '-e', LOOK])) as Look;
}

/** The pods of a Deployment that ran without a guardian, once its template has the label. */
async function labelled(namespace: string, options: AgentOptions): Promise<V1Pod[]> {
  await deploy(namespace, 'agent', 2, agentTemplate({ ...options, guarded: false }));
  const before = await readyPods(namespace, 'agent', 2);
  expect(before.flatMap(({ spec }) => spec?.initContainers ?? [])).toEqual([]);
  const labels = { 'spillway.dev/inject': 'true' };
  const change: Partial<V1Deployment> = {
    spec: { template: { metadata: { labels } } } as V1Deployment['spec'] & object,
  };
  await patch(pathOf('Deployment', namespace, 'agent'), change);
  const names = new Set(before.map(({ metadata }) => metadata?.name));
  for (;;) {
    const pods = await readyPods(namespace, 'agent', 2);
    if (pods.every(({ metadata }) => !names.has(metadata?.name))) return pods;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const withOptions = (value: string, change?: AgentOptions['change']): AgentOptions => ({
  change(spec) {
    const [agent] = spec.containers;
    if (agent) agent.env = [...(agent.env ?? []), { name: 'NODE_OPTIONS', value }];
    change?.(spec);
  },
});

describe.skipIf(lacks !== '').concurrent(`the hook${lacks && `: ${lacks}`}`, () => {
  it('should come by the label into the pods of a Deployment, beside its own NODE_OPTIONS, and connect', async (context) => {
    const namespace = await makeNamespace(context);
    const pods = await labelled(namespace, withOptions('--enable-source-maps'));
    for (const pod of pods) {
      expect(pod.spec?.initContainers?.[0]?.args).toContain(`--hook-dir=${HOOK}`);
      const seen = await look(namespace, pod);
      expect(seen).toMatchObject({ options: `--enable-source-maps ${REQUIRE}`, writable: 'EROFS' });
      expect(seen.bytes).toBeGreaterThan(0);
      expect(seen.bytes).toBeLessThanOrEqual(40 * 1024);
      expect(seen.connected).toBeGreaterThan(0);
      expect(pod.status?.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0]);
    }
  });

  it('should start an agent that restarts while its guardian is away', async (context) => {
    const namespace = await makeNamespace(context);
    const [pod] = await labelled(namespace, withOptions(''));
    expect(pod?.spec?.containers[0]?.env).toContainEqual({ name: 'NODE_OPTIONS', value: ` ${REQUIRE}` });
    const ends = `
      const { readdirSync, readFileSync } = require('node:fs');
      const found = readdirSync('/proc').filter(Number).filter((pid) => {
        const words = readFileSync('/proc/' + pid + '/cmdline', 'latin1').split('\\0');
        return words[1]?.endsWith('/spillway.js') || words[1] === '/programs/agent.mjs';
      });
      for (const pid of found) process.kill(pid, 'SIGKILL');`;
    const name = pod?.metadata?.name ?? '';
    // the container of the command ends with the agent
    await execIn(namespace, name, 'agent', ['node', '-e', ends]).catch(() => undefined);
    const again = await untilPod(namespace, name, 'agent and guardian are back', (each) => {
      const statuses = [
        ...(each.status?.initContainerStatuses ?? []),
        ...(each.status?.containerStatuses ?? []),
      ];
      return isReady(each) && statuses.every(({ restartCount }) => restartCount > 0) && each;
    });
    expect((await look(namespace, again)).connected).toBeGreaterThan(0);
  });

  it('should stay out where the image may have NODE_OPTIONS', async (context) => {
    const namespace = await makeNamespace(context);
    const [pod] = await labelled(namespace, {});
    expect(pod?.spec?.initContainers?.[0]?.name).toBe('spillway');
    expect(JSON.stringify(pod?.spec)).not.toContain('spillway-hook');
  });

  it('should serve a spike through the Service that kills an agent without its gate', async (context) => {
    const namespace = await makeNamespace(context);
    const start = async (name: string, annotations: Record<string, string>) => {
      const url = await expose(namespace, name);
      const alone = { 'spillway.dev/recycle': 'off', ...annotations };
      const template = agentTemplate({ ...withOptions(''), limitMib: 256, annotations: alone });
      await deploy(namespace, name, 1, template);
      const [pod] = await readyPods(namespace, name, 1);
      const podName = pod?.metadata?.name ?? '';
      await untilStatus(namespace, podName, 'its hook is connected', ({ requests }) => requests !== null);
      return { url, podName };
    };
    const gated = await start('gated', {});
    const open = await start('open', { 'spillway.dev/gate': 'off' });
    /** Of the spike on one, asked for from the container of the other. */
    const served = async ({ url }: { url: string }, { podName }: { podName: string }) => {
      const printed = await execIn(namespace, podName, 'agent', ['node', '-e', SPIKE, url]);
      return (JSON.parse(printed) as number[]).filter((status) => status === 200).length;
    };
    expect(await served(gated, open)).toBe(SPIKE_REQUESTS);
    expect(await statusOf(namespace, gated.podName)).toMatchObject({ oomKills: 0, agent: { restarts: 0 } });
    expect(await served(open, gated)).toBeLessThan(SPIKE_REQUESTS);
    await untilEvents(namespace, open.podName, 'AgentOOMKilled');
  });
});
