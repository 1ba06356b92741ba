import type { Clock } from '../core/ports/ports.ts';

/** The result; `undefined` when it fails or takes longer. */
export function within<T>(clock: Clock, ms: number, work: Promise<T> | undefined): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(() => resolve(undefined), ms);
    const done = (result?: T) => {
      timer.cancel();
      resolve(result);
    };
    Promise.resolve(work).then(done, () => done());
  });
}

export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, ms));
}
