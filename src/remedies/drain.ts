import { readFileSync } from 'node:fs';
import { errnoOf, messageOf } from '../core/lib/errors.ts';
import type { Clock } from '../core/ports/ports.ts';
import { hasEnded, parseStat } from '../core/proc/proc-text.ts';
import {
  RESULTS,
  type RecycleEnd,
  type RecycleOutcome,
  type RecycleStep,
  type RecycleWork,
  type Recycling,
} from '../core/recycle/outcome.ts';

export interface RecycleOptions {
  drain: Pick<
    RecycleWork,
    'inFlight' | 'endsInSeconds' | 'urgent' | 'needed' | 'judged' | 'mayBreak' | 'noticed'
  > & {
    /** Default: as long as what is in flight takes, 10,000 to 30,000. */
    maxMs?: number;
  };
  /** SIGTERM to the very process that was judged. */
  aim: Aim;
  alive: RecycleWork['alive'];
  terminated: RecycleWork['terminated'];
  /** Time to end after SIGTERM. Default 30,000. */
  graceMs?: number;
  clock: Pick<Clock, 'now' | 'setTimer'>;
  onStep?(step: RecycleStep): void;
}

/** SIGTERM to one process, which may stand below the agent's own: see {@link aimSigterm}. */
export interface Aim {
  /** @throws what `kill` does: EPERM, ESRCH */
  send(): void;
  /** Whether that process is still there; true where that is unknown. */
  there(): boolean;
}

/** Work is waited for as long as such work takes and is seen to have ended, within these bounds. */
const MAX_MS = { least: 10_000, most: 30_000 };
const SEEN_MS = 2000;
const POLL_MS = 20;
/** Each look at the work in flight costs some 10 ms of CPU. */
const LOOK_EVERY_MS = 250;
/** Work has ended when two looks in a row see none. */
const QUIET_LOOKS = 2;
/** Below an init or npm the agent's own process ends right after the one that serves; a supervisor stays. */
const HANDED_OVER_MS = 2000;

/**
 * Ends the agent in order: waits until no work is in flight, at most until the kill is near or its time is over, sends SIGTERM once, and waits for the end. No SIGTERM at a moment when it is not needed, nor with work in flight where that would
 * break it, nor to an agent that ends already: it has closed its port. Never SIGKILL: what does not end keeps running. That no
 * new work comes is the caller's to see to.
 */
export function startRecycle(options: RecycleOptions): Recycling {
  const { drain, clock, graceMs = 30_000, onStep = () => {} } = options;
  const startMs = clock.now();
  let step: RecycleStep = 'draining';
  let timer: { cancel(): void } | undefined;
  let termMs: number | null = null;
  let before: number | null = null;
  let after: number | null = null;
  let quiet = 0;
  let closed = 0;
  let goneMs: number | null = null;
  let { maxMs = MAX_MS.least } = drain;
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
  const done = (end: RecycleEnd) => {
    timer?.cancel();
    const now = clock.now();
    finish({
      result: RESULTS[end.code],
      endedMs: termMs === null ? null : now - termMs,
      drainedMs: (termMs ?? now) - startMs,
      inFlight: { before, after },
      end,
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
        if (first) {
          before = count;
          const endsIn = drain.endsInSeconds();
          if (endsIn !== null) maxMs = Math.min(MAX_MS.most, Math.max(maxMs, 1000 * endsIn + SEEN_MS));
        }
        after = count;
        quiet = count === 0 ? quiet + 1 : 0;
        closed = before !== null && count === null ? closed + 1 : 0;
      });
  };
  const terminate = () => {
    try {
      options.aim.send();
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') done({ code: 'ended_before' });
      else done({ code: 'sigterm_not_sent', message: messageOf(error) });
      return;
    }
    termMs = clock.now();
    options.terminated();
    enter('terminating');
  };
  const drained = () => quiet >= QUIET_LOOKS && drain.noticed();
  const late = (now: number) => now - startMs >= maxMs || drain.urgent();
  const poll = () => {
    const now = clock.now();
    if (termMs !== null && goneMs === null && !options.aim.there()) goneMs = now;
    if (!options.alive()) {
      if (termMs === null) done({ code: 'ended_before' });
      else done({ code: 'ended', afterMs: (goneMs ?? now) - termMs });
    } else if (termMs === null) {
      if (!drain.judged()) done({ code: 'not_judged' });
      else if (closed >= QUIET_LOOKS) done({ code: 'port_closed' });
      else if ((drained() || (late(now) && drain.mayBreak())) && drain.needed()) terminate();
      else if (now - startMs >= maxMs && !drain.mayBreak()) done({ code: 'work_goes_on' });
      else look();
    } else if (goneMs !== null) {
      if (now - goneMs >= HANDED_OVER_MS) done({ code: 'handed_over', afterMs: goneMs - termMs });
    } else if (now - termMs >= graceMs) done({ code: 'left_running', afterMs: graceMs });
    if (step !== 'done') timer = clock.setTimer(poll, POLL_MS);
  };

  enter('draining');
  poll();
  return {
    outcome,
    callOff(why) {
      if (step !== 'draining') return false;
      done({ code: 'called_off', message: why });
      return true;
    },
  };
}

/**
 * SIGTERM to the process that has this number now; to be called while it is known to be the right one.
 * @returns `send` throws an error with code ESRCH when the process is gone, whoever has its number then, and EPERM as
 *   `kill` does
 * @throws where `/proc` cannot be read for another reason than that: no file descriptor left
 */
export function aimSigterm(pid: number, procRoot = '/proc'): Aim {
  const aimed = startTicks(pid, procRoot);
  return {
    send() {
      if (startTicks(pid, procRoot) !== aimed)
        throw Object.assign(new Error(`process ${pid} is gone`), { code: 'ESRCH' });
      process.kill(pid, 'SIGTERM');
    },
    there() {
      try {
        return startTicks(pid, procRoot) === aimed;
      } catch {
        return true;
      }
    },
  };
}

/** Distinguishes a process from a later one with its number; `null` once it has ended, and where there is no `/proc`. */
function startTicks(pid: number, procRoot: string): number | null {
  const file = `${procRoot}/${pid}/stat`;
  try {
    const stat = parseStat(readFileSync(file, 'utf8'), file);
    return hasEnded(stat) ? null : stat.startTime;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ESRCH') return null;
    throw error;
  }
}
