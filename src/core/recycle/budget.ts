import { type Backoff, waitAfter } from '../lib/backoff.ts';

/** An agent younger than this is still starting. */
const MIN_AGE_MS = 10_000;
/** So many recycles in a row wait only for the agent's least age: each was of an agent that would have been killed … */
const FREE_IN_ROW = 5;
/** … the next ones for 30 s, 1, 2, 4 … 30 min since the last. */
const WAIT_MS: Backoff = { first: 30_000, longest: 1_800_000 };
/** Below shedding for this long without a break, a life is a healthy one, and what was before no longer counts. */
const HEALTHY_MS = 120_000;
/** With reason for another so soon after a recycle, the agent needs more than it has: to end it again changes nothing. */
const SOON_MS = 20_000;
/** kubelet starts a container again after 0, 10, 20, 40 … 300 s (CrashLoopBackOff), until it has run for 10 min. */
const KUBELET_SECONDS: Backoff = { first: 10, longest: 300 };
const KUBELET_FORGETS_MS = 600_000;

/** Use against the nearer limit at one moment, in bytes. */
export interface UseAt {
  nowMs: number;
  heldBytes: number;
  limitBytes: number;
}

/** Soon after a recycle the agent holds as much again: it needs more memory than its limit. */
export interface NeedsMore {
  code: 'needs_more';
  ageSeconds: number;
  heldBytes: number;
  limitBytes: number;
}

/** Why there is no recycle now. */
export type Spent = NeedsMore | { code: 'just_started' } | { code: 'recycled_recently'; leftMs: number };

/** How often an agent may be recycled, over all its restarts. */
export class RecycleBudget {
  #bornMs = 0;
  /** When SIGTERM was last sent. */
  #lastMs: number | null = null;
  #inRow = 0;
  /** The present life follows a recycle. */
  #reborn = false;
  #needsMore: { found: NeedsMore; sinceMs: number } | null = null;
  #largestLimitBytes = 0;
  #healthySinceMs: number | null = null;
  /** Lives that ended, however, before kubelet forgot the one before. */
  #ends = 0;
  #lives = 0;

  /** Another life of the agent begins. */
  born(nowMs: number): void {
    this.#reborn = this.#lastMs !== null && this.#lastMs > this.#bornMs;
    if (this.#lives++ > 0) this.#ends = nowMs - this.#bornMs >= KUBELET_FORGETS_MS ? 1 : this.#ends + 1;
    this.#bornMs = nowMs;
    this.#healthySinceMs = null;
  }

  /** SIGTERM was sent. */
  spent(nowMs: number): void {
    this.#lastMs = nowMs;
    this.#inRow++;
  }

  /** Why recycling was given up; `null` while it was not. */
  get needsMore(): NeedsMore | null {
    return this.#needsMore?.found ?? null;
  }

  /** How long kubelet may wait before it starts the agent again if it ends now, in seconds. */
  kubeletWaitSeconds(nowMs: number): number {
    return waitAfter(KUBELET_SECONDS, nowMs - this.#bornMs >= KUBELET_FORGETS_MS ? 0 : this.#ends);
  }

  /** Until kubelet would start it again without a wait, if it runs on, in seconds. */
  kubeletForgetsSeconds(nowMs: number): number {
    return Math.max(0, this.#bornMs + KUBELET_FORGETS_MS - nowMs) / 1000;
  }

  /** At each judged reading. @param shedding whether it is shedding or worse */
  follow({ nowMs, limitBytes }: UseAt, shedding: boolean): void {
    this.#healthySinceMs = shedding ? null : (this.#healthySinceMs ?? nowMs);
    if (this.#healthySinceMs !== null && nowMs - this.#healthySinceMs >= HEALTHY_MS) {
      this.#inRow = 0;
      this.#needsMore = null;
    }
    const raised = limitBytes > this.#largestLimitBytes;
    this.#largestLimitBytes = Math.max(limitBytes, this.#largestLimitBytes);
    if (this.#needsMore && (raised || nowMs - this.#needsMore.sinceMs >= WAIT_MS.longest))
      this.#needsMore = null;
  }

  /** Why the agent may not be ended now although it is going to be killed; `undefined` where it may. */
  barred(use: UseAt): Spent | undefined {
    const ageMs = use.nowMs - this.#bornMs;
    const spent = this.#inRow >= FREE_IN_ROW;
    if (spent && this.#reborn && ageMs < SOON_MS) this.#giveUp(use);
    if (this.#needsMore) return this.#needsMore.found;
    if (ageMs < MIN_AGE_MS) return { code: 'just_started' };
    if (this.#lastMs === null || !spent) return undefined;
    const waitMs = waitAfter(WAIT_MS, this.#inRow - FREE_IN_ROW + 1);
    const leftMs = this.#lastMs + waitMs - use.nowMs;
    return leftMs > 0 ? { code: 'recycled_recently', leftMs } : undefined;
  }

  #giveUp({ nowMs, limitBytes, heldBytes }: UseAt): void {
    const ageSeconds = (nowMs - this.#bornMs) / 1000;
    this.#needsMore ??= { found: { code: 'needs_more', ageSeconds, heldBytes, limitBytes }, sinceMs: nowMs };
  }
}
