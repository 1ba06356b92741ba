import { AsyncResource } from 'node:async_hooks';

/**
 * Everything that the hook does runs through here: what it throws stays here, what it waits for keeps no process alive, and none
 * of it happens in an asynchronous context of the agent, whose stores would otherwise live as long as the hook does. What a test
 * replaces later (timers) was taken before.
 */
const { setTimeout: startTimeout, setInterval: startInterval, clearTimeout, clearInterval } = globalThis;
const { hrtime } = process;
/** More tracers than a process has. */
const MOST_WRAPPERS = 10;
/** After what runs now, in the caller's context; what it throws is the agent's. */
export const soon: (work: () => void) => void = globalThis.setImmediate;

const scope = new AsyncResource('SpillwayHook', { requireManualDestroy: true });

/** Calls it, with what becomes of an error. */
export function quietly(work: () => void, failed?: () => void): void {
  try {
    scope.runInAsyncScope(work);
  } catch {
    if (failed) quietly(failed);
  }
}

/** The same for what takes its time. */
export function quietlyAsync(work: () => Promise<void>): void {
  quietly(() => void work().catch(() => {}));
}

export interface Waiting {
  cancel(): void;
}

/** May be called in any context: the timer is in none of the agent's. */
export function later(ms: number, work: () => void): Waiting {
  const timer = scope.runInAsyncScope(() => startTimeout(() => quietly(work), ms).unref());
  return { cancel: () => clearTimeout(timer) };
}

/** The same again and again. */
export function every(ms: number, work: () => void): Waiting {
  const timer = scope.runInAsyncScope(() => startInterval(() => quietly(work), ms).unref());
  return { cancel: () => clearInterval(timer) };
}

/** Monotonic milliseconds. Not by `performance`: to touch it loads a module of 0.9 MiB in every process. */
export function nowMs(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

type Load = (name: string, parent: unknown, isMain: boolean) => unknown;

/**
 * A module of Node itself, loaded when it is needed: by what `require` calls. Tracers wrap `require` and `process.getBuiltinModule`,
 * and would begin to trace what the agent itself may never ask for.
 */
export function builtin<T>(name: 'node:inspector' | 'node:net' | 'node:os'): T {
  const { _load: load } = (module as { constructor?: { _load?: Load } }).constructor ?? {};
  return (load?.(name, module, false) ?? require(name)) as T;
}

/** A function of Node as it was before OpenTelemetry and its like have wrapped it: what the hook does is no part of the agent's traces. */
export function untraced<T extends object>(wrapped: T): T {
  let plain = wrapped as T & { __original?: T };
  for (let at = 0; at < MOST_WRAPPERS && typeof plain.__original === 'function'; at++)
    plain = plain.__original;
  return plain;
}
