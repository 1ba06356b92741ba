import type { Level } from '../core/model/status.ts';
import type { Advice } from '../core/pressure/advice.ts';

/** What {@link Pressure.on} tells, and with what. */
export interface PressureEvents {
  /** The level is another one. */
  level: (level: Level, previous: Level) => void;
  /** Something else is to be done from here on; `none` when it is over. */
  advice: (advice: Advice) => void;
}

/** Memory pressure on this process, always at hand. Nothing here throws, logs, or keeps the process alive. */
export interface Pressure {
  /** `ok`, `warning`, `shedding` or `critical`; `ok` while nothing can be read. */
  readonly level: Level;
  /** Unreclaimable memory as a share of the limit, 0…1; `null` while nothing can be read. */
  readonly ratio: number | null;
  /** Seconds until the limit is reached if memory goes on growing as it does; `null` when it does not. */
  readonly secondsToLimit: number | null;
  /** Who says so: the sidecar, or the process's own readings while there is no sidecar that can read. */
  readonly source: 'sidecar' | 'own';
  /**
   * Whether to take in one more piece of work: always below the shed ratio, never at critical, a falling share in between.
   * @param weight how heavy the work is, above 0 and at most 1000; its share is the ordinary share to this power. Default
   *   1, which also stands in for anything else.
   */
  accept(weight?: number): boolean;
  /** Calls `listener` on each change from here on; a listener added twice is called once. */
  on<E extends keyof PressureEvents>(event: E, listener: PressureEvents[E]): this;
  off<E extends keyof PressureEvents>(event: E, listener: PressureEvents[E]): this;
  /** Ends it: listeners are forgotten, the level reads `ok`, everything is accepted. */
  close(): void;
}

/** What is known at one moment, from either source. */
export interface PressureState {
  readonly level: Level;
  readonly ratio: number | null;
  readonly secondsToLimit: number | null;
  /** Refusing has gained nothing for the longest un-ready time. */
  readonly stuck: boolean;
}

export const UNKNOWN: PressureState = { level: 'ok', ratio: null, secondsToLimit: null, stuck: false };
