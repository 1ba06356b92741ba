import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isDying } from '../../../src/sources/signals.ts';
import { statLine } from '../../support/fake-proc.ts';
import { start, until } from '../../support/started.ts';

/** A process as `/proc` shows it between the kill and its end, which no test can hold open for real. */
function procOf(signalsPending: string): string {
  const root = mkdtempSync(join(tmpdir(), 'spillway-proc-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, '7'));
  writeFileSync(join(root, '7/stat'), statLine({ pid: 7 }));
  writeFileSync(
    join(root, '7/status'),
    `Name:\tnode\nSigPnd:\t${signalsPending}\nShdPnd:\t0000000000000000\n`,
  );
  return root;
}

describe('isDying', () => {
  it('should be true as soon as SIGKILL waits for the process, before it runs again', () => {
    expect(isDying(procOf('0000000000000100'), 7)).toBe(true);
    expect(isDying(procOf('0000000000000200'), 7)).toBe(false);
  });

  it('should be false of one that lives, and true of one on its way out', async () => {
    const program =
      'import os, time\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid, flush=True)\ntime.sleep(60)';
    const parent = await start('python3', ['-c', program], { awaitOutput: true });
    onTestFinished(parent.kill);
    expect(isDying('/proc', parent.pid)).toBe(false);
    const zombie = Number(parent.output());
    await until(() => isDying('/proc', zombie));
  });

  it('should be false where nothing can be read', () => {
    expect(isDying('/nonexistent', 7)).toBe(false);
  });
});
