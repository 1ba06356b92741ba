import { expect, it } from 'vitest';
import { MIB, until } from '../support/cli.ts';
import { agentOn, FREE, startGuarded, TWO_NODES } from '../support/guarded.ts';
import { describeWhere, LACKS } from '../support/kernel.ts';
import { watchReadiness } from '../support/probes.ts';

const LIMIT_MIB = 512;
/** Buffers that come to 0.88 of the limit together with what Node needs itself: in the middle of shedding. */
const HELD_MIB = 436;

describeWhere('an agent idle at 0.88 after a burst', LACKS, () => {
  for (const { bin, version } of TWO_NODES)
    it(`is un-ready at once and ready again within seconds, as refusing brings nothing (Node ${version})`, async () => {
      const guarded = await startGuarded('run', [
        ...['--limit', `${LIMIT_MIB}Mi`, '--'],
        ...agentOn(bin, [FREE], 'leak', '--start', HELD_MIB),
      ]);
      const readiness = watchReadiness(guarded);
      await until(() => readiness.refusals().length > 0, 'new work is refused');
      const refusedMs = performance.now();
      await until(() => readiness.probes.at(-1)?.code === 200, 'it is ready again');
      expect(performance.now() - refusedMs).toBeLessThan(5000);
      await readiness.stop();
      const status = await guarded.status();
      expect(status).toMatchObject({ level: 'shedding', ready: true, recycling: false });
      expect(status.ratio).toBeGreaterThan(0.85);
      expect(status.ratio).toBeLessThan(0.92);
      expect(status.lastGc?.verdict).toBe('nothing_freed');
      expect(status.reason).toContain('shedding frees nothing');
      expect(guarded.notes('AgentStuck')).toHaveLength(1);
      expect(guarded.events()).not.toContain('AgentRecycled');

      // one request at a time: some are taken, some are not, and there is no end to either
      const answers: number[] = [];
      for (let i = 0; i < 200; i++) answers.push((await guarded.get('/admit')).status);
      const admitted = answers.filter((code) => code === 204).length;
      expect(admitted).toBeGreaterThan(10);
      expect(answers.filter((code) => code === 503).length).toBe(200 - admitted);
      expect(admitted).toBeLessThan(190);

      const stays = watchReadiness(guarded);
      await new Promise((resolve) => setTimeout(resolve, 4000));
      await stays.stop();
      expect(stays.refusals()).toEqual([]);
      expect(guarded.notes('AgentStuck')).toHaveLength(1);
      expect((await guarded.status()).usedBytes).toBeGreaterThan(HELD_MIB * MIB);
    });
});
