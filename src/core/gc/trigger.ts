import { type Backoff, waitAfter } from '../lib/backoff.ts';
import { FORESEEN_FROM, isForeseen } from '../pressure/access.ts';
import { atLeast } from '../pressure/level.ts';
import type { GcInput, GcReason } from './decision.ts';

/** A pause between two requests is not the end of the load. */
const LOAD_GONE_MS = 1000;
/** Load that comes and goes and leaves no garbage is no reason either: 10, 20, 40 s … 5 min. */
const AGAIN_MS: Backoff = { first: 10_000, longest: 300_000 };

/** What is known of the load that filled the memory. Monotonic milliseconds. */
export interface Load {
  /** Memory was short, and nothing was collected since the load is gone. */
  readonly pressed: boolean;
  readonly goneSinceMs: number | null;
  /** From when on what it left is looked for again, and how many times in a row it found nothing. */
  readonly again: { readonly fromMs: number; readonly inVain: number };
}

export const NO_LOAD: Load = {
  pressed: false,
  goneSinceMs: null,
  again: { fromMs: Number.NEGATIVE_INFINITY, inVain: 0 },
};

/** Why to collect; `afterLoad` when it is for what a load has left. */
export interface Trigger {
  reason: GcReason;
  afterLoad: boolean;
  /** Load goes on, and only a part of it has ended. */
  ofPart?: boolean;
}

/** In calm there is no reason, whatever may be garbage; a kill that is foreseen is no calm. */
export function isShort({ level, ratio, secondsToLimit }: GcInput, warnRatio: number): boolean {
  if (ratio >= warnRatio || atLeast(level, 'shedding')) return true;
  return ratio >= FORESEEN_FROM * warnRatio && isForeseen(secondsToLimit);
}

export function followLoad(load: Load, { loadGone, nowMs }: GcInput, short: boolean): Load {
  return {
    ...load,
    pressed: load.pressed || (short && !loadGone),
    goneSinceMs: loadGone ? (load.goneSinceMs ?? nowMs) : null,
  };
}

/**
 * Why to collect now, as far as memory is concerned; `undefined` where it is not short.
 * @param leftUnderLoad what the last collection left may be that of work that is gone by now
 */
export function triggerOf(
  input: GcInput,
  load: Load,
  warnRatio: number,
  leftUnderLoad: boolean,
): Trigger | undefined {
  const { nowMs, level, ratio, secondsToLimit, forced, outdated } = input;
  if (forced) return { reason: { code: 'request' }, afterLoad: false };
  if (!isShort(input, warnRatio)) return undefined;
  const stands = load.goneSinceMs !== null && nowMs - load.goneSinceMs >= LOAD_GONE_MS;
  const unlike = leftUnderLoad && atLeast(level, 'shedding'); // while shedding
  const ended = stands && load.pressed && (unlike || nowMs >= load.again.fromMs);
  if (ended || outdated) return { reason: { code: 'load_ended' }, afterLoad: true, ofPart: !ended };
  const reason: GcReason =
    isForeseen(secondsToLimit) && ratio < warnRatio
      ? { code: 'limit_foreseen', secondsToLimit: secondsToLimit ?? 0 }
      : { code: 'usage', ratio };
  return { reason, afterLoad: false };
}

/** After a collection for what a load had left. */
export function collectedAfter(load: Load, endedMs: number, good: boolean): Load {
  const inVain = good ? 0 : load.again.inVain + 1;
  const fromMs = endedMs + waitAfter(AGAIN_MS, Math.max(1, inVain));
  return { ...load, pressed: false, again: { fromMs, inVain } };
}
