import { expect, it } from 'vitest';
import { MIB, until } from '../support/cli.ts';
import { agentOn, FREE, startGuarded, TWO_NODES } from '../support/guarded.ts';
import { describeWhere, LACKS } from '../support/kernel.ts';
import { recordDirectory, reportsIn, watchReadiness } from '../support/probes.ts';

describeWhere('a heap whose own limit is nearer than the container’s', LACKS, () => {
  for (const { bin, version } of TWO_NODES)
    it(`is what level, refusal, event and report are about (Node ${version})`, async () => {
      const directory = recordDirectory();
      const guarded = await startGuarded('run', [
        ...['--limit', '512Mi', '--record-dir', directory, '--'],
        ...agentOn(bin, ['--max-old-space-size=64', FREE], 'heap', '--rate', 8),
      ]);
      const readiness = watchReadiness(guarded);
      expect((await guarded.ended).code).toBe(134);
      await readiness.stop();

      const refusal = readiness.refusals()[0]?.body;
      expect(refusal).toMatchObject({ limitedBy: 'heap', limitBytes: 512 * MIB, oomKills: 0 });
      expect(refusal?.level).toMatch(/shedding|critical/);
      expect(refusal?.ratio).toBeGreaterThanOrEqual(0.85);
      expect(refusal?.reason).toMatch(
        /% of the heap's own limit: [\d.]+ MiB of [\d.]+ MiB in use \(container:/,
      );
      expect(refusal?.heapUsedBytes).toBeGreaterThan(0.8 * (refusal?.heapLimitBytes ?? 0));
      expect((refusal?.usedBytes ?? 0) / (512 * MIB)).toBeLessThan(0.5);
      expect(
        guarded.notes('MemoryPressureShedding').concat(guarded.notes('MemoryPressureCritical')).join(),
      ).toContain("the heap's own limit");

      const [report, ...others] = reportsIn(directory);
      expect(others).toEqual([]);
      expect(report).toMatchObject({ cause: 'heap-limit', signal: 'SIGABRT', oomKills: 0 });
      expect(report?.reason).toMatch(
        /^V8 reached its own heap limit of about [\d.]+ MiB and aborted \([\d.]+ MiB of (heap|memory)/,
      );
    });
});

describeWhere('a heap limit above what the container can give', LACKS, () => {
  /** What is said of it, with this on the command line. */
  async function told(...flags: string[]) {
    const guarded = await startGuarded('run', [
      ...['--limit', '320Mi', '--'],
      ...agentOn(process.execPath, flags, 'leak'),
    ]);
    await until(() => guarded.text.out.includes('up'), 'the agent is up');
    // the advice is looked at once a second
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { advice } = await guarded.status();
    return { advice, notes: guarded.notes('HeapLimitTooHigh') };
  }

  it('is told once, with the number to set; with that number nothing is said', async () => {
    const { advice, notes } = await told('--max-old-space-size=4096');
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/4.00 GiB.* 320 MiB/);
    expect(advice.map(({ message, hint }) => `${message}; ${hint}`).join()).toContain(notes[0]);
    const number = /set (--max-old-space-size=\d+)/.exec(notes[0] ?? '')?.[1] ?? '';
    expect(await told(number)).toEqual({ advice: [], notes: [] });
  });
});
