import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { isAlive, until } from '../support/cli.ts';
import { FREE, startGuarded } from '../support/guarded.ts';
import { recordDirectory } from '../support/probes.ts';

/** Ends at SIGUSR1, by a handler of its own, and holds more than the ratio at which work is turned away. */
const PROGRAM = `
process.on('SIGUSR1', () => { console.log('signalled'); process.exit(1); });
globalThis.kept = Array.from({ length: 400_000 }, () => new Array(14).fill(0));
setInterval(() => {}, 1000);
console.log('up');`;
const SHEDDING = ['--limit', '256Mi', '--warn-ratio', '0.06', '--shed-ratio', '0.1'];
const REFUSED = /sends no SIGUSR1 to process \d+: a process of this command line ended at/;

it('a program that ends at SIGUSR1 should get it once, over its lives and over guardians', async () => {
  const guard = () =>
    startGuarded('run', [
      ...[
        ...SHEDDING,
        '--hook',
        'off',
        '--gc',
        'on-shared-host',
        '--recycle',
        'off',
        '--restart',
        'on-failure',
      ],
      ...['--record-dir', directory, '--', process.execPath, FREE, '-e', PROGRAM],
    ]);
  const directory = recordDirectory();
  const first = await guard();
  const times = (guardian: typeof first, word: string) => guardian.text.out.split(word).length - 1;
  const isSpared = async (guardian: typeof first) => {
    await until(
      async () => REFUSED.test((await guardian.status()).lastGc?.note ?? ''),
      'the signal is refused',
    );
    const pid = await guardian.agentPid();
    await sleep(1000); // in its first 0.6 s it would get none anyway
    expect(isAlive(pid)).toBe(true);
  };

  await until(() => times(first, 'up') === 2, 'it is started again');
  await isSpared(first);
  expect(first.notes('AgentExited')).toEqual([
    expect.stringMatching(/exit code 1.*after SIGUSR1, sent by Spillway/),
  ]);
  expect(times(first, 'signalled')).toBe(1);
  first.child.kill('SIGTERM');
  await first.ended;

  const second = await guard();
  await isSpared(second);
  expect(times(second, 'signalled')).toBe(0);
});
