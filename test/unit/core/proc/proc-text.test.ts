import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../../src/core/lib/errors.ts';
import { hasEnded, parseCmdline, parseStat, statusBytes } from '../../../../src/core/proc/proc-text.ts';
import { statLine } from '../../../support/fake-proc.ts';

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

  it('reads a line of the kernel, whatever is not used in it', () => {
    const line =
      '42 (sh) S 7 40 39 34816 41 4194304 99 0 0 0 3 4 0 0 20 0 1 0 378083 3133440 358 18446744073709551615\n';
    expect(parseStat(line, 'stat')).toEqual({
      comm: 'sh',
      state: 'S',
      ppid: 7,
      processGroup: 40,
      foregroundGroup: 41,
      kernelThread: false,
      exiting: false,
      cpuTicks: 7,
      threads: 1,
      startTime: 378083,
      rssPages: 358,
      exitStatus: 0,
    });
    expect(parseStat(line.replace('4194304', '4194308'), 'stat').exiting).toBe(true);
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

describe('small texts', () => {
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
