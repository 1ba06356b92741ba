import { errnoOf, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type {
  RecycleOutcome,
  RecycleResult,
  RecycleStep,
  RecycleWork,
  Recycling,
} from '../core/recycling.ts';
import { formatSeconds } from '../core/units.ts';
import { readProcess } from './wrap/processes.ts';

export interface RecycleOptions {
  drain: Pick<RecycleWork, 'inFlight' | 'urgent'> & {
    /** Default 10,000. */
    maxMs?: number;
  };
  /**
   * Sends SIGTERM to the very process that was judged: see {@link aimSigterm}.
   * @throws what `kill` does: EPERM, ESRCH
   */
  terminate(): void;
  alive: RecycleWork['alive'];
  /** Time to end after SIGTERM. Default 30,000. */
  graceMs?: number;
  clock: Pick<Clock, 'now' | 'setTimer'>;
  onStep?(step: RecycleStep): void;
}

const POLL_MS = 20;
/** Each look at the work in flight costs some 10 ms of CPU. */
const LOOK_EVERY_MS = 250;
/** Who asks for readiness needs a moment to notice: work has ended when two looks in a row see none. */
const QUIET_LOOKS = 2;
/** A balancer that asks each second goes on sending for so long after the answer has changed. */
const NOTICED_MS = 1300;

/**
 * Ends the agent in order: waits until no work is in flight, at most for a while, sends SIGTERM once, and waits for the
 * end. Never SIGKILL: what does not end is left alone. That no new work comes is the caller's to see to.
 */
export function startRecycle(options: RecycleOptions): Recycling {
  const { drain, clock, graceMs = 30_000, onStep = () => {} } = options;
  const { maxMs = 10_000 } = drain;
  const startMs = clock.now();
  let step: RecycleStep = 'draining';
  let timer: { cancel(): void } | undefined;
  let termMs: number | null = null;
  let before: number | null = null;
  let after: number | null = null;
  let quiet = 0;
  let looking = false;
  let lookMs = Number.NEGATIVE_INFINITY;
  let finish: (outcome: RecycleOutcome) => void = () => {};
  const outcome = new Promise<RecycleOutcome>((resolve) => {
    finish = resolve;
  });

  const enter = (next: RecycleStep) => {
    step = next;
    onStep(next);
  };
  const done = (result: RecycleResult, words: string) => {
    timer?.cancel();
    const now = clock.now();
    const drainedMs = (termMs ?? now) - startMs;
    finish({
      result,
      drainedMs,
      endedMs: termMs === null ? null : now - termMs,
      inFlightBefore: before,
      inFlightAfter: after,
      note: `Drained for ${formatSeconds(drainedMs / 1000)} (${counted(before, after)}); ${words}.`,
    });
    enter('done');
  };
  const look = () => {
    if (looking || clock.now() - lookMs < LOOK_EVERY_MS) return;
    const first = lookMs === Number.NEGATIVE_INFINITY;
    looking = true;
    lookMs = clock.now();
    Promise.resolve()
      .then(() => drain.inFlight())
      .catch(() => null)
      .then((count) => {
        looking = false;
        if (step !== 'draining') return;
        if (first) before = count;
        after = count;
        quiet = count === 0 ? quiet + 1 : 0;
      });
  };
  const terminate = () => {
    try {
      options.terminate();
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') done('ended before', 'it had ended before SIGTERM');
      else done('refused', `SIGTERM could not be sent: ${messageOf(error)}`);
      return;
    }
    termMs = clock.now();
    enter('terminating');
  };
  const poll = () => {
    const now = clock.now();
    if (!options.alive()) {
      if (termMs === null) done('ended before', 'it ended before SIGTERM');
      else done('ended', `it ended ${formatSeconds((now - termMs) / 1000)} after SIGTERM`);
    } else if (termMs === null) {
      const quietEnough = quiet >= QUIET_LOOKS && now - startMs >= NOTICED_MS;
      if (quietEnough || now - startMs >= maxMs || drain.urgent()) terminate();
      else look();
    } else if (now - termMs >= graceMs)
      done('left alone', `${formatSeconds(graceMs / 1000)} after SIGTERM it still runs and is left alone`);
    if (step !== 'done') timer = clock.setTimer(poll, POLL_MS);
  };

  enter('draining');
  poll();
  return {
    get step() {
      return step;
    },
    outcome,
    callOff(why) {
      if (step !== 'draining') return false;
      done('called off', `called off: ${why}`);
      return true;
    },
  };
}

/**
 * SIGTERM to the process that has this number now; to be called while it is known to be the right one.
 * @returns sends it; throws an error with code ESRCH when the process is gone, whoever has its number then, and EPERM as
 *   `kill` does
 */
export function aimSigterm(pid: number, procRoot = '/proc'): () => void {
  const aimed = readProcess(pid, procRoot)?.startTicks;
  return () => {
    if (readProcess(pid, procRoot)?.startTicks !== aimed)
      throw Object.assign(new Error(`process ${pid} is gone`), { code: 'ESRCH' });
    process.kill(pid, 'SIGTERM');
  };
}

/** `4 → 0 in work`. */
function counted(before: number | null, after: number | null): string {
  if (before === null && after === null) return 'what was in work is not known';
  return `${before ?? '?'} → ${after ?? '?'} in work`;
}
