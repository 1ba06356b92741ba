import type { MemoryMessage } from '../../core/model/hook-messages.ts';
import { quietly } from './quiet.ts';

/** Where the library finds the hook in its process. */
export const HOOK_KEY: unique symbol = Symbol.for('spillway.hook');

/** What the guardian said last. */
export interface Heard {
  /** `undefined` while no guardian is connected. */
  readonly memory: MemoryMessage | undefined;
}

/** What the library `spillway/agent` finds in a process with the hook: level and advice without a connection of its own. */
export interface SharedHook {
  readonly heard: Heard;
  /** Calls it at each change; returns how to end it. What the listener throws is lost. */
  subscribe(listener: (heard: Heard) => void): () => void;
}

/** Makes the hook known in this process, not enumerable. Returns how to tell what was heard; `undefined` where there is one already. */
export function share(): ((heard: Heard) => void) | undefined {
  if (HOOK_KEY in globalThis) return undefined;
  const listeners = new Set<(heard: Heard) => void>();
  let heard: Heard = { memory: undefined };
  const hook: SharedHook = {
    get heard() {
      return heard;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  Object.defineProperty(globalThis, HOOK_KEY, { value: hook });
  return (now) => {
    heard = now;
    for (const listener of listeners) quietly(() => listener(now));
  };
}
