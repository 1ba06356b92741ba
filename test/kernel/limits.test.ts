import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { writeControl } from '../../src/wrap/cgroup-files.ts';
import { MIB, startGuardian, until } from '../support/cli.ts';
import { describeWhere, type Group, itWhere, LACKS, makeGroup, VERSION } from '../support/kernel.ts';

/** An agent in the group that holds so much, and a guardian that has found it. */
async function guarded(group: Group, mib: number) {
  const program = `const hold = []; while (hold.length < ${mib / 4}) hold.push(require('crypto').randomBytes(4 * 2 ** 20));
    console.log('holds'); setInterval(() => {}, 1000)`;
  const [first = '', ...rest] = [...group.enter, process.execPath, '-e', program];
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const guardian = await startGuardian('guard', ['--agent', `pid:${child.pid}`]);
  await until(async () => !(await guardian.status()).blind, 'the agent is read');
  return await guardian.status();
}

/** Swap in memory, for the length of a test; whether there can be any. */
const ZRAM = '/sys/block/zram0';
function swapOn(mib: number): void {
  writeFileSync(`${ZRAM}/disksize`, String(mib * MIB));
  execFileSync('mkswap', ['/dev/zram0']);
  execFileSync('swapon', ['/dev/zram0']);
  onTestFinished(() => {
    execFileSync('swapoff', ['/dev/zram0']);
    writeFileSync(`${ZRAM}/reset`, '1');
  });
}

const ON_V2 = LACKS ?? (VERSION === 2 ? undefined : 'memory.high is of cgroup version 2');
const LACKS_SWAP = ON_V2 ?? (existsSync(ZRAM) ? undefined : 'no swap can be made here');

describeWhere('the limit of an agent in a cgroup', ON_V2, () => {
  it('is memory.high where that alone is set', async () => {
    const group = makeGroup();
    writeControl(group.directory, 'memory.high', 256 * MIB);
    const status = await guarded(group, 216);
    expect(status, status.reason).toMatchObject({ limitBytes: 256 * MIB, limitSource: 'cgroup-v2' });
    expect(status.ratio).toBeGreaterThan(0.8);
    expect(status.reason).toContain('of memory.high');
  });

  itWhere('goes with the swap that it may use: at its memory limit it rests', LACKS_SWAP, async () => {
    swapOn(600);
    const group = makeGroup({ limitBytes: 128 * MIB });
    writeControl(group.directory, 'memory.swap.max', 512 * MIB);
    const status = await guarded(group, 200);
    expect(group.usedBytes()).toBeGreaterThan(0.9 * 128 * MIB);
    expect(status, status.reason).toMatchObject({ level: 'ok', ready: true, limitBytes: 640 * MIB });
    expect(status.reason).toContain('of memory and swap');
    expect(status.usedBytes).toBeGreaterThan(190 * MIB);
  });
});
