import { setTimeout as sleep } from 'node:timers/promises';
import { SpillwayError } from '../../core/lib/errors.ts';
import type { PythonFacts } from '../../core/proc/python-facts.ts';
import { privateDirectory } from './private-directory.ts';
import { HOOK_HINT, openOrder, type RemoteOrder } from './remote-order.ts';
import { RESCUE, RESULT, remoteRescue, remoteScript, remoteWork, SCRIPT, TOKEN, WORK } from './script.ts';

/** What to do in the agent, and how long it may take, in milliseconds. */
export interface RemoteJob {
  command: 'collect' | 'profile';
  /** Until the agent's main thread takes the order. */
  takeMs: number;
  /** From then on until the answer. */
  workMs: number;
  /** Takes back what the agent has not taken yet. */
  signal: AbortSignal;
}

/** The first looks come quickly: a script of little work answers within 10 ms. */
const POLL_MS = 2;
const SLOWEST_POLL_MS = 25;
const REMIND_MS = 100;
/** An interpreter that has read the order opens its file within microseconds; then the file may go. */
const OPENING_MS = 50;

/** Whom an order is for. */
interface RemoteProcess {
  procRoot: string;
  pid: number;
  look: PythonFacts;
  startTime: number;
}

/**
 * Has CPython's own remote debugging (PEP 768) run a script in the agent's main thread and gives its answer as text.
 * The interpreter looks for orders between byte codes, so one that waits in a C call (an idle event loop, a lock)
 * takes it only when that call returns; an order not taken in time is cancelled.
 * @throws SpillwayError
 */
export async function remoteExec(
  { procRoot, pid, look, startTime }: RemoteProcess,
  job: RemoteJob,
): Promise<string> {
  const order = openOrder(procRoot, pid, look, startTime);
  try {
    const directory = privateDirectory(look);
    try {
      directory.write(TOKEN, '');
      directory.write(RESCUE, remoteRescue(directory.path));
      directory.write(SCRIPT, remoteScript(directory.path));
      directory.write(
        WORK,
        remoteWork({
          command: job.command,
          directory: directory.path,
          ownPid: look.identity().ownPid,
          deadline: Math.ceil((Date.now() + job.takeMs) / 1000),
        }),
      );
      order.arm(`${directory.path}/${SCRIPT}`);
      await until(job.takeMs, () => job.signal.aborted || !directory.has(TOKEN), order);
      if (directory.take(TOKEN)) {
        await takeBack(order);
        const why = job.signal.aborted
          ? 'cancelled'
          : `not taken within ${job.takeMs} ms: the main thread ran no Python`;
        throw new SpillwayError('timeout', `the remote call was ${why}`, {
          hint: HOOK_HINT,
          retryable: true,
        });
      }
      await until(job.workMs, () => directory.has(RESULT));
      const answer = directory.read(RESULT);
      if (answer === null)
        throw new SpillwayError('timeout', `the agent timed out after ${job.workMs} ms`, {
          retryable: true,
        });
      return answer;
    } finally {
      directory.remove();
    }
  } finally {
    order.close();
  }
}

async function until(ms: number, holds: () => boolean, order?: RemoteOrder): Promise<boolean> {
  const start = performance.now();
  let reminded = start;
  for (let pause = POLL_MS; !holds(); pause = Math.min(pause * 1.5, SLOWEST_POLL_MS)) {
    const now = performance.now();
    if (now - start >= ms) return false;
    if (order && now - reminded >= REMIND_MS) {
      order.remind();
      reminded = now;
    }
    await sleep(pause);
  }
  return true;
}

async function takeBack(order: RemoteOrder): Promise<void> {
  const pending = order.pending();
  order.disarm();
  if (!pending) await sleep(OPENING_MS);
}
