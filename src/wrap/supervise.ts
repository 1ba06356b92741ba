import type { RestartPolicy } from '../core/recycle/restart-policy.ts';
import { type Child, type ChildExit, PASSED_SIGNALS, type SignalSource } from './child.ts';
import { readProcess } from './processes.ts';

export interface SuperviseOptions {
  policy: Pick<RestartPolicy, 'next'>;
  signals: SignalSource;
  /** Starts one life; what it throws ends the supervision. */
  start(): Promise<Child>;
  /** Called when a signal comes in that ends the command for good. */
  ending(signal: NodeJS.Signals): void;
  /** Whether the guardian had asked for the end that has just come. */
  recycled(): boolean;
  /** Called when it is to be restarted after so many milliseconds. What one life left running is to be ended here. */
  between(exit: ChildExit, waitMs: number): Promise<void>;
  /** 0…1. */
  chance(): number;
}

/** What ends the command for good, whether it runs, has just ended, or is waited for. */
const ENDING = new Set<NodeJS.Signals>(['SIGTERM', 'SIGINT', 'SIGQUIT']);

/**
 * Starts the command, and again after each end as long as the policy says so. Signals reach the command as always; after
 * SIGTERM, SIGINT or SIGQUIT it is not restarted, nor after the SIGHUP of a terminal that is gone (without a terminal
 * SIGHUP is for the command alone: many reload at it). Between two lives no signal ends the guardian midway.
 * @returns how the last life ended
 */
export async function supervise(options: SuperviseOptions): Promise<ChildExit> {
  const { policy, signals } = options;
  const atTerminal = (readProcess('self')?.foregroundGroup ?? -1) >= 0;
  const stop = new AbortController();
  const listeners = PASSED_SIGNALS.map((name) => {
    const ending = ENDING.has(name) || (name === 'SIGHUP' && atTerminal);
    const end = () => {
      options.ending(name);
      stop.abort();
    };
    return [name, () => ending && end()] as const;
  });
  for (const [name, listener] of listeners) signals.on(name, listener);
  try {
    for (;;) {
      const startMs = performance.now();
      const { exited } = await options.start();
      const exit = await exited;
      const recycled = options.recycled();
      const livedMs = performance.now() - startMs;
      const waitMs = policy.next({ status: exit.status, livedMs, recycled }, options.chance());
      if (waitMs === null || stop.signal.aborted) return exit;
      await options.between(exit, waitMs);
      await sleepUnless(stop.signal, waitMs);
      if (stop.signal.aborted) return exit;
    }
  } finally {
    for (const [name, listener] of listeners) signals.off(name, listener);
  }
}

function sleepUnless(signal: AbortSignal, ms: number): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
