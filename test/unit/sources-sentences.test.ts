import { onTestFinished } from 'vitest';
import { describeError } from '../../src/core/lib/errors.ts';
import type { LimitSource } from '../../src/core/model/reading.ts';
import { openAgentFile } from '../../src/sources/agent-file.ts';
import { locateCgroup } from '../../src/sources/cgroup/locate.ts';
import { findAgent } from '../../src/sources/find-agent.ts';
import { AgentMemory } from '../../src/sources/memory.ts';
import { RssDoubt } from '../../src/sources/rss-doubt.ts';
import { fakeTree, v2Group } from '../support/fake-cgroup.ts';
import { procFiles } from '../support/fake-proc.ts';
import { golden } from '../support/golden.ts';
import { MiB, readingOf } from '../support/reading.ts';

const V2_MOUNT = '30 23 0:26 / $ROOT/cg rw - cgroup2 cgroup2 rw\n';

const roots: string[] = [];
function tree(files: Record<string, string>): string {
  const { root, remove } = fakeTree(files);
  onTestFinished(remove);
  roots.push(root);
  return root;
}

function thrownBy(run: () => unknown): string {
  try {
    run();
    return 'nothing is thrown';
  } catch (error) {
    return describeError(error);
  }
}

golden('sources', () => {
  const lines = [...ofGroups(), ...ofMemory(), ...ofDoubts(), ...ofFiles(), manyAgents()];
  return lines.map((line) => roots.reduce((text, root) => text.replaceAll(root, 'ROOT'), line));
});

/** Of a cgroup that is mounted nowhere, of a process that is gone, and of one that the kernel accounts no memory for. */
function ofGroups(): string[] {
  const unmounted = tree({
    'proc/7/cgroup': '0::/a\n',
    'proc/self/mountinfo': '',
    'proc/7/mountinfo': '',
  });
  const unaccounted = tree({ 'proc/7/cgroup': '1:cpu:/a\n' });
  return [unmounted, tree({}), unaccounted].map((root) => thrownBy(() => locateCgroup(`${root}/proc`, 7)));
}

function ofMemory(): string[] {
  const group = { 'proc/7/cgroup': '0::/pod/agent\n', 'proc/7/mountinfo': '', 'cg/cgroup.procs': '' };
  const mounted = { ...group, 'proc/self/cgroup': '0::/pod/guardian\n', 'proc/self/mountinfo': V2_MOUNT };
  const agent = v2Group('cg/pod/agent', { current: 90 * MiB, max: 100 * MiB });
  const pod = v2Group('cg/pod', { current: 190 * MiB, max: 200 * MiB });
  const trees = [
    { ...group, 'proc/self/mountinfo': '', 'proc/self/cgroup': '0::/pod/guardian\n' },
    { ...mounted, ...agent, 'cg/pod/agent/memory.current': '\u0000\u0001garbage' },
    { ...mounted, ...agent, ...pod, 'cg/pod/memory.stat': 'anon x1\n' },
  ];
  return trees.flatMap((files) => {
    const memory = new AgentMemory({
      procRoot: `${tree(files)}/proc`,
      pid: 7,
      rss: {
        read(into) {
          into.usedBytes = 80 * MiB;
          into.reclaimableBytes = 30 * MiB;
        },
      },
      machineBytes: 8192 * MiB,
      privateGroup: false,
    });
    onTestFinished(() => memory.close());
    memory.read(0);
    return memory.degraded().map(({ code, message, hint }) => `${code}: ${message}; ${hint}`);
  });
}

/** Of resident memory above its limit. */
function ofDoubts(): string[] {
  const above = (heldMiB: number, limitSource: LimitSource, tree: object) =>
    thrownBy(() =>
      new RssDoubt().check({ ...readingOf(heldMiB, 400), limitSource, usageSource: 'rss' }, tree),
    );
  return [above(719, 'option', { exact: false, processes: 8 }), above(500, 'downward-api', {})];
}

/** Of what stands where a file of the agent's should. */
function ofFiles(): string[] {
  return [thrownBy(() => openAgentFile(tree({})))];
}

function manyAgents(): string {
  const agents = [30, 31, 32, 33, 34, 35].map((pid) => ({ pid, cgroup: `0::/../c${pid}\n` }));
  const pause = { pid: 1, args: ['/pause'], cgroup: '0::/../pause\n' };
  const self = { pid: 20, args: ['node', 'spillway'], cgroup: '0::/own\n' };
  const procRoot = `${tree(procFiles([pause, self, ...agents]))}/proc`;
  const found = findAgent({ procRoot, selfPid: 20, selector: { kind: 'auto' } });
  return found.kind === 'found' ? 'one is found' : `${found.code}: ${found.reason}; ${found.hint}`;
}
