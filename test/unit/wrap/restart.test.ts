import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import { type RestartMode, RestartPolicy } from '../../../src/core/recycle/restart-policy.ts';
import { type ChildExit, PASSED_SIGNALS, startChild } from '../../../src/wrap/child.ts';
import { type SuperviseOptions, supervise } from '../../../src/wrap/supervise.ts';

/** Supervises a script for `sh`, or a path, for each life; the last one is repeated. */
function run(mode: RestartMode, scripts: string[], changes: Partial<SuperviseOptions> = {}) {
  const signals = new EventEmitter();
  const waits: number[] = [];
  let starts = 0;
  const result = supervise({
    policy: new RestartPolicy(mode),
    signals,
    start: () => {
      const script = scripts[Math.min(starts++, scripts.length - 1)] ?? '';
      const [command = '', ...args] = script.startsWith('/') ? [script] : ['sh', '-c', script];
      return startChild({ command, args, env: process.env, signals });
    },
    ending: () => {},
    recycled: () => false,
    between: async (_, waitMs) => void waits.push(waitMs),
    chance: () => 0.5,
    ...changes,
  });
  const listeners = () => PASSED_SIGNALS.map((name) => signals.listenerCount(name));
  return { signals, waits, result, listeners, starts: () => starts };
}
const status = async (result: Promise<ChildExit>) => (await result).status;
const soon = (ms = 100) => new Promise((resolve) => setTimeout(resolve, ms));

describe('supervise', () => {
  it('starts again until the policy says no, and gives the last status', async () => {
    const { result, waits, listeners } = run('on-failure', ['exit 3', 'kill -KILL $$', 'exit 0']);
    expect(await status(result)).toBe(0);
    expect(waits).toEqual([0, 1000]);
    expect(listeners().every((count) => count === 0)).toBe(true);
  });

  it('starts once where no restart is asked for', async () => {
    const { result, starts } = run('no', ['exit 3']);
    expect(await status(result)).toBe(3);
    expect(starts()).toBe(1);
  });

  it('starts again what the guardian has ended, whatever its status', async () => {
    let recycled = true;
    const { result, starts } = run('on-failure', ['exit 0'], {
      recycled: () => {
        const was = recycled;
        recycled = false;
        return was;
      },
    });
    expect(await status(result)).toBe(0);
    expect(starts()).toBe(2);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('ends at once at %s while it waits', async (name) => {
    const { result, signals, waits, starts } = run('always', ['exit 4']);
    while (waits.length < 2) await soon(10);
    await soon();
    const startMs = performance.now();
    signals.emit(name);
    expect(await status(result)).toBe(4);
    expect(performance.now() - startMs).toBeLessThan(200);
    expect(starts()).toBe(2);
  });

  it('goes on waiting at other signals', async () => {
    const { result, signals, waits, listeners, starts } = run('on-failure', ['exit 4', 'exit 4', 'exit 0']);
    while (waits.length < 2) await soon(10);
    expect(listeners().every((count) => count === 1)).toBe(true);
    for (const name of ['SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const) signals.emit(name);
    expect(await status(result)).toBe(0);
    expect(starts()).toBe(3);
  });

  it('says so when a signal comes in that ends the command for good', async () => {
    const ending: string[] = [];
    const { result, signals } = run('always', ['sleep 5'], { ending: (name) => void ending.push(name) });
    await soon();
    signals.emit('SIGUSR2');
    signals.emit('SIGTERM');
    await result;
    expect(ending).toEqual(['SIGTERM']);
  });

  it('passes SIGTERM on, and does not start again what ends with it', async () => {
    const { result, signals, starts } = run('always', ["trap 'exit 5' TERM; while :; do sleep 0.05; done"]);
    await soon(300);
    signals.emit('SIGTERM');
    expect(await status(result)).toBe(5);
    expect(starts()).toBe(1);
  });

  it('does not start again when told to end during the clean-up', async () => {
    const { result, signals, starts } = run('always', ['exit 6'], {
      between: async () => void signals.emit('SIGTERM'),
    });
    expect(await status(result)).toBe(6);
    expect(starts()).toBe(1);
  });

  it('ends with the error of a command that can no longer be started', async () => {
    const { result, listeners } = run('always', ['exit 1', '/no/such/command']);
    await expect(result).rejects.toBeInstanceOf(SpillwayError);
    expect(listeners().every((count) => count === 0)).toBe(true);
  });
});
