import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { listProcesses, pidsOfRun, readProcess, withDescendants } from '../../../src/wrap/processes.ts';
import { fakeTree } from '../../support/fake-cgroup.ts';
import { procFiles } from '../../support/fake-proc.ts';

describe('processes', () => {
  it('of a run are found by its mark, exactly, and their descendants by descent', async () => {
    const mark = `unit-test-${Math.random()}`;
    const child = spawn('sh', ['-c', 'env -u SPILLWAY_RUN sleep 60 & echo $!; wait'], {
      env: { ...process.env, SPILLWAY_RUN: mark },
    });
    const inner = await new Promise<number>((resolve) =>
      child.stdout.once('data', (data) => resolve(Number(data))),
    );
    try {
      // the inner one bears the mark until `env` has taken it
      await expect.poll(() => pidsOfRun(mark)).toEqual([child.pid]);
      expect(pidsOfRun(mark.slice(0, -1))).toEqual([]);
      expect([...withDescendants([child.pid ?? 0], listProcesses())].sort()).toEqual(
        [child.pid, inner].sort(),
      );
      expect(readProcess(inner)?.parentPid).toBe(child.pid);
    } finally {
      for (const pid of [inner, child.pid ?? 0]) process.kill(pid, 'SIGKILL');
    }
  });

  it('that have ended, were never there or make no sense are nobody', () => {
    const tree = fakeTree({
      ...procFiles([{ pid: 41 }, { pid: 42, state: 'Z' }]),
      'proc/43/stat': '43 (sh) S a b c',
      'proc/self/stat': '41 (node) S 1',
    });
    const proc = `${tree.root}/proc`;
    expect(readProcess(41, proc)).toEqual({
      pid: 41,
      parentPid: 0,
      group: 0,
      foregroundGroup: 0,
      startTicks: 4100,
    });
    expect([...listProcesses(proc).keys()]).toEqual([41]);
    tree.remove();
    expect(readProcess(1, '/no/such/proc')).toBeUndefined();
    expect([...withDescendants([999_999_999], listProcesses())]).toEqual([]);
  });
});
