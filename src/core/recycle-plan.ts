import { atLeast } from './level.ts';
import type { Level } from './status.ts';
import { formatBytes, formatSeconds } from './units.ts';

export type RecycleMode = 'auto' | 'on' | 'off';

/**
 * What collecting garbage can do for the agent now. `pending`: one runs, or is about to be worth it; `useful`: the last
 * one brought memory back; `useless`: it brought nothing; `impossible`: there is no way to collect.
 */
export type CollectionState = 'pending' | 'useful' | 'useless' | 'impossible';

/** How the agent stands at one moment. */
export interface RecycleInput {
  /** Monotonic milliseconds. */
  nowMs: number;
  level: Level;
  /** Bytes that cannot be dropped, of what the nearer limit is about: container or heap. Never page cache. */
  heldBytes: number;
  /** The nearer limit, in bytes. */
  limitBytes: number;
  /** Until that limit at the present growth; `null` when use does not certainly rise. */
  secondsToLimit: number | null;
  /** Below 0 when use certainly falls; `null` when not known. */
  growthBytesPerSecond: number | null;
  collections: CollectionState;
  /** Requests in work; `null` when that cannot be told. */
  inFlight: number | null;
  /** How long a request usually takes, in milliseconds; `null` when not known. */
  typicalWorkMs: number | null;
  /** Whether the agent's main process catches SIGTERM (bit 0x4000 of `SigCgt`) by now. */
  catchesSigterm: boolean;
}

interface Mark {
  atMs: number;
  ratio: number;
}

/** Why it is done, for the event and the record; or why not, in words. */
export type RecycleDecision = { recycle: true; reason: string } | { recycle: false; why: string };

export interface RecyclePlanOptions {
  mode: RecycleMode;
  /** Whether somebody starts the agent again: always so in a pod; in wrap mode only with `--restart`. */
  restarted: boolean;
}

/** An agent younger than this is still starting. */
const MIN_AGE_MS = 10_000;
/** A near limit has to stand for this long before work is interrupted for it: a forecast may be of a single step. */
const RISE_STANDS_MS = { warning: 1500, shedding: 500 };
/** At critical the rise has to go on after it began: a forecast outlives the step it was made from by a second. */
const GOES_ON_MS = 400;
const FRESH_MS = 2500;
const MARK_MS = FRESH_MS / 2;
const NOISE_SHARE = 0.0005;
/**
 * Use has to rise by this share of what the forecast says. That of a young agent that has filled up and rests goes on for some 20 s,
 * until what came after is long enough to say so.
 */
const BELIEVED_SHARE = 0.05;
/** What work in flight needs to end, where nothing was measured, and the longest that is waited for. */
const DRAIN_MS = 3_000;
const MAX_DRAIN_MS = 10_000;
/** For SIGTERM to be heard and the agent to end while it still grows. */
const MARGIN_MS = 1_500;
/** Flat at critical for this long is stuck: with nothing in work nothing can bring it down, what is in work may yet end. */
const STUCK_IDLE_MS = 3_000;
const STUCK_BUSY_MS = 15_000;
/** A fall of less than this share of the limit is noise; one that makes it within this time is waited for. */
const FALL_SHARE = 0.01;
const FALL_MS = 10_000;

/** So many recycles in a row wait only for the agent's least age: one that would be killed ends in any case … */
const FREE = { stuck: 1, kill: 5 };
/** … the next ones for 30 s, 1, 2, 4 … 30 min since the last. */
const FIRST_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 1_800_000;
/** Below shedding for this long without a break, a life is a healthy one, and what was before no longer counts. */
const HEALTHY_MS = 120_000;
/** With reason for another so soon after a recycle, the agent needs more than it has: to end it again changes nothing. */
const SOON_MS = 20_000;

/**
 * When to end the agent in order, so that it is restarted: over all its lives, as the budget is about how often. Two
 * reasons only. It is **stuck**: at critical, flat, and collections bring nothing. Or a **kill** is near that nothing else
 * averts: use still rises and what is in work could not end later. Page cache, a fall, a collection that is worth
 * trying, and an idle agent below critical are none.
 */
export class RecyclePlan {
  readonly #options: RecyclePlanOptions;
  #bornMs = 0;
  #lastMs: number | null = null;
  #inRow = 0;
  /** The present life follows a recycle. */
  #reborn = false;
  #immovable = false;
  #needsMore: { note: string; sinceMs: number } | null = null;
  #largestLimitBytes = 0;
  #healthySinceMs: number | null = null;
  /** The present stretch at critical: its lowest ratio, and since when that stands. */
  #flat: { lowest: number; sinceMs: number } | null = null;
  #nearSinceMs: number | null = null;
  #risesSinceMs: number | null = null;
  /** The last new high of this rise, and when it was. */
  #highest = 0;
  #roseMs = Number.NEGATIVE_INFINITY;
  /** Ratios one to two times `MARK_MS` ago, and since then. */
  #marks: { older: Mark; newer: Mark } | null = null;

  constructor(options: RecyclePlanOptions) {
    this.#options = options;
  }

  /** Another life of the agent begins. */
  born(nowMs: number): void {
    this.#reborn = this.#lastMs !== null && this.#lastMs > this.#bornMs;
    this.#bornMs = nowMs;
    this.#immovable = false;
    this.#healthySinceMs = null;
    this.#flat = null;
    this.#nearSinceMs = null;
    this.#risesSinceMs = null;
    this.#highest = 0;
    this.#marks = null;
  }

  /** It was decided and is being done: counts against the budget. */
  recycled(nowMs: number): void {
    this.#lastMs = nowMs;
    this.#inRow++;
  }

  /** The agent did not end at SIGTERM: it is not asked again in this life. */
  leftAlone(): void {
    this.#immovable = true;
  }

  /** Why recycling was given up, for an event; `null` while it was not. */
  get needsMore(): string | null {
    return this.#needsMore?.note ?? null;
  }

  /** To be asked at each judged reading, except while the agent is being ended. */
  decide(input: RecycleInput): RecycleDecision {
    this.#follow(input);
    const kill = this.#kill(input);
    const reason = kill ?? this.#stuck(input);
    if (reason === undefined) return { recycle: false, why: 'no need' };
    // a kill would end it anyway, and not in order: within the budget it is still better to be first
    const free = kill === undefined ? FREE.stuck : FREE.kill;
    if (this.#inRow >= free && this.#reborn && input.nowMs - this.#bornMs < SOON_MS) this.#giveUp(input);
    const why = this.#barred(input, free);
    return why === undefined ? { recycle: true, reason } : { recycle: false, why };
  }

  /** What has to be known of the time before. */
  #follow({ nowMs, level, heldBytes, limitBytes }: RecycleInput): void {
    if (atLeast(level, 'shedding')) this.#healthySinceMs = null;
    else this.#healthySinceMs ??= nowMs;
    if (this.#healthySinceMs !== null && nowMs - this.#healthySinceMs >= HEALTHY_MS) {
      this.#inRow = 0;
      this.#needsMore = null;
    }
    const raised = limitBytes > this.#largestLimitBytes;
    this.#largestLimitBytes = Math.max(limitBytes, this.#largestLimitBytes);
    if (this.#needsMore && (raised || nowMs - this.#needsMore.sinceMs >= LONGEST_WAIT_MS))
      this.#needsMore = null;

    // the ratio, as container and heap may change places as the nearer limit
    const ratio = heldBytes / limitBytes;
    if (ratio > this.#highest + NOISE_SHARE) {
      this.#highest = ratio;
      this.#roseMs = nowMs;
    } else if (ratio < this.#highest - FALL_SHARE) this.#highest = ratio;
    const mark = { atMs: nowMs, ratio };
    if (!this.#marks) this.#marks = { older: mark, newer: mark };
    else if (nowMs - this.#marks.newer.atMs >= MARK_MS)
      this.#marks = { older: this.#marks.newer, newer: mark };
    const flat = this.#flat;
    if (level !== 'critical') this.#flat = null;
    else if (!flat || ratio < flat.lowest - FALL_SHARE) this.#flat = { lowest: ratio, sinceMs: nowMs };
  }

  /** A kill that nothing else averts, near enough that what is in work could not end later. */
  #kill(input: RecycleInput): string | undefined {
    const { nowMs, level, secondsToLimit, collections, inFlight, typicalWorkMs } = input;
    const drainMs = inFlight === 0 ? 0 : Math.min(MAX_DRAIN_MS, typicalWorkMs ?? DRAIN_MS);
    const near = secondsToLimit !== null && secondsToLimit * 1000 <= drainMs + MARGIN_MS;
    if (!near) this.#nearSinceMs = null;
    else this.#nearSinceMs ??= nowMs;
    if (secondsToLimit === null) this.#risesSinceMs = null;
    else this.#risesSinceMs ??= nowMs;
    const futile = FUTILE[collections];
    if (secondsToLimit === null || futile === undefined) return undefined;
    if (level === 'ok') return undefined;
    const stands =
      level === 'critical'
        ? this.#stillRises(nowMs)
        : since(this.#nearSinceMs, nowMs) >= RISE_STANDS_MS[level];
    if (!stands || !this.#risesAsForecast(input, secondsToLimit)) return undefined;
    return `use still rises and meets the limit in about ${formatSeconds(secondsToLimit)}; ${futile}; ${inWork(inFlight)}`;
  }

  /** Whether what was seen lately is anything like what is foreseen. */
  #risesAsForecast({ nowMs, heldBytes, limitBytes }: RecycleInput, secondsToLimit: number): boolean {
    if (!this.#marks || secondsToLimit <= 0) return true;
    const { atMs, ratio } = this.#marks.older;
    const now = heldBytes / limitBytes;
    const foreseen = ((1 - now) / secondsToLimit) * ((nowMs - atMs) / 1000);
    return now - ratio >= BELIEVED_SHARE * foreseen;
  }

  #stillRises(nowMs: number): boolean {
    return (
      this.#risesSinceMs !== null &&
      this.#roseMs - this.#risesSinceMs >= GOES_ON_MS &&
      nowMs - this.#roseMs <= FRESH_MS
    );
  }

  #stuck(input: RecycleInput): string | undefined {
    const { nowMs, limitBytes, growthBytesPerSecond, collections, inFlight } = input;
    const futile = FUTILE[collections];
    if (!this.#flat || futile === undefined) return undefined;
    if ((growthBytesPerSecond ?? 0) * (FALL_MS / 1000) < -FALL_SHARE * limitBytes) return undefined;
    const flatMs = nowMs - this.#flat.sinceMs;
    if (flatMs < (inFlight === 0 ? STUCK_IDLE_MS : STUCK_BUSY_MS)) return undefined;
    return `stuck at critical: use has not fallen for ${formatSeconds(flatMs / 1000)}; ${futile}; ${inWork(inFlight)}`;
  }

  /** Why not, although there is reason to. */
  #barred({ nowMs, catchesSigterm }: RecycleInput, free: number): string | undefined {
    const { mode, restarted } = this.#options;
    if (mode === 'off') return 'recycling is off';
    if (mode === 'auto' && !restarted) return 'nobody would start it again';
    if (mode === 'auto' && !catchesSigterm) return 'it does not catch SIGTERM, so it would not end in order';
    if (this.#immovable) return 'it did not end at SIGTERM before';
    if (this.#needsMore) return this.#needsMore.note;
    if (nowMs - this.#bornMs < MIN_AGE_MS) return 'it has only just started';
    if (this.#lastMs === null || this.#inRow < free) return undefined;
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#inRow - free));
    const leftMs = this.#lastMs + waitMs - nowMs;
    return leftMs > 0
      ? `recycled lately; again in ${formatSeconds(leftMs / 1000)} at the earliest`
      : undefined;
  }

  #giveUp({ nowMs, limitBytes, heldBytes }: RecycleInput): void {
    const ageSeconds = (nowMs - this.#bornMs) / 1000;
    this.#needsMore ??= {
      note: `${formatSeconds(ageSeconds)} after it was recycled, it holds ${formatBytes(heldBytes)} of ${formatBytes(limitBytes)} again: it needs more memory than it has; raise its limit`,
      sinceMs: nowMs,
    };
  }
}

function since(startMs: number | null, nowMs: number): number {
  return startMs === null ? Number.NEGATIVE_INFINITY : nowMs - startMs;
}

/** Why collecting averts nothing, in words; `undefined` where it may. */
const FUTILE: Readonly<Record<CollectionState, string | undefined>> = {
  pending: undefined,
  useful: undefined,
  useless: 'collections bring nothing back',
  impossible: 'it cannot be collected',
};

function inWork(inFlight: number | null): string {
  if (inFlight === null) return 'what is in work cannot be told';
  return inFlight === 0 ? 'nothing is in work' : `${inFlight} in work`;
}
