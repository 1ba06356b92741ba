import { isMostlyLive } from '../gc/heap-confirm.ts';
import type { Level } from '../model/status.ts';
import { gateLine } from '../pressure/gate/memory-room.ts';
import { atLeast, type Thresholds, withoutHold } from '../pressure/level.ts';
import { isFutile, type KillInput, type KillVerdict, type NoKill, no } from './foreseen-kill.ts';
import type { LastingGrowth } from './kept-growth.ts';

/** Nothing is in flight when that was seen for so long: while un-ready nothing new comes … */
const DRAINED_MS = 500;
/** … and a gap between two requests is no lull. */
const LULL_MS = 1_000;
/** Requests that have waited for so long wait for memory that will not come back. */
const HELD_MS = 1_000;
/** At critical, an agent that cannot serve what waits for so long serves nothing: whether it grows or not. For longer than one request waits there: some that came at once and are refused prove nothing. */
const STALLED_MS = 3_500;
/** In a lull, growth without a pause so far is believed if it has gone on for so long, and would reach the limit within … */
const LONG_SECONDS = 60;
/** … so many seconds of work; else, when the next stretch of work would reach the limit. */
const AHEAD_SECONDS = 30;
/** A restart that the kubelet delays for longer than this waits until there is less to lose. */
const SHORT_WAIT_SECONDS = 10;
/** What a collection frees in a drained agent has to last for so long: to be drained again takes seconds, too. */
const LASTS_SECONDS = 10;
/** GC has to free nothing for so long while the agent serves. */
const FUTILE_MS = 1_000;

export interface MomentInput
  extends Pick<
    KillInput,
    'nowMs' | 'level' | 'heldBytes' | 'limitBytes' | 'collections' | 'inFlight' | 'spared'
  > {
  /** New work is admitted. */
  ready: boolean;
  /** Requests that wait for memory; `null` where no gate is before the agent. */
  waiting: number | null;
  /** The nearer limit is that of the runtime's heap. */
  heapLimited: boolean;
  /** Of that limit, what the last collection has left in use, 0…1; `null` where there was none lately. */
  leftRatio: number | null;
  /** `null` where growth does not last. */
  growth: LastingGrowth | null;
  /** How long the kubelet would delay the restart, and until it would no longer, in seconds. */
  kubelet: { waitSeconds: number; forgetsSeconds: number };
}

/**
 * Whether now is the moment to end an agent that grows on, as that costs nothing: nothing is in flight, and its growth will
 * go on when work does. Un-ready and drained, it would be made ready again only to fill up; with requests that wait for memory at its
 * gate, it serves less and less; in a lull, it would be full in the
 * midst of the next work. An agent that rests although there is work is not ended.
 */
export class CostlessMoment {
  readonly #thresholds: Thresholds;
  readonly #turn: number;
  /** Work was seen in flight: then the rest of the growth may be that of the work. */
  #worked = false;
  #quietSinceMs: number | null = null;
  /** Since when requests wait. */
  #heldSinceMs: number | null = null;
  /** It was seen at critical with requests that waited in front of its gate, and it is there still. */
  #stalled = false;
  #futileSinceMs: number | null = null;

  /** @param turn 0…1, this replica's turn among those that fill alike: the later, the fuller it gets before */
  constructor(thresholds: Thresholds, turn: number | null) {
    this.#thresholds = thresholds;
    this.#turn = turn ?? 0;
  }

  /** Another life of the agent begins. */
  born(): void {
    this.#worked = false;
    this.#quietSinceMs = null;
    this.#heldSinceMs = null;
    this.#stalled = false;
    this.#futileSinceMs = null;
  }

  /** @param begun the agent is being drained for it already */
  judge(input: MomentInput, begun: boolean): KillVerdict {
    const { nowMs, collections, inFlight, growth } = input;
    this.#follow(input);
    const level = withoutHold(input.level, input.heldBytes / input.limitBytes, this.#thresholds);
    if (input.spared) return no('other_victim');
    // it is drained already: what a collection frees has to last, or the next work fills it up at once
    const isFullSoon = begun && growth !== null && growth.secondsToLimit < LASTS_SECONDS;
    const freesTooLittle = collections === 'useful' && isFullSoon;
    if (collections === 'useful' && !freesTooLittle) return no('gc_frees');
    if (this.#stalls(input, level, begun) && isFutile(collections))
      return {
        kill: true,
        reason: { secondsToLimit: 0, grownSeconds: null, collections, inFlight, stalled: true },
      };
    if (!growth || !atLeast(level, 'warning')) return no('not_rising');
    const why = begun ? undefined : this.#mayNot(input, growth, level);
    if (why) return no(why);
    const futileMs = nowMs - (this.#futileSinceMs ?? nowMs);
    const unknown = !begun && this.#mayBeGarbage(input);
    const futile = freesTooLittle ? 'useless' : collections;
    if (unknown || !isFutile(futile) || futileMs < (begun || !input.ready ? 0 : FUTILE_MS))
      return { ...no('gc_may_free'), open: true };
    const { secondsToLimit, grownSeconds } = growth;
    return { kill: true, reason: { secondsToLimit, collections: futile, inFlight, grownSeconds } };
  }

  /** Why this is not the moment. */
  #mayNot(input: MomentInput, growth: LastingGrowth, level: Level): NoKill['code'] | undefined {
    const { nowMs, ready, waiting, heapLimited, heldBytes, limitBytes, kubelet } = input;
    const { warnRatio, shedRatio } = this.#thresholds;
    const { secondsToLimit, grownSeconds, stretchBytes } = growth;
    // of a heap, what a collection has left is live; the rest may be garbage
    const live = (heapLimited ? input.leftRatio : null) ?? heldBytes / limitBytes;
    const gated = waiting !== null && live >= gateLine(shedRatio);
    const drained = (!ready && atLeast(level, 'shedding')) || (gated && this.#servesLess(input));
    if (!this.#worked) return 'work_unseen';
    // garbage has filled it up since
    const emptied = (input.leftRatio ?? 1) < warnRatio;
    if (emptied && (heapLimited || (ready && gated))) return 'limit_not_near';
    const quietMs = nowMs - (this.#quietSinceMs ?? nowMs);
    // behind a gate that closes nothing new starts, and what is in flight ends soon
    const closes = drained && waiting !== null;
    if (!closes && quietMs < (drained ? DRAINED_MS : LULL_MS)) return 'work_in_flight';
    // at critical nothing is left to be served before
    const long = kubelet.waitSeconds > SHORT_WAIT_SECONDS || kubelet.forgetsSeconds < secondsToLimit;
    if (kubelet.waitSeconds > 0 && long && level !== 'critical') return 'kubelet_delays';
    if (drained) return undefined;
    const near =
      stretchBytes === null
        ? grownSeconds >= LONG_SECONDS && secondsToLimit <= AHEAD_SECONDS
        : limitBytes - heldBytes <= stretchBytes;
    if (!near) return 'limit_not_near';
    const fromRatio = warnRatio + this.#turn * (shedRatio - warnRatio);
    return heldBytes < fromRatio * limitBytes ? 'not_its_turn' : undefined;
  }

  /** Nobody has collected lately but V8 itself, for which its heap is not full yet. */
  #mayBeGarbage({ heapLimited, leftRatio, heldBytes: usedBytes, limitBytes }: MomentInput): boolean {
    const { warnRatio } = this.#thresholds;
    return heapLimited && leftRatio === null && !isMostlyLive({ usedBytes, limitBytes }, warnRatio);
  }

  /** Requests wait for memory; or V8, which takes the longer for each the fuller its heap is, is about to make them wait. */
  #servesLess({ nowMs, heapLimited }: MomentInput): boolean {
    return heapLimited || nowMs - (this.#heldSinceMs ?? nowMs) >= HELD_MS;
  }

  /** Requests wait at critical, and nothing is in flight whose end could make room for them: until something is served again. */
  #stalls({ nowMs, inFlight }: MomentInput, level: Level, begun: boolean): boolean {
    const heldMs = nowMs - (this.#heldSinceMs ?? nowMs);
    const quietMs = nowMs - (this.#quietSinceMs ?? nowMs);
    if (level !== 'critical' || (inFlight !== 0 && !begun)) this.#stalled = false;
    else if (heldMs >= STALLED_MS && quietMs >= LULL_MS) this.#stalled = true;
    return this.#stalled;
  }

  #follow({ nowMs, inFlight, waiting, collections }: MomentInput): void {
    this.#heldSinceMs = waiting ? (this.#heldSinceMs ?? nowMs) : null;
    this.#quietSinceMs = inFlight === 0 ? (this.#quietSinceMs ?? nowMs) : null;
    if (inFlight) this.#worked = true;
    this.#futileSinceMs = isFutile(collections) ? (this.#futileSinceMs ?? nowMs) : null;
  }
}
