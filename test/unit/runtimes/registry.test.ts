import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/compose/agent.ts';
import { describeError } from '../../../src/core/lib/errors.ts';
import { createSignalRecord } from '../../../src/runtimes/node/signal-record.ts';
import { type RuntimeClientOptions, runtimeClientOf } from '../../../src/runtimes/registry.ts';
import { goldenLines } from '../../support/golden.ts';
import { agentFile, portsOf, startNode } from '../../support/node-matrix.ts';

const said = goldenLines('registry');
const root = process.getuid?.() === 0;

function reachedBy(pid: number, gc: RuntimeClientOptions['gc'], maySignal = true) {
  const client = runtimeClientOf(
    { pid, runtime: 'node' },
    {
      procRoot: '/proc',
      gc,
      maySignal: () => maySignal,
      signalRecord: createSignalRecord({ dir: undefined, clock: systemClock, onProblem: () => {} }),
      inPod: false,
      sameFiles: true,
      hooks: { of: () => undefined },
    },
  );
  if (typeof client === 'string') throw new Error(client);
  onTestFinished(() => client.release());
  return client;
}

const agentWithoutInspector = () => startNode(process.execPath, ['--inspect-port=0', agentFile('cjs')]);

it.skipIf(!root)(
  'opens no inspector where another user could reach it, but where that is allowed',
  async () => {
    const stranger = spawn(
      'setpriv',
      ['--reuid=23456', '--clear-groups', 'sh', '-c', 'echo runs; sleep 60'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    onTestFinished(() => void stranger.kill('SIGKILL'));
    await once(stranger.stdout, 'data');
    const agent = await agentWithoutInspector();
    await expect(reachedBy(agent.pid, 'auto').facts()).rejects.toMatchObject({
      code: 'refused',
      hint: expect.stringContaining('on-shared-host'),
    });
    expect(portsOf(agent.pid)).toEqual([]);
    expect((await reachedBy(agent.pid, 'on-shared-host').facts())?.usedBytes).toBeGreaterThan(0);
  },
);

it.each(['inspect-only', 'off'] as const)('sends no signal with gc %s', async (gc) => {
  const agent = await agentWithoutInspector();
  const error = await reachedBy(agent.pid, gc)
    .facts()
    .catch((thrown) => thrown);
  expect(error).toMatchObject({ code: 'refused', retryable: false });
  said('no signal', describeError(error), { PID: agent.pid });
  expect(portsOf(agent.pid)).toEqual([]);
});

it('sends no signal while none may be sent, and asks again later', async () => {
  const agent = await agentWithoutInspector();
  await expect(reachedBy(agent.pid, 'on-shared-host', false).facts()).rejects.toMatchObject({
    code: 'deferred',
  });
  expect(portsOf(agent.pid)).toEqual([]);
});
