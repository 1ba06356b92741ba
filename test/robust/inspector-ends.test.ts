import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isAlive, until } from '../support/cli.ts';
import { agentOn, FREE, type Guarded, startGuarded, TWO_NODES } from '../support/guarded.ts';
import { portsOf, startNode } from '../support/node-matrix.ts';
import { start } from '../support/started.ts';

const DEBUGGER = join(import.meta.dirname, '../support/agents/node-debugger.mjs');
/** After so long without the guardian, an inspector that it opened closes itself. */
const SWITCH_MS = 2400;

/** A Node agent that knows nothing, and a guardian beside it that is asked to collect: so it holds the inspector. */
async function startHeld(bin: string, flags: string[]) {
  const [node = '', ...args] = agentOn(bin, flags, 'node-agent', 'garbage=20');
  const agent = await startNode(node, args);
  const guarded = await startGuarded('guard', ['--agent', `pid:${agent.pid}`, '--limit', '4Gi']);
  await sleep(2000); // some stall in the budget
  const { status, body } = await guarded.post('/v1/gc');
  expect(status, JSON.stringify(body)).toBe(200);
  expect(portsOf(agent.pid)).toHaveLength(1);
  return { agent, guarded };
}

/** Ends it as an operator would. */
async function end(guarded: Guarded): Promise<void> {
  guarded.child.kill('SIGTERM');
  expect((await guarded.ended).code).toBe(0);
}

describe.each(TWO_NODES)('the inspector of an agent, Node $version', ({ bin }) => {
  it('should be closed again when it is not needed any more, and the agent work on', async () => {
    const { agent, guarded } = await startHeld(bin, [FREE]);
    await until(() => portsOf(agent.pid).length === 0, 'it is closed', 20_000);
    await end(guarded);
    expect(isAlive(agent.pid)).toBe(true);
  });

  it('should be closed at once when the guardian is told to end', async () => {
    const { agent, guarded } = await startHeld(bin, [FREE]);
    await end(guarded);
    expect(portsOf(agent.pid)).toEqual([]);
    expect(isAlive(agent.pid)).toBe(true);
  });

  it('should close itself when the guardian is killed', async () => {
    const { agent, guarded } = await startHeld(bin, [FREE]);
    guarded.child.kill('SIGKILL');
    await guarded.ended;
    const killedMs = performance.now();
    await until(() => portsOf(agent.pid).length === 0, 'it is closed', SWITCH_MS + 5000);
    expect(performance.now() - killedMs).toBeGreaterThan(SWITCH_MS / 2); // not by the kill itself
    expect(isAlive(agent.pid)).toBe(true);
  });

  it('should stay open where the user opened it, and his debugger attached', async () => {
    const [node = '', ...args] = agentOn(bin, ['--inspect=0'], 'node-agent', 'garbage=20');
    const agent = await startNode(node, args);
    const port = String(portsOf(agent.pid)[0]);
    const user = await start(process.execPath, [DEBUGGER, port], { awaitOutput: true });
    onTestFinished(user.kill);
    const guarded = await startGuarded('guard', ['--agent', `pid:${agent.pid}`, '--limit', '4Gi']);
    await sleep(2000);
    expect((await guarded.post('/v1/gc')).status).toBe(200);
    expect((await guarded.post('/v1/profile?seconds=0.5')).status).toBe(200);
    await sleep(12_000); // past the time at which it lets go
    await end(guarded);
    expect(user.output()).toBe('attached\n');
    expect(portsOf(agent.pid)).toEqual([Number(port)]);
    expect(isAlive(agent.pid)).toBe(true);
  });
});
