import { describe, expect, it, onTestFinished } from 'vitest';
import { describeError, SpillwayError } from '../../../../src/core/lib/errors.ts';
import { createInspectorActivation } from '../../../../src/runtimes/node/activate-inspector.ts';
import { NODE_TIMEOUTS } from '../../../../src/runtimes/node/signals.ts';
import type { InspectorTarget } from '../../../../src/sources/inspector/target.ts';
import { goldenLines } from '../../../support/golden.ts';
import { start } from '../../../support/started.ts';

const said = goldenLines('activate-inspector');

describe('SIGUSR1', () => {
  it.each(['calm', 'let go'])('is not sent to what became %s while its sockets were read', async (change) => {
    const program = `process.on('SIGUSR1', () => process.exit(9)); setInterval(() => {}, 1000); console.log('up')`;
    const agent = await start(process.execPath, ['-e', program], { awaitOutput: true });
    onTestFinished(() => agent.kill());
    let changed = false;
    const target: InspectorTarget = {
      pid: agent.pid,
      alive: () => true,
      innerPid: () => agent.pid,
      clients: async () => ({ own: [], others: 0 }),
      signalObstacle: () => undefined,
      async listening() {
        changed = true;
        return [];
      },
      find: async () => undefined,
    };
    const knock = createInspectorActivation({
      target,
      signals: {
        refusal: () =>
          changed && change === 'calm' ? new SpillwayError('refused', 'all is calm') : undefined,
        sent() {},
        answered() {},
      },
      timeouts: { ...NODE_TIMEOUTS, openMs: 50 },
      late: async () => {},
    });
    const error = await knock.ask(() => !(changed && change === 'let go')).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'refused', retryable: change === 'let go' });
    said(change, describeError(error), { PID: agent.pid });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(agent.child.exitCode).toBeNull();
  });
});
