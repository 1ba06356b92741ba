import type { PressureEvents } from './pressure.ts';

type Listener<E extends keyof PressureEvents> = PressureEvents[E];

/** Listeners that cannot hurt: what one throws, or rejects with, goes to `onError` and nowhere else. */
export class Listeners {
  readonly #level = new Set<Listener<'level'>>();
  readonly #advice = new Set<Listener<'advice'>>();
  readonly #onError: ((error: unknown) => void) | undefined;

  constructor(onError?: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** `undefined` for an event there is not: a typing error of the caller, and no reason to throw into its work. */
  of<E extends keyof PressureEvents>(event: E): Set<Listener<E>> | undefined {
    const sets: { [K in keyof PressureEvents]: Set<Listener<K>> } = {
      level: this.#level,
      advice: this.#advice,
    };
    return sets[event];
  }

  emit<E extends keyof PressureEvents>(event: E, ...details: Parameters<Listener<E>>): void {
    for (const listener of [...(this.of(event) ?? [])]) {
      try {
        const answer: unknown = (listener as (...all: Parameters<Listener<E>>) => unknown)(...details);
        // an async listener that rejects would otherwise end the process as an unhandled rejection
        if (answer instanceof Promise) answer.catch((error: unknown) => this.complain(error));
      } catch (error) {
        this.complain(error);
      }
    }
  }

  complain(error: unknown): void {
    try {
      this.#onError?.(error);
    } catch {
      // the listener of errors threw itself: nobody is left to report to
    }
  }

  clear(): void {
    this.#level.clear();
    this.#advice.clear();
  }
}
