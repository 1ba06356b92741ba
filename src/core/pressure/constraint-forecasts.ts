import { GrowthTracker } from '../forecast/growth-tracker.ts';
import type { Constraint } from '../model/constraint.ts';

/** How use moves towards a constraint's limit, in its own unit. */
export interface ConstraintForecast {
  /** 0 where no trend differs from chance; `null` with too little to judge by. */
  growthPerSecond: number | null;
  secondsToLimit: number | null;
}

/** What is said of a constraint that is not followed for long enough. */
export const NO_FORECAST: ConstraintForecast = { growthPerSecond: null, secondsToLimit: null };

/** What the tracker takes for noise is a share of the limit, or a MiB: whatever its unit, a limit counts as so many bytes. */
const SCALE = 1024 ** 3;

/** Follows constraints beside the agent's memory, each by its name. */
export class ConstraintForecasts {
  #trackers = new Map<string, GrowthTracker>();
  #forecasts = new Map<string, ConstraintForecast>();

  /** One sample of each; what is absent now is forgotten. */
  add(constraints: readonly Constraint[], nowMs: number): void {
    if (constraints.length === 0 && this.#trackers.size === 0) return;
    const before = this.#trackers;
    this.#trackers = new Map();
    for (const { name, used, limit } of constraints) {
      const tracker = before.get(name) ?? new GrowthTracker();
      this.#trackers.set(name, tracker);
      if (limit > 0) tracker.add(nowMs, (used / limit) * SCALE, SCALE);
    }
  }

  assess(constraints: readonly Constraint[], nowMs: number): void {
    if (constraints.length === 0 && this.#forecasts.size === 0) return;
    this.#forecasts = new Map();
    for (const { name, limit } of constraints) {
      const { growthBytesPerSecond: growth, secondsToLimit } = this.#trackers.get(name)?.assess(nowMs) ?? {};
      const growthPerSecond = growth === null || growth === undefined ? null : (growth / SCALE) * limit;
      this.#forecasts.set(name, { growthPerSecond, secondsToLimit: secondsToLimit ?? null });
    }
  }

  of(name: string): ConstraintForecast {
    return this.#forecasts.get(name) ?? NO_FORECAST;
  }

  reset(): void {
    this.#trackers.clear();
    this.#forecasts.clear();
  }
}
