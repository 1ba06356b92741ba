import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { watchAgent } from '../../src/sources/agent-process.ts';
import { type FakeTree, fakeTree, v1Group, v2Group } from '../support/fake-cgroup.ts';
import { procFiles } from '../support/fake-proc.ts';
import { random } from '../support/memory-stories.ts';
import { NO_REMEDIES } from '../support/options.ts';
import { startStory } from '../support/story.ts';

const MIB = 2 ** 20;
const STAT = {
  anon: 180 * MIB,
  shmem: 0,
  inactive_file: 60 * MIB,
  active_file: 20 * MIB,
  slab_reclaimable: MIB,
  kernel: 5 * MIB,
};
const STAT_V1 = {
  total_rss: 180 * MIB,
  total_shmem: 0,
  total_inactive_file: 60 * MIB,
  total_active_file: 20 * MIB,
  hierarchical_memory_limit: 512 * MIB,
};
const VERSIONS = {
  v2: {
    mount: 'cgroup2 cgroup2 rw',
    line: '0::/pod/agent\n',
    good: v2Group('cg/pod/agent', { current: 280 * MIB, max: 512 * MIB, stat: STAT }),
  },
  v1: {
    mount: 'cgroup cgroup rw,memory',
    line: '4:memory:/pod/agent\n',
    good: v1Group('cg/pod/agent', { usage: 280 * MIB, limit: String(512 * MIB), stat: STAT_V1 }),
  },
};

let tree: FakeTree | undefined;
afterEach(() => {
  tree?.remove();
  tree = undefined;
});

/** A guardian on files of our own and a fake clock; `step` lets some milliseconds pass. */
function guardianOf(procRoot: string) {
  const { guardian, view, exporters, clock } = startStory({
    options: NO_REMEDIES,
    findAgent: (lives) =>
      watchAgent({
        procRoot,
        platform: 'linux',
        pid: 7,
        startTime: 700,
        restarts: lives,
        sameGroup: false,
        privateGroup: false,
        machineBytes: 8192 * MIB,
        readUsage: async () => new Map(),
      }),
  });
  exporters.flight = (report) => void JSON.stringify(report());
  return { guardian, view, exporters, step: (ms: number) => clock.advance(ms) };
}

function treeOf(version: keyof typeof VERSIONS): FakeTree {
  const { mount, line, good } = VERSIONS[version];
  tree = fakeTree({
    ...procFiles([{ pid: 7, cgroup: line }, { pid: 99 }]),
    'proc/7/statm': '50000 40000 10000 1 0 30000 0\n',
    'proc/7/status':
      'Name:\tnode\nVmRSS:\t  160000 kB\nRssShmem:\t 0 kB\nRssFile:\t 40000 kB\nSigCgt:\t0000000000000000\n',
    'proc/7/mountinfo': '',
    'proc/self/cgroup': '0::/\n',
    'proc/self/mountinfo': `30 23 0:26 / $ROOT/cg rw - ${mount}\n`,
    'cg/cgroup.procs': '',
    ...good,
  });
  return tree;
}

describe.each(['v2', 'v1'] as const)('kernel files that make no sense (cgroup %s)', (version) => {
  const { good } = VERSIONS[version];
  const figures = Object.keys(good).filter((path) => !path.endsWith('cgroup.procs'));

  it('should never break a tick, always answer, and be over once the files are right again', async () => {
    const files = treeOf(version);
    const { view, exporters, step } = guardianOf(join(files.root, 'proc'));
    await step(500);
    expect(view.status()).toMatchObject({ blind: false, level: 'ok', usageSource: `cgroup-${version}` });

    const next = random(version === 'v2' ? 21 : 22);
    const spoilt = (text: string) => {
      const bytes = Buffer.from(text);
      const kind = next();
      if (kind < 0.2) return '';
      if (kind < 0.5) return bytes.subarray(0, Math.floor(next() * bytes.length)).toString('latin1');
      if (kind < 0.6) return text.replace(/\d+/g, '99999999999999999999999');
      if (kind < 0.7) return text.replace(/\d+/g, '-1');
      if (kind < 0.8) return `${text}new_key 1\n\n \0 \n`.repeat(1 + Math.floor(next() * 3000));
      for (let i = 0; i < bytes.length / 4; i++)
        bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      return bytes.toString('latin1');
    };
    for (let round = 0; round < 150; round++) {
      for (const path of figures) {
        if (next() < 0.4) files.write({ [path]: spoilt(good[path] ?? '') });
        else if (next() < 0.1) {
          files.write({ [path]: good[path] ?? '' }); // what was opened before can be read on: the kernel has no other file of that name
          rmSync(join(files.root, path));
        }
      }
      await step(100 + Math.floor(next() * 400));
      const status = view.status();
      expect(() => JSON.stringify(status)).not.toThrow();
      if (status.blind) expect(status).toMatchObject({ ready: true, level: 'ok' });
      else expect([status.ratio, status.usedBytes, status.limitBytes].every(Number.isFinite)).toBe(true);
      if (round % 10 === 9) {
        files.write(good);
        await step(13_000); // the next look at where the group is, and whatever level the nonsense left, held and left
        expect(view.status(), `round ${round}`).toMatchObject({
          blind: false,
          level: 'ok',
          usageSource: `cgroup-${version}`,
        });
      }
    }
    expect(exporters.warnings).toEqual([]);
  });

  it('should fall back to RSS and say why while there is no group, and come back to it', async () => {
    const files = treeOf(version);
    const { view, step } = guardianOf(join(files.root, 'proc'));
    await step(500);
    for (const path of figures) files.write({ [path]: 'nonsense' });
    await step(3000);
    const without = view.status();
    expect(without).toMatchObject({ blind: false, ready: true, usageSource: 'rss' });
    expect(JSON.stringify(without.degraded)).toMatch(/unexpected content|is unusable/);
    files.write(good);
    await step(3000);
    expect(view.status()).toMatchObject({ usageSource: `cgroup-${version}`, degraded: [] });
  });

  it('should go blind, ready all the while, when its processes cannot be read either, and recover', async () => {
    const files = treeOf(version);
    const { guardian, view, exporters, step } = guardianOf(join(files.root, 'proc'));
    await step(500);
    for (const path of [...figures, 'proc/7/stat', 'proc/7/status', 'proc/7/cgroup'])
      files.write({ [path]: '\0\0' });
    await step(8000);
    expect(view.status().ready).toBe(true);
    files.write({ ...good, ...procFiles([{ pid: 7, cgroup: VERSIONS[version].line }]) });
    await step(5000);
    expect(view.status()).toMatchObject({ blind: false, ready: true, level: 'ok' });
    expect(guardian.loop.healthy).toBe(true);
    expect(exporters.transitions).toEqual([]);
  });
});
