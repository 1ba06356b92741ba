import { type Movement, nextMovement, rests, UNMOVED } from '../lib/movement.ts';
import type { Level } from '../model/status.ts';
import { atLeast } from './level.ts';

/** One stretch of being at shedding or above. */
export interface ReadinessState {
  /** When use last made a new low in this stretch, or when the stretch began; `null` outside of one. */
  readonly lastFallMs: number | null;
  readonly lowestBytes: number;
  readonly movement: Movement;
  /** Shedding frees nothing: ready again until the stretch ends or becomes critical; `null` while it may help. */
  readonly stuck: 'hopeless' | 'too_long' | 'no_other' | null;
  readonly critical: boolean;
  /** Use is below where the level will be left once its hold is over, by a collection or by far, or below where it was entered and there is no other replica: ready already. */
  readonly relieved: boolean;
  /** When it last ended before its hold was over, also in a stretch before this one. */
  readonly endedEarlyMs: number;
}

export const READY: ReadinessState = {
  lastFallMs: null,
  lowestBytes: 0,
  movement: UNMOVED,
  stuck: null,
  critical: false,
  relieved: false,
  endedEarlyMs: Number.NEGATIVE_INFINITY,
};

/** What refusing work may still bring. */
export interface ReclaimOutlook {
  /** Collections help, one runs, or none has been tried yet. */
  collecting: boolean;
  /** A collection has just made room: what falls for that reason does not come back at once. */
  collected: boolean;
  /** Work in flight, which may return memory when it ends; `null` is not known. */
  working: boolean | null;
}

/** Where shedding is entered, and where it is left once its hold is over, in bytes of the limit that is near. */
export interface ShedBounds {
  enterBytes: number;
  leaveBytes: number;
  /** Where even the warning level is left. */
  calmBytes: number;
}

/** How the agent stands at one reading. */
export interface ReadinessInput {
  level: Level;
  heldBytes: number;
  limitBytes: number;
  nowMs: number;
  maxUnreadyMs: number;
  /** `undefined` where nothing is known of the agent. */
  reclaim: ReclaimOutlook | undefined;
  shed: ShedBounds;
  /** No other replica could take what is refused, and the limit is not near. */
  alone?: boolean;
}

/** Without knowledge of the agent only time shows that shedding frees nothing. */
const NO_KNOWLEDGE: ReclaimOutlook = { collecting: true, collected: false, working: null };

/** A fall or rise smaller than this share of the limit is noise. */
const MOVE_SHARE = 0.01;
/** Use at rest for this long, with no work in flight and nothing to collect, will not fall by waiting. */
const REST_MS = 1000;
/** The same where work in flight is not visible. */
const REST_UNSEEN_MS = 3000;

/** The refusal ends before its hold is over at most so often: a replica was seen to shed four times in 9 s. */
const EARLY_END_MS = 10_000;

/**
 * Readiness after a reading. Refusing work is worth it only while it may free memory. Where usage is flat, nothing is
 * in flight and GC frees nothing, the agent is ready again within seconds; whatever else is known, when use has
 * not fallen for `maxUnreadyMs`; and below critical where GC frees nothing and no other replica could take the work. Systems that shed on a memory ratio without such an end stayed un-ready for hours.
 */
export function nextReadiness(state: ReadinessState, input: ReadinessInput): ReadinessState {
  const { level, heldBytes, limitBytes, nowMs, maxUnreadyMs, reclaim = NO_KNOWLEDGE, shed, alone } = input;
  if (!atLeast(level, 'shedding'))
    return state.lastFallMs === null ? state : { ...READY, endedEarlyMs: state.endedEarlyMs };
  const critical = level === 'critical';
  const begins = state.lastFallMs === null;
  // it went on rising after work was admitted again: what was ended at shedding is tried once more
  const worse = state.stuck !== null && critical && !state.critical;
  if (begins || worse)
    return {
      lastFallMs: nowMs,
      lowestBytes: heldBytes,
      movement: nextMovement(UNMOVED, heldBytes, 0, nowMs),
      stuck: null,
      critical,
      relieved: false,
      endedEarlyMs: state.endedEarlyMs,
    };
  if (state.stuck !== null) return state;
  // the hold is against flapping: what a collection has returned is none, nor is a fall to where all is calm, until use
  // is back where it was
  if (state.relieved && heldBytes < shed.enterBytes) return state;
  const below = heldBytes < shed.leaveBytes;
  const early = nowMs - state.endedEarlyMs >= EARLY_END_MS;
  const moveBytes = MOVE_SHARE * limitBytes;
  // no other replica takes the work meanwhile, and the hold costs all of it
  const over = alone === true && heldBytes < shed.enterBytes - moveBytes;
  const ends = (over || (reclaim.collected && below)) && early;
  // where all is calm nothing is left to refuse for; but garbage that comes back at once would make replicas flap
  const calm = heldBytes < shed.calmBytes && (alone === true || !reclaim.collected);
  if (ends || calm)
    return {
      ...{ ...state, relieved: true, lastFallMs: nowMs, lowestBytes: heldBytes },
      ...(ends ? { endedEarlyMs: nowMs } : {}),
    };
  const fell = heldBytes < state.lowestBytes - moveBytes;
  const movement = nextMovement(state.movement, heldBytes, moveBytes, nowMs);
  const next: ReadinessState = {
    ...state,
    critical: critical || state.critical,
    relieved: false,
    movement,
    ...(fell ? { lastFallMs: nowMs, lowestBytes: heldBytes } : {}),
  };
  const hopeless =
    !below &&
    !reclaim.collecting &&
    reclaim.working !== true &&
    rests(movement, nowMs, reclaim.working === null ? REST_UNSEEN_MS : REST_MS);
  if (hopeless) return { ...next, stuck: 'hopeless' };
  // work in flight returns what it holds when it ends, whether more is refused or not: that matters at critical
  if (alone && !critical && !reclaim.collecting) return { ...next, stuck: 'no_other' };
  if (nowMs - (next.lastFallMs ?? nowMs) >= maxUnreadyMs) return { ...next, stuck: 'too_long' };
  return movement !== state.movement || fell || next.critical !== state.critical || state.relieved
    ? next
    : state;
}

/** Whether new work should come at all. */
export function isReady(state: ReadinessState): boolean {
  return state.lastFallMs === null || state.stuck !== null || state.relieved;
}
