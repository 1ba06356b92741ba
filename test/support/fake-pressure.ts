import type { Pressure } from '../../src/agent/index.ts';

/** A pressure with the ratio that a test sets. */
export function fakePressure(ratio: number | null): Pressure & { ratio: number | null } {
  return {
    ratio,
    level: 'ok',
    secondsToLimit: null,
    source: 'own',
    accept: () => true,
    on() {
      return this;
    },
    off() {
      return this;
    },
    close() {
      this.ratio = null;
    },
  };
}
