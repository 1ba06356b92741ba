import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import type { PythonFacts } from '../../../src/core/proc/python-facts.ts';
import { stoppedMs } from '../../../src/runtimes/jvm/files.ts';
import { privateDirectory } from '../../../src/runtimes/python/private-directory.ts';
import { readPythonFacts } from '../../../src/sources/python/facts.ts';
import { COUNTERS, perfData } from '../../support/perf-data.ts';

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'spillway-answers-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Whoever waits for somebody to write into it waits for three seconds, not for ever. */
function fifo(path: string): void {
  execFileSync('sh', ['-c', 'mkfifo "$0"; (sleep 3; : >"$0") >/dev/null 2>&1 &', path]);
}

/** What comes of it, which must be known at once. */
function atOnce<T>(work: () => T): T {
  const startMs = performance.now();
  try {
    return work();
  } finally {
    expect(performance.now() - startMs).toBeLessThan(2000);
  }
}

/** What an agent may leave instead of its answer. */
const HOSTILE: [string, (path: string) => void][] = [
  ['a FIFO', fifo],
  ['a device', (path) => symlinkSync('/dev/null', path)],
  ['a link to a file of somebody else', (path) => symlinkSync('/etc/passwd', path)],
  ['more than any answer holds', (path) => writeFileSync(path, Buffer.alloc(4_000_000))],
];

describe('the answer of a Python agent', () => {
  function answered(leave: (path: string) => void) {
    const here = folder();
    const look = { identity: () => ({ uid, gid }), directories: () => [{ here, path: here }] };
    const directory = privateDirectory(look as unknown as PythonFacts);
    onTestFinished(() => directory.remove());
    leave(join(directory.path, 'RESULT'));
    return directory;
  }

  it('is read where it is a file of its own', () => {
    expect(answered(() => {}).read('RESULT')).toBeNull();
    expect(answered((path) => writeFileSync(path, '{}')).read('RESULT')).toBe('{}');
  });

  it.each(HOSTILE)('is refused where it is %s', (_, leave) => {
    const directory = answered(leave);
    atOnce(() => expect(() => directory.read('RESULT')).toThrow());
  });

  it('says what is wrong with one that is too large', () => {
    const read = () => answered((path) => writeFileSync(path, Buffer.alloc(4_000_000))).read('RESULT');
    expect(read).toThrow(SpillwayError);
    expect(read).toThrow(/larger than 1000000 bytes/);
  });
});

describe("a JVM's counters", () => {
  function stoppedOf(leave: (path: string) => void): number | null {
    const procRoot = folder();
    const hsperf = join(procRoot, '7/root/tmp/hsperfdata_app');
    mkdirSync(hsperf, { recursive: true });
    leave(join(hsperf, '7'));
    const target = { procRoot, pid: 7, innerPid: 7, uid, gid } as Parameters<typeof stoppedMs>[0];
    return atOnce(() => stoppedMs(target));
  }

  it('are read where their file is its own, of a size that it may have', () => {
    const file = perfData(COUNTERS);
    expect(stoppedOf((path) => writeFileSync(path, file))).toBe(12.5);
    const large = Buffer.concat([file, Buffer.alloc(2 ** 20)]);
    expect(stoppedOf((path) => writeFileSync(path, large))).toBeNull();
  });

  it.each(HOSTILE)('are none where their file is %s', (_, leave) => {
    expect(stoppedOf(leave)).toBeNull();
  });
});

it('is no Python whose program is a FIFO', () => {
  const procRoot = folder();
  mkdirSync(join(procRoot, '7/root'), { recursive: true });
  fifo(join(procRoot, '7/root/python3'));
  const mapping = { start: 4096, end: 8192, writable: false, offset: 0, path: '/python3' };
  expect(atOnce(() => readPythonFacts(procRoot, 7).runtimeAddress([mapping]))).toBeNull();
});
