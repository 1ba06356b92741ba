import { formatBytes, formatSeconds } from '../lib/units.ts';
import type { GcReason, GcWait } from './decision.ts';

/** How collections stand, for the status: what the plan says, and what is known without asking it. */
export type GcStanding =
  | GcWait
  | { code: 'running' | 'no_agent' | 'not_answered' }
  /** `message` is the runtime's, or that of the connection to it. */
  | { code: 'refused' | 'timeout'; message: string };

/** One sentence without its end. */
export function describeStanding(standing: GcStanding): string {
  switch (standing.code) {
    case 'switched_off':
      return 'gc is off';
    case 'running':
      return 'a collection runs';
    case 'no_agent':
      return 'there is no agent';
    case 'not_answered':
      return 'the runtime has not answered yet';
    case 'refused':
    case 'timeout':
      return standing.message;
    case 'no_stall_budget':
      return 'the stall budget is 0 %';
    case 'no_pressure':
      return 'there is no memory pressure';
    case 'backoff':
      return 'the last attempt failed';
    case 'impossible':
      return 'GC is impossible';
    case 'just_ended':
      return 'the last GC has just ended';
    case 'freed_little':
      return `the last GC freed little; at most ${formatBytes(standing.garbageBytes)} of new garbage since`;
    case 'little_garbage':
      return `at most ${formatBytes(standing.garbageBytes)} of new garbage since the last GC`;
    case 'stall_too_long': {
      const most = `${formatSeconds(standing.mostMs / 1000)} at ${standing.level}`;
      return `${pauses(standing.stallMs)}, more than ${most}`;
    }
    case 'above_budget':
      return `${pauses(standing.stallMs)}, more than the stall budget ever allows`;
    case 'budget_spent':
      return `${pauses(standing.stallMs)}, more than the stall budget allows now`;
  }
}

/** Why a collection is made: `trigger` of its record. */
export function describeReason(reason: GcReason): string {
  switch (reason.code) {
    case 'request':
      return 'request';
    case 'load_ended':
      return 'the load has ended and may have left garbage';
    case 'limit_foreseen':
      return `usage reaches the limit in about ${formatSeconds(reason.secondsToLimit)}`;
    case 'usage':
      return `usage is at ${Math.floor(reason.ratio * 100)} % of the limit`;
  }
}

const pauses = (stallMs: number) => `GC may pause the agent for ${formatSeconds(stallMs / 1000)}`;
