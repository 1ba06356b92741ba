import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A tree of files in a temporary directory: `{ 'proc/1/cgroup': '0::/\n' }`. Directories come by themselves. */
export interface FakeTree {
  root: string;
  write(files: Record<string, string>): void;
  remove(): void;
}

export function fakeTree(files: Record<string, string> = {}): FakeTree {
  const root = mkdtempSync(join(tmpdir(), 'spillway-tree-'));
  const tree: FakeTree = {
    root,
    write(more) {
      for (const [path, content] of Object.entries(more)) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), content.replaceAll('$ROOT', root));
      }
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
  tree.write(files);
  return tree;
}

/** The files of one v2 group under `path`. Missing figures are left out of `memory.stat`, as old kernels do. */
export function v2Group(
  path: string,
  {
    current = 0,
    max = 'max' as number | 'max',
    stat = {} as Record<string, number>,
    oomKills = 0,
    groupKills = 0,
  },
): Record<string, string> {
  return {
    [`${path}/cgroup.procs`]: '',
    [`${path}/memory.current`]: `${current}\n`,
    [`${path}/memory.max`]: `${max}\n`,
    [`${path}/memory.stat`]: render(stat),
    [`${path}/memory.events`]: `low 0\nhigh 0\nmax 12\noom ${oomKills}\noom_kill ${oomKills}\noom_group_kill ${groupKills}\nsock_throttled 0\n`,
  };
}

/** The files of one v1 group under `path`. */
export function v1Group(
  path: string,
  { usage = 0, limit = '9223372036854771712', stat = {} as Record<string, number>, oomKills = 0 },
): Record<string, string> {
  return {
    [`${path}/cgroup.procs`]: '',
    [`${path}/memory.usage_in_bytes`]: `${usage}\n`,
    [`${path}/memory.limit_in_bytes`]: `${limit}\n`,
    [`${path}/memory.kmem.usage_in_bytes`]: '1000\n',
    [`${path}/memory.stat`]: render(stat),
    [`${path}/memory.oom_control`]: `oom_kill_disable 0\nunder_oom 0\noom_kill ${oomKills}\n`,
  };
}

function render(stat: Record<string, number>): string {
  return Object.entries(stat)
    .map(([key, value]) => `${key} ${value}\n`)
    .join('');
}
