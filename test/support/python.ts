import { execFileSync, type SpawnOptions } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { statusBytes } from '../../src/core/proc/proc-text.ts';
import { createPythonClient, type PythonReach } from '../../src/runtimes/python/client.ts';
import { readProc } from '../../src/sources/proc-fs.ts';
import { readPythonFacts } from '../../src/sources/python/facts.ts';
import { type Started, start, until } from './started.ts';

/** CPython 3.14 or newer; `.ci/python3.14 FOLDER` fetches one. */
export const REMOTE_PYTHONS = (process.env['TEST_PYTHON314'] ?? '').split(':').filter(Boolean);

/** The Python of this machine, or why there is none to test with. */
export const PYTHON = pythonHere();

/** A folder whose `sitecustomize` imports the hook: on PYTHONPATH it is in every program without a change to it. */
export const HOOK = join(import.meta.dirname, 'agents/python-hook');

export interface PythonAgent extends Started {
  /** The process that holds the memory: a child's for `fork` and `prefork`. */
  agentPid: number;
  client: PythonReach;
  rssBytes(): number;
  /** Whether it goes on with its work. */
  works(): Promise<boolean>;
}

/** Starts `agents/python-agent.py` and a reach into it. */
export async function pythonAgent(
  python: string,
  args: string[],
  options: SpawnOptions & { takeMs?: number; hook?: boolean; mayOrder?: () => boolean } = {},
): Promise<PythonAgent> {
  const { takeMs = 2000, hook = false, mayOrder = () => true, ...rest } = options;
  const { PYTHONPATH: _, ...env } = process.env;
  const started = await start(python, [join(import.meta.dirname, 'agents/python-agent.py'), ...args], {
    env: { ...env, ...(hook ? { PYTHONPATH: HOOK } : {}), ...rest.env },
    ...rest,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await until(() => started.output().includes('ready'));
  const pid = Number(/ready (\d+)/.exec(started.output())?.[1]);
  return {
    ...started,
    agentPid: pid,
    client: createPythonClient({
      procRoot: '/proc',
      pid,
      look: readPythonFacts('/proc', pid),
      mayOrder,
      takeMs,
    }),
    rssBytes() {
      const status = readProc(`/proc/${pid}/status`);
      return status.kind === 'value' ? statusBytes(status.value, 'VmRSS') : 0;
    },
    async works() {
      const before = started.output().length;
      for (let i = 0; i < 100 && started.output().length === before; i++) await sleep(20);
      return started.child.exitCode === null && started.output().length > before;
    },
  };
}

function pythonHere(): string | null {
  try {
    // not a wrapper script that ends in another program
    return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}
