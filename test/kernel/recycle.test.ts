import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { isAlive, until } from '../support/cli.ts';
import { runs } from '../support/compiled.ts';
import { agentOn, FREE, type Guarded, startGuarded, TWO_NODES } from '../support/guarded.ts';
import { describeWhere, itWhere, LACKS } from '../support/kernel.ts';
import { recordDirectory, reportsIn, watchReadiness } from '../support/probes.ts';

const LIMIT = ['--limit', '320Mi', '--restart', 'on-failure'];
/** Not the one that was there first. */
const replaced = (guarded: Guarded, first: number) => async () => {
  const { agent } = await guarded.status();
  return agent !== null && agent.pid !== first;
};

/** Work that comes one after another for as long as the guardian says it may; what became of it. */
async function offerWork(guarded: Guarded, until: () => boolean) {
  const port = /port (\d+)/.exec(guarded.text.out)?.[1];
  const tally = { answered: 0, broken: 0 };
  while (!until()) {
    const { status } = await guarded.get('/readyz');
    if (status !== 200) {
      await sleep(50);
      continue;
    }
    const ok = await fetch(`http://127.0.0.1:${port}/slow`).then(
      (answer) => answer.ok,
      () => false,
    );
    tally[ok ? 'answered' : 'broken']++;
  }
  return tally;
}

describeWhere('an agent that holds ever more under a limit', LACKS, () => {
  for (const { bin, version } of TWO_NODES)
    it(`is ended in order before the kernel kills it, with what it has in work, and is back (Node ${version})`, async () => {
      const directory = recordDirectory();
      const server = agentOn(bin, [FREE], 'server', '--handler', '--start', 200, '--rate', 4, '--slow', 600);
      const guarded = await startGuarded('run', [...LIMIT, '--record-dir', directory, '--', ...server]);
      await until(() => guarded.text.out.includes('port'), 'the agent listens');
      const first = await guarded.agentPid();
      const readiness = watchReadiness(guarded);
      const work = offerWork(guarded, () => !isAlive(first));
      await until(() => guarded.events().includes('AgentRecycled'), 'it is recycled', 45_000);
      const { answered, broken } = await work;
      expect({ broken, killed: (await guarded.status()).oomKills }).toEqual({ broken: 0, killed: 0 });
      expect(answered).toBeGreaterThan(5);
      expect(guarded.text.out).toContain('ending');

      await until(replaced(guarded, first), 'it is back');
      await readiness.stop();
      const during = readiness.probes.filter(({ body }) => body.recycling);
      expect(during.length).toBeGreaterThan(0);
      expect(during.filter(({ code }) => code !== 503)).toEqual([]);
      expect(during[0]?.body.reason).toContain('being recycled');
      expect(guarded.notes('AgentRecycled')[0]).toMatch(
        /^Recycled: .* Drained for .* ended .* after SIGTERM\./,
      );
      await until(() => reportsIn(directory).length === 1, 'the record is kept');
      expect(reportsIn(directory)).toMatchObject([
        { cause: 'exit', exitCode: 0, oomKills: 0, status: { recycling: true } },
      ]);
      expect(await guarded.metric('spillway_recycles_total{result="ended"}')).toBe(1);
      await until(async () => (await guarded.get('/readyz')).status === 200, 'it is ready again');
    });
});

describeWhere('an agent below an init and a shell', LACKS, () => {
  itWhere(
    'is ended in order by a signal to the process that serves',
    runs('tini', '--version') ? undefined : 'tini',
    async () => {
      const server = agentOn(process.execPath, [FREE], 'server', '--handler', '--start', 200, '--rate', 4);
      const guarded = await startGuarded('run', [
        ...[...LIMIT, '--recycle', 'auto', '--'],
        ...['tini', '--', 'sh', '-c', `${server.join(' ')}; echo served $?`],
      ]);
      await until(() => guarded.events().includes('AgentRecycled'), 'it is recycled', 60_000);
      expect(guarded.text.out).toMatch(/ending.*served 0/s);
      const { oomKills } = await guarded.status();
      expect(oomKills).toBe(0);
    },
    90_000,
  );
});

describeWhere('an agent that rests at critical', LACKS, () => {
  const holding = () => agentOn(process.execPath, [FREE], 'server', '--start', 290);

  it.each(['auto', 'on'])('is left alone with --recycle %s, and takes work again', async (mode) => {
    const guarded = await startGuarded('run', [...LIMIT, '--recycle', mode, '--', ...holding()]);
    const pid = await guarded.agentPid();
    await until(async () => (await guarded.status()).level === 'critical', 'it is critical');
    await sleep(16_000); // past the age and the time at which it would be ended
    expect(await guarded.status()).toMatchObject({
      level: 'critical',
      ready: true,
      recycling: false,
      agent: { pid, restarts: 0 },
    });
    expect(isAlive(pid)).toBe(true);
    expect(guarded.events()).not.toContain('AgentRecycled');
    expect(guarded.events()).toContain('AgentStuck');
  });
});
