import type { Level } from '../model/status.ts';

/**
 * What the agent does best at a level: `none`, `trim` caches and histories, `refuse` new work, or
 * `save` what must not be lost, because the kernel may kill at any moment.
 */
export type AdviceAction = 'none' | 'trim' | 'refuse' | 'save';

/** Advice for the agent: the event `advice` of `/v1/stream`, and of the library in the agent. */
export interface Advice {
  action: AdviceAction;
  level: Level;
  /** 0…1; `null` while nothing can be read. */
  ratio: number | null;
  /** `null` when the limit is not in sight. */
  secondsToLimit: number | null;
}

/** What is advised at each level. */
export const ADVICE: Readonly<Record<Level, AdviceAction>> = {
  ok: 'none',
  warning: 'trim',
  shedding: 'refuse',
  critical: 'save',
};
