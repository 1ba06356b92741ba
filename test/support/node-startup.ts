import { setTimeout as sleep } from 'node:timers/promises';
import { createInspectorTarget } from '../../src/sources/inspector/target.ts';
import { NODES } from './node-matrix.ts';
import { start } from './started.ts';

/** So many start at the same time: slow starts are the dangerous ones. */
const AT_ONCE = 4;

/**
 * Starts Node again and again, each Node of the machine in turn, and sends SIGUSR1 as soon as that is held to be safe, looked
 * at without a pause from the first instant on.
 */
export async function startUnderSignal(tries: number): Promise<{ died: number; signalled: number }> {
  let died = 0;
  let signalled = 0;
  let next = 0;
  const starter = async () => {
    while (next < tries) {
      const { bin = process.execPath } = NODES[Math.floor(next / 2) % NODES.length] ?? {};
      // every second one is old already when it becomes Node: only that it catches the signal tells
      const wait = next++ % 2 === 0 ? 'sleep 0.7;' : '';
      const program = ['--inspect-port=0', '-e', 'setTimeout(() => {}, 60_000)'];
      const agent = await start('sh', ['-c', `${wait} exec "$0" "$@"`, bin, ...program]);
      const target = createInspectorTarget({ procRoot: '/proc', pid: agent.pid });
      for (let looks = 0; looks < 5000; looks++) {
        if (target.signalObstacle(await target.listening()) === undefined) {
          process.kill(agent.pid, 'SIGUSR1');
          signalled++;
          break;
        }
        await sleep(1);
      }
      await sleep(30);
      if (agent.child.exitCode !== null || agent.child.signalCode !== null) died++;
      agent.kill();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, starter));
  return { died, signalled };
}
