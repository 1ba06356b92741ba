import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/compose/agent.ts';
import type { RecycleStep } from '../../../src/core/recycle/outcome.ts';
import { aimSigterm, type RecycleOptions, startRecycle } from '../../../src/remedies/drain.ts';
import { countInFlight as countConnections } from '../../../src/sources/work-in-flight.ts';
import { readProcess } from '../../../src/wrap/processes.ts';
import { fakeTree } from '../../support/fake-cgroup.ts';
import { procFiles } from '../../support/fake-proc.ts';
import { type Started, start, until } from '../../support/started.ts';

const countInFlight = async (procRoot: string, pids: number[]) =>
  (await countConnections(procRoot, pids)).total;

let agent: Started | undefined;
afterEach(() => agent?.kill());

/** An agent that answers after `workMs`; what it does at SIGTERM is `onTerm`. */
async function startAgent(workMs: number, onTerm = 'process.exit(0)') {
  const program = `const server = require('http').createServer((_, answer) => setTimeout(() => answer.end('done'), ${workMs}));
    process.on('SIGTERM', () => { ${onTerm} });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));`;
  agent = await start(process.execPath, ['-e', program], { awaitOutput: true });
  const { pid } = agent;
  const startTicks = readProcess(pid)?.startTicks ?? 0;
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      const asked = request(`http://127.0.0.1:${agent?.output().trim()}`, { agent: false }, (answer) => {
        let text = '';
        answer.on('data', (data) => (text += data)).on('end', () => resolve(text));
      });
      asked.on('error', reject).end();
    });
  return { pid, startTicks, ask };
}

function recycle(whom: { pid: number; startTicks: number }, changes: Partial<RecycleOptions> = {}) {
  const steps: RecycleStep[] = [];
  const { drain, ...rest } = changes;
  const recycling = startRecycle({
    drain: {
      inFlight: () => countInFlight('/proc', [whom.pid]),
      endsInSeconds: () => null,
      urgent: () => false,
      needed: () => true,
      judged: () => true,
      mayBreak: () => true,
      noticed: () => true,
      ...drain,
    },
    aim: aimSigterm(whom.pid),
    terminated: () => {},
    alive: () => readProcess(whom.pid)?.startTicks === whom.startTicks,
    clock: systemClock,
    onStep: (step) => steps.push(step),
    ...rest,
  });
  return { ...recycling, recycling, steps };
}

const drained = (drain: Partial<RecycleOptions['drain']>): RecycleOptions['drain'] => ({
  inFlight: async () => 1,
  endsInSeconds: () => null,
  urgent: () => false,
  needed: () => true,
  judged: () => true,
  mayBreak: () => true,
  noticed: () => true,
  ...drain,
});

describe('startRecycle', () => {
  it('lets what is in work end, then ends the agent', async () => {
    const whom = await startAgent(800);
    const answers = [whom.ask(), whom.ask()];
    await until(async () => (await countInFlight('/proc', [whom.pid])) === 2);
    const { outcome, steps } = recycle(whom);
    expect(await Promise.all(answers)).toEqual(['done', 'done']);
    const came = await outcome;
    expect(came.result).toBe('ended');
    expect(came.endedMs).toBeLessThan(2000);
    expect(came).toMatchObject({ inFlight: { before: 2, after: 0 }, end: { code: 'ended' } });
    expect(steps).toEqual(['draining', 'terminating', 'done']);
  });

  it('does not wait longer than it may for what is in work', async () => {
    const whom = await startAgent(60_000);
    void whom.ask().catch(() => {});
    await until(async () => (await countInFlight('/proc', [whom.pid])) === 1);
    const { outcome } = recycle(whom, {
      drain: { ...drained({ maxMs: 400 }), inFlight: () => countInFlight('/proc', [whom.pid]) },
    });
    const startMs = performance.now();
    expect(await outcome).toMatchObject({ result: 'ended', inFlight: { after: 1 } });
    expect(performance.now() - startMs).toBeGreaterThan(390);
  });

  it('waits for as long as what is in work takes, where that is known', async () => {
    const whom = await startAgent(0);
    const endMs = performance.now() + 1000;
    const inFlight = async () => (performance.now() < endMs ? 1 : 0);
    const drain = drained({ inFlight, endsInSeconds: () => 1, mayBreak: () => false, maxMs: 300 });
    expect(await recycle(whom, { drain }).outcome).toMatchObject({ result: 'ended', inFlight: { after: 0 } });
  });

  it.each([
    ['cannot be told', async () => null],
    ['cannot be asked', () => Promise.reject(new Error('no'))],
    ['is not answered', () => new Promise<null>(() => {})],
  ])('waits for the whole time where the work %s', async (_, inFlight) => {
    const whom = await startAgent(0);
    const startMs = performance.now();
    const came = await recycle(whom, { drain: drained({ inFlight, maxMs: 700 }) }).outcome;
    expect(came).toMatchObject({ result: 'ended', inFlight: { before: null, after: null } });
    expect(performance.now() - startMs).toBeGreaterThan(690);
  });

  it('does not wait when the kill is near', async () => {
    const whom = await startAgent(0);
    let near = false;
    setTimeout(() => {
      near = true;
    }, 200);
    const { outcome, steps } = recycle(whom, { drain: drained({ urgent: () => near }) });
    const startMs = performance.now();
    await until(() => steps.includes('terminating'));
    expect(performance.now() - startMs).toBeLessThan(700);
    expect((await outcome).result).toBe('ended');
  });

  it('leaves an agent alone that does not end, and never kills', async () => {
    const whom = await startAgent(0, "console.log('no')");
    const { outcome, recycling } = recycle(whom, {
      drain: drained({ urgent: () => true }),
      graceMs: 300,
    });
    expect(await outcome).toMatchObject({
      result: 'left_running',
      end: { code: 'left_running', afterMs: 300 },
    });
    expect(readProcess(whom.pid)?.startTicks).toBe(whom.startTicks);
    expect(agent?.output().split('no')).toHaveLength(2);
    expect(recycling.callOff('late')).toBe(false);
  });

  it('sees an agent that ends before it is told', async () => {
    const whom = await startAgent(0);
    const { outcome, steps } = recycle(whom, { drain: drained({}) });
    agent?.kill();
    expect(await outcome).toMatchObject({ result: 'ended_before', endedMs: null });
    expect(steps).toEqual(['draining', 'done']);
  });

  it('can be called off while it drains', async () => {
    const whom = await startAgent(0);
    const { outcome, recycling } = recycle(whom, { drain: drained({}) });
    expect(recycling.callOff('memory fell')).toBe(true);
    expect(await outcome).toMatchObject({ result: 'cancelled', endedMs: null });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(readProcess(whom.pid)?.startTicks).toBe(whom.startTicks);
  });

  it('says so when it may not send the signal', async () => {
    const whom = await startAgent(0);
    const send = () => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    };
    const aim = { send, there: () => true };
    const came = await recycle(whom, { drain: drained({ urgent: () => true }), aim }).outcome;
    const end = { code: 'sigterm_not_sent', message: 'kill EPERM' };
    expect(came).toMatchObject({ result: 'refused', endedMs: null, end });
  });
});

describe('SIGTERM', () => {
  it('is not sent at a moment when it is not needed, whatever else is over', async () => {
    const whom = await startAgent(0);
    let needed = false;
    const drain = drained({
      inFlight: async () => 0,
      urgent: () => true,
      needed: () => needed,
      judged: () => true,
      maxMs: 100,
    });
    const { outcome, steps } = recycle(whom, { drain });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(steps).toEqual(['draining']);
    needed = true;
    expect((await outcome).result).toBe('ended');
  });

  it('is not sent a second time to an agent that has closed its port: it ends already', async () => {
    const whom = await startAgent(0);
    const counts = [2, 1, null, null];
    const drain = drained({ inFlight: async () => counts.shift() ?? null, maxMs: 5000 });
    const came = await recycle(whom, { drain }).outcome;
    expect(came).toMatchObject({ result: 'cancelled', endedMs: null, end: { code: 'port_closed' } });
    expect(readProcess(whom.pid)?.startTicks).toBe(whom.startTicks);
  });

  it('has done its work when the process that serves is gone, though what started it runs on', async () => {
    let sent = false;
    const send = () => {
      sent = true;
    };
    const aim = { send, there: () => !sent };
    const drain = drained({ urgent: () => true });
    const { outcome } = recycle({ pid: process.pid, startTicks: 0 }, { drain, aim, alive: () => true });
    const came = await outcome;
    expect(came).toMatchObject({ result: 'ended', end: { code: 'handed_over' } });
  });
});

describe('aimSigterm', () => {
  it('meets the process aimed at, and none that has taken its number since', async () => {
    const whom = await startAgent(0);
    const aim = aimSigterm(whom.pid);
    expect(aim.there()).toBe(true);
    const ended = once(agent?.child ?? process, 'exit');
    aim.send();
    expect(await ended).toEqual([0, null]);
    expect(aim.there()).toBe(false);
    expect(aim.send).toThrow(expect.objectContaining({ code: 'ESRCH' }));
  });

  it('spares a process that has the number now', async () => {
    const whom = await startAgent(0);
    const tree = fakeTree(procFiles([{ pid: whom.pid, startTime: 1 }]));
    const { send } = aimSigterm(whom.pid, `${tree.root}/proc`);
    tree.write(procFiles([{ pid: whom.pid, startTime: 2 }]));
    expect(send).toThrow(expect.objectContaining({ code: 'ESRCH' }));
    tree.remove();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(readProcess(whom.pid)?.startTicks).toBe(whom.startTicks);
  });
});
