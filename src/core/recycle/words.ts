import { formatBytes, formatSeconds } from '../lib/units.ts';
import type { ForeseenEnd, NoKill } from './foreseen-kill.ts';
import type { RecycleOutcome } from './outcome.ts';
import type { RecycleBar } from './plan.ts';

/** How the recycle stands, for the status. */
export type RecycleStanding =
  | NoKill
  | RecycleBar
  | { code: 'no_agent' }
  | { code: 'others_end_it'; message: string }
  | { code: 'recycling'; message: string }
  | { code: 'left_running'; afterMs: number };

/** One sentence without its end. */
export function describeStanding(standing: RecycleStanding): string {
  switch (standing.code) {
    case 'no_agent':
      return 'there is no agent';
    case 'others_end_it':
      return standing.message;
    case 'recycling':
      return `being recycled: ${standing.message}`;
    case 'left_running':
      return stillRuns(standing.afterMs);
    case 'recycled_recently':
      return `the agent was recycled recently; the next recycle may follow in ${formatSeconds(standing.leftMs / 1000)}`;
    case 'needs_more': {
      const { ageSeconds, heldBytes, limitBytes } = standing;
      const held = `${formatBytes(heldBytes)} of ${formatBytes(limitBytes)}`;
      return `${formatSeconds(ageSeconds)} after a recycle the agent holds ${held} again: it needs more memory than its limit; raise the limit`;
    }
    default:
      return WHY_NOT[standing.code];
  }
}

type Plain = Exclude<(NoKill | RecycleBar)['code'], 'recycled_recently' | 'needs_more'>;

const WHY_NOT: Readonly<Record<Plain, string>> = {
  other_victim: 'another process of the agent holds most of the memory: the kernel kills that one',
  gc_frees: 'GC frees memory',
  gc_may_free: 'GC may still free memory',
  not_rising: 'usage does not rise',
  limit_not_near: 'the limit is not near',
  rise_too_short: 'the rise is too short for a forecast',
  work_unseen: 'memory has grown, and no work was seen in flight',
  work_in_flight: 'memory grows on, and work is in flight',
  kubelet_delays: 'memory grows on, and the kubelet would delay the restart (CrashLoopBackOff)',
  not_its_turn: 'memory grows on, and fuller replicas come first',
  switched_off: 'recycle is off',
  no_restart_policy: 'there is no restart policy',
  restart_policy_unknown: 'the restart policy is unknown',
  no_sigterm_handler: 'no SIGTERM handler is known, so the work in flight would not end',
  sigterm_sent: 'SIGTERM was already sent',
  sigterm_not_sent: 'SIGTERM could not be sent',
  just_started: 'the agent has just started',
};

/** Why the agent is ended gracefully. */
export function describeKill(end: ForeseenEnd): string {
  const { secondsToLimit, grownSeconds, collections, inFlight, stalled } = end;
  const futile = { useless: 'GC frees nothing', impossible: 'GC is impossible' }[collections];
  const flight =
    inFlight === null
      ? 'the number of requests in flight is unknown'
      : inFlight === 0
        ? 'nothing is in flight'
        : `${inFlight} in flight`;
  const limit = `the limit in about ${formatSeconds(secondsToLimit)}`;
  const growth =
    grownSeconds === null
      ? `usage still rises and reaches ${limit}`
      : `usage has grown for ${formatSeconds(grownSeconds)}, pauses apart, and reaches ${limit} of more work`;
  const cause = stalled ? 'at critical, requests wait for memory that nothing returns' : growth;
  return `${cause}; ${futile}; ${flight}`;
}

/** How it ended, in one sentence. */
export function describeOutcome({ drainedMs, inFlight: { before, after }, end }: RecycleOutcome): string {
  const counted =
    before === null && after === null
      ? 'requests in flight unknown'
      : `${before ?? '?'} → ${after ?? '?'} in flight`;
  return `Drained for ${formatSeconds(drainedMs / 1000)} (${counted}); ${describeEnd(end)}.`;
}

function describeEnd(end: RecycleOutcome['end']): string {
  switch (end.code) {
    case 'ended_before':
      return 'the agent ended before SIGTERM';
    case 'ended':
      return `the agent ended ${formatSeconds(end.afterMs / 1000)} after SIGTERM`;
    case 'handed_over':
      return `the agent ended ${formatSeconds(end.afterMs / 1000)} after SIGTERM, its parent process is still running`;
    case 'left_running':
      return stillRuns(end.afterMs);
    case 'sigterm_not_sent':
      return `SIGTERM could not be sent: ${end.message}`;
    case 'not_judged':
      return 'cancelled: the state of the agent is unknown';
    case 'port_closed':
      return 'cancelled: the agent closed its port and is already shutting down';
    case 'work_goes_on':
      return 'cancelled: work in flight goes on, and SIGTERM would break it';
    case 'called_off':
      return `cancelled: ${end.message}`;
  }
}

const stillRuns = (afterMs: number) =>
  `the agent is still running ${formatSeconds(afterMs / 1000)} after SIGTERM`;
