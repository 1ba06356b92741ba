import { setTimeout as sleep } from 'node:timers/promises';
import { SpillwayError } from '../../core/lib/errors.ts';
import { SerialQueue } from '../../core/lib/serial-queue.ts';
import { goneError, type RuntimeClient } from '../../core/ports/runtime-client.ts';
import type { PythonFacts } from '../../core/proc/python-facts.ts';
import { askHook } from './hook-client.ts';
import { type PythonBaseline, type PythonCollection, parseCollection, parseProfile } from './parse-answer.ts';
import { remoteExec } from './remote-exec.ts';

/** A collection under way cannot be stopped; it cleans up after itself when it ends. */
const RELEASE_MS = 1500;

/** How to reach one life of a Python agent. */
export interface PythonReachOptions {
  procRoot: string;
  pid: number;
  look: PythonFacts;
  /** Whether an order may be left in the agent's memory now, where it has no hook. Default: always. */
  mayOrder?(): boolean;
  /** Until the agent takes the order, in milliseconds. Default 2000. */
  takeMs?: number;
  /** Until it has done it, in milliseconds. Default 8000: a full collection takes 0.12–0.2 s per million live containers. */
  workMs?: number;
}

/** `Reach` whose collections also tell what Python knows of itself. */
export interface PythonReach extends RuntimeClient {
  /** Both ways are one here: all generations, then free pages back to the system. */
  collect(): Promise<PythonCollection>;
  profile(): ReturnType<NonNullable<RuntimeClient['profile']>>;
}

/**
 * The way into a Python agent: the hook where the program has imported it, else CPython's remote debugging (3.14 and
 * newer). Never a signal, never a stop. Python does not tell the size of its heap: `facts` is `null` and costs nothing.
 */
export function createPythonClient({
  procRoot,
  pid,
  look,
  mayOrder = () => true,
  takeMs = 2000,
  workMs = 8000,
}: PythonReachOptions): PythonReach {
  const startTime = look.startTime();
  let byHook = false;
  let baseline: PythonBaseline | null = null;
  let stop = new AbortController();
  const queue = new SerialQueue();

  const ask = async (command: 'collect' | 'profile'): Promise<string> => {
    if (startTime === null || look.startTime() !== startTime) throw goneError(pid);
    const hook = look.hookSocket();
    byHook = hook !== null;
    if (hook !== null) return askHook(hook, command === 'collect' ? 'gc' : 'profile', takeMs + workMs);
    if (!mayOrder())
      throw new SpillwayError(
        'deferred',
        'the Python agent has no hook, and remote debugging is not due yet',
        {
          retryable: true,
        },
      );
    const job = { command, takeMs, workMs, signal: stop.signal };
    return remoteExec({ procRoot, pid, look, startTime }, job);
  };

  return {
    runtime: 'python',
    facts: async () => null,
    collect: () =>
      queue.next(async () => {
        const answer = await ask('collect');
        return parseCollection(answer, byHook ? 'all' : 'main');
      }),
    startProfile: async () => undefined, // Python's census needs no preparation
    profile: () =>
      queue.next(async () => {
        const parsed = parseProfile(await ask('profile'), baseline);
        baseline = parsed.baseline;
        return parsed.profile;
      }),
    async release() {
      stop.abort();
      stop = new AbortController();
      await Promise.race([queue.running, sleep(RELEASE_MS, undefined, { ref: false })]);
    },
  };
}
