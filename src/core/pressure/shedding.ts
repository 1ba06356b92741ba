import type { RemedyStatus } from '../model/remedy.ts';
import type { Judge } from './judge.ts';
import { atLeast } from './level.ts';

/** The state of shedding, and why. */
function sheddingStatus({ level, ready, stuck, relieved, blind }: Judge): RemedyStatus {
  const name = 'shed';
  if (blind) return { name, state: 'idle', why: 'there is no valid reading: on-blind decides readiness' };
  if (!atLeast(level, 'shedding')) return { name, state: 'idle', why: 'the level is below shedding' };
  if (!ready) return { name, state: 'acting', why: `the level is ${level}` };
  if (stuck) return { name, state: 'waiting', why: 'shedding frees nothing: /admit alone refuses a share' };
  return {
    name,
    state: 'idle',
    why: relieved ? 'memory has room again' : 'the agent is ready',
  };
}

/** The remedies in the order in which they are tried, shedding after collections. */
export function withShedding([gc, ...others]: readonly RemedyStatus[], judge: Judge): RemedyStatus[] {
  return [...(gc ? [gc] : []), sheddingStatus(judge), ...others];
}
