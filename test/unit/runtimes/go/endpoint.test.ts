import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { describeError } from '../../../../src/core/lib/errors.ts';
import { createEndpoint } from '../../../../src/runtimes/go/endpoint.ts';
import { goldenLines } from '../../../support/golden.ts';

const said = goldenLines('go-endpoint');

it.skipIf(process.platform !== 'linux')(
  'an agent that ends while its sockets are read is said to have ended',
  async () => {
    const agent = spawn('sleep', ['60']);
    await once(agent, 'spawn');
    const endpoint = createEndpoint(
      {
        procRoot: '/proc',
        pid: agent.pid ?? 0,
        async listening() {
          agent.kill('SIGKILL');
          await once(agent, 'exit');
          return [];
        },
      },
      500,
    );
    const error = await endpoint.socket().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'refused' });
    said('ended', describeError(error), { PID: agent.pid ?? 0 });
  },
);
