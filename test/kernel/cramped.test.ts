import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MIB, startGuardian, until } from '../support/cli.ts';
import { agent, coldNode, describeWhere, LACKS, LACKS_CPU, makeGroup, VERSION } from '../support/kernel.ts';
import { watchReadiness } from '../support/probes.ts';

const FIND = ['--agent', 'match:leak.mjs --name cramped'];

function startLeak() {
  const group = makeGroup({ limitBytes: 192 * MIB });
  const [first = '', ...rest] = [...group.enter, ...agent('leak', '--name', 'cramped', '--rate', 25)];
  return spawn(first, rest, { stdio: 'ignore' });
}

const kills = (directory: string) =>
  /oom_kill (\d+)/.exec(
    readFileSync(join(directory, VERSION === 1 ? 'memory.oom_control' : 'memory.events'), 'utf8'),
  )?.[1];

describeWhere('a guardian with little memory', LACKS, () => {
  it.each([64, 80])('of %d MiB, the pages of Node included, sheds in time', async (mebibytes) => {
    const { enter, directory, usedBytes } = makeGroup({ limitBytes: mebibytes * MIB });
    // the copy takes the place of the Node that the command would be started with
    const prefix = [...enter, 'sh', '-c', 'node=$1 && shift 2 && exec "$node" "$@"', 'sh', coldNode()];
    const guardian = await startGuardian('guard', FIND, { prefix });
    const readiness = watchReadiness(guardian);
    const leaky = startLeak();
    await until(() => leaky.signalCode !== null, 'the agent is killed', 40_000);
    await readiness.stop();
    expect(readiness.refusals()[0]?.body.level).toBe('shedding');
    expect((await guardian.get('/livez')).status).toBe(200);
    expect(usedBytes(), 'the pages of Node are charged to it').toBeGreaterThan(48 * MIB);
    expect(kills(directory)).toBe('0');
  });
});

describeWhere('a guardian with a tenth of a CPU', LACKS_CPU, () => {
  it('answers, and sheds in time', async () => {
    const { enter } = makeGroup({ cpuShare: 0.1 });
    const guardian = await startGuardian('guard', FIND, { prefix: enter });
    const readiness = watchReadiness(guardian);
    const leaky = startLeak();
    await until(() => leaky.signalCode !== null, 'the agent is killed', 40_000);
    await readiness.stop();
    expect(readiness.refusals().length).toBeGreaterThan(0);
    await until(() => guardian.events().includes('AgentOOMKilled'), 'the kill is told');
    expect((await guardian.get('/livez')).status).toBe(200);
  });
});
