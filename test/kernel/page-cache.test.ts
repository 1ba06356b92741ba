import { expect, it } from 'vitest';
import { MIB, startGuardian, until } from '../support/cli.ts';
import { agent, describeWhere, diskDirectory, LACKS } from '../support/kernel.ts';

const LIMIT_MIB = 128;
const LIMIT = ['--limit', `${LIMIT_MIB}Mi`];

describeWhere('files of an agent', LACKS, () => {
  it('twice as big as the limit, written and read, are no pressure', async () => {
    const load = agent(
      'files',
      '--dir',
      diskDirectory(),
      '--mib',
      2 * LIMIT_MIB,
      '--rounds',
      2,
      '--hold',
      1000,
    );
    const guardian = await startGuardian('run', [...LIMIT, '--', ...load]);
    await until(() => guardian.text.out.includes('done'), 'the file is written and read', 50_000);
    const status = await guardian.status();
    expect(status, status.reason).toMatchObject({ level: 'ok', ready: true });
    // the cache fills what the limit leaves: a guard by plain use would have shed
    expect(status.usedBytes).toBeGreaterThan(0.85 * LIMIT_MIB * MIB);
    expect(status.ratio).toBeLessThan(0.5);
    expect((await guardian.ended).code).toBe(0);
    // the container is smaller than V8's default heap, which is no pressure
    expect(guardian.events()).toEqual(['HeapLimitTooHigh', 'AgentExited']);
  });

  it('in memory (tmpfs) are pressure', async () => {
    const load = agent('files', '--dir', '/dev/shm', '--mib', LIMIT_MIB - 20, '--hold', 60_000);
    const guardian = await startGuardian('run', [...LIMIT, '--', ...load]);
    await until(async () => !(await guardian.status()).ready, 'it is un-ready');
    await until(() => guardian.text.out.includes('done'), 'the file is written');
    const status = await guardian.status();
    expect(status.shmemBytes).toBeGreaterThanOrEqual((LIMIT_MIB - 20) * MIB);
    expect(status.ratio).toBeGreaterThanOrEqual(0.85);
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(0);
  });
});
