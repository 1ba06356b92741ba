import { spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../src/core/errors.ts';
import {
  hasEnded,
  listPids,
  memoryGroupOf,
  pageBytesOf,
  parseCmdline,
  parseStat,
  readChildren,
  readProc,
  readStat,
  statusBytes,
} from '../../../src/sources/proc-fs.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { statLine } from '../../support/fake-proc.ts';

let tree: FakeTree | undefined;
afterEach(() => tree?.remove());

describe('parseStat', () => {
  it.each([
    'node',
    'tmux: server',
    'a) S 1 (b',
    '(sd-pam)',
    ')',
    '',
    'x\ny',
  ])('keeps the name %j whole', (comm) => {
    const stat = parseStat(statLine({ pid: 7, ppid: 3, comm, startTime: 99 }), '/proc/7/stat');
    expect(stat).toMatchObject({ comm, ppid: 3, startTime: 99, state: 'S', threads: 1 });
  });

  it.each([
    '',
    '7',
    '7 (node',
    '7 (node)',
    '7 (node) S',
    '7 (node) S one 2',
    '7 (node) 5 3 3',
  ])('names the file when the text is %j', (text) => {
    expect(() => parseStat(text, '/proc/7/stat')).toThrow(/\/proc\/7\/stat/);
    expect(() => parseStat(text, '/proc/7/stat')).toThrow(SpillwayError);
  });

  it('knows threads of the kernel by their flags', () => {
    expect(parseStat(statLine({ pid: 2, kernelThread: true }), 'stat').kernelThread).toBe(true);
    expect(parseStat(statLine({ pid: 2 }), 'stat').kernelThread).toBe(false);
  });

  it('does not take a process for ended while a thread of it lives', () => {
    expect(hasEnded({ state: 'Z', threads: 1 })).toBe(true);
    expect(hasEnded({ state: 'Z', threads: 4 })).toBe(false);
  });
});

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

describe('small texts', () => {
  it('takes the cgroup memory is charged to', () => {
    expect(memoryGroupOf('0::/../abc\n')).toBe('/../abc');
    expect(memoryGroupOf('5:cpu,cpuacct:/c\n4:memory:/kubepods/m\n1:name=systemd:/s\n0::/u\n')).toBe(
      '/kubepods/m',
    );
    expect(memoryGroupOf('4:cpu:/c\n0::/user.slice/a:b\n')).toBe('/user.slice/a:b');
    expect(memoryGroupOf('3:cpu:/c\n')).toBe('3:cpu:/c');
    expect(memoryGroupOf('')).toBe('');
  });

  it('splits command lines', () => {
    expect(parseCmdline('node\0a b.js\0\0x\0')).toEqual(['node', 'a b.js', '', 'x']);
    expect(parseCmdline('npm start\0\0\0\0')).toEqual(['npm start']);
    expect(parseCmdline('')).toEqual([]);
  });

  it('takes sizes from status', () => {
    expect(statusBytes('VmRSS:\t    120 kB\nRssShmem:\t 4 kB\n', 'RssShmem')).toBe(4096);
    expect(statusBytes('State:\tZ (zombie)\n', 'VmRSS')).toBe(0);
  });
});
