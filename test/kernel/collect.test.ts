import { expect, it } from 'vitest';
import { isAlive, MIB, until } from '../support/cli.ts';
import { agentOn, FREE, startGuarded, startIn, TWO_NODES } from '../support/guarded.ts';
import { describeWhere, LACKS } from '../support/kernel.ts';
import { portsOf } from '../support/node-matrix.ts';
import { startPod } from '../support/pod.ts';

const LIMIT_MIB = 320;
/** A heap limit from a bigger machine: V8 sees no reason to collect. */
const TOO_MUCH = ['--max-old-space-size=4096', FREE];
/** Some 250 MiB of small objects. */
const GARBAGE = 'garbage=180';
/** So much that work is turned away: before, no signal opens the inspector. */
const SHEDDING = ['--warn-ratio', '0.6', '--shed-ratio', '0.7'];

describeWhere('an agent full of garbage under a limit', LACKS, () => {
  for (const { bin, version } of TWO_NODES) {
    it(`is collected, and the event says what it freed and cost (Node ${version})`, async () => {
      const command = agentOn(bin, TOO_MUCH, 'node-agent', GARBAGE);
      // reading a profile collects too, and is not what is tested here
      const options = ['--limit', `${LIMIT_MIB}Mi`, ...SHEDDING, '--profile', 'off'];
      const guarded = await startGuarded('run', [...options, '--', ...command]);
      await until(() => guarded.text.out.includes('ready'), 'the memory is taken');
      const pid = await guarded.agentPid();
      process.kill(pid, 'SIGWINCH');
      // a fast one may come first, which leaves the pages to the next one, or to be given back unseen on a slow machine
      await until(
        async () => {
          const { ratio, lastGc } = await guarded.status();
          return (ratio ?? 1) < 0.3 && lastGc?.verdict === 'freed';
        },
        'it is collected',
        45_000, // it was collected while all was live, and is left alone for a while
      );
      const { lastGc } = await guarded.status();
      expect(lastGc?.freedBytes).toBeGreaterThan(5 * MIB);
      expect(lastGc?.stallMs).toBeGreaterThan(0);
      expect(lastGc?.note).toMatch(/MiB returned in a pause of /);
      const reported = () => guarded.notes('GarbageCollected').join().includes('returned in a pause');
      await until(reported, 'the event'); // emitted by the next tick
      await until(
        async () => (await guarded.metric('spillway_gc_runs_total{result="freed"}')) >= 1,
        'it is counted',
      );
      expect(await guarded.metric('spillway_gc_freed_bytes_total')).toBeGreaterThan(5 * MIB);
      expect(await guarded.metric('spillway_gc_stall_seconds_count')).toBeGreaterThanOrEqual(1);

      await until(async () => (await guarded.status()).level === 'ok', 'the level is ok');
      expect((await guarded.get('/readyz')).status).toBe(200);
      await until(() => portsOf(pid).length === 0, 'its inspector is closed again', 20_000);
      expect(isAlive(pid)).toBe(true);
      expect(guarded.child.exitCode).toBe(null);
    });
  }

  it.each([
    ['inspect-only', 'no open inspector'],
    ['off', undefined],
  ])('is sent no signal with --gc %s', async (mode, refusal) => {
    const command = agentOn(process.execPath, TOO_MUCH, 'node-agent', GARBAGE, 'handler');
    const options = ['--limit', `${LIMIT_MIB}Mi`, ...SHEDDING, '--gc', mode];
    const guarded = await startGuarded('run', [...options, '--', ...command]);
    await until(async () => (await guarded.status()).level !== 'ok', 'memory is short');
    if (refusal) await guarded.collected('refused');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const { level, lastGc } = await guarded.status();
    expect(level).not.toBe('ok');
    expect(lastGc?.note).toEqual(refusal && expect.stringContaining(refusal));
    expect(guarded.text.out).not.toContain('handled');
    expect(await guarded.metric('spillway_gc_runs_total{result="refused"}')).toBe(refusal ? 1 : 0);
    expect(portsOf(await guarded.agentPid())).toEqual([]);
  });

  it('that does something of its own at SIGUSR1 gets it once, and the status says so', async () => {
    const command = agentOn(process.execPath, TOO_MUCH, 'node-agent', GARBAGE, 'handler');
    const guarded = await startGuarded('run', [
      '--limit',
      `${LIMIT_MIB}Mi`,
      ...SHEDDING,
      '--hook',
      'off',
      '--',
      ...command,
    ]);
    const note = async () => (await guarded.status()).lastGc?.note ?? '';
    const opened = /opened no inspector/;
    await until(async () => opened.test(await note()), 'the note');
    expect((await guarded.status()).lastGc?.verdict).toBe('refused');
    // a busy agent comes to its handler late
    await until(() => guarded.text.out.includes('handled'), 'it is handled');
    expect(guarded.text.out.match(/handled/g)).toHaveLength(1);
    expect(isAlive(await guarded.agentPid())).toBe(true);
  });
});

describeWhere('a sidecar', LACKS, () => {
  it('with the uid and gid of the agent collects its garbage and leaves its inspector closed', async () => {
    const pod = await startPod();
    const container = pod.container({ uid: 1000, limitBytes: LIMIT_MIB * MIB });
    const sidecar = pod.container({ uid: 1000, limitBytes: 128 * MIB });
    const agent = startIn(container, agentOn(process.execPath, TOO_MUCH, 'node-agent', GARBAGE));
    await until(() => agent.text().includes('ready'), 'the agent is up');
    const guarded = await startGuarded('guard', SHEDDING, { prefix: sidecar.enter });
    const pids = container.group.pids();
    for (const pid of pids) process.kill(pid, 'SIGWINCH');
    await guarded.collected('freed');
    const { lastGc, agent: found } = await guarded.status();
    expect(lastGc?.freedCgroupBytes).toBeGreaterThan(100 * MIB);
    expect(found).toMatchObject({ runtime: 'node', restarts: 0 });
    expect(pids.flatMap((pid) => portsOf(pid))).toHaveLength(1);
    const inside = sidecar.group.pids().filter((pid) => pid !== guarded.pid);
    for (const pid of inside) process.kill(pid, 'SIGTERM');
    await guarded.ended;
    expect(pids.flatMap((pid) => portsOf(pid))).toEqual([]);
    expect(agent.text()).not.toContain('Error');
    expect(pids.every(isAlive)).toBe(true);
  });
});
