import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { exitCodeFromZombie, watchAlive } from '../../../src/sources/liveness.ts';
import { readStat } from '../../../src/sources/proc-fs.ts';
import { type Started, start, until } from '../../support/started.ts';

let started: Started | undefined;
afterEach(() => started?.kill());

/** A process whose parent never takes note of its end. */
async function startUnreaped(command: string): Promise<number> {
  const program =
    'import os, sys, time\npid = os.fork()\nif pid == 0: os.execvp("sh", ["sh", "-c", sys.argv[1]])\nprint(pid, flush=True)\ntime.sleep(60)';
  started = await start('python3', ['-c', program, command], { awaitOutput: true });
  return Number(started.output());
}
const isZombie = (pid: number) => {
  const read = readStat('/proc', pid);
  return read.kind === 'value' && read.value.state === 'Z';
};
const openFiles = () => readdirSync('/proc/self/fd').length;

describe('watchAlive', () => {
  it('says so while a process lives, and when it is gone; then it holds no file', async () => {
    const before = openFiles();
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const watch = watchAlive('/proc', child.pid ?? 0);
    expect(watch.alive()).toBe(true);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(watch.alive()).toBe(false);
    expect(watch.alive()).toBe(false);
    watch.close();
    expect(openFiles()).toBe(before);
  });

  it('does not take a zombie for alive', async () => {
    const pid = await startUnreaped('sleep 60');
    const watch = watchAlive('/proc', pid);
    expect(watch.alive()).toBe(true);
    process.kill(pid, 'SIGKILL');
    await until(() => isZombie(pid));
    expect(watch.alive()).toBe(false);
    expect(watchAlive('/proc', pid).alive()).toBe(false);
  });

  it('lives on with its threads when the first one has ended', async () => {
    const program =
      'import threading, time, ctypes\nthreading.Thread(target=time.sleep, args=(60,)).start()\nprint(1, flush=True)\nctypes.CDLL(None).pthread_exit(None)';
    started = await start('python3', ['-c', program], { awaitOutput: true });
    const { pid } = started;
    await until(() => isZombie(pid));
    const watch = watchAlive('/proc', pid);
    expect(watch.alive()).toBe(true);
    watch.close();
  });

  it('knows a pid that is used again by its start', () => {
    const own = readStat('/proc', process.pid);
    const startTime = own.kind === 'value' ? own.value.startTime : 0;
    const watch = watchAlive('/proc', process.pid, startTime);
    expect(watch.alive()).toBe(true);
    watch.close();
    expect(watchAlive('/proc', process.pid, startTime + 1).alive()).toBe(false);
    expect(watchAlive('/proc', 2 ** 22 + 1).alive()).toBe(false);
  });
});

describe('exitCodeFromZombie', () => {
  it.each([
    ['exit 0', { code: 0, signal: null }],
    ['exit 3', { code: 3, signal: null }],
    ['kill -KILL $$', { code: null, signal: 'SIGKILL' }],
    ['kill -SEGV $$', { code: null, signal: 'SIGSEGV' }],
  ])('tells how %j ended', async (command, status) => {
    const pid = await startUnreaped(command);
    await until(() => isZombie(pid));
    expect(exitCodeFromZombie('/proc', pid)).toEqual(status);
  });

  it('says nothing of the living and the gone', () => {
    expect(exitCodeFromZombie('/proc', process.pid)).toBeUndefined();
    expect(exitCodeFromZombie('/proc', 2 ** 22 + 1)).toBeUndefined();
  });
});
