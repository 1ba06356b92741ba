import { atLeast } from '../core/pressure/level.ts';
import { type Heard, HOOK_KEY, type SharedHook } from './hook/shared.ts';
import type { PressureState } from './pressure.ts';

/** The guardian's word, as the hook in this process hears it: no connection is needed for it. */
export interface HookSource {
  /** The hook is connected, and has heard of the memory. */
  readonly speaks: boolean;
  close(): void;
}

/**
 * Follows the hook in this process; `undefined` where there is none.
 * @param hear gets what it says; `undefined` when the guardian is gone
 */
export function followHook(hear: (state: PressureState | undefined) => void): HookSource | undefined {
  const hook = (globalThis as { [HOOK_KEY]?: SharedHook })[HOOK_KEY];
  if (!hook) return undefined;
  const close = hook.subscribe((heard) => hear(stateOf(heard)));
  const first = stateOf(hook.heard);
  if (first) hear(first);
  return {
    get speaks() {
      return hook.heard.memory !== undefined;
    },
    close,
  };
}

function stateOf({ memory }: Heard): PressureState | undefined {
  if (!memory) return undefined;
  const { level, ratio, secondsToLimit, stuck } = memory;
  return { level, ratio, secondsToLimit, stuck: stuck && atLeast(level, 'shedding') };
}
