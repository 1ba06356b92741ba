import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { createEndpoint } from '../../../../src/runtimes/go/endpoint.ts';

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
    await expect(endpoint.socket()).rejects.toThrow('has ended');
  },
);
