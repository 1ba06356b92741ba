import { join } from 'node:path';
import { CALM, HIGH, type Kind, type Programs, THIRD, TOOLS, tool } from './kinds.ts';

/** Of the system: other users can run it, too. */
const PYTHON = '/usr/bin/python3';
const PYTHON314 = process.env['TEST_PYTHON314'] || 'python3.14';
const NOBODY = 65_534;

/** Agents in other runtimes. */
export function otherKinds({ agent, compiled }: Programs): Kind[] {
  const python = (plan: Record<string, unknown>, bin = PYTHON) => [
    bin,
    agent('agent.py'),
    JSON.stringify(plan),
  ];
  const jvm = (
    name: string,
    rests: Kind['rests'],
    flags: string,
    liveMiB: number,
    garbageMiB: number,
  ): Kind => ({
    ...{ name, rests, attach: true, how: 'guard' },
    command: ['java', ...flags.split(' '), '-cp', compiled, 'HarmAgent', `${liveMiB}`, `${garbageMiB}`],
  });
  const pretouched = (mib: number) => `-Xms${mib}m -Xmx${mib}m -XX:+AlwaysPreTouch -XX:+UseSerialGC`;
  const go = (flags: string) => [join(compiled, 'go-agent'), ...flags.split(' ')];
  const full = [agent('node.mjs'), JSON.stringify({ buffers: 240, heap: 60 })];

  return [
    {
      name: 'Python, HTTP server',
      command: python({ buffers: 200, listen: true }),
      clients: 'steady',
      rests: THIRD,
    },
    {
      name: 'Python, handlers of its own, a burst that rests',
      how: 'guard',
      command: python({
        ...{ buffers: 285, signals: ['SIGUSR1', 'SIGTERM'], listen: true },
        grow: { after: 12, by: 125, over: 2.6 },
      }),
      rests: HIGH,
    },
    {
      name: 'Python 3.14, high and flat, busy',
      command: python({ buffers: 385, busy: true }, PYTHON314),
      rests: HIGH,
    },
    {
      name: 'Python processes that share memory, guarded by RSS',
      uid: NOBODY,
      command: python({ buffers: 100, children: 6 }),
      rests: [0.15, 0.6],
    },
    {
      name: 'gunicorn --preload',
      command: [join(TOOLS, 'py/bin/gunicorn'), '-c', agent('gunicorn_conf.py')],
      clients: 'steady',
      rests: [0.2, 0.5],
    },
    jvm('JVM, pretouched, at rest', HIGH, pretouched(365), 10, 0),
    jvm('JVM, pretouched above critical', [0.9, 0.99], pretouched(448), 10, 0),
    jvm('JVM, G1, busy', [0.15, 0.7], '-Xmx256m -XX:+UseG1GC', 60, 200),
    { name: 'Go, busy', command: go('-live 50 -busy 512'), rests: CALM },
    { name: 'Go, high and flat, high GOGC', how: 'guard', command: go('-live 385 -gogc 10000'), rests: HIGH },
    { name: 'Bun', command: [tool('@oven/bun-linux-x64/bin/bun'), ...full], rests: [0.5, 0.835] },
    {
      name: 'Deno',
      command: [tool('@deno/linux-x64-glibc/deno'), 'run', '-A', ...full],
      rests: [0.5, 0.835],
    },
    { name: 'Ruby', command: ['ruby', agent('agent.rb'), '370'], rests: HIGH },
  ];
}
