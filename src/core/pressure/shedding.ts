import type { RemedyStatus } from '../model/remedy.ts';
import type { Judge } from './judge.ts';
import { atLeast } from './level.ts';

type ShedCode = 'blind' | 'below_shedding' | 'refusing' | 'frees_nothing' | 'relieved' | 'ready';

/** The state of shedding, and why. */
function sheddingStatus(judge: Judge): RemedyStatus<ShedCode> {
  const { level, ready, stuck, relieved, blind } = judge;
  const of = (state: RemedyStatus['state'], code: ShedCode) => {
    return { name: 'shed', state, code, why: WHY[code] ?? `the level is ${level}` };
  };
  if (blind) return of('idle', 'blind');
  if (!atLeast(level, 'shedding')) return of('idle', 'below_shedding');
  if (!ready) return of('acting', 'refusing');
  if (stuck) return of('waiting', 'frees_nothing');
  return of('idle', relieved ? 'relieved' : 'ready');
}

const WHY: Readonly<Record<ShedCode, string | null>> = {
  blind: 'there is no valid reading: on-blind decides readiness',
  below_shedding: 'the level is below shedding',
  refusing: null, // by the level
  frees_nothing: 'shedding frees nothing: /admit alone refuses a share',
  relieved: 'memory has room again',
  ready: 'the agent is ready',
};

/** The remedies in the order in which they are tried, shedding after collections. */
export function withShedding([gc, ...others]: readonly RemedyStatus[], judge: Judge): RemedyStatus[] {
  return [...(gc ? [gc] : []), sheddingStatus(judge), ...others];
}
