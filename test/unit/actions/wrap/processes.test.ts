import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  listProcesses,
  parseStat,
  pidsOfRun,
  readProcess,
  withDescendants,
} from '../../../../src/actions/wrap/processes.ts';

const line = (name: string, state = 'S') =>
  `42 (${name}) ${state} 7 40 39 34816 40 4194304 99 0 0 0 0 0 0 0 20 0 1 0 378083 3133440 358 184467`;

describe('a line of stat', () => {
  it('is read whatever the process calls itself', () => {
    const entry = { pid: 42, parentPid: 7, group: 40, foregroundGroup: 40, startTicks: 378083 };
    for (const name of ['node', 'a b', 'x) S 1 (y', '()', 'new\nline'])
      expect(parseStat(line(name))).toEqual(entry);
  });

  it('of a zombie, or none at all, is nobody', () => {
    for (const text of [
      line('sh', 'Z'),
      '',
      '42',
      '42 (sh) S 1',
      'x (sh) S a b c',
      line('sh').replace('378083', 'x'),
    ])
      expect(parseStat(text)).toBeUndefined();
  });
});

describe('processes', () => {
  it('of a run are found by its mark, exactly, and their descendants by descent', async () => {
    const child = spawn('sh', ['-c', 'env -u SPILLWAY_RUN sleep 60 & echo $!; wait'], {
      env: { ...process.env, SPILLWAY_RUN: 'unit-test-1' },
    });
    const inner = await new Promise<number>((resolve) =>
      child.stdout.once('data', (data) => resolve(Number(data))),
    );
    try {
      expect(pidsOfRun('unit-test-1')).toEqual([child.pid]);
      expect(pidsOfRun('unit-test-')).toEqual([]);
      expect([...withDescendants([child.pid ?? 0], listProcesses())].sort()).toEqual(
        [child.pid, inner].sort(),
      );
      expect(readProcess(inner)?.parentPid).toBe(child.pid);
    } finally {
      for (const pid of [inner, child.pid ?? 0]) process.kill(pid, 'SIGKILL');
    }
  });

  it('that do not exist are nobody', () => {
    expect(readProcess(1, '/no/such/proc')).toBeUndefined();
    expect([...withDescendants([999_999_999], listProcesses())]).toEqual([]);
  });
});
