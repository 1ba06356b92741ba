import { spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import {
  lastPid,
  listPids,
  pageBytesOf,
  readChildren,
  readProc,
  readStat,
} from '../../../src/sources/proc-fs.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { statLine } from '../../support/fake-proc.ts';

let tree: FakeTree | undefined;
afterEach(() => tree?.remove());

describe('reading', () => {
  it('reads this process as the kernel shows it', () => {
    const read = readStat('/proc', process.pid);
    expect(read).toMatchObject({ kind: 'value', value: { ppid: process.ppid, kernelThread: false } });
    expect(listPids('/proc')).toContain(process.pid);
  });

  it('tells gone from failed', () => {
    expect(readStat('/proc', 2 ** 22 + 1)).toEqual({ kind: 'gone' });
    expect(() => readProc('/proc')).toThrow(/EISDIR/);
    expect(() => listPids('/nowhere')).toThrow(/\/nowhere/);
  });

  it.each<[string, number | undefined]>([
    ['0.10 0.20 0.30 2/140 4711\n', 4711],
    ['0.00 0.00 0.00 0/0 0\n', undefined], // gVisor: it stays so whatever is started
    ['', undefined],
  ])('of the pid that was given out last: %j', (loadavg, pid) => {
    tree = fakeTree({ 'proc/loadavg': loadavg });
    expect(lastPid(`${tree.root}/proc`)).toBe(pid);
  });

  it('cuts what is longer than 32 KiB', () => {
    tree = fakeTree({ 'proc/1/cmdline': 'x'.repeat(100_000) });
    expect(readProc(`${tree.root}/proc/1/cmdline`)).toEqual({ kind: 'value', value: 'x'.repeat(32_768) });
  });

  it('lists real children, and says when a kernel has no such files', () => {
    const child = spawn('sleep', ['60']);
    const read = readStat('/proc', process.pid);
    const threads = read.kind === 'value' ? read.value.threads : 0;
    expect(readChildren('/proc', process.pid, threads)).toContain(child.pid);
    expect(readChildren('/proc', child.pid ?? 0, 1)).toEqual([]);
    child.kill('SIGKILL');
    tree = fakeTree({ 'proc/9/task/9/stat': statLine({ pid: 9 }) });
    expect(readChildren(`${tree.root}/proc`, 9, 1)).toBeUndefined();
    expect(readChildren(`${tree.root}/proc`, 10, 1)).toEqual([]);
  });

  it('finds the page size', () => {
    expect([4096, 16384, 65536]).toContain(pageBytesOf('/proc'));
    tree = fakeTree({
      'proc/self/status': 'VmRSS:\t  64100 kB\n',
      'proc/self/statm': '5000 1000 300 1 0 200 0\n',
    });
    expect(pageBytesOf(`${tree.root}/proc`)).toBe(65536);
    expect(pageBytesOf('/nowhere')).toBe(4096);
  });
});
