import type { Level } from '../model/status.ts';
import { atLeast, type Thresholds, withoutHold } from '../pressure/level.ts';

/**
 * What collecting garbage can do for the agent now. `pending`: one runs, or is about to be worth it; `useful`: the last
 * one freed memory; `useless`: it freed nothing; `impossible`: the runtime cannot be asked.
 */
export type CollectionState = 'pending' | 'useful' | FutileGc;
type FutileGc = 'useless' | 'impossible';

/** The agent at one moment. */
export interface KillInput {
  /** Monotonic milliseconds. */
  nowMs: number;
  level: Level;
  /** Unreclaimable bytes, of what the nearer limit is about: container or heap. Never page cache. */
  heldBytes: number;
  /** The nearer limit, in bytes. */
  limitBytes: number;
  /** Until that limit at the present growth; `null` when use does not certainly rise. */
  secondsToLimit: number | null;
  /** For how long that growth has gone on, in seconds. */
  risingSeconds: number;
  collections: CollectionState;
  /** Charged already, but free inside the runtime's heap, in bytes; 0 where that is not known. */
  freeHeapBytes: number;
  /** Requests in flight; `null` where that is unknown. */
  inFlight: number | null;
  /** In how many seconds those have ended, as far as such requests tell; `null` where that is unknown. */
  endsInSeconds: number | null;
  /** The kernel would end another process: one tool of the agent holds most of the memory. */
  spared: boolean;
}

/** A kill that nothing else averts: usage rises, and GC frees nothing. */
export interface ForeseenEnd {
  secondsToLimit: number;
  /** For how long it has grown, pauses left out, where it pauses and will go on with the work; `null` where it rises now. */
  grownSeconds: number | null;
  collections: FutileGc;
  /** `null` where that is unknown. */
  inFlight: number | null;
  /** It need not grow: at critical, requests wait for memory that nothing returns. */
  stalled?: true;
}

/** Why there is none. */
export interface NoKill {
  code:
    | 'other_victim' // the kernel would end another process of the agent
    | 'gc_frees' // collecting averts it
    | 'gc_may_free' // … or may do so
    | 'not_rising'
    | 'limit_not_near'
    | 'rise_too_short' // for a forecast
    | 'work_unseen' // memory has grown, by no work that was seen
    | 'work_in_flight' // it grows on; ending it now breaks work
    | 'kubelet_delays' // … costs a long wait for the restart
    | 'not_its_turn'; // among the replicas
}

/** `open` where that is undecided at the moment. */
export type KillVerdict = { kill: true; reason: ForeseenEnd } | { kill: false; why: NoKill; open?: true };

/** What work in flight needs to end, by how long such work takes within these bounds. */
const DRAIN_SECONDS = { least: 1, unknown: 3, most: 30 };
/** For SIGTERM to be heard and the agent to end while it still grows. */
export const MARGIN_SECONDS = 1.5;
/** A rise of so long is no burst: it may be acted upon further ahead … */
export const SUSTAINED_SECONDS = 12;
/** … at a moment with nothing in flight, when ending the agent costs nothing … */
const IDLE_SECONDS = 15;
/** … and replicas that fill alike in turn: over the time from the first shedding to the kill, or so much of it. */
const AHEAD_SECONDS = 60;
/** At critical nothing is served any more: the replicas' turns are so far apart at most. */
const TURN_SECONDS = 20;
/** A forecast that is away for less is still the same rise. */
const RESTS_MS = 3_000;
/** A rise is believed to go on for as long as it has gone on; where the limit is next, for twice as long. */
const BELIEVED = 1;
const BELIEVED_NEXT = 2;
/** GC has to free nothing for so long. */
const FUTILE_MS = 1_000;
/** What has begun goes on while the forecast moves by less than this factor. */
const BEGUN_FACTOR = 1.5;

/**
 * Whether the agent is going to be killed: use rises, has risen for long enough to be believed, and meets the limit before
 * work in flight could end; and GC frees nothing. However high usage is, where it is flat nobody dies.
 */
export class ForeseenKill {
  readonly #thresholds: Thresholds;
  readonly #turn: number | null;
  #futileSinceMs: number | null = null;
  /** Since when it is at critical, and rises; `null` otherwise. */
  #criticalSinceMs: number | null = null;
  /** Until the limit, when the rise came to shedding, or was believed at critical; `null` below that, and where usage is flat. */
  #windowSeconds: number | null = null;
  /** When use was last foreseen to meet the limit. */
  #roseMs = Number.NEGATIVE_INFINITY;

  /** @param turn 0…1, when this replica's turn is among those that fill alike, 1 is last; `null` where there is but one */
  constructor(thresholds: Thresholds, turn: number | null) {
    this.#thresholds = thresholds;
    this.#turn = turn;
  }

  /** Another life of the agent begins. */
  born(): void {
    this.#futileSinceMs = null;
    this.#criticalSinceMs = null;
    this.#windowSeconds = null;
  }

  /** @param begun the agent is being drained for it already */
  judge(input: KillInput, begun: boolean): KillVerdict {
    const { nowMs, secondsToLimit, risingSeconds, collections, inFlight } = input;
    const last = lastMoment(input);
    const futile = isFutile(collections);
    this.#futileSinceMs = futile ? (this.#futileSinceMs ?? nowMs) : null;
    const level = withoutHold(input.level, input.heldBytes / input.limitBytes, this.#thresholds);
    // the turns begin with growth that is believed: where usage is flat, nobody has to be ended, however high
    if (secondsToLimit !== null) this.#roseMs = nowMs;
    const rises = nowMs - this.#roseMs < RESTS_MS;
    const believed = secondsToLimit !== null && secondsToLimit <= risingSeconds * BELIEVED;
    const first = believed ? nowMs : null;
    this.#criticalSinceMs = rises && level === 'critical' ? (this.#criticalSinceMs ?? first) : null;
    const window = believed || level === 'shedding' ? secondsToLimit : null;
    this.#windowSeconds = rises && atLeast(level, 'shedding') ? (this.#windowSeconds ?? window) : null;

    if (input.spared) return no('other_victim');
    if (collections === 'useful') return no('gc_frees');
    if (secondsToLimit === null) return no('not_rising');
    const within = this.#horizon(level, input) * (begun ? BEGUN_FACTOR : 1);
    if (secondsToLimit > within) return no('limit_not_near');
    const next = secondsToLimit <= Math.min(last, DRAIN_SECONDS.unknown + MARGIN_SECONDS);
    if (secondsToLimit > risingSeconds * (next ? BELIEVED_NEXT : BELIEVED) * (begun ? BEGUN_FACTOR : 1))
      return no('rise_too_short');
    if (!isFutile(collections) || nowMs - (this.#futileSinceMs ?? nowMs) < (begun ? 0 : FUTILE_MS))
      return { ...no('gc_may_free'), open: true };
    return { kill: true, reason: { secondsToLimit, grownSeconds: null, collections, inFlight } };
  }

  /** How far ahead a kill is acted upon, in seconds. */
  #horizon(level: Level, input: KillInput): number {
    const { risingSeconds, inFlight } = input;
    const last = lastMoment(input);
    const sustained = risingSeconds >= SUSTAINED_SECONDS;
    const idle = sustained && inFlight === 0;
    const soon = Math.max(last, idle ? IDLE_SECONDS : 0);
    const window = Math.min(AHEAD_SECONDS, Math.max(0, (this.#windowSeconds ?? 0) - last));
    // the first of many begins at once, the last at the last moment
    const within = sustained && this.#turn !== null ? last + (1 - this.#turn) * window : soon;
    switch (level) {
      case 'ok':
        return 0;
      case 'warning': // work goes on here: only where there is none to break
        return idle ? IDLE_SECONDS : 0;
      case 'shedding':
        return within;
      case 'critical':
        return this.#itsTurn(input) && !hasRoom(input) ? Number.POSITIVE_INFINITY : within;
    }
  }

  #itsTurn({ nowMs }: KillInput): boolean {
    const waitedMs = nowMs - (this.#criticalSinceMs ?? nowMs);
    return waitedMs >= (this.#turn ?? 0) * TURN_SECONDS * 1000;
  }
}

/** What is free inside the heap is filled before the container is: the limit is further away than it seems. */
function hasRoom({
  heldBytes,
  limitBytes,
  freeHeapBytes,
  secondsToLimit,
  risingSeconds,
}: KillInput): boolean {
  const leftBytes = Math.max(1, limitBytes - heldBytes);
  return (secondsToLimit ?? 0) * (1 + freeHeapBytes / leftBytes) > risingSeconds;
}

/** When it has to begin at the latest, in seconds to the limit. */
function lastMoment({ inFlight, endsInSeconds, risingSeconds }: KillInput): number {
  if (inFlight === 0) return MARGIN_SECONDS;
  const { least, unknown, most } = DRAIN_SECONDS;
  const longest = risingSeconds >= SUSTAINED_SECONDS ? most : unknown;
  return Math.min(longest, Math.max(least, endsInSeconds ?? unknown)) + MARGIN_SECONDS;
}

export function isFutile(collections: CollectionState): collections is FutileGc {
  return collections === 'useless' || collections === 'impossible';
}

export function no(code: NoKill['code']): { kill: false; why: NoKill } {
  return { kill: false, why: { code } };
}
