import { expect, it } from 'vitest';
import { startGuardian, until } from '../support/cli.ts';
import { ask } from '../support/gated.ts';
import { agent, describeWhere, LACKS } from '../support/kernel.ts';

/** All at once, these hold half as much again as the limit. */
const REQUESTS = 36;
const MIB = 12;
/** So long each holds it; where it is to kill, for longer than a slow machine takes to come by all of it. */
const HOLDS_MS = { served: 300, kills: 10_000 };

async function spike(ms: number, ...flags: string[]) {
  const guardian = await startGuardian('run', [
    '--limit',
    '320Mi',
    '--recycle',
    'off',
    ...flags,
    '--',
    ...agent('spiky', MIB, ms),
  ]);
  await until(() => /port (\d+)/.test(guardian.text.out), 'the agent listens');
  const port = Number(/port (\d+)/.exec(guardian.text.out)?.[1]);
  await until(async () => (await guardian.status()).agent !== null, 'the agent is found');
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, () => ask(port, '/').catch(() => ({ status: 0 }))),
  );
  return { guardian, served: answers.filter(({ status }) => status === 200).length };
}

describeWhere('a spike on a Node agent', LACKS, () => {
  it('is served by its gate', async () => {
    const { guardian, served } = await spike(HOLDS_MS.served);
    const { oomKills, requests } = await guardian.status();
    expect({ served, oomKills }).toEqual({ served: REQUESTS, oomKills: 0 });
    expect(requests).toMatchObject({ refused: 0 });
  });

  it('kills it without the gate', async () => {
    const { guardian, served } = await spike(HOLDS_MS.kills, '--gate', 'off');
    expect(served).toBeLessThan(REQUESTS);
    await until(() => guardian.events().includes('AgentOOMKilled'), 'the kill is reported');
  });
});
